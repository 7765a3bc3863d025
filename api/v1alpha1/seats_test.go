// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "testing"

func TestACallTakesSeatsByWhatItUses(t *testing.T) {
	recorded := func(tracks RecordingTracks) *Behavior {
		return &Behavior{Recording: &RecordingBehavior{Tracks: tracks}}
	}
	av, all := Modalities{ModalityAudio, ModalityVideo}, Modalities{ModalityAudio, ModalityVideo, ModalityScreenSharing}
	cases := map[string]struct {
		media Media
		spec  CallSpec
		want  int32
	}{
		"audio":                              {want: 1},
		"echo":                               {spec: CallSpec{Behavior: &Behavior{Echo: &Echo{}}}, want: 1},
		"a video socket":                     {spec: CallSpec{Modalities: av}, want: 2},
		"video by the bot's default":         {media: Media{Modalities: av}, want: 2},
		"audio alone, against the default":   {media: Media{Modalities: all}, spec: CallSpec{Modalities: Modalities{ModalityAudio}}, want: 1},
		"video and a shared screen":          {spec: CallSpec{Modalities: all}, want: 3},
		"a part in screen sharing":           {spec: CallSpec{ScreenSharing: ScreenSharingViewer}, want: 2},
		"a part in it and the modality":      {spec: CallSpec{ScreenSharing: ScreenSharingSharer, Modalities: all}, want: 3},
		"no part in it":                      {spec: CallSpec{ScreenSharing: ScreenSharingNone}, want: 1},
		"a recording of the mix":             {spec: CallSpec{Behavior: recorded(TracksMixed)}, want: 2},
		"a recording of everybody by itself": {spec: CallSpec{Behavior: recorded(TracksParticipants)}, want: 3},
		"everything":                         {spec: CallSpec{Behavior: recorded(TracksParticipants), Modalities: all}, want: 5},
		"whatever the service does for it":   {media: Media{Hosting: HostingService}, spec: CallSpec{Modalities: all}, want: 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := SeatsOf(&tc.media, &tc.spec); got != tc.want {
				t.Errorf("%d seats, want %d", got, tc.want)
			}
		})
	}
}

func TestTheLeastThatAnIncomingCallTakes(t *testing.T) {
	recording := IncomingRule{Action: IncomingAnswer, Behavior: &Behavior{Recording: &RecordingBehavior{}}}
	cases := map[string]struct {
		rules []IncomingRule
		want  int32
	}{
		"no rules":                       {want: 1},
		"only such as answer nobody":     {rules: []IncomingRule{{Action: IncomingReject}}, want: 1},
		"one that records":               {rules: []IncomingRule{recording}, want: 2},
		"one that records, and plain":    {rules: []IncomingRule{recording, {Action: IncomingAnswer}}, want: 1},
		"one that records, and a reject": {rules: []IncomingRule{{Action: IncomingReject}, recording}, want: 2},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := LeastIncomingSeats(&Media{}, tc.rules); got != tc.want {
				t.Errorf("%d seats, want %d", got, tc.want)
			}
		})
	}
}
