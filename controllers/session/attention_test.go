// SPDX-License-Identifier: Apache-2.0

package session

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// TestNeedsAttentionHasTwoWriters: what the agent says of a call stands while the call goes on; what the controller says
// is about whether there is one, and goes before.
func TestNeedsAttentionHasTwoWriters(t *testing.T) {
	silent := decision{verdict: keep, pod: "reception-0", attention: v1alpha1.ReasonAgentSilent, attentionMessage: "it does not report"}
	tests := map[string]struct {
		there string
		d     decision
		want  string
	}{
		"a failed invitation while the call goes on":     {v1alpha1.ReasonInviteFailed, decision{verdict: keep, pod: "reception-0"}, v1alpha1.ReasonInviteFailed},
		"a refusal while the call goes on":               {v1alpha1.ReasonRefused, decision{verdict: keep, pod: "reception-0"}, v1alpha1.ReasonRefused},
		"a rule without effect while the call goes on":   {v1alpha1.ReasonNoEffect, decision{verdict: keep, pod: "reception-0"}, v1alpha1.ReasonNoEffect},
		"a recording that failed while the call goes on": {v1alpha1.ReasonRecordingFailed, decision{verdict: keep, pod: "reception-0"}, v1alpha1.ReasonRecordingFailed},
		"an agent that is silent says nothing else":      {v1alpha1.ReasonRefused, silent, v1alpha1.ReasonAgentSilent},
		"an agent that reports again":                    {v1alpha1.ReasonAgentSilent, decision{verdict: keep, pod: "reception-0"}, ""},
		"at the end of the call nothing is left to do":   {v1alpha1.ReasonRefused, decision{verdict: finish, end: &v1alpha1.CallEnd{Reason: v1alpha1.EndedByBot}}, ""},
		"nor between two attempts":                       {v1alpha1.ReasonInviteFailed, decision{verdict: rejoin, end: &v1alpha1.CallEnd{}}, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ms := controllertest.Session("voice", "standup", "reception").Object()
			ms.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionNeedsAttention, Status: "True", Reason: tc.there, ObservedGeneration: 7}}
			s := meetingSessions.subject(ms)
			applyConditions(s, tc.d, metav1.NewTime(time.Unix(0, 0)))
			c, got := s.condition(v1alpha1.ConditionNeedsAttention), ""
			if c != nil {
				got = c.Reason
			}
			if got != tc.want {
				t.Errorf("reason %q, want %q", got, tc.want)
			}
			if at := time.Unix(0, 0); got == v1alpha1.ReasonAgentSilent && !c.LastTransitionTime.Time.Equal(at) {
				t.Errorf("silent since %s, want %s: the call would be given up at once", c.LastTransitionTime, at)
			}
			if got == tc.there && got != "" && c.ObservedGeneration != 7 {
				t.Errorf("the agent's condition was stamped with generation %d", c.ObservedGeneration)
			}
		})
	}
}

// TestARefusalOutlivesAProcess: a call that goes on without one goes on with what was refused to it.
func TestARefusalOutlivesAProcess(t *testing.T) {
	c := controllertest.IncomingCall("voice", "caller", "reception").Held("reception-0", "i", v1alpha1.HostingService).
		Condition(v1alpha1.ConditionNeedsAttention, "True", v1alpha1.ReasonRefused, "muting").Object()
	s := calls.subject(c)
	apply(s, decide(s, facts{}, noon), noon)
	if c := s.condition(v1alpha1.ConditionNeedsAttention); !s.orphaned() || c == nil || c.Reason != v1alpha1.ReasonRefused {
		t.Errorf("orphaned: %t, NeedsAttention: %+v", s.orphaned(), c)
	}
}
