// SPDX-License-Identifier: Apache-2.0

package sdp

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What Chromium offers for a microphone, shortened to what matters.
const browserOffer = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS s\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:Yf8o\r\na=ice-pwd:7Yh1pDdYgEEAWPxmWrPLGbHY\r\na=ice-options:trickle\r\n" +
	"a=fingerprint:sha-256 0F:74:31:25:CB:A2:13:EC:28:6F:6D:2C:61:FF:5D:C2:BC:B9:DB:3D:98:14:8D:1A:BB:EA:33:0C:A4:60:A8:8E\r\na=setup:actpass\r\na=mid:0\r\n" +
	"a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv\r\na=msid:s t\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n" +
	"a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\na=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\n" +
	"a=ssrc:2231627014 cname:4TOk42mSjXCkVIa6\r\na=ssrc:2231627014 msid:s t\r\n"

func TestSections(t *testing.T) {
	static := func(types ...uint8) (f []Format) {
		for _, pt := range types {
			f = append(f, Format{PayloadType: pt})
		}
		return f
	}
	tests := map[string]struct {
		sdp  string
		want []Section
	}{
		"a browser": {browserOffer, []Section{{
			Kind: "audio", MID: "0", Direction: "sendrecv", Stream: "s", Track: "t", Sources: []uint32{2231627014},
			Formats: []Format{
				{111, "opus", 48000, 2, "minptime=10;useinbandfec=1"}, {63, "red", 48000, 2, "111/111"}, {9, "G722", 8000, 1, ""},
				{0, "PCMU", 8000, 1, ""}, {8, "PCMA", 8000, 1, ""}, {13, "CN", 8000, 1, ""},
				{110, "telephone-event", 48000, 1, ""}, {126, "telephone-event", 8000, 1, ""},
			},
		}}},
		"static types, no rtpmap": {"v=0\nm=audio 9 RTP/SAVPF 8 0 96\n", []Section{{Kind: "audio", Direction: "sendrecv", Formats: static(8, 0, 96)}}},
		"turned off":              {"m=audio 0 RTP/SAVPF 0\r\n", []Section{{Kind: "audio", Off: true, Direction: "sendrecv", Formats: static(0)}}},
		"two": {"m=audio 9 RTP/SAVPF 0\r\na=recvonly\r\nm=video 9 RTP/SAVPF 96\r\na=content:slides\r\na=mid:v\r\n", []Section{
			{Kind: "audio", Direction: "recvonly", Formats: static(0)}, {Kind: "video", MID: "v", Content: "slides", Direction: "sendrecv", Formats: static(96)},
		}},
		"types out of range":          {"m=audio 9 RTP/SAVPF 128 256 -1 x\r\n", []Section{{Kind: "audio", Direction: "sendrecv"}}},
		"a line of no section":        {"a=mid:0\r\n", nil},
		"a short line":                {"m=audio 9\r\n", []Section{{Off: true, Direction: "sendrecv"}}},
		"a map of a type not offered": {"m=audio 9 RTP/SAVPF 0\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:x y\r\n", []Section{{Kind: "audio", Direction: "sendrecv", Formats: static(0)}}},
		"nothing":                     {"", nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(tc.sdp)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("sections (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := Parse("v=0\r\nhello\r\n"); err == nil {
		t.Error("a line without a type is taken")
	}
}

func TestParametersAreReplaced(t *testing.T) {
	got, err := WithParameters(browserOffer, "OPUS", "stereo=0")
	if err != nil {
		t.Fatal(err)
	}
	sections, err := Parse(got)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := Parse(browserOffer)
	want[0].Formats[0].Parameters = "stereo=0"
	if diff := cmp.Diff(want, sections); diff != "" {
		t.Errorf("sections (-want +got):\n%s", diff)
	}
	bare, err := WithParameters("m=audio 9 RTP/SAVPF 96\r\na=rtpmap:96 opus/48000/2\r\n", "opus", "usedtx=1")
	if err != nil || !strings.Contains(bare, "a=fmtp:96 usedtx=1\r\n") {
		t.Errorf("%v: %s", err, bare)
	}
}

func TestFragments(t *testing.T) {
	want := Fragment{
		Ufrag: "abcd", Pwd: "0123456789012345678901", MID: "0", Complete: true,
		Candidates: []string{"candidate:1 1 udp 1 192.0.2.1 9 typ host"},
	}
	got, err := ParseFragment(want.String())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fragment (-want +got):\n%s", diff)
	}
	offer, err := WithCredentials(browserOffer, want)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(offer, "Yf8o") || strings.Contains(offer, "7Yh1pDd") ||
		!strings.Contains(offer, "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n") || !strings.HasSuffix(offer, "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n") {
		t.Errorf("offer with new credentials:\n%s", offer)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(browserOffer)
	f.Add("m=audio 9\na=rtpmap:\na=fmtp:0\na=ssrc:")
	f.Add("a=")
	f.Fuzz(func(t *testing.T, description string) {
		sections, err := Parse(description)
		if err != nil {
			return
		}
		changed, err := WithParameters(description, "opus", "stereo=0")
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(changed)
		if err != nil || len(again) != len(sections) {
			t.Fatalf("%d sections became %d: %v", len(sections), len(again), err)
		}
		for i := range again {
			if len(again[i].Formats) != len(sections[i].Formats) {
				t.Errorf("section %d had %d formats and has %d", i, len(sections[i].Formats), len(again[i].Formats))
			}
		}
		if fragment, err := ParseFragment(description); err == nil {
			if _, err := ParseFragment(fragment.String()); err != nil {
				t.Errorf("a fragment as we write it is not read: %v", err)
			}
		}
	})
}
