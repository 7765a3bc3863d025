// SPDX-License-Identifier: Apache-2.0

package media

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/callfleet/callfleet/audio/codec"
)

// sdpLine is one "k=value" line (RFC 8866 section 5).
type sdpLine struct {
	kind  byte
	value string
}

// sdpLines splits a description. Lines end with CRLF, or LF alone, which section 5
// asks parsers to take too.
func sdpLines(description string) ([]sdpLine, error) {
	var lines []sdpLine
	for _, s := range strings.Split(description, "\n") {
		if s = strings.TrimSuffix(s, "\r"); s == "" {
			continue
		}
		if len(s) < 2 || s[1] != '=' {
			return nil, fmt.Errorf("%w: line %d is not of the form k=value", errMalformed, len(lines)+1)
		}
		lines = append(lines, sdpLine{kind: s[0], value: s[2:]})
	}
	return lines, nil
}

// attribute is the value of an "a=name:value" line with that name.
func (l sdpLine) attribute(name string) (string, bool) {
	if l.kind != 'a' {
		return "", false
	}
	key, value, _ := strings.Cut(l.value, ":")
	return value, key == name
}

// audioFormats lists the codecs we have among those of a description's audio, in
// its order, and how many audio sections it has that are in use.
func audioFormats(description string) (formats []format, sections int, err error) {
	lines, err := sdpLines(description)
	if err != nil {
		return nil, 0, err
	}
	var offered []uint8 // payload types of the section at hand
	named := map[uint8]string{}
	flush := func() {
		for _, pt := range offered {
			if c, ok := codecOf(pt, named); ok {
				formats = append(formats, format{Codec: c, payloadType: pt})
			}
		}
		offered, named = nil, map[uint8]string{}
	}
	for _, l := range lines {
		if l.kind == 'm' {
			flush()
			// m=<media> <port> <proto> <fmt> … ; port zero is a refused section.
			parts := strings.Fields(l.value)
			if len(parts) < 4 || parts[0] != "audio" || parts[1] == "0" {
				continue
			}
			sections++
			for _, s := range parts[3:] {
				if pt, err := strconv.ParseUint(s, 10, 7); err == nil {
					offered = append(offered, uint8(pt))
				}
			}
		}
		if value, ok := l.attribute("rtpmap"); ok {
			number, encoding, _ := strings.Cut(value, " ")
			if pt, err := strconv.ParseUint(number, 10, 7); err == nil {
				named[uint8(pt)] = encoding
			}
		}
	}
	flush()
	return formats, sections, nil
}

// codecOf is the codec of a payload type: by its rtpmap, or by RFC 3551 where it
// has none.
func codecOf(pt uint8, named map[uint8]string) (codec.Codec, bool) {
	encoding, ok := named[pt]
	if !ok {
		for _, c := range codec.Supported() {
			if c.PayloadType == pt {
				return c, true
			}
		}
		return codec.Codec{}, false
	}
	// <name>/<clock rate>[/<channels>]
	parts := strings.Split(strings.TrimSpace(encoding), "/")
	c, ok := codec.ByName(parts[0])
	if !ok || len(parts) < 2 || parts[1] != strconv.Itoa(int(c.ClockRate)) || len(parts) > 2 && parts[2] != "1" {
		return codec.Codec{}, false
	}
	return c, true
}

// sdpFragment is what a trickle-ice-sdpfrag carries (RFC 8840 section 9).
type sdpFragment struct {
	ufrag, pwd string
	mid        string
	candidates []string // without "a="
	complete   bool     // end-of-candidates
}

// parseFragment reads a fragment. The credentials may stand before the first media
// section or in it; all sections are bundled, so the first one's count.
func parseFragment(body string) (sdpFragment, error) {
	lines, err := sdpLines(body)
	if err != nil {
		return sdpFragment{}, err
	}
	var f sdpFragment
	for _, l := range lines {
		if l.kind != 'a' {
			continue
		}
		key, value, _ := strings.Cut(l.value, ":")
		switch {
		case key == "ice-ufrag" && f.ufrag == "":
			f.ufrag = value
		case key == "ice-pwd" && f.pwd == "":
			f.pwd = value
		case key == "mid" && f.mid == "":
			f.mid = value
		case key == "candidate":
			f.candidates = append(f.candidates, l.value)
		case key == "end-of-candidates":
			f.complete = true
		}
	}
	// RFC 8839 section 5.4: 4 to 256 and 22 to 256 characters.
	if f.ufrag != "" && (len(f.ufrag) < 4 || len(f.ufrag) > 256 || len(f.pwd) < 22 || len(f.pwd) > 256) {
		return sdpFragment{}, fmt.Errorf("%w: ice-ufrag and ice-pwd must have 4 to 256 and 22 to 256 characters", errMalformed)
	}
	return f, nil
}

// String writes the fragment as an answer to an ICE restart.
func (f sdpFragment) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "a=ice-lite\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:%s\r\n", f.ufrag, f.pwd, f.mid)
	for _, c := range f.candidates {
		fmt.Fprintf(&b, "a=%s\r\n", c)
	}
	if f.complete {
		b.WriteString("a=end-of-candidates\r\n")
	}
	return b.String()
}

// withCredentials is an offer with other ICE credentials and candidates: what the
// far side would have offered had it restarted ICE with a full offer.
func withCredentials(offer string, f sdpFragment) (string, error) {
	lines, err := sdpLines(offer)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	sections := 0
	for _, l := range lines {
		value := l.value
		if l.kind == 'm' {
			sections++
		}
		if l.kind == 'a' {
			switch key, _, _ := strings.Cut(value, ":"); key {
			case "ice-ufrag":
				value = "ice-ufrag:" + f.ufrag
			case "ice-pwd":
				value = "ice-pwd:" + f.pwd
			case "candidate", "end-of-candidates":
				continue
			}
		}
		fmt.Fprintf(&b, "%c=%s\r\n", l.kind, value)
	}
	if sections > 0 { // the last one takes them: all are bundled
		for _, c := range f.candidates {
			fmt.Fprintf(&b, "a=%s\r\n", c)
		}
	}
	return b.String(), nil
}
