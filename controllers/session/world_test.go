// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// store is an API server in memory: versions, optimistic locks, finalizers, and a log of changes from which caches are
// fed as late as a test likes.
type store struct {
	revision int
	objects  map[objectKey]client.Object
	log      []change
	// check is asked about every change of a session or call before it happens; outside is one that the controller did not
	// make.
	check func(before, after *subject, outside bool)
}

type objectKey struct {
	kind string
	types.NamespacedName
}

type change struct {
	key           objectKey
	before, after client.Object // nil: not there
}

func newStore() *store { return &store{objects: map[objectKey]client.Object{}} }

func keyOf(o client.Object) objectKey {
	return objectKey{kindOf(o), client.ObjectKeyFromObject(o)}
}

func kindOf(o any) string {
	return strings.TrimSuffix(fmt.Sprintf("%T", o)[len("*v1alpha1."):], "List")
}

func copyOf[T client.Object](o T) T { return o.DeepCopyObject().(T) }

var resource = schema.GroupResource{Group: "callfleet.dev", Resource: "objects"}

func (s *store) create(o client.Object) {
	s.revision++
	// The order of UIDs has nothing to do with that of creation.
	o.SetUID(types.UID(fmt.Sprintf("uid-%06d", s.revision*7919%1_000_003)))
	o.SetGeneration(1)
	s.put(keyOf(o), nil, o)
}

// put stores after and logs the change; after is nil to remove.
func (s *store) put(key objectKey, before, after client.Object) {
	if after == nil {
		s.revision++
		delete(s.objects, key)
	} else {
		s.revision++
		after = copyOf(after)
		after.SetResourceVersion(fmt.Sprint(s.revision))
		s.objects[key] = after
	}
	s.log = append(s.log, change{key, before, after})
}

// write replaces an object as a patch with optimistic lock does, the status or all but the status.
func (s *store) write(o client.Object, status, outside bool) (client.Object, error) {
	key := keyOf(o)
	current, ok := s.objects[key]
	switch {
	case !ok || current.GetUID() != o.GetUID():
		return nil, apierrors.NewNotFound(resource, o.GetName())
	case current.GetResourceVersion() != o.GetResourceVersion():
		return nil, apierrors.NewConflict(resource, o.GetName(), errors.New("the object has been modified"))
	}
	next := copyOf(current)
	if k := kindNamed(key.kind); k != nil {
		merge(next, copyOf(o), status)
		if s.check != nil {
			s.check(k.subject(current), k.subject(next), outside)
		}
	} else {
		next = copyOf(o)
	}
	if next.GetDeletionTimestamp() != nil && len(next.GetFinalizers()) == 0 {
		s.put(key, current, nil)
		return next, nil
	}
	s.put(key, current, next)
	return s.objects[key], nil
}

// merge the status, or all but the status.
func merge(into, from client.Object, status bool) {
	switch into := into.(type) {
	case *v1alpha1.MeetingSession:
		if status {
			into.Status = from.(*v1alpha1.MeetingSession).Status
		} else {
			into.Spec = from.(*v1alpha1.MeetingSession).Spec
		}
	case *v1alpha1.Call:
		if status {
			into.Status = from.(*v1alpha1.Call).Status
		} else {
			into.Spec = from.(*v1alpha1.Call).Spec
		}
	}
	if !status {
		into.SetFinalizers(from.GetFinalizers())
		into.SetOwnerReferences(from.GetOwnerReferences())
	}
}

// delete as a user does.
func (s *store) delete(key objectKey, now time.Time) {
	current, ok := s.objects[key]
	if !ok || current.GetDeletionTimestamp() != nil {
		return
	}
	if len(current.GetFinalizers()) == 0 {
		s.put(key, current, nil)
		return
	}
	next := copyOf(current)
	at := metav1.NewTime(now)
	next.SetDeletionTimestamp(&at)
	next.SetGeneration(next.GetGeneration() + 1)
	s.put(key, current, next)
}

// change writes what f makes of the current object; for users and agents, who read live.
func (s *store) change(key objectKey, f func(client.Object)) {
	if current, ok := s.objects[key]; ok {
		next := copyOf(current)
		f(next)
		if _, err := s.write(next, kindNamed(key.kind) != nil, true); err != nil {
			panic(err)
		}
	}
}

// changeStatus is change of the status of a session or call.
func (s *store) changeStatus(of *subject, f func(*v1alpha1.CallStatus)) {
	s.change(keyOf(of.object), func(o client.Object) { f(of.kind.subject(o).status) })
}

// sessions of both kinds, for reading only.
func (s *store) sessions() []*subject {
	var list []*subject
	for _, ms := range all[*v1alpha1.MeetingSession](s.objects) {
		list = append(list, meetingSessions.subject(ms))
	}
	for _, c := range all[*v1alpha1.Call](s.objects) {
		list = append(list, calls.subject(c))
	}
	return list
}
func (s *store) pods() []*v1alpha1.MediaPod { return all[*v1alpha1.MediaPod](s.objects) }

// all objects of a type, in an order that does not depend on the map's.
func all[T client.Object](objects map[objectKey]client.Object) []T {
	var list []T
	for _, o := range objects {
		if t, ok := o.(T); ok {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b T) int { return strings.Compare(a.GetName(), b.GetName()) })
	return list
}

// cached is a client whose reads show the store as it was some changes ago, and whose writes may go wrong.
type cached struct {
	client.Client
	store   *store
	objects map[objectKey]client.Object
	seen    int // changes of the store's log
	// faults, if set, is asked before every write.
	faults func() fault
	// late are writes that reach the store only when land is called.
	late []func()
	// writes that the store took.
	writes int
}

type fault int

const (
	none fault = iota
	// lostRequest: nothing is written, and there is no answer.
	lostRequest
	// lostAnswer: it is written, and there is no answer.
	lostAnswer
	// lateRequest: there is no answer, and it is written later, if the version still fits.
	lateRequest
)

var errNoAnswer = errors.New("connection lost")

func (c *cached) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	return get(c.objects, key, o)
}

func (c *cached) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	return listFrom(c.objects, list, options...)
}

func (c *cached) Patch(_ context.Context, o client.Object, patch client.Patch, _ ...client.PatchOption) error {
	return c.patch(o, patch, false)
}

func (c *cached) Delete(_ context.Context, o client.Object, _ ...client.DeleteOption) error {
	c.store.delete(keyOf(o), time.Time{})
	return nil
}

func (c *cached) Status() client.SubResourceWriter { return statusWriter{cached: c} }

type statusWriter struct {
	client.SubResourceWriter
	*cached
}

func (w statusWriter) Patch(_ context.Context, o client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
	return w.cached.patch(o, patch, true)
}

func (w statusWriter) Create(context.Context, client.Object, client.Object, ...client.SubResourceCreateOption) error {
	panic("not used")
}

func (w statusWriter) Update(context.Context, client.Object, ...client.SubResourceUpdateOption) error {
	panic("not used")
}

func (c *cached) patch(o client.Object, patch client.Patch, status bool) error {
	if data, err := patch.Data(o); err != nil || !strings.Contains(string(data), `"resourceVersion"`) {
		return fmt.Errorf("a patch without optimistic lock: %s %w", data, err)
	}
	wanted, how := copyOf(o), none
	if c.faults != nil {
		how = c.faults()
	}
	switch how {
	case lostRequest:
		return errNoAnswer
	case lateRequest:
		c.late = append(c.late, func() { _, _ = c.store.write(wanted, status, false) })
		return errNoAnswer
	}
	stored, err := c.store.write(wanted, status, false)
	if err != nil {
		return err
	}
	c.writes++
	if how == lostAnswer {
		return errNoAnswer
	}
	copyInto(stored, o)
	return nil
}

func (c *cached) land() {
	for _, write := range c.late {
		write()
	}
	c.late = nil
}

// live reads the store itself.
type live struct{ *store }

func (l live) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	return get(l.objects, key, o)
}

func (l live) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	return listFrom(l.objects, list, options...)
}

func get(objects map[objectKey]client.Object, key client.ObjectKey, o client.Object) error {
	found, ok := objects[objectKey{kindOf(o), key}]
	if !ok {
		return apierrors.NewNotFound(resource, key.Name)
	}
	copyInto(found, o)
	return nil
}

func copyInto(from, to client.Object) {
	switch from := from.(type) {
	case *v1alpha1.MeetingSession:
		from.DeepCopyInto(to.(*v1alpha1.MeetingSession))
	case *v1alpha1.Call:
		from.DeepCopyInto(to.(*v1alpha1.Call))
	case *v1alpha1.MediaPod:
		from.DeepCopyInto(to.(*v1alpha1.MediaPod))
	case *v1alpha1.CallingBot:
		from.DeepCopyInto(to.(*v1alpha1.CallingBot))
	}
}

func listFrom(objects map[objectKey]client.Object, list client.ObjectList, options ...client.ListOption) error {
	var o client.ListOptions
	o.ApplyOptions(options)
	matches := func(obj client.Object) bool {
		if o.Namespace != "" && obj.GetNamespace() != o.Namespace {
			return false
		}
		if o.FieldSelector == nil {
			return true
		}
		for _, r := range o.FieldSelector.Requirements() {
			extract := podBot
			if k := kindNamed(kindOf(obj)); k != nil {
				extract = sessionIndexes(k)[r.Field]
			}
			if !slices.Contains(extract(obj), r.Value) {
				return false
			}
		}
		return true
	}
	switch list := list.(type) {
	case *v1alpha1.MeetingSessionList:
		for _, s := range all[*v1alpha1.MeetingSession](objects) {
			if matches(s) {
				list.Items = append(list.Items, *s.DeepCopy())
			}
		}
	case *v1alpha1.CallList:
		for _, c := range all[*v1alpha1.Call](objects) {
			if matches(c) {
				list.Items = append(list.Items, *c.DeepCopy())
			}
		}
	case *v1alpha1.MediaPodList:
		for _, p := range all[*v1alpha1.MediaPod](objects) {
			if matches(p) {
				list.Items = append(list.Items, *p.DeepCopy())
			}
		}
	case *v1alpha1.CallingBotList:
		for _, b := range all[*v1alpha1.CallingBot](objects) {
			if matches(b) {
				list.Items = append(list.Items, *b.DeepCopy())
			}
		}
	}
	return nil
}
