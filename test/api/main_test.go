// SPDX-License-Identifier: Apache-2.0

// Package api_test holds the schema to its word: for each rule, what the API server accepts and what it refuses, with the
// message the user reads.
package api_test

import (
	"context"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func TestMain(m *testing.M) { controllertest.Main(m) }

// accepted is what a case expects when it expects no refusal.
const accepted = ""

// judge complains unless err is a refusal as invalid that says the message, or none at all if it is accepted.
func judge(t *testing.T, err error, message string) {
	t.Helper()
	switch {
	case message == accepted && err != nil:
		t.Errorf("refused: %v", err)
	case message == accepted:
	case err == nil:
		t.Errorf("accepted; want a refusal that says %q", message)
	case !apierrors.IsInvalid(err):
		t.Errorf("got %v, want it refused as invalid", err)
	case !strings.Contains(err.Error(), message):
		t.Errorf("refused with %q, which does not say %q", err, message)
	}
}

// create tries to create an object and does not keep it.
func create(t *testing.T, obj client.Object, message string) {
	t.Helper()
	c := controllertest.Start(t).Client
	err := c.Create(context.Background(), obj, client.DryRunAll)
	judge(t, err, message)
}

// update creates an object and tries to change it.
func update[T client.Object](t *testing.T, obj T, change func(T), message string) {
	t.Helper()
	c := controllertest.Start(t).Client
	controllertest.Create(t, c, obj)
	change(obj)
	judge(t, c.Update(context.Background(), obj), message)
}

// document is an object as a user writes it.
func document(t *testing.T, namespace, text string) *unstructured.Unstructured {
	t.Helper()
	obj := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &obj.Object); err != nil {
		t.Fatal(err)
	}
	obj.SetNamespace(namespace)
	return obj
}

// with changes one field of an object, named by its path; nil removes it.
func with(t *testing.T, obj client.Object, value any, path ...string) *unstructured.Unstructured {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: content}
	gvk, err := controllertest.Start(t).Client.GroupVersionKindFor(obj)
	if err != nil {
		t.Fatal(err)
	}
	u.SetGroupVersionKind(gvk)
	if value == nil {
		unstructured.RemoveNestedField(u.Object, path...)
	} else if err := unstructured.SetNestedField(u.Object, value, path...); err != nil {
		t.Fatal(err)
	}
	return u
}

func TestUnknownFieldsAreRefused(t *testing.T) {
	cluster := controllertest.Start(t)
	ns := cluster.Namespace(t)
	objects := map[string]client.Object{
		"CallingBot":     controllertest.Bot(ns, "reception").Object(),
		"MediaPod":       controllertest.MediaPod(ns, "reception", 0).Object(),
		"MeetingSession": controllertest.Session(ns, "standup", "reception").Object(),
		"Call":           controllertest.Call(ns, "lunch", "reception").Object(),
	}
	for kind, obj := range objects {
		t.Run(kind, func(t *testing.T) {
			err := cluster.Client.Create(context.Background(), with(t, obj, "yes", "spec", "autoscalingg"), client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
			if !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), `unknown field "spec.autoscalingg"`) {
				t.Errorf("got %v, want it refused for the unknown field spec.autoscalingg", err)
			}
		})
	}
}

func TestRequiredFields(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	bot := controllertest.Bot(ns, "reception").CABundle("roots", "ca.crt").Object()
	pod := controllertest.MediaPod(ns, "reception", 0).Object()
	session := controllertest.Session(ns, "standup", "reception").Object()
	coordinates := controllertest.Session(ns, "townhall", "reception").With(func(s *v1alpha1.MeetingSession) {
		s.Spec.Meeting = v1alpha1.Meeting{Coordinates: &v1alpha1.MeetingCoordinates{ThreadID: "19:x@thread.v2", OrganizerID: controllertest.UserID}}
	}).Object()
	created := controllertest.Session(ns, "interview", "reception").With(func(s *v1alpha1.MeetingSession) {
		s.Spec.Meeting = v1alpha1.Meeting{Create: &v1alpha1.NewMeeting{Organizer: controllertest.UserID}}
	}).Object()
	call := controllertest.IncomingCall(ns, "caller", "reception").Object()
	for path, obj := range map[string]client.Object{
		"spec.identity":                               bot,
		"spec.identity.appID":                         bot,
		"spec.identity.tenantID":                      bot,
		"spec.identity.credential":                    bot,
		"spec.identity.credential.clientSecret":       bot,
		"spec.identity.custom.graphURL":               bot,
		"spec.identity.custom.loginURL":               bot,
		"spec.identity.custom.openIDConfigurationURL": bot,
		"spec.identity.custom.issuers":                bot,
		"spec.signaling":                              bot,
		"spec.signaling.host":                         bot,
		"spec.media":                                  bot,
		"spec.media.endpoint.type":                    bot,
		"spec.botRef":                                 pod,
		"spec.slot":                                   pod,
		"spec.revision":                               pod,
		"spec.meeting":                                session,
		"spec.botRef.name":                            session,
		"spec.meeting.coordinates.threadID":           coordinates,
		"spec.meeting.coordinates.organizerID":        coordinates,
		"spec.meeting.create.organizer":               created,
		"spec.incoming.id":                            call,
		"spec.incoming.tenantID":                      call,
		"spec.incoming.from.kind":                     call,
	} {
		t.Run(path, func(t *testing.T) {
			create(t, with(t, obj, nil, strings.Split(path, ".")...), path+": Required value")
		})
	}
}
