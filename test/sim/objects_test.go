// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// What the server and the caches keep objects in, and how those are copied and compared.

// place is what objects are listed by: their kind, and a value of a field of it, or no field for all of them.
type place struct{ kind, field, value string }

// objects by key, and by what they are listed by. An object in it is never written to: caches and the server's log share it, and
// parts of it with its other versions.
type objects struct {
	byKey   map[key]*entry
	indexes *indexes
	listed  map[place][]*entry // by name
}

type entry struct {
	name   string
	object client.Object
	places []place
}

// indexes are what the controllers asked for, and the selectable fields.
type indexes struct {
	extract map[string][]index // by kind
}

type index struct {
	field string
	of    client.IndexerFunc
}

func newIndexes() *indexes {
	botOf := func(o client.Object) []string { return []string{o.(*v1alpha1.MediaPod).Spec.BotRef.Name} }
	return &indexes{extract: map[string][]index{"MediaPod": {{"spec.botRef.name", botOf}}}}
}

// IndexField implements client.FieldIndexer.
func (x *indexes) IndexField(_ context.Context, o client.Object, field string, f client.IndexerFunc) error {
	x.extract[kindOf(o)] = append(x.extract[kindOf(o)], index{field, f})
	return nil
}

func (x *indexes) has(kind, field string) bool {
	return slices.ContainsFunc(x.extract[kind], func(i index) bool { return i.field == field })
}

func (x *indexes) places(kind string, o client.Object) []place {
	places := []place{{kind: kind}}
	for _, i := range x.extract[kind] {
		for _, value := range i.of(o) {
			if p := (place{kind, i.field, value}); !slices.Contains(places, p) {
				places = append(places, p)
			}
		}
	}
	return places
}

func newObjects(x *indexes) objects {
	return objects{byKey: map[key]*entry{}, indexes: x, listed: map[place][]*entry{}}
}

func byName(e *entry, name string) int { return strings.Compare(e.name, name) }

// put replaces an object, which is then found in the places given; nil removes it.
func (s *objects) put(k key, o client.Object, places []place) {
	e := s.byKey[k]
	if e == nil {
		e = &entry{name: k.Name}
		s.byKey[k] = e
	}
	e.object = o
	if o == nil {
		delete(s.byKey, k)
		places = nil
	}
	if slices.Equal(places, e.places) {
		return
	}
	for _, p := range e.places {
		s.listed[p] = slices.DeleteFunc(s.listed[p], func(other *entry) bool { return other == e })
	}
	for _, p := range places {
		at, _ := slices.BinarySearchFunc(s.listed[p], e.name, byName)
		s.listed[p] = slices.Insert(s.listed[p], at, e)
	}
	e.places = places
}

// get gives nil if there is none.
func (s *objects) get(k key) client.Object {
	if e := s.byKey[k]; e != nil {
		return e.object
	}
	return nil
}

// find gives the objects in the order of their names.
func (s *objects) find(p place) []client.Object {
	found := make([]client.Object, len(s.listed[p]))
	for i, e := range s.listed[p] {
		found[i] = e.object
	}
	return found
}

func (s *objects) all(kind string) []client.Object { return s.find(place{kind: kind}) }

func (s *objects) Get(_ context.Context, name client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	kind := kindOf(o)
	if m, ok := o.(*metav1.PartialObjectMetadata); ok {
		kind = m.Kind
	}
	found := s.get(key{kind, name})
	if found == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: kind}, name.Name)
	}
	if m, ok := o.(*metav1.PartialObjectMetadata); ok {
		m.Name, m.Namespace, m.ResourceVersion = found.GetName(), found.GetNamespace(), found.GetResourceVersion()
		return nil
	}
	copyInto(found, o)
	return nil
}

func (s *objects) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	var o client.ListOptions
	o.ApplyOptions(options)
	p := place{kind: strings.TrimSuffix(kindOf(list), "List")}
	if o.FieldSelector != nil {
		for _, r := range o.FieldSelector.Requirements() {
			if !s.indexes.has(p.kind, r.Field) {
				return fmt.Errorf("%ss are not indexed by %s", p.kind, r.Field)
			}
			p.field, p.value = r.Field, r.Value
		}
	}
	found, shared := s.listed[p], o.UnsafeDisableDeepCopy != nil && *o.UnsafeDisableDeepCopy
	switch l := list.(type) {
	case *v1alpha1.MediaPodList:
		fill(&l.Items, found, shared)
	case *v1alpha1.MeetingSessionList:
		fill(&l.Items, found, shared)
	case *v1alpha1.CallList:
		fill(&l.Items, found, shared)
	case *v1alpha1.CallingBotList:
		fill(&l.Items, found, shared)
	default:
		return fmt.Errorf("no controller listed %ss before; add them here", p.kind)
	}
	return nil
}

// fill a list with what was found; shared: nobody will write to it.
func fill[T any, P interface {
	*T
	DeepCopyInto(*T)
}](items *[]T, found []*entry, shared bool) {
	*items = make([]T, len(found))
	for i, e := range found {
		if o := e.object.(any).(P); shared {
			(*items)[i] = *o
		} else {
			o.DeepCopyInto(&(*items)[i])
		}
	}
}

// copyInto makes an object the same as another, and shares nothing with it.
func copyInto(from, to client.Object) {
	switch from := from.(type) {
	case *v1alpha1.MediaPod:
		from.DeepCopyInto(to.(*v1alpha1.MediaPod))
	case *v1alpha1.MeetingSession:
		from.DeepCopyInto(to.(*v1alpha1.MeetingSession))
	case *v1alpha1.Call:
		from.DeepCopyInto(to.(*v1alpha1.Call))
	default:
		reflect.ValueOf(to).Elem().Set(reflect.ValueOf(from.DeepCopyObject()).Elem())
	}
}

// sharing gives another object with the same contents, of which only what is set as a whole may be changed.
func sharing(o client.Object) client.Object {
	other := reflect.New(reflect.TypeOf(o).Elem())
	other.Elem().Set(reflect.ValueOf(o).Elem())
	return other.Interface().(client.Object)
}

func setPart(to, from client.Object, part string) {
	if f := reflect.ValueOf(to).Elem().FieldByName(part); f.IsValid() {
		f.Set(reflect.ValueOf(from).Elem().FieldByName(part))
	}
}

func samePart(a, b client.Object, part string) bool {
	f := reflect.ValueOf(a).Elem().FieldByName(part)
	return !f.IsValid() || apiequality.Semantic.DeepEqual(f.Interface(), reflect.ValueOf(b).Elem().FieldByName(part).Interface())
}
