// SPDX-License-Identifier: Apache-2.0

package controllertest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func TestMain(m *testing.M) { controllertest.Main(m) }

func TestBuildersMakeWhatTheServerAccepts(t *testing.T) {
	cluster := controllertest.Start(t)
	ns := cluster.Namespace(t)
	now := time.Now()
	controllertest.Create(t, cluster.Client, controllertest.Bot(ns, "reception").
		Replicas(3).HostPort(28550, 28559).Domain("media.contoso.com").CABundle("roots", "ca.crt").
		Template(`{"spec":{"os":{"name":"linux"}}}`).Object())
	pod := controllertest.Create(t, cluster.Client, controllertest.MediaPod(ns, "reception", 2).
		Draining(v1alpha1.DrainScaleIn, now).Seats(20, 3, 1).Calls(3).Ready().Object())
	session := controllertest.Create(t, cluster.Client, controllertest.Session(ns, "standup", "reception").
		Start(now).End(now.Add(time.Hour)).TTL(60).BoundTo("reception-2").ClaimedBy("i1").Ended(v1alpha1.EndMeetingEnded, false, false).Object())

	read := controllertest.Await(t, cluster.Client, &v1alpha1.MediaPod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "reception-2"}},
		"carry its status", func(p *v1alpha1.MediaPod) error {
			return controllertest.HasCondition(p.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
		})
	if diff := cmp.Diff(pod.Status, read.Status); diff != "" {
		t.Errorf("the status written is not the status read (-written +read):\n%s", diff)
	}
	if session.Status.Phase != v1alpha1.PhaseJoining || session.Status.MediaPod != "reception-2" {
		t.Errorf("the session's status was not stored: %+v", session.Status)
	}
}

func TestManagerRecordsItsWrites(t *testing.T) {
	cluster := controllertest.Start(t)
	ns := cluster.Namespace(t)
	// A controller that labels each session once.
	setup := func(mgr ctrl.Manager) error {
		return ctrl.NewControllerManagedBy(mgr).For(&v1alpha1.MeetingSession{}).Complete(reconcile.Func(
			func(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
				session := &v1alpha1.MeetingSession{}
				if err := mgr.GetClient().Get(ctx, r.NamespacedName, session); err != nil {
					return reconcile.Result{}, client.IgnoreNotFound(err)
				}
				if session.Labels["seen"] == "yes" {
					return reconcile.Result{}, nil
				}
				before := session.DeepCopy()
				session.Labels = map[string]string{"seen": "yes"}
				return reconcile.Result{}, mgr.GetClient().Patch(ctx, session, client.MergeFrom(before))
			}))
	}
	mgr := cluster.StartManager(t, ns, setup)
	session := controllertest.Create(t, cluster.Client, controllertest.Session(ns, "standup", "reception").Object())
	controllertest.Await(t, cluster.Client, session, "be labelled", func(s *v1alpha1.MeetingSession) error {
		if s.Labels["seen"] != "yes" {
			return errors.New("no label")
		}
		return nil
	})
	mgr.Writes.AwaitQuiet(t, 200*time.Millisecond)
	for _, write := range mgr.Writes.List() {
		if write != "PATCH meetingsessions/standup" {
			t.Errorf("recorded %q, want only the patch of the session", write)
		}
	}
	mgr.Stop()
	out, err := cluster.Kubectl(t, "get", "ms", "-n", ns)
	if err != nil || !strings.Contains(out, "standup") {
		t.Errorf("kubectl get ms: %v\n%s", err, out)
	}
}
