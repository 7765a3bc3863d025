// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"errors"
	"fmt"

	"github.com/callfleet/callfleet/teamsim/meeting"
	"github.com/callfleet/callfleet/teamsim/outbound"
	"github.com/callfleet/callfleet/teamsim/whip"
)

// Result is resultInfo: how a call ended (reference section 4, "Call end codes").
type Result struct {
	Code, Subcode int
	Message       string
}

// result words a message the way the service does: "<phrase>. DiagCode: <code>#<subcode>.@".
func result(code, subcode int, phrase string) Result {
	return Result{code, subcode, fmt.Sprintf("%s. DiagCode: %d#%d.@", phrase, code, subcode)}
}

var (
	endedByBot    = result(200, 7000, "Call ended by the bot")
	keepAliveLost = result(408, 8537, "The call was not kept alive")
	notAnswered   = result(408, 10057, "No signaling from the callee")
	rejected      = result(603, 0, "Declined")
	callerGaveUp  = result(200, 4097, "The call was ended by the caller")
	nobodyJoined  = result(200, 5013, "Nobody joined the conversation")
	mediaLost     = result(410, 301005, "Call media connectivity failed")
	mediaNoReach  = result(500, 1005, "The service cannot reach the media of the bot")
)

// goneResult is for a bot that had to go.
func (c *call) goneResult(cause meeting.Cause) Result {
	switch cause {
	case meeting.OtherLeft:
		switch {
		case c.undecided():
			return callerGaveUp
		case c.withPhone():
			return result(200, 560000, "The telephone was hung up")
		}
		return result(200, 4521, "The other party ended the call")
	case meeting.LastLeft:
		return result(200, 5010, "The participant is the only one left")
	case meeting.LobbyTimeout:
		return result(200, 5855, "Nobody admitted the participant from the lobby in time")
	case meeting.Denied:
		return result(200, 5300, "Removed by another participant")
	case meeting.MeetingEnded:
		return result(200, 5001, "The conversation has ended")
	default:
		return result(200, 5000, "Removed by another participant")
	}
}

// dialResult is for a media endpoint that could not be used. The texts 3002#7106 (unreachable) and 3003#7106
// (certificate or name) are those of real calls.
func dialResult(err error) Result {
	if outbound.IsCertificateError(err) {
		return Result{500, 7106, "Server Internal Error. DiagCode: 500#7106.@3003#7106.@"}
	}
	var refused *whip.RefusedError
	if errors.As(err, &refused) {
		return Result{500, 7112, "MediaControllerAddParticipantFailed. DiagCode: 500#7112.@"}
	}
	return Result{500, 7106, "Server Internal Error. DiagCode: 500#7106.@3002#7106.@"}
}
