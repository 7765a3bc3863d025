// SPDX-License-Identifier: Apache-2.0

package media

import (
	"fmt"
	"strings"

	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/mediapod/media/sdp"
	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// The most sections of an offer: a meeting's mix and four voices of it apart, as Teams gives them
// (ReceiveUnmixedMeetingAudio), ten cameras and a shared screen.
const (
	maxAudioSections = 5
	maxVideoSections = 11
)

// format is a codec with the payload type it has in a section.
type format struct {
	codec.Codec
	payloadType uint8
}

// section is one section of a session's description, as it was agreed on.
type section struct {
	number  int // from zero, in the order of the offer
	kind    string
	formats []format         // of audio, best first
	keys    map[uint8]uint32 // payload types of telephone events (RFC 4733) → clock rate, Hz

	videos    []videoFormat // of video, as the description has them
	screen    bool          // a shared screen; see markScreen
	content   string        // RFC 4796
	stream    string        // RFC 8830: what belongs together
	declared  uint32        // RFC 5576: the SSRC that is to come, the first of them; zero without
	direction string        // as the description's side sees it
}

// format is the codec of a payload type; nil for one that was not agreed on, and for keys.
func (s *section) format(payloadType uint8) *format {
	for i := range s.formats {
		if s.formats[i].payloadType == payloadType {
			return &s.formats[i]
		}
	}
	return nil
}

// read lists the sections of a description that are in use, as far as what they offer is among the codecs we speak.
func read(description string, codecs []codec.Codec) ([]section, error) {
	all, err := sdp.Parse(description)
	if err != nil {
		return nil, err
	}
	var sections []section
	for i, s := range all {
		if s.Off || s.Kind != kindAudio && s.Kind != kindVideo {
			continue
		}
		ours := section{number: i, kind: s.Kind, content: s.Content, stream: s.Stream, direction: s.Direction}
		if len(s.Sources) > 0 {
			ours.declared = s.Sources[0]
		}
		for _, f := range s.Formats {
			if s.Kind == kindVideo {
				ours.addVideo(f)
				continue
			}
			if strings.EqualFold(f.Name, "telephone-event") {
				if ours.keys == nil {
					ours.keys = map[uint8]uint32{}
				}
				ours.keys[f.PayloadType] = f.ClockRate
			} else if c, ok := codecOf(f, codecs); ok {
				ours.formats = append(ours.formats, format{Codec: c, payloadType: f.PayloadType})
			}
		}
		sections = append(sections, ours)
	}
	markScreen(sections)
	return sections, nil
}

const (
	kindAudio = "audio"
	kindVideo = "video"
)

// codecOf is the codec of a format: by its rtpmap, or by RFC 3551 where it has none.
func codecOf(f sdp.Format, codecs []codec.Codec) (codec.Codec, bool) {
	if f.Name == "" {
		for _, c := range codecs {
			if c.Name != codec.Opus.Name && c.PayloadType == f.PayloadType {
				return c, true
			}
		}
		return codec.Codec{}, false
	}
	c, ok := codec.Find(codecs, f.Name)
	if !ok || f.ClockRate != c.ClockRate || f.Channels != int(c.Channels) {
		return codec.Codec{}, false
	}
	return c, true
}

// first is the first audio section, which carries the conversation.
func first(sections []section) *section {
	for i := range sections {
		if sections[i].kind == kindAudio {
			return &sections[i]
		}
	}
	return nil
}

// acceptable says what an offer lacks, or has too much of.
func acceptable(offered []section, codecs []codec.Codec) error {
	count := map[string]int{}
	for _, s := range offered {
		count[s.kind]++
	}
	main := first(offered)
	switch {
	case main == nil:
		return fmt.Errorf("%w: it has no audio section; offer one", transport.ErrUnacceptable)
	case len(main.formats) == 0:
		return fmt.Errorf("%w: it has no audio codec that the bot speaks; offer %s", transport.ErrUnacceptable, codecNames(codecs))
	case count[kindAudio] > maxAudioSections || count[kindVideo] > maxVideoSections:
		return fmt.Errorf("%w: it has %d audio and %d video sections; offer at most %d and %d", transport.ErrUnacceptable,
			count[kindAudio], count[kindVideo], maxAudioSections, maxVideoSections)
	}
	return nil
}

func codecNames(codecs []codec.Codec) string {
	var names []string
	for _, c := range codecs {
		names = append(names, c.Name)
	}
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}
