// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"testing"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

const consultation = `
start: operator
steps:
- {name: operator, transfer: {to: {user: 550fae72-d251-43ec-868c-373732c2704f}, type: Consultative, timeout: 20s, onFailure: sorry}}
- {name: sorry, hangup: {}}
`

// second waits for the call that the bot makes to the one who is consulted.
func (s *service) second(t *testing.T, joined int) (signaling.JoinRequest, *fakeCall) {
	t.Helper()
	await(t, "a second call", func() bool { return s.joined() == joined+1 })
	s.mu.Lock()
	defer s.mu.Unlock()
	req := s.joins[joined]
	return req, s.calls[req.UID]
}

// TestAConsultativeTransferIsASecondCall, on either kind of media; the caller takes its place once they have answered.
func TestAConsultativeTransferIsASecondCall(t *testing.T) {
	for hosting, change := range map[callfleetv1.Hosting]func(*callfleetv1.MediaPod){
		callfleetv1.HostingService: serviceHosted, callfleetv1.HostingApplication: func(*callfleetv1.MediaPod) {},
	} {
		t.Run(string(hosting), func(t *testing.T) {
			d := newFlowDesk(t, &memory{object: runs(outgoing(callfleetv1.OneCallSpec{
				To: []callfleetv1.Identity{{Phone: "+12065550100"}}, From: &callfleetv1.CallSource{Application: controllertest.AppID},
			}), "operator")}, func(p *callfleetv1.MediaPod) { p.Spec.Media.Hosting = "" }, change)
			d.shelf.put(t, "operator", consultation)
			d.agent.changed(d.m.newest())
			req, _ := d.calls.second(t, 1)
			if req.Targets[0].Identity.User.ID != jane || req.RingingTimeout != 20*time.Second || req.UID == d.m.newest().uid || req.Source.Identity.ApplicationInstance.ID != controllertest.AppID {
				t.Errorf("request %+v", req)
			}
			if hosted := req.Blob == ""; hosted != (hosting == callfleetv1.HostingService) {
				t.Errorf("the service hosts its media: %t", hosted)
			}
			first := d.calls.call(t, d.m.newest().uid)
			await(t, "the transfer", func() bool {
				for _, a := range first.acted() {
					if given, is := a.(signaling.Transfer); is {
						return given.ReplacesCallID == "call-1" && given.Target.Identity.User.ID == jane
					}
				}
				return false
			})
			first.end(signaling.EndFor(signaling.EndTransferred))
			await(t, "the end", func() bool { c := d.m.status().Call; return c != nil && c.End != nil })
			if st := d.m.status(); st.Call.End.Reason != callfleetv1.EndTransferred || st.Flow.End != callfleetv1.FlowTransferred {
				t.Errorf("end %+v, flow %+v", st.Call.End, st.Flow)
			}
		})
	}
}

// TestWhomASecondCallComesFrom: a telephone can be called by a resource account only, which a caller has called.
func TestWhomASecondCallComesFrom(t *testing.T) {
	const account = "11111111-2222-3333-4444-555555555555"
	for name, tc := range map[string]struct {
		to   graph.IdentitySet
		want string
	}{
		"the bot itself was called":    {to: graph.IdentitySet{Application: &graph.Identity{ID: controllertest.AppID}}},
		"a resource account was":       {to: graph.IdentitySet{ApplicationInstance: &graph.Identity{ID: account}}, want: account},
		"the service does not say who": {},
	} {
		t.Run(name, func(t *testing.T) {
			d := newFlowDesk(t, &memory{}, withRules(incomingRule("operator")))
			d.shelf.put(t, "operator", consultation)
			d.agent.book = d.agent.prepareRules(t.Context(), d.agent.pod)
			in := ring("call-1")
			in.To = tc.to
			pickUp(t, d.agent, d.calls, in).establishAnswered()
			req, _ := d.calls.second(t, 0)
			switch {
			case tc.want == "" && req.Source != nil, tc.want != "" && (req.Source == nil || req.Source.Identity.ApplicationInstance.ID != tc.want):
				t.Errorf("source %+v", req.Source)
			case req.TenantID != in.TenantID:
				t.Errorf("in tenant %q", req.TenantID)
			}
		})
	}
}
