// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"slices"
	"testing"

	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func TestIncomingRules(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	rules := func(rules ...v1alpha1.IncomingRule) *v1alpha1.CallingBot {
		return controllertest.Bot(ns, "reception").Incoming(rules...).Object()
	}
	serviceHosted := func(rules ...v1alpha1.IncomingRule) *v1alpha1.CallingBot {
		return controllertest.Bot(ns, "reception").ServiceHosted().Incoming(rules...).Object()
	}
	answer := func(f func(*v1alpha1.IncomingRule)) *v1alpha1.CallingBot {
		rule := v1alpha1.IncomingRule{Action: v1alpha1.IncomingAnswer}
		f(&rule)
		return rules(rule)
	}
	to := func(targets int, ring int32) v1alpha1.IncomingRule {
		return v1alpha1.IncomingRule{Action: v1alpha1.IncomingRedirect, Redirect: &v1alpha1.RedirectTo{
			Targets: slices.Repeat([]v1alpha1.Identity{{User: controllertest.UserID}}, targets), RingSeconds: ring,
		}}
	}
	silence := func(d v1alpha1.Duration) v1alpha1.IncomingRule {
		return v1alpha1.IncomingRule{Action: v1alpha1.IncomingAnswer, Call: &v1alpha1.IncomingTemplate{Leave: v1alpha1.LeaveRules{SilenceTimeout: d}}}
	}
	const (
		answering   = "behavior, call and participantCapacity go with action: Answer"
		redirecting = "redirect is given with action: Redirect and only then"
		rejecting   = "reason goes with action: Reject"
	)
	reject := v1alpha1.IncomingRule{Action: v1alpha1.IncomingReject, Reason: v1alpha1.RejectBusy}
	cases := map[string]struct {
		bot  *v1alpha1.CallingBot
		want string
	}{
		"one of each": {rules(
			v1alpha1.IncomingRule{
				From: &v1alpha1.CallerMatch{
					Tenants: []v1alpha1.GUID{controllertest.TenantID}, Users: []v1alpha1.GUID{controllertest.UserID},
					Kinds: []v1alpha1.CallerKind{v1alpha1.CallerUser, v1alpha1.CallerPhone},
				},
				OnBehalfOf:          &v1alpha1.CallerMatch{Users: []v1alpha1.GUID{controllertest.UserID}},
				To:                  []v1alpha1.GUID{controllertest.AppID},
				PolicyRecording:     ptr.To(false),
				Action:              v1alpha1.IncomingAnswer,
				Behavior:            &v1alpha1.Behavior{Echo: &v1alpha1.Echo{}},
				Call:                &v1alpha1.IncomingTemplate{Muted: true, RecordingStatus: v1alpha1.Recording, TTLSecondsAfterFinished: ptr.To[int32](60)},
				ParticipantCapacity: 100,
			}, to(25, 90), reject,
		), accepted},
		"silence, heard":               {rules(silence("5m")), accepted},
		"silence, where nobody hears":  {serviceHosted(reject, silence("5m")), "call.leave.silenceTimeout needs media.hosting: Application"},
		"silence that does not matter": {serviceHosted(silence("0s")), accepted},
		"another leave rule": {serviceHosted(v1alpha1.IncomingRule{
			Action: v1alpha1.IncomingAnswer, Call: &v1alpha1.IncomingTemplate{Leave: v1alpha1.LeaveRules{MaxDuration: "1h"}},
		}), accepted},
		"32 rules":          {rules(slices.Repeat([]v1alpha1.IncomingRule{reject}, 32)...), accepted},
		"33 rules":          {rules(slices.Repeat([]v1alpha1.IncomingRule{reject}, 33)...), "spec.incoming: Too many: 33: must have at most 32 items"},
		"an unknown action": {rules(v1alpha1.IncomingRule{Action: "Ignore"}), `Unsupported value: "Ignore"`},
		"a caller of unheard kind": {answer(func(r *v1alpha1.IncomingRule) {
			r.From = &v1alpha1.CallerMatch{Kinds: []v1alpha1.CallerKind{"Fax"}}
		}), `Unsupported value: "Fax"`},

		"a rejection that behaves": {rules(v1alpha1.IncomingRule{
			Action: v1alpha1.IncomingReject, Behavior: &v1alpha1.Behavior{Echo: &v1alpha1.Echo{}},
		}), answering},
		"a rejection that asks":   {rules(v1alpha1.IncomingRule{Action: v1alpha1.IncomingReject, Call: &v1alpha1.IncomingTemplate{Muted: true}}), answering},
		"a rejection with room":   {rules(v1alpha1.IncomingRule{Action: v1alpha1.IncomingReject, ParticipantCapacity: 2}), answering},
		"an answer with a reason": {answer(func(r *v1alpha1.IncomingRule) { r.Reason = v1alpha1.RejectBusy }), rejecting},
		"an unknown reason":       {rules(v1alpha1.IncomingRule{Action: v1alpha1.IncomingReject, Reason: "Lunch"}), `Unsupported value: "Lunch"`},
		"a redirect to nowhere":   {rules(v1alpha1.IncomingRule{Action: v1alpha1.IncomingRedirect}), redirecting},
		"an answer elsewhere":     {answer(func(r *v1alpha1.IncomingRule) { r.Redirect = to(1, 0).Redirect }), redirecting},
		"a redirect to nobody":    {rules(to(0, 0)), "spec.incoming[0].redirect.targets in body should have at least 1 items"},
		"26 targets":              {rules(to(26, 0)), "spec.incoming[0].redirect.targets: Too many: 26: must have at most 25 items"},
		"too short a ring":        {rules(to(1, 14)), "spec.incoming[0].redirect.ringSeconds in body should be greater than or equal to 15"},
		"too long a ring":         {rules(to(1, 91)), "spec.incoming[0].redirect.ringSeconds in body should be less than or equal to 90"},
		"more room than there is": {answer(func(r *v1alpha1.IncomingRule) { r.ParticipantCapacity = 1001 }), "participantCapacity in body should be less than or equal to 1000"},
		"an answer that echoes and plays": {answer(func(r *v1alpha1.IncomingRule) {
			r.Behavior = &v1alpha1.Behavior{Echo: &v1alpha1.Echo{}, Play: &v1alpha1.Play{URL: "https://x/y.wav"}}
		}), "echo, play and flowRef exclude each other"},
		"a recording": {answer(func(r *v1alpha1.IncomingRule) {
			r.Behavior = &v1alpha1.Behavior{Recording: &v1alpha1.RecordingBehavior{}}
		}), accepted},
		"a recording of what is not heard": {serviceHosted(reject, v1alpha1.IncomingRule{
			Action: v1alpha1.IncomingAnswer, Behavior: &v1alpha1.Behavior{Play: &v1alpha1.Play{URL: "https://x/y.wav"}, Recording: &v1alpha1.RecordingBehavior{}},
		}), "an incoming rule with behavior.recording needs media.hosting: Application"},
		"an echo without media of one's own": {serviceHosted(v1alpha1.IncomingRule{
			Action: v1alpha1.IncomingAnswer, Behavior: &v1alpha1.Behavior{Echo: &v1alpha1.Echo{}},
		}), "an incoming rule with behavior.echo needs media.hosting: Application"},
		"a prompt the service plays": {serviceHosted(reject, v1alpha1.IncomingRule{Action: v1alpha1.IncomingAnswer}, v1alpha1.IncomingRule{
			Action: v1alpha1.IncomingAnswer, Behavior: &v1alpha1.Behavior{Play: &v1alpha1.Play{URL: "https://x/y.wav"}},
		}), accepted},
		"media the service has, and no rule": {serviceHosted(), accepted},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { create(t, tc.bot, tc.want) })
	}
}

func TestRegionRedirects(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	const url = "https://emea.contoso.com/voice/reception/calls"
	bot := func(redirects ...v1alpha1.RegionRedirect) *v1alpha1.CallingBot {
		return controllertest.Bot(ns, "reception").With(func(b *v1alpha1.CallingBot) { b.Spec.Signaling.Redirects = redirects }).Object()
	}
	cases := map[string]struct {
		bot  *v1alpha1.CallingBot
		want string
	}{
		"by country":              {bot(v1alpha1.RegionRedirect{Countries: []string{"DE", "AT"}, URL: url}), accepted},
		"by region":               {bot(v1alpha1.RegionRedirect{Regions: []string{"emea"}, URL: url}), accepted},
		"from everywhere":         {bot(v1alpha1.RegionRedirect{URL: url}), "at least one of countries and regions must be set"},
		"a country by its name":   {bot(v1alpha1.RegionRedirect{Countries: []string{"Austria"}, URL: url}), "spec.signaling.redirects[0].countries[0]"},
		"a country in lower case": {bot(v1alpha1.RegionRedirect{Countries: []string{"at"}, URL: url}), "countries[0] in body should match"},
		"over plain http":         {bot(v1alpha1.RegionRedirect{Regions: []string{"emea"}, URL: "http://emea.contoso.com"}), "must be an absolute https:// URL"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { create(t, tc.bot, tc.want) })
	}
}
