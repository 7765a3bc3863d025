// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/client"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// reference is a session or call as it is named on the command line.
type reference struct {
	resource string // meetingsessions or calls
	name     string
}

// String is how the reference is written.
func (r reference) String() string { return short(r.resource) + "/" + r.name }

func short(resource string) string {
	if resource == client.MeetingSessions {
		return "ms"
	}
	return "call"
}

func parseReference(arg string) (reference, error) {
	kind, name, ok := strings.Cut(arg, "/")
	if !ok || name == "" || strings.Contains(name, "/") {
		return reference{}, misuse("%q does not say which call is meant; write ms/NAME for a MeetingSession or call/NAME for a Call", arg)
	}
	kind, _, _ = strings.Cut(strings.ToLower(kind), ".") // as kubectl's -o name writes it: call.callfleet.dev
	switch kind {
	case "ms", "meetingsession", client.MeetingSessions:
		return reference{client.MeetingSessions, name}, nil
	case "call", client.Calls:
		return reference{client.Calls, name}, nil
	}
	return reference{}, misuse("%q is neither a MeetingSession nor a Call; write ms/NAME or call/NAME", arg)
}

// target is a session or call as it is on the API server.
type target struct {
	reference
	namespace string
	uid       string
	bot       string
	status    callfleetv1.CallStatus
}

func (cl *cluster) target(ctx context.Context, ref reference) (*target, error) {
	var meta metav1.ObjectMeta
	var spec callfleetv1.CallSpec
	var status callfleetv1.CallStatus
	var err error
	get := cl.callfleet.Get().Namespace(cl.namespace).Resource(ref.resource).Name(ref.name)
	if ref.resource == client.MeetingSessions {
		o := &callfleetv1.MeetingSession{}
		err = get.Do(ctx).Into(o)
		meta, spec, status = o.ObjectMeta, o.Spec.CallSpec, o.Status.CallStatus
	} else {
		o := &callfleetv1.Call{}
		err = get.Do(ctx).Into(o)
		meta, spec, status = o.ObjectMeta, o.Spec.CallSpec, o.Status.CallStatus
	}
	if apierrors.IsNotFound(err) && notAnObject(err) {
		return nil, noCallfleet(ref.resource)
	}
	if apierrors.IsNotFound(err) {
		return nil, fail(exitNotFound, "there is no %s in namespace %s; see kubectl callfleet calls -n %s", ref, cl.namespace, cl.namespace)
	}
	if err != nil {
		return nil, err
	}
	return &target{reference: ref, namespace: cl.namespace, uid: string(meta.UID), bot: spec.BotRef.Name, status: status}, nil
}

func noCallfleet(resource string) error {
	return fail(exitFailed, "this cluster has no Callfleet: it does not know the resource %s.%s; see --context, or install it", resource, callfleetv1.GroupVersion.Group)
}

// notAnObject tells a resource that is not served from an object that is not there.
func notAnObject(err error) bool {
	status, ok := err.(apierrors.APIStatus)
	return ok && (status.Status().Details == nil || status.Status().Details.Name == "")
}

// reachable says why nothing can be done in the call.
func (t *target) reachable() error {
	switch {
	case t.status.Phase.Finished():
		return fail(exitRefused, "%s is over (%s, %s); there is nothing to act in", t, t.status.Phase, orNone(string(t.status.EndReason)))
	case t.status.MediaPod == "":
		phase := t.status.Phase
		if phase == "" {
			phase = callfleetv1.PhasePending
		}
		return fail(exitRefused, "%s has no media pod yet (%s); kubectl describe %s -n %s says what it waits for", t, phase, t, t.namespace)
	}
	return nil
}

// participant finds somebody by id or by name. The status lists the first fifty, so that an id may be right although it
// is not there.
func (t *target) participant(arg string) (id string, err error) {
	var named []callfleetv1.Participant
	if t.status.Participants != nil {
		for _, p := range t.status.Participants.List {
			if p.ID == arg {
				return arg, nil
			}
			if p.ID != "" && strings.EqualFold(p.DisplayName, arg) {
				named = append(named, p)
			}
		}
	}
	switch {
	case len(named) == 1:
		return named[0].ID, nil
	case len(named) > 1:
		var ids []string
		for _, p := range named {
			ids = append(ids, p.ID)
		}
		return "", fail(exitUsage, "%d participants of %s are called %q; name one by id: %s", len(named), t, arg, strings.Join(ids, ", "))
	case strings.ContainsAny(arg, " \t/") || arg == "":
		return "", fail(exitNotFound, "nobody in %s is called %q; see status.participants.list of kubectl get %s -n %s -o yaml", t, arg, t, t.namespace)
	}
	return arg, nil
}

func orNone(s string) string {
	if s == "" {
		return "no reason given"
	}
	return s
}

// parseIdentity reads whom a call goes to.
func parseIdentity(arg string) (callfleetv1.Identity, error) {
	kind, id, ok := strings.Cut(arg, ":")
	switch {
	case strings.HasPrefix(arg, "+"):
		return callfleetv1.Identity{Phone: callfleetv1.PhoneNumber(arg)}, nil
	case !ok:
		return callfleetv1.Identity{User: callfleetv1.GUID(arg)}, nil
	case kind == "user":
		return callfleetv1.Identity{User: callfleetv1.GUID(id)}, nil
	case kind == "phone":
		return callfleetv1.Identity{Phone: callfleetv1.PhoneNumber(id)}, nil
	}
	return callfleetv1.Identity{}, fmt.Errorf("%q is neither a user's object id, nor a number such as +12065550100", arg)
}
