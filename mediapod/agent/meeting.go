// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
)

// meetingOf turns the meeting of the API into what Graph wants to know. The error never quotes a link or a passcode.
func meetingOf(m callfleetv1.Meeting) (graph.Meeting, error) {
	switch {
	case m.JoinMeetingID != nil:
		id, err := graph.NormalizeJoinMeetingID(m.JoinMeetingID.ID)
		return graph.Meeting{JoinMeetingID: id, Passcode: m.JoinMeetingID.Passcode}, err
	case m.JoinURL != "":
		return graph.ParseJoinURL(string(m.JoinURL))
	default:
		return graph.Meeting{}, fmt.Errorf("spec.meeting names no meeting; set joinURL or joinMeetingID")
	}
}
