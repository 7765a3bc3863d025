// SPDX-License-Identifier: Apache-2.0

package media

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/audio/measure"
)

// overTCP has a far side use no UDP: its firewall lets none out.
func overTCP(s *webrtc.SettingEngine) {
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4})
}

func TestAFarSideWithoutUDPIsHeardOverTCP(t *testing.T) {
	t.Parallel()
	u := serve(t)
	call := newCall(t, u, CallOptions{ID: "tcp", Behavior: Behavior{Echo: true}})
	f := newFarSideWith(t, u, overTCP, codec.G722).call(call)
	eventually(t, 5*time.Second, "connected", func() bool { return call.State() == StateConnected })
	pair, err := f.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
	if err != nil || pair.Remote.Protocol != webrtc.ICEProtocolTCP || pair.Remote.Port != u.Addr().Port() {
		t.Fatalf("the pair is %v, %v; want TCP on port %d", pair, err, u.Addr().Port())
	}
	spoken := recordingOf(t, "prompt.wav")
	f.speak(spoken)
	eventually(t, 10*time.Second, "all echoed", func() bool { return f.count() >= len(spoken)/audio.FrameSamples })
	r, err := measure.Compare(spoken, f.heard(), audio.SampleRate)
	if err != nil || r.Correlation < 0.95 || r.LongestGap > 20*time.Millisecond {
		t.Errorf("heard %+v, %v", r, err)
	}
	// WHIP goes on beside it, on the same port.
	if resp, body := u.request(t, "DELETE", f.location, "", bearer(f.token)); resp.StatusCode != http.StatusOK {
		t.Errorf("DELETE: %s: %s", resp.Status, body)
	}
	eventually(t, 5*time.Second, "the call over", func() bool { return call.State() == StateLost })
}

// The address that is announced is the public one, for TCP as for UDP. Whose offer has candidates, and none of TCP, needs none.
func TestTCPIsOfferedToThoseWhoMayNeedIt(t *testing.T) {
	const public = "203.0.113.9"
	tcp := "a=candidate:1 1 tcp 1518280447 198.51.100.7 9 typ host tcptype active\r\n"
	udp := "a=candidate:2 1 udp 2130706431 198.51.100.7 40000 typ host\r\n"
	for name, tc := range map[string]struct {
		candidates string
		want       bool
	}{
		"none yet":      {"", true},
		"of both kinds": {udp + tcp, true},
		"of UDP":        {udp, false},
	} {
		t.Run(name, func(t *testing.T) {
			u := serve(t, func(c *Config) { c.PublicIP = netip.MustParseAddr(public) })
			url, token := newCall(t, u, CallOptions{ID: "tcp"}).Endpoint()
			url = strings.Replace(url, public, "127.0.0.1", 1)
			resp, answer := u.request(t, "POST", url, browserOffer+tc.candidates, bearer(token))
			if resp.StatusCode != http.StatusCreated {
				t.Fatalf("%s: %s", resp.Status, answer)
			}
			port := strconv.Itoa(int(u.Addr().Port()))
			if got := strings.Contains(answer, " "+public+" "+port+" typ host tcptype passive"); got != tc.want {
				t.Errorf("a candidate of TCP: %v, want %v:\n%s", got, tc.want, answer)
			}
			if !strings.Contains(answer, " udp ") || strings.Contains(answer, "127.0.0.1 "+port) {
				t.Errorf("the candidates are not those of UDP at the public address:\n%s", answer)
			}
		})
	}
}

// Strangers on the TCP port: none of them keeps others from it, or is kept for long.
func TestStrangersOnTheTCPPort(t *testing.T) {
	t.Parallel()
	u, stalls := serve(t), watchStalls(t)
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", u.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	silent := dial()
	strangers := map[string]net.Conn{}
	for name, says := range map[string]string{
		"HTTP in the clear":  "GET / HTTP/1.1\r\n\r\n",
		"a length and chaff": "\x00\x04abcd",
		"a check for nobody": "\x00\x20\x00\x01\x00\x0c\x21\x12\xa4\x42abcdefghijkl\x00\x06\x00\x07abc:def\x00",
	} {
		strangers[name] = dial()
		if _, err := strangers[name].Write([]byte(says)); err != nil {
			t.Fatal(err)
		}
	}
	// Meanwhile a far side comes, by TLS and by TCP.
	call := newCall(t, u, CallOptions{ID: "tcp"})
	newFarSideWith(t, u, overTCP, codec.G722).call(call)
	eventually(t, 5*time.Second, "connected", func() bool { return call.State() == StateConnected })
	strangers["one who says nothing"] = silent
	for name, conn := range strangers {
		_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		if n, err := conn.Read(make([]byte, 100)); err == nil {
			t.Errorf("%s: is answered with %d bytes", name, n)
		} else if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
			t.Errorf("%s: is kept", name)
		}
	}
	if _, err := tls.Dial("tcp", u.Addr().String(), &tls.Config{RootCAs: u.roots.Load(), ServerName: "127.0.0.1"}); err != nil {
		t.Errorf("TLS after it: %v", err)
	}
	silent = dial() // and one who is there at the end does not hold it up
	began, stood := time.Now(), stalls.total()
	u.stop()
	if took := time.Since(began); took > firstByteWithin-time.Second+stalls.total()-stood {
		t.Errorf("stopping took %v", took)
	}
}
