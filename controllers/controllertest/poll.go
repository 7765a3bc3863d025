// SPDX-License-Identifier: Apache-2.0

package controllertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

const (
	// Patience is how long the polls wait. It is generous: it is spent only by a test that fails.
	Patience = 30 * time.Second
	interval = 20 * time.Millisecond
)

// Eventually polls until check is satisfied; at the deadline the test fails with the last complaint.
func Eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, Patience, err)
		}
		time.Sleep(interval)
	}
}

// Consistently fails as soon as check is not satisfied, and returns when it has been for the whole period.
func Consistently(t testing.TB, period time.Duration, what string, check func() error) {
	t.Helper()
	for end := time.Now().Add(period); time.Now().Before(end); time.Sleep(interval) {
		if err := check(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// Await reads obj (name and namespace given) again and again until check is satisfied with it, and leaves it as last
// read. At the deadline the test fails with the last complaint and the object.
func Await[T client.Object](t testing.TB, c client.Reader, obj T, what string, check func(T) error) T {
	t.Helper()
	key := client.ObjectKeyFromObject(obj)
	deadline := time.Now().Add(Patience)
	for {
		err := c.Get(context.Background(), key, obj)
		if err == nil {
			if err = check(obj); err == nil {
				return obj
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%T %s did not %s within %s: %v\n%s", obj, key, what, Patience, err, Dump(obj))
		}
		time.Sleep(interval)
	}
}

// AwaitGone waits until obj does not exist.
func AwaitGone(t testing.TB, c client.Reader, obj client.Object) {
	t.Helper()
	key := client.ObjectKeyFromObject(obj)
	Eventually(t, fmt.Sprintf("%T %s goes away", obj, key), func() error {
		switch err := c.Get(context.Background(), key, obj); {
		case apierrors.IsNotFound(err):
			return nil
		case err != nil:
			return err
		default:
			return fmt.Errorf("still there, finalizers %v", obj.GetFinalizers())
		}
	})
}

// HasCondition complains unless conditions holds one with this type, status and reason ("" for any).
func HasCondition(conditions []metav1.Condition, conditionType string, status metav1.ConditionStatus, reason string) error {
	c := meta.FindStatusCondition(conditions, conditionType)
	switch {
	case c == nil:
		return fmt.Errorf("no condition %s", conditionType)
	case c.Status != status || (reason != "" && c.Reason != reason):
		return fmt.Errorf("condition %s is %s/%s (%s), want %s/%s", conditionType, c.Status, c.Reason, c.Message, status, reason)
	}
	return nil
}

// LacksCondition complains if conditions holds one of this type.
func LacksCondition(conditions []metav1.Condition, conditionType string) error {
	if c := meta.FindStatusCondition(conditions, conditionType); c != nil {
		return fmt.Errorf("condition %s is there: %s/%s (%s)", conditionType, c.Status, c.Reason, c.Message)
	}
	return nil
}

// Dump is obj as YAML, without managed fields.
func Dump(obj client.Object) string {
	obj.SetManagedFields(nil)
	raw, err := yaml.Marshal(obj)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}
