// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"slices"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
)

// Modalities are what a call of a bot is to ask for. The role in screen sharing is one in a stream that a call without the
// modality has not got, and no call can get it later: so the wish for one asks for it.
func Modalities(media v1alpha1.Media, spec v1alpha1.CallSpec) []graph.Modality {
	if media.Hosting == v1alpha1.HostingService {
		return []graph.Modality{graph.ModalityAudio} // the service plays, records and hears keys
	}
	wanted := spec.Modalities
	if len(wanted) == 0 {
		wanted = media.Modalities
	}
	shares := spec.ScreenSharing != "" && spec.ScreenSharing != v1alpha1.ScreenSharingNone
	list := []graph.Modality{graph.ModalityAudio}
	if slices.Contains(wanted, v1alpha1.ModalityVideo) {
		list = append(list, graph.ModalityVideo)
	}
	if shares || slices.Contains(wanted, v1alpha1.ModalityScreenSharing) {
		list = append(list, graph.ModalityVideoScreenSharing)
	}
	return list
}

// Shows reports whether a call with these modalities can have anything of the video that is to be recorded.
func Shows(has []graph.Modality, v v1alpha1.RecordingVideo) bool {
	cameras, screens := slices.Contains(has, graph.ModalityVideo), slices.Contains(has, graph.ModalityVideoScreenSharing)
	switch v {
	case v1alpha1.VideoCameras:
		return cameras
	case v1alpha1.VideoScreen:
		return screens
	}
	return cameras || screens
}
