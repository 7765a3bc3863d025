// SPDX-License-Identifier: Apache-2.0

package agent

import (
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// wanted is the spec as last seen.
func (r *runner) wanted() callfleetv1.CallSpec {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.spec
}

// wants is what signalling is to bring about in the call.
func (r *runner) wants() signaling.Wants {
	spec := r.wanted()
	return signaling.Wants{
		Muted: spec.Muted || r.flow.wished().Muted, ScreenSharing: sharingRole(spec.ScreenSharing), Recording: recordingStatus(r.wantedRecording(spec)), Invite: r.invites(spec),
	}
}

func sharingRole(s callfleetv1.ScreenSharing) graph.ScreenSharingRole {
	switch s {
	case callfleetv1.ScreenSharingViewer:
		return graph.ScreenSharingViewer
	case callfleetv1.ScreenSharingSharer:
		return graph.ScreenSharingSharer
	}
	return ""
}

func recordingStatus(s callfleetv1.RecordingStatus) graph.RecordingStatus {
	switch s {
	case callfleetv1.Recording:
		return graph.Recording
	case callfleetv1.RecordingFailed:
		return graph.RecordingFailed
	case callfleetv1.NotRecording:
		return graph.NotRecording
	}
	return ""
}
