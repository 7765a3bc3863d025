// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// What an agent tells of a call, as mediapod/agent and mediapod/story write it.

func claimBy(status *callfleetv1.CallStatus, instance, pod string) {
	now := metav1.NowMicro()
	status.Phase = callfleetv1.PhaseJoining
	status.Call = &callfleetv1.CallRecord{ClaimedBy: instance, ScenarioID: uuid.NewString(), CreatedTime: &now, Hosting: callfleetv1.HostingApplication}
	status.Timeline = append(status.Timeline, callfleetv1.TimelineEvent{Time: now, Event: "Claimed", Detail: "by " + pod})
}

func establishIn(s *callfleetv1.MeetingSession, pod string) {
	status, now := &s.Status, metav1.NowMicro()
	status.Phase = callfleetv1.PhaseEstablished
	status.Call.ID, status.Call.ChainID, status.Call.State, status.Call.EstablishedTime = "491f0b00-"+uuid.NewString(), uuid.NewString(), "established", &now
	status.Participants = &callfleetv1.Participants{Count: 2, List: []callfleetv1.Participant{
		{ID: uuid.NewString(), Kind: "user", DisplayName: "Ada Lovelace"}, {ID: uuid.NewString(), Kind: "application", DisplayName: "Reception"},
	}}
	status.Media = &callfleetv1.MediaStatus{
		ListenURL: fmt.Sprintf("https://%s.%s:28550/whep/%s", pod, domain, s.UID),
		Audio:     &callfleetv1.AudioStatus{Codec: "opus", PacketsReceived: 15, PacketsSent: 15, JitterMs: 2, MOS: "4.4", Energy: -30},
	}
	status.Timeline = append(status.Timeline, callfleetv1.TimelineEvent{Time: now, Event: "Established"}, callfleetv1.TimelineEvent{Time: now, Event: "MediaFlowing"})
	for _, kind := range []string{callfleetv1.ConditionConnected, callfleetv1.ConditionMediaFlowing} {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: "Established", Message: "the bot is in the call", ObservedGeneration: s.Generation})
	}
}
