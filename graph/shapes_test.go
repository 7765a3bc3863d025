// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// documentedShapes are bodies as Graph's pages and the logs of those who write bots show them, with all their differences in
// spelling, and what has to be understood of each. The names say what is odd about them.
var documentedShapes = map[string]string{
	"updated /communications/calls/C | call C established audio": one(`{"changeType":"updated","resource":"/app/calls/C","resourceUrl":"/communications/calls/C",
		"resourceData":{"@odata.type":"#microsoft.graph.call","@odata.etag":"W/\"5445\"","state":"established","mediaState":{"audio":"active"}}}`),
	"created, capitals, id without dashes | call 57DAB8B1894C409AB240BD8BEAE78896 incoming": one(`{"@odata.type":"#microsoft.graph.commsNotification","ChangeType":"Created",
		"ResourceUrl":"/communications/calls/57DAB8B1894C409AB240BD8BEAE78896","ResourceData":{"State":"Incoming"}}`),
	"resource alone | call C terminated 200/7000": one(`{"changeType":"Deleted","resource":"app/calls/C","resourceData":{"state":"terminated","resultInfo":{"code":"200","subCode":"7000"}}}`),
	"no slash before, no id in the data | operation O completed 200/0": one(`{"changeType":"deleted","resourceUrl":"communications/calls/C/operations/O",
		"resourceData":{"@odata.type":"#microsoft.graph.startHoldMusicOperation","status":"Completed","resultInfo":{"code":200,"subcode":0}}}`),
	"operation running with a capital | operation O running": one(`{"changeType":"updated","resourceUrl":"/communications/calls/C/operations/O",
		"resourceData":{"@odata.type":"#microsoft.graph.inviteParticipantsOperation","id":"O","status":"Running","participants":[{}]}}`),
	"recording | operation O completed 200/8515 recording": one(`{"changeType":"deleted","resourceUrl":"/communications/calls/C/operations/O","resourceData":{
		"@odata.type":"#microsoft.graph.recordOperation","id":"O","status":"completed","recordingLocation":"https://file.location/17e3b46c","recordingAccessToken":"t",
		"completionReason":"maxRecordDurationReached","resultInfo":{"@odata.type":"#microsoft.graph.resultInfo","code":200,"subcode":8515,"message":"Recording maximum duration reached."}}}`),
	"content sharing without data | contentSharingSession S": one(`{"changeType":"created","resourceUrl":"/communications/calls/C/contentsharingsessions/S"}`),
	"content sharing as an array | contentSharingSession ":   one(`{"changeType":"Updated","resourceUrl":"/communications/calls/C/contentsharingsessions","resourceData":[{"@odata.type":"#microsoft.graph.contentSharingSession","id":"S"}]}`),
	"a call without data | call":                             one(`{"changeType":"deleted","resourceUrl":"/communications/calls/C"}`),
	"a state nobody knows | call C teleporting":              one(`{"changeType":"updated","resourceUrl":"/communications/calls/C","resourceData":{"state":"teleporting"}}`),
	"a participant without an id | roster 1":                 one(`{"changeType":"updated","resourceUrl":"/communications/calls/C/participants","resourceData":[{"id":null,"info":{"identity":{"user":{"id":"u"}}}}]}`),
	"an empty roster | roster 0":                             one(`{"changeType":"updated","resourceUrl":"/communications/calls/C/participants","resourceData":[]}`),
	"a delta | delta 4 roster 1": one(`{"changeType":"updated","resourceUrl":"/communications/calls/C/participants","resourceData":{"@odata.type":"#microsoft.graph.deltaParticipants",
		"sequenceNumber":"4","participants":[{"id":"p","removedState":{"reason":"Removed"},"rosterSequenceNumber":2}]}}`),
	"a key | call C established tone #":                    one(`{"changeType":"updated","resourceUrl":"/communications/calls/C","resourceData":{"state":"established","toneInfo":{"sequenceId":1,"tone":"Pound"}}}`),
	"transfer failed | call C established 500/7700":        one(`{"changeType":"updated","resourceUrl":"/communications/calls/C","resourceData":{"state":"established","resultInfo":{"code":500,"subCode":7700},"replacesContext":"x"}}`),
	"a consultative transfer done | call C terminated 0/0": one(`{"changeType":"deleted","resourceUrl":"/communications/calls/C","resourceData":{"state":"terminated","terminationReason":"AppTransferred","resultInfo":{"code":0,"subcode":"0"}}}`),
	"somebody joins | participantJoining C call C ":        one(`{"@odata.type":"#microsoft.graph.participantJoiningNotification","call":{"id":"C"}}`),
	"somebody left | participantLeft P":                    `{"@odata.type":"#microsoft.graph.participantLeftNotification","call":{"id":"C"},"participantId":"P"}`,
	"a routing group | audioRoutingGroup G":                one(`{"changeType":"created","resourceUrl":"/communications/calls/C/audioRoutingGroups/G","resourceData":{"id":"G"}}`),
	"something new | unknown":                              one(`{"changeType":"updated","resourceUrl":"/communications/rooms/1","resourceData":{"temperature":21}}`),
}

func TestDocumentedShapesAreUnderstood(t *testing.T) {
	for name, body := range documentedShapes {
		t.Run(name, func(t *testing.T) {
			got, err := ParseNotifications([]byte(body))
			if err != nil || len(got) != 1 {
				t.Fatal(got, err)
			}
			n := got[0]
			want := name[len(name)-len(after(name)):]
			if diff := cmp.Diff(want, understood(n)); diff != "" {
				t.Error(diff)
			}
			if n.Raw == nil || n.String() == "" {
				t.Error("what came is not kept")
			}
		})
	}
}

func after(name string) string {
	for i := range name {
		if name[i] == '|' {
			return name[i+2:]
		}
	}
	return name
}

// understood says in short what was read.
func understood(n Notification) string {
	switch {
	case n.Resource.Kind == KindParticipantJoining:
		return fmt.Sprintf("%s %s call %s %s", n.Resource.Kind, n.Resource.CallID, n.Call.ID, n.Call.State)
	case n.Call != nil && n.Resource.Kind == KindCall:
		text := fmt.Sprintf("call %s %s", n.Call.ID, n.Call.State)
		if n.Call.AudioActive() {
			text += " audio"
		}
		if n.Call.ToneInfo != nil {
			text += " tone " + n.Call.ToneInfo.Tone.Key()
		}
		if r := n.Call.ResultInfo; r != nil {
			text += fmt.Sprintf(" %d/%d", r.Code, r.Subcode)
		}
		return text
	case n.Resource.Kind == KindCall, n.Resource.Kind == KindUnknown:
		return n.Resource.Kind.String()
	case n.Operation != nil:
		text := fmt.Sprintf("operation %s %s", n.Operation.ID, n.Operation.Status)
		if r := n.Operation.ResultInfo; r != nil {
			text += fmt.Sprintf(" %d/%d", r.Code, r.Subcode)
		}
		if n.Operation.RecordingLocation != "" {
			text += " recording"
		}
		return text
	case n.Delta:
		return fmt.Sprintf("delta %d roster %d", n.Sequence, len(n.Participants))
	case n.Participants != nil:
		return fmt.Sprintf("roster %d", len(n.Participants))
	}
	return n.Resource.Kind.String() + " " + n.Resource.ID
}
