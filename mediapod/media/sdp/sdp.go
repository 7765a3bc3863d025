// SPDX-License-Identifier: Apache-2.0

// Package sdp reads of session descriptions (RFC 8866) what the media engine decides by, and changes in them what it
// must. Negotiation itself is the transport's.
package sdp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrMalformed is a description that cannot be used whoever reads it.
var ErrMalformed = errors.New("the description is malformed")

// Section is one media description, an "m=" line and what follows it.
type Section struct {
	Kind      string // "audio", "video", "application"
	Off       bool   // port zero: refused, or not used any more
	MID       string // RFC 5888
	Direction string // "sendrecv", "sendonly", "recvonly" or "inactive"
	Content   string // RFC 4796, such as "slides"
	Stream    string // RFC 8830: the MediaStream's id …
	Track     string // … and the track's
	Formats   []Format
	Sources   []uint32 // SSRCs that are declared (RFC 5576)
}

// Format is one payload type of a section.
type Format struct {
	PayloadType uint8
	Name        string // as rtpmap has it; "" without one
	ClockRate   uint32 // Hz
	Channels    int
	Parameters  string // fmtp
}

// line is one "k=value" line (RFC 8866 section 5).
type line struct {
	kind  byte
	value string
}

// lines splits a description. Lines end with CRLF, or LF alone, which section 5
// asks parsers to take too.
func lines(description string) ([]line, error) {
	var all []line
	for s := range strings.SplitSeq(description, "\n") {
		if s = strings.TrimSuffix(s, "\r"); s == "" {
			continue
		}
		if len(s) < 2 || s[1] != '=' || s[0]|0x20 < 'a' || s[0]|0x20 > 'z' { // a type is a letter
			return nil, fmt.Errorf("%w: line %d is not of the form k=value", ErrMalformed, len(all)+1)
		}
		all = append(all, line{kind: s[0], value: s[2:]})
	}
	return all, nil
}

// Parse lists the sections of a description.
func Parse(description string) ([]Section, error) {
	all, err := lines(description)
	if err != nil {
		return nil, err
	}
	var sections []Section
	for _, l := range all {
		if l.kind == 'm' {
			sections = append(sections, newSection(l.value))
			continue
		}
		if l.kind == 'a' && len(sections) > 0 {
			key, value, _ := strings.Cut(l.value, ":")
			sections[len(sections)-1].take(key, value)
		}
	}
	return sections, nil
}

// newSection reads m=<media> <port> <proto> <fmt> … .
func newSection(value string) Section {
	parts := strings.Fields(value)
	s := Section{Direction: "sendrecv"} // RFC 8866 section 6.7: the default
	if len(parts) < 4 {
		s.Off = true
		return s
	}
	s.Kind, s.Off = parts[0], parts[1] == "0"
	for _, f := range parts[3:] {
		if pt, err := strconv.ParseUint(f, 10, 7); err == nil {
			s.Formats = append(s.Formats, Format{PayloadType: uint8(pt)})
		}
	}
	return s
}

func (s *Section) take(key, value string) {
	switch key {
	case "mid":
		s.MID = value
	case "sendrecv", "sendonly", "recvonly", "inactive":
		s.Direction = key
	case "content":
		s.Content = value
	case "msid":
		s.Stream, s.Track, _ = strings.Cut(value, " ")
	case "rtpmap":
		if f, rest := s.format(value); f != nil {
			f.name(rest)
		}
	case "fmtp":
		if f, rest := s.format(value); f != nil {
			f.Parameters = rest
		}
	case "ssrc":
		number, _, _ := strings.Cut(value, " ")
		if ssrc, err := strconv.ParseUint(number, 10, 32); err == nil {
			s.source(uint32(ssrc))
		}
	}
}

func (s *Section) source(ssrc uint32) {
	for _, known := range s.Sources {
		if known == ssrc {
			return
		}
	}
	s.Sources = append(s.Sources, ssrc)
}

// format finds what "<payload type> <rest>" is about.
func (s *Section) format(value string) (*Format, string) {
	number, rest, _ := strings.Cut(value, " ")
	pt, err := strconv.ParseUint(number, 10, 7)
	if err != nil {
		return nil, ""
	}
	for i := range s.Formats {
		if s.Formats[i].PayloadType == uint8(pt) {
			return &s.Formats[i], rest
		}
	}
	return nil, ""
}

// name reads <name>/<clock rate>[/<channels>].
func (f *Format) name(encoding string) {
	parts := strings.Split(strings.TrimSpace(encoding), "/")
	f.Name, f.Channels = parts[0], 1
	if len(parts) > 1 {
		if rate, err := strconv.ParseUint(parts[1], 10, 32); err == nil {
			f.ClockRate = uint32(rate)
		}
	}
	if len(parts) > 2 {
		if n, err := strconv.Atoi(parts[2]); err == nil {
			f.Channels = n
		}
	}
}

// WithParameters is a description in which the "a=fmtp" lines of the named encoding say something else.
func WithParameters(description, name, parameters string) (string, error) {
	all, err := lines(description)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	ours := map[string]bool{} // payload types of the section at hand that have that name
	for _, l := range all {
		if l.kind == 'm' {
			clear(ours)
		}
		key, value, _ := strings.Cut(l.value, ":")
		number, rest, _ := strings.Cut(value, " ")
		switch {
		case l.kind == 'a' && key == "rtpmap":
			encoding, _, _ := strings.Cut(rest, "/")
			write(&b, l)
			if strings.EqualFold(encoding, name) && !ours[number] {
				ours[number] = true
				write(&b, line{'a', "fmtp:" + number + " " + parameters})
			}
		case l.kind == 'a' && key == "fmtp" && ours[number]: // replaced
		default:
			write(&b, l)
		}
	}
	return b.String(), nil
}

func write(b *strings.Builder, l line) {
	b.WriteByte(l.kind)
	b.WriteString("=" + l.value + "\r\n")
}
