// SPDX-License-Identifier: Apache-2.0

package media

import (
	"slices"
	"strconv"
	"strings"

	"github.com/callfleet/callfleet/mediapod/media/sdp"
	"github.com/callfleet/callfleet/mediapod/media/video"
)

// videoFormat is a codec with the payload type it has in a section.
type videoFormat struct {
	codec       video.Codec
	payloadType uint8
	profile     byte // of H.264, profile_idc (RFC 6184 section 8.1)
}

func (s *section) addVideo(f sdp.Format) {
	c, ok := video.Find(f.Name)
	if !ok || f.ClockRate != video.ClockRate {
		return
	}
	format := videoFormat{codec: c, payloadType: f.PayloadType}
	for parameter := range strings.SplitSeq(f.Parameters, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if strings.EqualFold(key, "profile-level-id") && len(value) >= 2 {
			if profile, err := strconv.ParseUint(value[:2], 16, 8); err == nil {
				format.profile = byte(profile)
			}
		}
	}
	s.videos = append(s.videos, format)
}

// video is what a payload type of the section is coded in.
func (s *section) video(payloadType uint8) *videoFormat {
	for i := range s.videos {
		if s.videos[i].payloadType == payloadType {
			return &s.videos[i]
		}
	}
	return nil
}

// videoOf is how a codec is sent in the section, in the profile if the other end has it: browsers decode all of H.264's
// that they encode, whichever of their payload types it comes as.
func (s *section) videoOf(c video.Codec, profile byte) *videoFormat {
	var found *videoFormat
	for i := range s.videos {
		f := &s.videos[i]
		if f.codec == c && (found == nil || f.profile == profile && found.profile != profile) {
			found = f
		}
	}
	return found
}

// weSend and weReceive say so of a section of an answer of ours.
func (s *section) weSend() bool    { return s.direction == "sendrecv" || s.direction == "sendonly" }
func (s *section) weReceive() bool { return s.direction == "sendrecv" || s.direction == "recvonly" }

// markScreen tells shared screens from cameras. An offer that says of any video section what its content is (RFC 4796)
// says "slides" of screens. Of one that does not, as no browser's does, the last of two video sections or more is the
// screen.
func markScreen(sections []section) {
	last, count, said := -1, 0, false
	for i := range sections {
		s := &sections[i]
		if s.kind != kindVideo {
			continue
		}
		last, count = i, count+1
		said = said || s.content != ""
		s.screen = slices.Contains(strings.Split(s.content, ","), "slides")
	}
	if !said && count > 1 {
		sections[last].screen = true
	}
}

// carryOver adds to what was agreed on what only the offer says.
func carryOver(offered, agreed []section) {
	for i := range agreed {
		for _, o := range offered {
			if o.number == agreed[i].number {
				agreed[i].screen, agreed[i].content, agreed[i].stream, agreed[i].declared = o.screen, o.content, o.stream, o.declared
			}
		}
	}
}

// view is which of the call's eyes sees a section of video.
func (a *agreement) view(number int) (int, *section) {
	eye := 0
	for i := range a.sections {
		switch s := &a.sections[i]; {
		case s.kind != kindVideo:
		case s.number == number:
			return eye, s
		default:
			eye++
		}
	}
	return 0, nil
}
