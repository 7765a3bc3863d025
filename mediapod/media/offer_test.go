// SPDX-License-Identifier: Apache-2.0

package media

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/audio/opus"
)

// What Chromium offers for a microphone, shortened to what matters.
const browserOffer = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS s\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:Yf8o\r\na=ice-pwd:7Yh1pDdYgEEAWPxmWrPLGbHY\r\na=ice-options:trickle\r\n" +
	"a=fingerprint:sha-256 0F:74:31:25:CB:A2:13:EC:28:6F:6D:2C:61:FF:5D:C2:BC:B9:DB:3D:98:14:8D:1A:BB:EA:33:0C:A4:60:A8:8E\r\na=setup:actpass\r\na=mid:0\r\n" +
	"a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv\r\na=msid:s t\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n" +
	"a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\na=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\n" +
	"a=ssrc:2231627014 cname:4TOk42mSjXCkVIa6\r\na=ssrc:2231627014 msid:s t\r\n"

func TestAudioFormats(t *testing.T) {
	tests := map[string]struct {
		sdp      string
		want     []string
		types    []uint8
		sections int
	}{
		"a browser":               {browserOffer, []string{"G722", "PCMU", "PCMA"}, []uint8{9, 0, 8}, 1},
		"static types, no rtpmap": {"v=0\nm=audio 9 RTP/SAVPF 8 0 96\n", []string{"PCMA", "PCMU"}, []uint8{8, 0}, 1},
		"any case":                {"m=audio 9 RTP/SAVPF 96\r\na=rtpmap:96 pcmu/8000\r\n", []string{"PCMU"}, []uint8{96}, 1},
		"one channel, said so":    {"m=audio 9 RTP/SAVPF 96\r\na=rtpmap:96 PCMU/8000/1\r\n", []string{"PCMU"}, []uint8{96}, 1},
		"stereo":                  {"m=audio 9 RTP/SAVPF 96\r\na=rtpmap:96 PCMU/8000/2\r\n", nil, nil, 1},
		"another clock":           {"m=audio 9 RTP/SAVPF 96\r\na=rtpmap:96 G722/16000\r\n", nil, nil, 1},
		"a static type renamed":   {"m=audio 9 RTP/SAVPF 0\r\na=rtpmap:0 opus/48000/2\r\n", nil, nil, 1},
		"turned off":              {"m=audio 0 RTP/SAVPF 0\r\n", nil, nil, 0},
		"video":                   {"m=video 9 RTP/SAVPF 0\r\na=rtpmap:0 PCMU/8000\r\n", nil, nil, 0},
		"two":                     {"m=audio 9 RTP/SAVPF 0\r\nm=audio 9 RTP/SAVPF 8\r\n", []string{"PCMU", "PCMA"}, []uint8{0, 8}, 2},
		"types out of range":      {"m=audio 9 RTP/SAVPF 128 256 -1 x\r\n", nil, nil, 1},
		"nothing":                 {"", nil, nil, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			all, err := read(tc.sdp, codec.Supported())
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			var types []uint8
			sections := 0
			for _, s := range all {
				if s.kind != kindAudio {
					continue
				}
				sections++
				for _, f := range s.formats {
					names, types = append(names, f.Name), append(types, f.payloadType)
				}
			}
			if diff := cmp.Diff(tc.want, names) + cmp.Diff(tc.types, types); diff != "" || sections != tc.sections {
				t.Errorf("%d sections, want %d; formats (-want +got):\n%s", sections, tc.sections, diff)
			}
		})
	}
	if _, err := read("v=0\r\nhello\r\n", nil); err == nil {
		t.Error("a line without a type is taken")
	}
}

func TestABrowserIsAnswered(t *testing.T) {
	u := serve(t)
	url, token := newCall(t, u, CallOptions{ID: "browser"}).Endpoint()
	resp, answer := u.request(t, http.MethodPost, url, browserOffer, bearer(token))
	want := "m=audio 9 UDP/TLS/RTP/SAVPF 9 0 8 126 110\r\n"
	if _, err := opus.Default(); err == nil {
		want = "m=audio 9 UDP/TLS/RTP/SAVPF 111 9 0 8 126 110\r\n"
		if !strings.Contains(answer, "a=fmtp:111 "+codec.Opus.Fmtp+"\r\n") {
			t.Errorf("Opus is not asked for as wideband mono: %s", answer)
		}
	}
	if resp.StatusCode != http.StatusCreated || !strings.Contains(answer, want) {
		t.Errorf("%s: %s", resp.Status, answer)
	}
}

// FuzzOffer posts anything at all as an offer, and as a fragment to the session of
// an offer that was taken.
func FuzzOffer(f *testing.F) {
	e, err := New(Config{
		BindAddr:       netip.MustParseAddr("127.0.0.1"),
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil },
		Log:            logr.Discard(),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(e.close)
	call, err := e.NewCall(CallOptions{ID: "fuzz", Behavior: Behavior{Echo: true}})
	if err != nil {
		f.Fatal(err)
	}
	do := func(method, path, kind, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+call.token)
		r.Header.Set("Content-Type", kind)
		r.Header.Set("If-Match", "*")
		w := httptest.NewRecorder()
		e.serveHTTP(w, r)
		return w
	}

	f.Add(browserOffer, "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n")
	f.Add(withVideo(strings.ReplaceAll(browserOffer, "SAVPF 111 63 9 0 8 13 110 126", "SAVPF 0")), "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n")
	f.Add(strings.Replace(browserOffer, "a=mid:0", "a=mid:", 1), "a=ice-ufrag:abcd")
	f.Add(browserOffer+"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\na=sctp-port:5000\r\n", "")
	f.Add(strings.Replace(browserOffer, "a=setup:actpass", "a=setup:active\r\na=ice-lite", 1), "m=")
	f.Add("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", "=")
	f.Add("m=audio 9", "a=")
	f.Fuzz(func(t *testing.T, offer, fragment string) {
		begin := time.Now()
		defer func() {
			if d := time.Since(begin); d > 3*time.Second {
				t.Errorf("it took %v", d)
			}
		}()
		posted := do(http.MethodPost, "/whip/fuzz", typeSDP, offer)
		switch posted.Code {
		case http.StatusCreated:
			location := posted.Header().Get("Location")
			if p := do(http.MethodPatch, location, typeFragment, fragment); p.Code >= 500 {
				t.Errorf("PATCH: %d: %s", p.Code, p.Body)
			}
			if d := do(http.MethodDelete, location, "", ""); d.Code != http.StatusOK {
				t.Errorf("DELETE: %d: %s", d.Code, d.Body)
			}
		case http.StatusBadRequest, http.StatusNotAcceptable, http.StatusRequestEntityTooLarge:
		default:
			t.Errorf("POST: %d: %s", posted.Code, posted.Body)
		}
		if call.State() == StateConnected {
			t.Error("connected to nobody")
		}
	})
}
