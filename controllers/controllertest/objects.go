// SPDX-License-Identifier: Apache-2.0

package controllertest

import (
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// Create creates obj and, if it carries one of our statuses, writes that too. obj is as stored afterwards.
func Create[T client.Object](t testing.TB, c client.Client, obj T) T {
	t.Helper()
	ctx := context.Background()
	wanted := obj.DeepCopyObject().(T)
	obj.SetGeneration(0)
	obj.SetUID("")
	if err := c.Create(ctx, obj); err != nil {
		t.Fatalf("creating %T %s: %v", obj, client.ObjectKeyFromObject(wanted), err)
	}
	if !hasStatus(wanted) {
		return obj
	}
	// A controller that watches may have written already; what the test asks for comes after that.
	return UpdateStatus(t, c, obj, func(o T) { copyStatus(o, wanted) })
}

// Update reads obj, changes it and writes it, status and the rest, again after a conflict.
func Update[T client.Object](t testing.TB, c client.Client, obj T, change func(T)) T {
	t.Helper()
	write(t, c, obj, change, func(ctx context.Context) error { return c.Update(ctx, obj) })
	return obj
}

// UpdateStatus is Update of the status, as an agent's report is.
func UpdateStatus[T client.Object](t testing.TB, c client.Client, obj T, change func(T)) T {
	t.Helper()
	write(t, c, obj, change, func(ctx context.Context) error { return c.Status().Update(ctx, obj) })
	return obj
}

func write[T client.Object](t testing.TB, c client.Client, obj T, change func(T), put func(context.Context) error) {
	t.Helper()
	key := client.ObjectKeyFromObject(obj)
	ctx := context.Background()
	deadline := time.Now().Add(Patience)
	for {
		if err := c.Get(ctx, key, obj); err != nil {
			t.Fatalf("reading %T %s: %v", obj, key, err)
		}
		change(obj)
		err := put(ctx)
		if err == nil {
			return
		}
		if !apierrors.IsConflict(err) || time.Now().After(deadline) {
			t.Fatalf("writing %T %s: %v", obj, key, err)
		}
	}
}

// hasStatus reports whether obj is of our kinds and says anything in its status.
func hasStatus(obj client.Object) bool {
	switch o := obj.(type) {
	case *v1alpha1.CallingBot:
		return !equality.Semantic.DeepEqual(o.Status, v1alpha1.CallingBotStatus{})
	case *v1alpha1.MediaPod:
		return !equality.Semantic.DeepEqual(o.Status, v1alpha1.MediaPodStatus{})
	case *v1alpha1.MeetingSession:
		return !equality.Semantic.DeepEqual(o.Status, v1alpha1.MeetingSessionStatus{})
	case *v1alpha1.Call:
		return !equality.Semantic.DeepEqual(o.Status, v1alpha1.OneCallStatus{})
	}
	return false
}

func copyStatus(to, from client.Object) {
	switch from := from.(type) {
	case *v1alpha1.CallingBot:
		from.Status.DeepCopyInto(&to.(*v1alpha1.CallingBot).Status)
	case *v1alpha1.MediaPod:
		from.Status.DeepCopyInto(&to.(*v1alpha1.MediaPod).Status)
	case *v1alpha1.MeetingSession:
		from.Status.DeepCopyInto(&to.(*v1alpha1.MeetingSession).Status)
	case *v1alpha1.Call:
		from.Status.DeepCopyInto(&to.(*v1alpha1.Call).Status)
	}
}

func setCondition(conditions []metav1.Condition, generation int64, conditionType string, status metav1.ConditionStatus, reason, message string) []metav1.Condition {
	condition := metav1.Condition{
		Type: conditionType, Status: status, Reason: reason, Message: message,
		ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(time.Unix(1_700_000_000, 0)),
	}
	for i := range conditions {
		if conditions[i].Type == conditionType {
			conditions[i] = condition
			return conditions
		}
	}
	return append(conditions, condition)
}
