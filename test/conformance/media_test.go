// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"net/http"
	"sync"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"
)

// whip is the far end of application-hosted media: it takes every offer, and sends nothing.
type whip struct {
	mu    sync.Mutex
	peers []*webrtc.PeerConnection
}

func (m *whip) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.peers {
		_ = p.Close()
	}
}

func (m *whip) offered(w http.ResponseWriter, r *http.Request) {
	offer, err := io.ReadAll(r.Body)
	if err == nil {
		var answer string
		if answer, err = m.answer(string(offer)); err == nil {
			w.Header().Set("Content-Type", "application/sdp")
			w.Header().Set("Location", "/whip/session")
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, answer)
			return
		}
	}
	http.Error(w, err.Error(), http.StatusInternalServerError)
}

func (m *whip) answer(offer string) (string, error) {
	codec := webrtc.RTPCodecParameters{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: 8000}}
	media := &webrtc.MediaEngine{}
	if err := media.RegisterCodec(codec, webrtc.RTPCodecTypeAudio); err != nil {
		return "", err
	}
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return "", err
	}
	m.mu.Lock()
	m.peers = append(m.peers, pc)
	m.mu.Unlock()
	silence, err := webrtc.NewTrackLocalStaticRTP(codec.RTPCodecCapability, "audio", "bot")
	if err != nil {
		return "", err
	}
	if _, err := pc.AddTrack(silence); err != nil {
		return "", err
	}
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
	return pc.LocalDescription().SDP, nil
}

// tone is a WAV file as the service plays them: 16 kHz, 16 bit, mono.
func tone(seconds float64) []byte {
	const rate = 16000
	samples := make([]int16, int(seconds*rate))
	for i := range samples {
		samples[i] = int16(8000 * math.Sin(2*math.Pi*440*float64(i)/rate))
	}
	var b bytes.Buffer
	b.WriteString("RIFF")
	for _, part := range []any{
		uint32(36 + 2*len(samples)), []byte("WAVEfmt "), uint32(16), uint16(1), uint16(1), uint32(rate), uint32(2 * rate), uint16(2), uint16(16),
		[]byte("data"), uint32(2 * len(samples)), samples,
	} {
		_ = binary.Write(&b, binary.LittleEndian, part) // a Buffer takes everything
	}
	return b.Bytes()
}
