// SPDX-License-Identifier: Apache-2.0

package agent

import (
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/rules"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// joining decides about another participant of a policy recording, who would share the call with this uid, from memory alone:
// the participant waits. It is judged as a call that came in for it would be, and shares the call of those whom the same rule
// answers: under another rule the bot might do something else. It takes no seat; but what joins a pod that is being emptied
// would keep it.
func (a *Agent) joining(uid string, in signaling.Incoming) signaling.Joining {
	a.mu.Lock()
	defer a.mu.Unlock()
	decision, outcome := a.judgeJoiningLocked(uid, in)
	a.log.V(1).Info("joining a call", "call", in.CallID, "outcome", outcome)
	return decision
}

func (a *Agent) judgeJoiningLocked(uid string, in signaling.Incoming) (decision signaling.Joining, outcome string) {
	const anew = "anew"
	if a.pod == nil || a.book == nil {
		return signaling.Joining{}, anew // whoever is asked next may know the rules
	}
	call := ruledCall(in)
	if elsewhere := rules.Region(a.book.redirects, call, webhook(a.pod)); elsewhere != "" {
		return signaling.Joining{Location: elsewhere}, "elsewhere"
	}
	verdict := rules.Decide(a.book.rules, call)
	switch verdict.Action {
	case callfleetv1.IncomingReject:
		return signaling.Joining{Reject: verdict.Reason}, "rejected"
	case callfleetv1.IncomingRedirect:
		return signaling.Joining{}, anew // only a call can be redirected
	}
	r := a.runners[uid]
	sharable := !a.stopped && !draining(a.pod) && r != nil && r.object.call != nil && r.object.call.Spec.Incoming != nil &&
		int(r.object.call.Spec.Incoming.Rule) == verdict.Rule
	if !sharable {
		return signaling.Joining{}, anew
	}
	return signaling.Joining{Share: true}, "shared"
}
