// SPDX-License-Identifier: Apache-2.0

package drain_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/controllers/drain"
)

func TestMain(m *testing.M) { controllertest.Main(m) }

var since = time.Unix(1_700_000_000, 0)

// drained is a pod that acknowledged its mark and is empty; each case spoils one thing.
func drained() *controllertest.MediaPodBuilder {
	return controllertest.MediaPod("voice", "reception", 0).Generation(2).
		Draining(v1alpha1.DrainScaleIn, since).Agent("i1", 2).Seats(20, 0, 0)
}

// waiting is such a pod with recordings that were finished so long after the mark and are not stored.
func waiting(after time.Duration, names ...string) *controllertest.MediaPodBuilder {
	return drained().With(func(p *v1alpha1.MediaPod) {
		p.Spec.Media.Recordings = &v1alpha1.Recordings{Storage: &v1alpha1.RecordingStorage{URL: "gs://tapes", UploadTimeout: "30m"}}
		p.Status.PendingUploads = &v1alpha1.PendingUploads{
			Recordings: int32(len(names)), Since: metav1.NewTime(since.Add(after)), Names: names, Failure: "the bucket is away",
		}
	})
}

// lost is what a person says.
func lost(b *controllertest.MediaPodBuilder) *controllertest.MediaPodBuilder {
	return b.With(func(p *v1alpha1.MediaPod) { p.Annotations = map[string]string{v1alpha1.AnnotationLost: "true"} })
}

// allowing are the reasons for a yes.
var allowing = []string{drain.ReasonEmpty, drain.ReasonRecordingsLost, drain.ReasonGivenUp}

func TestMayDelete(t *testing.T) {
	cases := map[string]struct {
		pod      *controllertest.MediaPodBuilder
		sessions []string
		later    time.Duration
		reason   string
		says     string
	}{
		"acknowledged and empty":        {pod: drained(), reason: drain.ReasonEmpty},
		"acknowledged a later mark too": {pod: drained().Agent("i1", 3), reason: drain.ReasonEmpty},
		"deleted by somebody, no drain mark": {
			pod:    drained().Deleted(since).With(func(p *v1alpha1.MediaPod) { p.Spec.Drain = nil }),
			reason: drain.ReasonEmpty,
		},
		"no mark": {
			pod:    drained().With(func(p *v1alpha1.MediaPod) { p.Spec.Drain = nil }),
			reason: drain.ReasonNotDraining,
		},
		"mark not acknowledged, seemingly empty": {
			pod: drained().Agent("i1", 1), reason: drain.ReasonNotAcknowledged, says: "saw generation 1, the mark is in 2",
		},
		"a live call":                    {pod: drained().Seats(20, 1, 0).Calls(1), reason: drain.ReasonLiveCalls, says: "1 call (1 seats)"},
		"a live call that takes no seat": {pod: drained().Calls(1), reason: drain.ReasonLiveCalls},
		"a used seat of no counted call": {pod: drained().Seats(20, 1, 0), reason: drain.ReasonLiveCalls},
		"a reserved seat":                {pod: drained().Seats(20, 0, 2), reason: drain.ReasonReserved, says: "2 seats"},
		"a bound session":                {pod: drained(), sessions: []string{"standup"}, reason: drain.ReasonSessionsBound, says: "standup"},
		"many bound sessions": {
			pod: drained(), sessions: []string{"a", "b", "c", "d"}, reason: drain.ReasonSessionsBound, says: "4 sessions and calls are bound to the pod, a, b, c among them",
		},
		"given up by a person, whatever it last said": {
			pod:      lost(drained().Agent("i1", 1).Seats(20, 3, 1).Calls(3)),
			sessions: []string{"standup"}, reason: drain.ReasonGivenUp,
		},
		"given up, but not marked": {
			pod:    lost(drained()).With(func(p *v1alpha1.MediaPod) { p.Spec.Drain = nil }),
			reason: drain.ReasonNotDraining,
		},
		"given up by mistake: its Pod is ready": {
			pod:    lost(drained().Calls(3)).Condition(v1alpha1.ConditionPodReady, "True", v1alpha1.ReasonReady, ""),
			reason: drain.ReasonLiveCalls,
		},
		"given up in other words": {
			pod:    drained().Calls(3).With(func(p *v1alpha1.MediaPod) { p.Annotations = map[string]string{v1alpha1.AnnotationLost: "maybe"} }),
			reason: drain.ReasonLiveCalls,
		},
		"no Pod was ever made": {
			pod:    controllertest.MediaPod("voice", "reception", 0).Draining(v1alpha1.DrainScaleIn, since),
			reason: drain.ReasonEmpty,
		},
		"a Pod whose process has never reported": {
			pod:    controllertest.MediaPod("voice", "reception", 0).Draining(v1alpha1.DrainScaleIn, since).Pod("u1"),
			reason: drain.ReasonEmpty,
		},
		"never reported, but a session is bound": {
			pod:      controllertest.MediaPod("voice", "reception", 0).Draining(v1alpha1.DrainScaleIn, since).Pod("u1"),
			sessions: []string{"standup"}, reason: drain.ReasonSessionsBound,
		},
		"the process stopped after reporting, its Pod is there": {
			pod:    drained().With(func(p *v1alpha1.MediaPod) { p.Status.Agent = nil }),
			reason: drain.ReasonAgentSilent, says: "kubectl logs reception-0",
		},
		"the process stopped and its Pod is gone": {
			pod:    drained().With(func(p *v1alpha1.MediaPod) { p.Status.Agent = nil; p.Status.PodUID = "" }),
			reason: drain.ReasonEmpty,
		},
		"its Pod is gone, its last words were of calls": {
			pod:    drained().Calls(2).Seats(20, 2, 0).With(func(p *v1alpha1.MediaPod) { p.Status.Agent = nil; p.Status.PodUID = "" }),
			reason: drain.ReasonEmpty,
		},
		"its Pod is gone and a session has not been told": {
			pod:      drained().Calls(1).Seats(20, 1, 0).With(func(p *v1alpha1.MediaPod) { p.Status.Agent = nil; p.Status.PodUID = "" }),
			sessions: []string{"standup"}, reason: drain.ReasonSessionsBound,
		},
		"a recording is not stored": {
			pod: waiting(0, "standup-1"), later: 29 * time.Minute, reason: drain.ReasonUploadsPending, says: "1 recording (standup-1) is not stored yet; waiting until 2023-11-14T22:43:20Z: the bucket is away",
		},
		"a recording is not stored, and was waited for": {
			pod: waiting(0, "standup-1"), later: 30 * time.Minute, reason: drain.ReasonRecordingsLost, says: "uploadTimeout is over, and 1 recording (standup-1) is not stored",
		},
		"a recording was finished long after the mark": {
			pod: waiting(5*time.Hour, "standup-1"), later: 5*time.Hour + 29*time.Minute, reason: drain.ReasonUploadsPending,
		},
		"a recording was finished long before the mark": {
			pod: waiting(-5*time.Hour, "standup-1"), later: 29 * time.Minute, reason: drain.ReasonUploadsPending,
		},
		"a call goes on, and a recording was waited for": {
			pod: waiting(0, "standup-1").Calls(1), later: 9 * time.Hour, reason: drain.ReasonLiveCalls,
		},
		"more recordings than names": {
			pod:   waiting(0, "a", "b").With(func(p *v1alpha1.MediaPod) { p.Status.PendingUploads.Recordings = 5 }),
			later: time.Minute, reason: drain.ReasonUploadsPending, says: "5 recordings (a, b and 3 more) are not stored yet",
		},
		"all recordings are stored": {pod: waiting(0), later: time.Minute, reason: drain.ReasonEmpty},
		"the Pod is gone, and what was not stored with it": {
			pod: waiting(0, "standup-1").With(func(p *v1alpha1.MediaPod) { p.Status.Agent = nil; p.Status.PodUID = "" }), reason: drain.ReasonEmpty,
		},
		"the process stopped with a recording: it has to come back and store it": {
			pod: waiting(0, "standup-1").With(func(p *v1alpha1.MediaPod) { p.Status.Agent = nil }), later: 9 * time.Hour, reason: drain.ReasonAgentSilent,
		},
		"a report of no known process": {
			pod: drained().Agent("", 2), reason: drain.ReasonAgentSilent,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := drain.MayDelete(drain.Facts{MediaPod: tc.pod.Object(), Sessions: tc.sessions, Now: since.Add(tc.later)})
			if got.Reason != tc.reason || got.Allowed != slices.Contains(allowing, tc.reason) {
				t.Errorf("got %+v, want reason %s", got, tc.reason)
			}
			if !strings.Contains(got.Message, tc.says) || got.Message == "" {
				t.Errorf("message %q does not say %q", got.Message, tc.says)
			}
		})
	}
}

func TestBoundEndsWithTheCall(t *testing.T) {
	calls := map[string]func(v1alpha1.CallPhase) v1alpha1.AnyCall{
		"session": func(p v1alpha1.CallPhase) v1alpha1.AnyCall {
			return controllertest.Session("voice", "standup", "reception").BoundTo("reception-0").Phase(p).Object()
		},
		"call": func(p v1alpha1.CallPhase) v1alpha1.AnyCall {
			return controllertest.Call("voice", "lunch", "reception").BoundTo("reception-0").Phase(p).Object()
		},
	}
	for kind, in := range calls {
		if got := drain.BoundTo(in(v1alpha1.PhaseEstablished)); got != "reception-0" {
			t.Errorf("an established %s counts on %q", kind, got)
		}
		for _, phase := range []v1alpha1.CallPhase{v1alpha1.PhaseCompleted, v1alpha1.PhaseFailed} {
			if got := drain.BoundTo(in(phase)); got != "" {
				t.Errorf("a %s that is %s counts on %q", kind, phase, got)
			}
		}
	}
}

// A report that arrives between the verdict and the delete must make the delete fail: this is what makes it safe to judge
// by a cache.
func TestPreconditionsRefuseAfterANewReport(t *testing.T) {
	cluster := controllertest.Start(t)
	ctx := context.Background()
	judged := controllertest.Create(t, cluster.Client, controllertest.MediaPod(cluster.Namespace(t), "reception", 0).
		Draining(v1alpha1.DrainScaleIn, since).Object())
	if verdict := drain.MayDelete(drain.Facts{MediaPod: judged}); !verdict.Allowed {
		t.Fatalf("a pod that never ran may be deleted, got %+v", verdict)
	}
	controllertest.UpdateStatus(t, cluster.Client, judged.DeepCopy(), func(p *v1alpha1.MediaPod) {
		p.Status.Agent = &v1alpha1.AgentReport{Instance: "i1", PodUID: "u1", StartTime: p.CreationTimestamp}
		p.Status.Calls = 1
	})
	if err := cluster.Client.Delete(ctx, judged, drain.Preconditions(judged)); !apierrors.IsConflict(err) {
		t.Fatalf("deleting by an outdated verdict: got %v, want a conflict", err)
	}
}
