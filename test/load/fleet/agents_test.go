// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// TestTheJudgeSeesWhatMayNeverHappen: two pods of two seats serve, and the first has a call. A judge that lets everything
// pass would make the whole measurement worthless.
func TestTheJudgeSeesWhatMayNeverHappen(t *testing.T) {
	cases := map[string]struct {
		happens func(*agents)
		want    string // part of the breach; empty: none
	}{
		"nothing":                            {func(*agents) {}, ""},
		"an idle Pod goes":                   {func(a *agents) { a.podGone(aPod("bot-0-1")) }, ""},
		"a Pod with a call goes":             {func(a *agents) { a.podGone(aPod("bot-0-0")) }, "Pod bot-0-0 is gone while it has 1 calls"},
		"a Pod with a call is being deleted": {func(a *agents) { a.podChanged(deleted(aPod("bot-0-0"))) }, "Pod bot-0-0 is being deleted while"},
		"an idle Pod is being deleted":       {func(a *agents) { a.podChanged(deleted(aPod("bot-0-1"))) }, ""},
		"a Pod with a call is another":       {func(a *agents) { a.podChanged(another(aPod("bot-0-0"))) }, "Pod bot-0-0 was replaced while"},
		"an idle media pod goes":             {func(a *agents) { a.mediaPodGone(aMediaPod("bot-0-1")) }, ""},
		"a media pod with a call goes":       {func(a *agents) { a.mediaPodGone(aMediaPod("bot-0-0")) }, "media pod bot-0-0 is gone while"},
		"one session more, and it is full":   {func(a *agents) { a.sessionChanged(aSession("s-1", "bot-0-0")) }, ""},
		"two sessions more than it has seats": {func(a *agents) {
			a.sessionChanged(aSession("s-1", "bot-0-0"))
			a.sessionChanged(aSession("s-2", "bot-0-0"))
		}, "has 2 seats, and 3 sessions"},
		"a session with a call is moved":   {func(a *agents) { a.sessionChanged(aSession("s-0", "bot-0-1")) }, "session s-0 was taken from media pod bot-0-0"},
		"a session with a call is unbound": {func(a *agents) { a.sessionChanged(aSession("s-0", "")) }, "session s-0 was taken from media pod bot-0-0"},
		"a session with a call goes":       {func(a *agents) { a.sessionGone(aSession("s-0", "bot-0-0")) }, "session s-0 is gone while"},
		"a session without one is moved": {func(a *agents) {
			a.sessionChanged(aSession("s-1", "bot-0-0"))
			a.sessionChanged(aSession("s-1", "bot-0-1"))
		}, ""},
		"one that is over frees its seat": {func(a *agents) {
			over := aSession("s-1", "bot-0-0")
			a.sessionChanged(over)
			over = over.DeepCopy()
			over.Status.Phase = callfleetv1.PhaseCompleted
			a.sessionChanged(over)
			a.sessionChanged(aSession("s-2", "bot-0-0"))
		}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			a := newAgents(nil, newBindings(), 0)
			for _, pod := range []string{"bot-0-0", "bot-0-1"} {
				a.mediaPodChanged(aMediaPod(pod))
				a.podChanged(aPod(pod))
				a.pods[pod].admits = true
			}
			a.sessionChanged(aSession("s-0", "bot-0-0"))
			if held := a.pods["bot-0-0"].calls["s-0"]; held == nil {
				t.Fatal("the agent does not take the session that is bound to its pod")
			} else {
				held.made = true
			}
			c.happens(a)
			switch err := a.broken(); {
			case c.want == "" && err != nil:
				t.Errorf("breach: %v", err)
			case c.want != "" && !strings.Contains(fmt.Sprint(err), c.want):
				t.Errorf("breach %v, want %q", err, c.want)
			}
		})
	}
}

// TestADrainingAgentTakesNothing: it refuses, and so does one that is full.
func TestADrainingAgentTakesNothing(t *testing.T) {
	a := newAgents(nil, newBindings(), 0)
	drains := aMediaPod("bot-0-0")
	drains.Spec.Drain = &callfleetv1.Drain{}
	a.mediaPodChanged(drains)
	a.podChanged(aPod("bot-0-0"))
	a.pods["bot-0-0"].admits = true
	asked := len(a.work)
	a.sessionChanged(aSession("s-0", "bot-0-0"))
	if n := len(a.pods["bot-0-0"].calls); n != 0 {
		t.Errorf("%d calls in a pod that drains", n)
	}
	if len(a.work) != asked+1 {
		t.Error("the session is not refused, and would wait for good")
	}
}

func TestRequestsAreReadFromTheMetrics(t *testing.T) {
	for line, want := range map[string]request{
		`apiserver_request_total{code="200",component="apiserver",dry_run="",group="callfleet.dev",resource="meetingsessions",scope="resource",subresource="status",verb="PATCH",version="v1alpha1"} 1234` + "\n": {"PATCH", "meetingsessions", "200", 1234},
		`apiserver_request_total{code="201",group="events.k8s.io",resource="events",verb="POST"} 1e+06`:                                                                                                           {"POST", "events", "201", 1_000_000},
		`apiserver_request_total{code="200",resource="pods",verb="LIST"} 7`:                                                                                                                                       {},
		`apiserver_request_duration_seconds_count{verb="PATCH"} 7`:                                                                                                                                                {},
		`# HELP apiserver_request_total Counter`:                                                                                                                                                                  {},
		`apiserver_request_total{code="200",verb="PATCH"} many`:                                                                                                                                                   {},
	} {
		got, ok := parseRequest(line)
		if ok != (want != request{}) || ok && got != want {
			t.Errorf("%s: %+v, %v", line, got, ok)
		}
	}
}

func aPod(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Labels: map[string]string{callfleetv1.LabelBot: "bot-0"}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	}
}

func deleted(pod *corev1.Pod) *corev1.Pod {
	pod.DeletionTimestamp = &metav1.Time{}
	return pod
}

func another(pod *corev1.Pod) *corev1.Pod {
	pod.UID = "another"
	return pod
}

func aMediaPod(name string) *callfleetv1.MediaPod {
	mp := &callfleetv1.MediaPod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Generation: 1}}
	mp.Spec.Capacity.Seats = 2
	return mp
}

func aSession(name, pod string) *callfleetv1.MeetingSession {
	s := &callfleetv1.MeetingSession{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}}
	s.Status.MediaPod = pod
	return s
}
