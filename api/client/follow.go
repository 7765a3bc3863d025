// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// Object is what can be followed.
type Object interface {
	runtime.Object
	metav1.Object
}

// Follower is told what is on the API server as it changes, from one goroutine.
type Follower[T Object] struct {
	// Changed brings each new version of an object, the first included.
	Changed func(T)
	// Gone brings the last version seen of an object that was deleted or does not match any more.
	Gone func(T)
	// Synced, if set, is called whenever everything there is has been told: at the start and after each time the
	// connection was lost for long.
	Synced func()

	known map[types.NamespacedName]T
}

// Follow lists and watches until ctx is done. An API server that goes away is tried again at least once a second, where
// the informers of client-go take up to half a minute to notice that it is back.
func Follow[T Object](ctx context.Context, c rest.Interface, resource, namespace string, selector fields.Selector, kind T, f Follower[T]) {
	f.known = map[types.NamespacedName]T{}
	source := cache.NewListWatchFromClient(c, resource, namespace, selector)
	cache.NewReflectorWithOptions(source, kind, store[T]{&f}, cache.ReflectorOptions{
		Name:    "callfleet/" + resource,
		Backoff: &wait.Backoff{Duration: 50 * time.Millisecond, Factor: 2, Steps: 6, Jitter: 0.2, Cap: time.Second},
	}).RunWithContext(ctx)
}

// store is how a reflector talks to a Follower.
type store[T Object] struct{ *Follower[T] }

func (s store[T]) Add(o any) error    { return s.Update(o) }
func (s store[T]) Resync() error      { return nil }
func (s store[T]) Delete(o any) error { s.gone(o.(T)); return nil }

func (s store[T]) Update(o any) error {
	obj := o.(T)
	// As large as the rest of an object, and nobody here reads them.
	obj.SetManagedFields(nil)
	s.known[keyOf(obj)] = obj
	s.Changed(obj)
	return nil
}

// Replace is the answer to a list: what is not in it went away while nobody watched.
func (s store[T]) Replace(all []any, _ string) error {
	there := make(map[types.NamespacedName]types.UID, len(all))
	for _, o := range all {
		there[keyOf(o.(T))] = o.(T).GetUID()
	}
	for key, old := range s.known {
		if uid, ok := there[key]; !ok || uid != old.GetUID() {
			s.gone(old)
		}
	}
	for _, o := range all {
		if old, ok := s.known[keyOf(o.(T))]; !ok || old.GetResourceVersion() != o.(T).GetResourceVersion() {
			_ = s.Update(o)
		}
	}
	if s.Synced != nil {
		s.Synced()
	}
	return nil
}

func (s store[T]) gone(obj T) {
	delete(s.known, keyOf(obj))
	if s.Gone != nil {
		s.Gone(obj)
	}
}

func keyOf(o metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}
}
