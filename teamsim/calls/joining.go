// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"context"
	"fmt"
	"net/http"

	"github.com/callfleet/callfleet/teamsim/callback"
)

// joinReply is what a recorder said to somebody joining.
type joinReply struct {
	outcome, detail string
	invite          string // where a new call is to be sent instead
}

// The replies (reference section 7). Real ones may come with other statuses; which is not documented.
var joinResponse = byType(
	object{types: []string{ns + "acceptJoinResponse"}},
	object{types: []string{ns + "rejectJoinResponse"}, members: map[string]rule{"reason": oneOf("none", "busy", "forbidden", "None", "Busy", "Forbidden")}},
	object{types: []string{ns + "inviteNewBotResponse"}, required: []string{"inviteUri"}, members: map[string]rule{"inviteUri": httpsURI}},
)

// askToJoin asks a recorder whether it takes one more. It has 5 s, as for a new call.
func (c *call) askToJoin(ctx context.Context, from Incoming) joinReply {
	answers := make(chan joinReply, 1)
	deadline := make(chan struct{})
	timer := c.service.Clock.AfterFunc(RecordingDeadline, func() { close(deadline) })
	defer timer.Stop()
	data := document{"@odata.type": ns + "participantJoiningNotification", "call": c.joiningCall(from)}
	c.mu.Lock()
	if c.state == stateTerminated {
		c.mu.Unlock()
		return joinReply{outcome: recorderUnanswered, detail: "the recorder's call has ended"}
	}
	c.queue.Enqueue(callback.Notification{
		ChangeType: "updated", ResourceURL: c.path(), Data: data, Summary: "participant joining",
		Answered: func(status int, body []byte) { answers <- readJoin(status, body) },
	})
	c.mu.Unlock()
	select {
	case reply := <-answers:
		return reply
	case <-deadline:
		return joinReply{outcome: recorderUnanswered, detail: fmt.Sprintf("the bot did not react within %v", RecordingDeadline)}
	case <-c.done:
		return joinReply{outcome: recorderUnanswered, detail: "the recorder's call has ended"}
	case <-ctx.Done():
		return joinReply{outcome: recorderUnanswered, detail: ctx.Err().Error()}
	}
}

// joiningCall describes the participant as an incoming call would.
func (c *call) joiningCall(from Incoming) document {
	return document{
		"@odata.type": ns + "call", "id": c.id, "state": stateIncoming, "direction": directionIncoming, "tenantId": c.tenantID,
		"callChainId": c.chainID, "source": from.sourceDoc(c.app), "targets": []document{from.targetDoc(c.app, c.tenantID)},
		"myParticipantId": c.participantID, "chatInfo": c.chatDoc(), "meetingInfo": c.request.rawMeetingInfo,
		"incomingContext": document{
			"@odata.type": ns + "incomingContext", "sourceParticipantId": from.participantID, "observedParticipantId": from.participantID,
		},
		"applicationMetadata": policyMetadata(&from),
	}
}

// readJoin judges a reply strictly: 200 and JSON of one of the types.
func readJoin(status int, body []byte) joinReply {
	bad := func(format string, args ...any) joinReply {
		return joinReply{outcome: recorderBadReply, detail: fmt.Sprintf(format, args...)}
	}
	switch {
	case status == 0:
		return joinReply{outcome: recorderUnanswered, detail: "no answer"}
	case status != http.StatusOK:
		return bad("status %d, want 200 with a participantJoiningResponse", status)
	}
	var reply struct {
		Type      string `json:"@odata.type"`
		Reason    string `json:"reason"`
		InviteURI string `json:"inviteUri"`
	}
	if err := parse(body, joinResponse, &reply); err != nil {
		return bad("%v", err)
	}
	switch reply.Type {
	case ns + "acceptJoinResponse":
		return joinReply{outcome: recorderShared}
	case ns + "rejectJoinResponse":
		return joinReply{outcome: recorderRejected, detail: reply.Reason}
	}
	return joinReply{invite: reply.InviteURI}
}
