// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// stepper makes single passes, without a cache, and counts what they write.
type stepper struct {
	*world
	reconciler *Reconciler
	writes     []string
	// fail, if set, is what writes of this kind end with.
	fail map[string]error
}

func newStepper(t *testing.T) *stepper {
	t.Helper()
	cluster := controllertest.Start(t)
	s := &stepper{fail: map[string]error{}}
	s.world = &world{T: t, cluster: cluster, client: cluster.Client, namespace: cluster.Namespace(t)}
	s.bot = controllertest.Create(t, s.client, controllertest.Bot(s.namespace, "reception").Object())
	note := func(write string) error {
		s.writes = append(s.writes, write)
		return s.fail[write]
	}
	counted := interceptor.NewClient(cluster.Client, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if err := note("create " + kindOf(o)); err != nil {
				return err
			}
			return c.Create(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			if err := note("update " + kindOf(o)); err != nil {
				return err
			}
			return c.Update(ctx, o, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			if err := note("delete " + kindOf(o)); err != nil {
				return err
			}
			return c.Delete(ctx, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if err := note("patch " + kindOf(o)); err != nil {
				return err
			}
			return c.Patch(ctx, o, p, opts...)
		},
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			if err := note("apply"); err != nil {
				return err
			}
			return c.Apply(ctx, o, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			if err := note("patch " + kindOf(o) + "/" + sub); err != nil {
				return err
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	})
	s.reconciler = &Reconciler{
		MediaPodImage: image, Client: counted, APIReader: cluster.Client, Metadata: cluster.Client,
		Recorder: events.NewFakeRecorder(100), Clock: clock.RealClock{},
	}
	return s
}

func kindOf(o client.Object) string {
	switch o.(type) {
	case *v1alpha1.MediaPod:
		return "MediaPod"
	case *corev1.Pod:
		return "Pod"
	case *corev1.Secret:
		return "Secret"
	}
	return "other"
}

// step makes one pass and gives its writes.
func (s *stepper) step(mp *v1alpha1.MediaPod) (ctrl.Result, []string, error) {
	s.writes = nil
	result, err := s.reconciler.Reconcile(context.Background(), ctrl.Request{NamespacedName: keyOf(mp)})
	return result, s.writes, err
}

// settle makes passes until one writes nothing.
func (s *stepper) settle(mp *v1alpha1.MediaPod) (passes [][]string) {
	s.Helper()
	for range 10 {
		_, writes, err := s.step(mp)
		if err != nil {
			s.Fatalf("pass %d: %v", len(passes)+1, err)
		}
		if len(writes) == 0 {
			return passes
		}
		passes = append(passes, writes)
	}
	s.Fatalf("no end of writing: %v", passes)
	return nil
}

func TestEveryPassWritesTheStatusOnceAndTheLastNothing(t *testing.T) {
	s := newStepper(t)
	mp := s.mediaPod(0)
	want := [][]string{
		{"apply", "create Secret", "patch MediaPod/status"}, // Service and authority
		{"create Secret", "patch MediaPod/status"},          // certificate
		{"create Pod", "patch MediaPod/status"},
	}
	if diff := cmp.Diff(want, s.settle(mp)); diff != "" {
		t.Errorf("writes until the Pod is there (-want +got):\n%s", diff)
	}
	pod := s.awaitPod(mp)
	s.schedule(pod, "win-1")
	pod = s.kubelet(pod, running(time.Now(), true))
	s.agent(mp, pod, "i1")
	if diff := cmp.Diff([][]string{{"patch MediaPod/status"}}, s.settle(mp)); diff != "" {
		t.Errorf("writes until it is Ready (-want +got):\n%s", diff)
	}
	controllertest.Update(t, s.client, mp, func(mp *v1alpha1.MediaPod) {
		mp.Spec.Drain = &v1alpha1.Drain{Reason: v1alpha1.DrainScaleIn, Since: metav1.Now()}
	})
	if diff := cmp.Diff([][]string{{"patch Pod", "patch MediaPod/status"}}, s.settle(mp)); diff != "" {
		t.Errorf("writes when a drain begins (-want +got):\n%s", diff)
	}
	if err := s.client.Delete(context.Background(), mp); err != nil {
		t.Fatal(err)
	}
	s.agent(mp, pod, "i1")
	if diff := cmp.Diff([][]string{{"patch MediaPod"}}, s.settle(mp)); diff != "" {
		t.Errorf("writes at the end (-want +got):\n%s", diff)
	}
}

func TestConflictsAreNoErrors(t *testing.T) {
	resource := schema.GroupResource{Resource: "things"}
	conflict := apierrors.NewConflict(resource, "it", nil)
	exists := apierrors.NewAlreadyExists(resource, "it")
	tests := map[string]error{
		"apply":                 conflict,
		"create Secret":         exists,
		"create Pod":            exists,
		"patch MediaPod/status": conflict,
	}
	for write, failure := range tests {
		t.Run(write, func(t *testing.T) {
			s := newStepper(t)
			mp := s.mediaPod(0)
			s.fail[write] = failure
			failed := false
			for range 4 {
				result, writes, err := s.step(mp)
				if err != nil {
					t.Fatalf("error %v", err)
				}
				for _, w := range writes {
					failed = failed || w == write
				}
				if failed {
					if result.RequeueAfter != soon {
						t.Errorf("again after %v, want %v", result.RequeueAfter, soon)
					}
					break
				}
			}
			if !failed {
				t.Fatal("it was never tried")
			}
			delete(s.fail, write)
			s.settle(mp)
			s.awaitPod(mp)
		})
	}
}

func TestAReportThatComesInBetweenHoldsTheMediaPod(t *testing.T) {
	s := newStepper(t)
	mp := s.mediaPod(0)
	s.settle(mp)
	pod := s.awaitPod(mp)
	s.schedule(pod, "win-1")
	pod = s.kubelet(pod, running(time.Now(), true))
	s.agent(mp, pod, "i1")
	s.settle(mp)
	if err := s.client.Delete(context.Background(), mp); err != nil {
		t.Fatal(err)
	}
	s.agent(mp, pod, "i1")
	// The pass judges an empty pod; before it removes the finalizer, the agent reports a call after all.
	s.reconciler.Client = interceptor.NewClient(s.cluster.Client, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			s.agent(mp, pod, "i1", calls(1))
			return c.Patch(ctx, o, p, opts...)
		},
	})
	result, _, err := s.step(mp)
	if err != nil || result.RequeueAfter != soon {
		t.Errorf("result %v, error %v; want a quiet repetition", result, err)
	}
	if err := s.get(mp); err != nil || len(mp.Finalizers) != 1 {
		t.Errorf("released with a call: %v %v", mp.Finalizers, err)
	}
}

func TestOtherFailuresAreErrors(t *testing.T) {
	s := newStepper(t)
	mp := s.mediaPod(0)
	s.fail["create Secret"] = apierrors.NewInternalError(context.DeadlineExceeded)
	if _, _, err := s.step(mp); err == nil {
		t.Error("no error")
	}
	if err := s.get(mp); err != nil || message(mp, v1alpha1.ConditionCertificateReady) == "" {
		t.Errorf("the status was not published all the same: %v", err)
	}
}
