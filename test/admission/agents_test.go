// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// report writes as agents do: a merge patch of the status, for the version that was read.
func report(agent client.Client, mp *v1alpha1.MediaPod, change func(*v1alpha1.MediaPod)) error {
	before := mp.DeepCopy()
	mp.Status.Seats.Used++
	change(mp)
	return agent.Status().Patch(context.Background(), mp, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// TestAnAgentReportsOnlyForItsOwnPod, and only what is an agent's to say.
func TestAnAgentReportsOnlyForItsOwnPod(t *testing.T) {
	cluster := install(t)
	for name, tc := range map[string]struct {
		of     func(p *place, own, other *corev1.Pod) *corev1.Pod // whose MediaPod it is
		change func(own *corev1.Pod) func(*v1alpha1.MediaPod)
		want   string
	}{
		"its own": {nil, nil, ""},
		"its own, whole": {nil, func(own *corev1.Pod) func(*v1alpha1.MediaPod) {
			return func(mp *v1alpha1.MediaPod) {
				mp.Status.Agent = &v1alpha1.AgentReport{Instance: "i2", PodUID: string(own.UID), StartTime: metav1.Now(), Ready: true}
				mp.Status.Calls = 3
			}
		}, ""},
		"another's": {func(_ *place, _, other *corev1.Pod) *corev1.Pod { return other }, nil,
			`the agent of pod "reception-0" may not report for media pod reception-1`},
		"another bot's": {func(p *place, _, _ *corev1.Pod) *corev1.Pod { return p.pod("support", 0) }, nil,
			`may not report for media pod support-0`},
		"in the name of a Pod before": {nil, func(*corev1.Pod) func(*v1alpha1.MediaPod) {
			return func(mp *v1alpha1.MediaPod) {
				mp.Status.Agent = &v1alpha1.AgentReport{Instance: "i2", PodUID: "another", StartTime: metav1.Now()}
			}
		}, "may not report for another Pod"},
		"where it is": {nil, func(*corev1.Pod) func(*v1alpha1.MediaPod) {
			return func(mp *v1alpha1.MediaPod) { mp.Status.PodIP = "10.0.0.1" }
		}, "the rest of the status is the operator's"},
		"that it is ready": {nil, func(*corev1.Pod) func(*v1alpha1.MediaPod) {
			return func(mp *v1alpha1.MediaPod) {
				mp.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "True", Reason: "X", LastTransitionTime: metav1.Now()}}
			}
		}, "the rest of the status is the operator's"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, cluster)
			own, other := p.pod("reception", 0), p.pod("reception", 1)
			p.report(own, 0)
			about := own
			if tc.of != nil {
				about = tc.of(p, own, other)
			}
			change := func(*v1alpha1.MediaPod) {}
			if tc.change != nil {
				change = tc.change(own)
			}
			judge(t, report(p.agent(own), p.mediaPod(about), change), tc.want)
		})
	}
	t.Run("with a token that is no Pod's", func(t *testing.T) {
		p := newPlace(t, cluster)
		own := p.pod("reception", 0)
		judge(t, report(p.token("reception-mediapod", nil), p.mediaPod(own), func(*v1alpha1.MediaPod) {}), `the agent of pod "" may not report`)
	})
	t.Run("the operator", func(t *testing.T) {
		p := newPlace(t, cluster)
		own := p.pod("reception", 0)
		manager := p.as("system:serviceaccount:callfleet-system:callfleet-manager", "system:serviceaccounts")
		judge(t, report(manager, p.mediaPod(own), func(mp *v1alpha1.MediaPod) { mp.Status.PodIP = "10.0.0.1" }), "")
	})
}

// TestAnAgentWritesOnlyCallsThatAreBoundToItsPod.
func TestAnAgentWritesOnlyCallsThatAreBoundToItsPod(t *testing.T) {
	cluster := install(t)
	established := func(s *v1alpha1.CallStatus) { s.Phase = v1alpha1.PhaseEstablished }
	take := func(s *v1alpha1.CallStatus) { s.MediaPod = "reception-0" }
	serviceHosted := func(s *v1alpha1.CallStatus) {
		s.Call = &v1alpha1.CallRecord{ClaimedBy: "i0", Hosting: v1alpha1.HostingService}
	}
	session := func(bot string) client.Object { return controllertest.Session("", "standup", bot).Object() }
	outgoing := func(bot string) client.Object { return controllertest.Call("", "lunch", bot).Object() }
	incoming := func(bot string) client.Object { return controllertest.IncomingCall("", "caller", bot).Object() }
	for name, tc := range map[string]struct {
		object func(bot string) client.Object
		bot    string
		bound  string // to which pod before
		before func(*v1alpha1.CallStatus)
		change func(*v1alpha1.CallStatus)
		want   string
	}{
		"a session of its own":          {session, "reception", "reception-0", nil, established, ""},
		"a call of its own":             {outgoing, "reception", "reception-0", nil, established, ""},
		"a session of another pod":      {session, "reception", "reception-1", nil, established, `may not write standup, which is bound to "reception-1"`},
		"a call of another pod":         {outgoing, "reception", "reception-1", nil, established, `may not write lunch, which is bound to "reception-1"`},
		"taking a session":              {session, "reception", "reception-1", nil, take, `may not write standup, which is bound to "reception-1"`},
		"taking a session not bound":    {session, "reception", "", nil, take, `may not write standup, which is bound to ""`},
		"taking a call to be made":      {outgoing, "reception", "", nil, take, `may not write lunch, which is bound to ""`},
		"a call that came in":           {incoming, "reception", "", nil, take, ""},
		"a call that came in elsewhere": {incoming, "reception", "reception-1", nil, take, `may not write caller, which is bound to "reception-1"`},
		"giving a session to another": {
			session, "reception", "reception-0", nil, func(s *v1alpha1.CallStatus) { s.MediaPod = "reception-1" }, "may not write standup",
		},
		"taking over a call that the service hosts": {outgoing, "reception", "reception-1", serviceHosted, take, ""},
		"of another bot": {session, "support", "reception-0", nil, established, "may not write standup, which is of bot support"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, cluster)
			own := p.pod("reception", 0)
			object := tc.object(tc.bot)
			object.SetNamespace(p.ns)
			controllertest.Create(t, p.Client, object)
			status := func(o client.Object) *v1alpha1.CallStatus { _, s := o.(v1alpha1.AnyCall).CallParts(); return s }
			controllertest.UpdateStatus(t, p.Client, object, func(o client.Object) {
				status(o).MediaPod = tc.bound
				if tc.before != nil {
					tc.before(status(o))
				}
			})
			before := object.DeepCopyObject().(client.Object)
			tc.change(status(object))
			judge(t, p.agent(own).Status().Patch(context.Background(), object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})), tc.want)
		})
	}
}

// TestWhatAnAgentMakes: calls that came in to its bot, and the links of its bot's meetings.
func TestWhatAnAgentMakes(t *testing.T) {
	cluster := install(t)
	secret := func(change func(*corev1.Secret)) client.Object {
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
			Name: "standup-link", Labels: map[string]string{"callfleet.dev/bot": "reception"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "callfleet.dev/v1alpha1", Kind: "MeetingSession", Name: "standup", UID: "u1"}},
		}}
		change(s)
		return s
	}
	for name, tc := range map[string]struct {
		object client.Object
		want   string
	}{
		"a call that came in":       {controllertest.IncomingCall("", "caller", "reception").Object(), ""},
		"one to another bot":        {controllertest.IncomingCall("", "caller", "support").Object(), "of bot support"},
		"a call to be made":         {controllertest.Call("", "lunch", "reception").Object(), "only the objects of calls that came in"},
		"a link":                    {secret(func(*corev1.Secret) {}), ""},
		"a link of another bot":     {secret(func(s *corev1.Secret) { s.Labels["callfleet.dev/bot"] = "support" }), "only Secrets with the links"},
		"a Secret that is nobody's": {secret(func(s *corev1.Secret) { s.OwnerReferences = nil }), "only Secrets with the links"},
		"a Secret without labels":   {secret(func(s *corev1.Secret) { s.Labels = nil }), "only Secrets with the links"},
		"a token of another's account": {secret(func(s *corev1.Secret) {
			s.Type, s.Annotations = corev1.SecretTypeServiceAccountToken, map[string]string{corev1.ServiceAccountNameKey: "reception-mediapod"}
		}), "only Secrets with the links"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, cluster)
			agent := p.agent(p.pod("reception", 0))
			tc.object.SetNamespace(p.ns)
			judge(t, agent.Create(context.Background(), tc.object), tc.want)
		})
	}
}
