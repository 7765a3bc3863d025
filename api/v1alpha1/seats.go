// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "slices"

// SeatsOf is how many seats a call takes on a pod with this media, by what it uses. Whoever counts seats counts by this: the
// operator before it binds, the router before it asks, the pod before it admits.
//
//	audio, mixed by the service or far side   1
//	audio with speakers unmixed               2   recording with tracks: Participants
//	each video socket                        +1   modality Video
//	screen sharing                           +1   modality ScreenSharing, or a part in it
//	recording                                +1   behavior.recording
//
// A flow takes none, whatever it does: a record step is one track of two minutes at most, and the call does not tell which steps its
// flow has.
//
// A call whose media the service hosts takes one: nothing of it but signalling is in the pod.
//
// The numbers are weights, not measurements: one is an audio call, of which the pod's capacity is so many. What they miss a
// pod says itself, when its calls leave it no time for more (AgentReport.Load).
func SeatsOf(media *Media, spec *CallSpec) int32 {
	if media.Hosting == HostingService {
		return 1
	}
	seats := int32(1)
	if b := spec.Behavior; b != nil && b.Recording != nil {
		seats++
		if b.Recording.Tracks == TracksParticipants {
			seats++
		}
	}
	modalities := spec.Modalities
	if len(modalities) == 0 {
		modalities = media.Modalities
	}
	if slices.Contains(modalities, ModalityVideo) {
		seats++
	}
	if shares := spec.ScreenSharing != "" && spec.ScreenSharing != ScreenSharingNone; shares || slices.Contains(modalities, ModalityScreenSharing) {
		seats++
	}
	return seats
}

// SeatsOfIncoming is how many seats a call takes that a rule answers.
func SeatsOfIncoming(media *Media, rule *IncomingRule) int32 {
	return SeatsOf(media, &CallSpec{Behavior: rule.Behavior})
}

// LeastIncomingSeats is how many seats a call that comes in takes at the least; which rule answers it is known only once it
// has been read.
func LeastIncomingSeats(media *Media, rules []IncomingRule) int32 {
	least := int32(0)
	for i := range rules {
		if rules[i].Action != IncomingAnswer {
			continue
		}
		if seats := SeatsOfIncoming(media, &rules[i]); least == 0 || seats < least {
			least = seats
		}
	}
	return max(1, least)
}

// Placement says which of several pods with free seats gets a call.
// +kubebuilder:validation:Enum=Packed;Spread
type Placement string

const (
	// PlacementPacked fills the fullest pod that still has room, so that others run empty and can be taken away.
	PlacementPacked Placement = "Packed"
	// PlacementSpread takes the emptiest, so that the loss of one pod costs as few calls as possible.
	PlacementSpread Placement = "Spread"
)
