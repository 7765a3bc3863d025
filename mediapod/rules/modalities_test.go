// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"slices"
	"testing"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
)

func TestTheModalitiesOfACall(t *testing.T) {
	const audio, video, screen = graph.ModalityAudio, graph.ModalityVideo, graph.ModalityVideoScreenSharing
	list := func(m ...v1alpha1.Modality) v1alpha1.Modalities { return m }
	all := list(v1alpha1.ModalityScreenSharing, v1alpha1.ModalityVideo, v1alpha1.ModalityAudio)
	for name, c := range map[string]struct {
		media v1alpha1.Media
		spec  v1alpha1.CallSpec
		want  []graph.Modality
	}{
		"audio, if nobody says":               {want: []graph.Modality{audio}},
		"those of the bot":                    {v1alpha1.Media{Modalities: all}, v1alpha1.CallSpec{}, []graph.Modality{audio, video, screen}},
		"those of the call, fewer":            {v1alpha1.Media{Modalities: all}, v1alpha1.CallSpec{Modalities: list(v1alpha1.ModalityAudio)}, []graph.Modality{audio}},
		"those of the call, more":             {v1alpha1.Media{}, v1alpha1.CallSpec{Modalities: all[1:]}, []graph.Modality{audio, video}},
		"a part in screen sharing implies it": {v1alpha1.Media{}, v1alpha1.CallSpec{ScreenSharing: v1alpha1.ScreenSharingViewer}, []graph.Modality{audio, screen}},
		"and asks for it once":                {v1alpha1.Media{Modalities: all}, v1alpha1.CallSpec{ScreenSharing: v1alpha1.ScreenSharingSharer}, []graph.Modality{audio, video, screen}},
		"no part implies nothing":             {v1alpha1.Media{}, v1alpha1.CallSpec{ScreenSharing: v1alpha1.ScreenSharingNone}, []graph.Modality{audio}},
		"audio where the service hosts": {
			v1alpha1.Media{Hosting: v1alpha1.HostingService}, v1alpha1.CallSpec{Modalities: all, ScreenSharing: v1alpha1.ScreenSharingViewer}, []graph.Modality{audio},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Modalities(c.media, c.spec); !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestWhatACallCanShow(t *testing.T) {
	audio, video, screen := graph.ModalityAudio, graph.ModalityVideo, graph.ModalityVideoScreenSharing
	for _, c := range []struct {
		has                  []graph.Modality
		screen, cameras, all bool
	}{
		{[]graph.Modality{audio}, false, false, false},
		{[]graph.Modality{audio, video}, false, true, true},
		{[]graph.Modality{audio, screen}, true, false, true},
		{[]graph.Modality{audio, video, screen}, true, true, true},
	} {
		for v, want := range map[v1alpha1.RecordingVideo]bool{v1alpha1.VideoScreen: c.screen, v1alpha1.VideoCameras: c.cameras, v1alpha1.VideoAll: c.all} {
			if got := Shows(c.has, v); got != want {
				t.Errorf("%s with %v: %t", v, c.has, got)
			}
		}
	}
}
