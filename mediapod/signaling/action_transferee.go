// SPDX-License-Identifier: Apache-2.0

package signaling

import "github.com/callfleet/callfleet/graph"

// identified adds to a transferee who is named by the participant's id alone what the roster knows of them: Graph asks for
// an identity ("call: transfer", transferee), people know the ids of the status.
func identified(s Snapshot, transferee *graph.ParticipantInfo) *graph.ParticipantInfo {
	if transferee == nil || transferee.ParticipantID == "" {
		return transferee
	}
	if _, known := transferee.Identity.Primary(); known != nil {
		return transferee
	}
	for _, p := range s.Participants {
		if graph.SameID(p.ID, transferee.ParticipantID) {
			whole := *transferee
			whole.Identity = p.Info.Identity
			return &whole
		}
	}
	return transferee
}
