// SPDX-License-Identifier: Apache-2.0

package teamsim_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/pion/ice/v4"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// bot is a small calling bot: a callback that records, and a WHIP endpoint that echoes.
type bot struct {
	t      *testing.T
	sim    *sim
	server *httptest.Server

	Codec  string // the only codec the answer takes; G722 when empty
	Listen bool   // do not echo
	Mute   bool   // accept the offer, then never do ICE
	Keypad bool   // take telephone events

	mu       sync.Mutex
	got      []note
	respond  func(n note) int // status for a notification, 202 when nil
	redirect string
	peers    []*webrtc.PeerConnection
	sockets  []net.PacketConn
	stopping bool
	deletes  int
	levels   int // packets with an audio level extension
	events   []*rtp.Packet
}

// note is a notification as the bot got it.
type note struct {
	ChangeType string
	Resource   string
	Call       map[string]any // nil for a roster
	Roster     []map[string]any
	Claims     jwt.MapClaims // nil when the token did not verify
	TokenError error
	Header     http.Header
	Raw        []byte
}

const whipToken = "whip-token"

func newBot(t *testing.T, s *sim) *bot {
	t.Helper()
	b := &bot{t: t, sim: s}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /callback", b.callback)
	mux.HandleFunc("POST /elsewhere", b.callback)
	mux.HandleFunc("POST /whip/call", b.whip)
	mux.HandleFunc("DELETE /whip/call/session", func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.deletes++
	})
	b.server = httptest.NewTLSServer(mux)
	t.Cleanup(b.stop)
	return b
}

// trusted makes the simulator trust the bot's certificate.
func (b *bot) trusted() *bot {
	b.t.Helper()
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.server.Certificate().Raw})
	if err := b.sim.admin.TrustRoots(b.t.Context(), cert); err != nil {
		b.t.Fatal(err)
	}
	return b
}

func (b *bot) stop() {
	b.mu.Lock()
	b.stopping = true
	b.mu.Unlock()
	b.closeMedia()
	b.killMedia()
	b.server.Close()
}

// closeMedia ends all media in good order.
func (b *bot) closeMedia() {
	b.mu.Lock()
	peers := b.peers
	b.peers = nil
	b.mu.Unlock()
	for _, p := range peers {
		_ = p.Close()
	}
}

// killMedia takes the sockets away without a word, as the death of a process does.
func (b *bot) killMedia() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sockets {
		_ = s.Close()
	}
	b.sockets = nil
}

func (b *bot) callbackURI() string { return b.server.URL + "/callback" }

func (b *bot) blob() string {
	return fmt.Sprintf(`{"version":1,"transport":"webrtc","mpUri":"%s/whip/call","token":"%s"}`, b.server.URL, whipToken)
}

func (b *bot) callback(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	to := b.redirect
	b.mu.Unlock()
	if to != "" && r.URL.Path == "/callback" {
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		return
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		b.t.Error(err)
	}
	n := b.parse(raw)
	n.Header = r.Header
	n.Claims, n.TokenError = b.sim.verify(r.Header.Get("Authorization"))
	status := http.StatusAccepted
	b.mu.Lock()
	if b.respond != nil {
		status = b.respond(n)
	}
	if status == http.StatusAccepted {
		b.got = append(b.got, n)
	}
	b.mu.Unlock()
	w.WriteHeader(status)
}

func (b *bot) parse(raw []byte) note {
	var envelope struct {
		Type  string `json:"@odata.type"`
		Value []struct {
			Type         string          `json:"@odata.type"`
			ChangeType   string          `json:"changeType"`
			ResourceURL  string          `json:"resourceUrl"`
			ResourceData json.RawMessage `json:"resourceData"`
		} `json:"value"`
	}
	if err := json.Unmarshal(raw, &envelope); err != nil || len(envelope.Value) != 1 || envelope.Type != "#microsoft.graph.commsNotifications" ||
		envelope.Value[0].Type != "#microsoft.graph.commsNotification" {
		b.t.Errorf("not a notification: %s", raw)
		return note{}
	}
	v := envelope.Value[0]
	n := note{ChangeType: v.ChangeType, Resource: v.ResourceURL, Raw: raw}
	into := any(&n.Call)
	if strings.HasSuffix(v.ResourceURL, "/participants") {
		into = &n.Roster
	}
	if err := json.Unmarshal(v.ResourceData, into); err != nil {
		b.t.Errorf("resourceData: %v", err)
	}
	return n
}

// story is the notifications in short: "updated establishing", "updated roster 2", "deleted terminated 200/7000".
func (b *bot) story() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := []string{}
	for _, n := range b.got {
		s := n.ChangeType
		switch {
		case len(n.Roster) == 1 && n.Roster[0]["isInLobby"] == true:
			s += " roster in lobby"
		case n.Roster != nil:
			s += fmt.Sprintf(" roster %d", len(n.Roster))
		default:
			if kind, ok := strings.CutPrefix(fmt.Sprint(n.Call["@odata.type"]), "#microsoft.graph."); ok && kind != "call" {
				s += fmt.Sprintf(" %s %v", kind, n.Call["status"])
			} else {
				s += fmt.Sprintf(" %v", n.Call["state"])
			}
			if m, ok := n.Call["mediaState"].(map[string]any); ok {
				s += fmt.Sprintf(" %v", m["audio"])
			}
			if tone, ok := n.Call["toneInfo"].(map[string]any); ok {
				s += fmt.Sprintf(" %v %v", tone["sequenceId"], tone["tone"])
			}
			for _, why := range []string{"terminationReason", "completionReason"} {
				if n.Call[why] != nil {
					s += fmt.Sprintf(" %v", n.Call[why])
				}
			}
			if r, ok := n.Call["resultInfo"].(map[string]any); ok {
				s += fmt.Sprintf(" %.0f/%.0f", r["code"], r["subcode"])
			}
		}
		out = append(out, s)
	}
	return out
}

func (b *bot) notes() []note {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]note(nil), b.got...)
}

// waitFor waits until the last notification reads as told.
func (b *bot) waitFor(last string) {
	b.t.Helper()
	eventually(b.t, "notification "+last, func() bool {
		s := b.story()
		return len(s) > 0 && s[len(s)-1] == last
	}, func() string { return strings.Join(b.story(), "; ") })
}

func (b *bot) whip(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+whipToken {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	offer, err := io.ReadAll(r.Body)
	if err != nil || r.Header.Get("Content-Type") != "application/sdp" {
		b.t.Errorf("offer: %v, content type %q", err, r.Header.Get("Content-Type"))
	}
	answer, err := b.answer(string(offer))
	if err != nil {
		b.mu.Lock()
		if !b.stopping { // else its connection was closed under it
			b.t.Errorf("answer: %v", err)
		}
		b.mu.Unlock()
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/sdp")
	w.Header().Set("Location", "/whip/call/session")
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, answer)
}

func (b *bot) answer(offer string) (string, error) {
	media := &webrtc.MediaEngine{}
	codec := map[string]webrtc.RTPCodecParameters{
		"":     {RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/G722", ClockRate: 8000}, PayloadType: 9},
		"PCMU": {RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/PCMU", ClockRate: 8000}, PayloadType: 0},
		"PCMA": {RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/PCMA", ClockRate: 8000}, PayloadType: 8},
	}[b.Codec]
	if err := media.RegisterCodec(codec, webrtc.RTPCodecTypeAudio); err != nil {
		return "", err
	}
	keys := webrtc.RTPCodecParameters{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/telephone-event", ClockRate: 8000}, PayloadType: 126}
	if b.Keypad {
		if err := media.RegisterCodec(keys, webrtc.RTPCodecTypeAudio); err != nil {
			return "", err
		}
	}
	level := webrtc.RTPHeaderExtensionCapability{URI: "urn:ietf:params:rtp-hdrext:ssrc-audio-level"}
	if err := media.RegisterHeaderExtension(level, webrtc.RTPCodecTypeAudio); err != nil {
		return "", err
	}
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return "", err
	}
	socket := mortal{udp}
	settings.SetICEUDPMux(ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: socket}))
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return "", err
	}
	b.mu.Lock()
	b.peers = append(b.peers, pc)
	b.sockets = append(b.sockets, socket)
	b.mu.Unlock()
	out, err := webrtc.NewTrackLocalStaticRTP(codec.RTPCodecCapability, "audio", "bot")
	if err != nil {
		return "", err
	}
	if _, err := pc.AddTrack(out); err != nil {
		return "", err
	}
	pc.OnTrack(func(in *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { b.listen(in, out) })
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", err
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return "", err
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(answer); err != nil {
		return "", err
	}
	<-gathered
	sdp := pc.LocalDescription().SDP
	if b.Mute {
		_ = pc.Close()
	}
	return sdp, nil
}

func (b *bot) listen(in *webrtc.TrackRemote, out *webrtc.TrackLocalStaticRTP) {
	for {
		p, _, err := in.ReadRTP()
		if err != nil {
			return
		}
		b.mu.Lock()
		if len(p.Extensions) > 0 {
			b.levels++
		}
		if p.PayloadType == 126 {
			b.events = append(b.events, p)
		}
		b.mu.Unlock()
		if !b.Listen {
			_ = out.WriteRTP(&rtp.Packet{Header: rtp.Header{
				Version: 2, SequenceNumber: p.SequenceNumber, Timestamp: p.Timestamp, Marker: p.Marker,
			}, Payload: p.Payload})
		}
	}
}

// mortal is a socket whose end is not worth a log line.
type mortal struct{ net.PacketConn }

func (m mortal) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := m.PacketConn.ReadFrom(p)
	if errors.Is(err, net.ErrClosed) {
		err = io.EOF
	}
	return n, from, err
}

// eventually polls until ok, for as long as a slow machine under the race detector may take.
func eventually(t *testing.T, what string, ok func() bool, detail func() string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s; have: %s", what, detail())
		}
		time.Sleep(10 * time.Millisecond)
	}
}
