// SPDX-License-Identifier: Apache-2.0

package sdp

import (
	"fmt"
	"strings"
)

// Fragment is what a trickle-ice-sdpfrag carries (RFC 8840 section 9).
type Fragment struct {
	Ufrag, Pwd string
	MID        string
	Candidates []string // without "a="
	Complete   bool     // end-of-candidates
}

// ParseFragment reads a fragment. The credentials may stand before the first media
// section or in it; all sections are bundled, so the first one's count.
func ParseFragment(body string) (Fragment, error) {
	all, err := lines(body)
	if err != nil {
		return Fragment{}, err
	}
	var f Fragment
	for _, l := range all {
		if l.kind != 'a' {
			continue
		}
		key, value, _ := strings.Cut(l.value, ":")
		switch {
		case key == "ice-ufrag" && f.Ufrag == "":
			f.Ufrag = value
		case key == "ice-pwd" && f.Pwd == "":
			f.Pwd = value
		case key == "mid" && f.MID == "":
			f.MID = value
		case key == "candidate":
			f.Candidates = append(f.Candidates, l.value)
		case key == "end-of-candidates":
			f.Complete = true
		}
	}
	// RFC 8839 section 5.4: 4 to 256 and 22 to 256 characters.
	if f.Ufrag != "" && (len(f.Ufrag) < 4 || len(f.Ufrag) > 256 || len(f.Pwd) < 22 || len(f.Pwd) > 256) {
		return Fragment{}, fmt.Errorf("%w: ice-ufrag and ice-pwd must have 4 to 256 and 22 to 256 characters", ErrMalformed)
	}
	return f, nil
}

// String writes the fragment as an answer to an ICE restart.
func (f Fragment) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "a=ice-lite\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:%s\r\n", f.Ufrag, f.Pwd, f.MID)
	for _, c := range f.Candidates {
		write(&b, line{'a', c})
	}
	if f.Complete {
		write(&b, line{'a', "end-of-candidates"})
	}
	return b.String()
}

// WithCredentials is an offer with other ICE credentials and candidates: what the
// far side would have offered had it restarted ICE with a full offer.
func WithCredentials(offer string, f Fragment) (string, error) {
	all, err := lines(offer)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	sections := 0
	for _, l := range all {
		if l.kind == 'm' {
			sections++
		}
		if l.kind == 'a' {
			switch key, _, _ := strings.Cut(l.value, ":"); key {
			case "ice-ufrag":
				l.value = "ice-ufrag:" + f.Ufrag
			case "ice-pwd":
				l.value = "ice-pwd:" + f.Pwd
			case "candidate", "end-of-candidates":
				continue
			}
		}
		write(&b, l)
	}
	if sections > 0 { // the last one takes them: all are bundled
		for _, c := range f.Candidates {
			write(&b, line{'a', c})
		}
	}
	return b.String(), nil
}
