// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
)

// objectKey names a Secret or ConfigMap that a pod refers to.
type objectKey struct {
	resource, namespace, name string
}

const (
	secrets    = "secrets"
	configMaps = "configmaps"
)

// objects knows the Secrets and ConfigMaps that pods of this node refer to. A
// node may only read those, and only one by one, so each has its own watch.
type objects struct {
	client kubernetes.Interface

	mu      sync.Mutex
	watched map[objectKey]*object
}

type object struct {
	cancel  context.CancelFunc
	users   map[*worker]bool
	synced  bool
	current any // nil: does not exist
}

func newObjects(client kubernetes.Interface) *objects {
	return &objects{client: client, watched: map[objectKey]*object{}}
}

// get returns an object as it is known from the watch, or asks for it while
// the watch is not there yet: just after a pod was bound, the API server may
// still refuse a watch that it will allow a moment later. From then on the
// worker is told when the object changes.
func (o *objects) get(ctx context.Context, w *worker, key objectKey) (any, error) {
	o.mu.Lock()
	obj, ok := o.watched[key]
	if !ok {
		obj = &object{users: map[*worker]bool{}}
		o.watched[key] = obj
		o.watch(key, obj)
	}
	obj.users[w] = true
	synced, current := obj.synced, obj.current
	o.mu.Unlock()
	if synced && current == nil {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: key.resource}, key.name)
	}
	if synced {
		return current, nil
	}
	if key.resource == secrets {
		return o.client.CoreV1().Secrets(key.namespace).Get(ctx, key.name, metav1.GetOptions{})
	}
	return o.client.CoreV1().ConfigMaps(key.namespace).Get(ctx, key.name, metav1.GetOptions{})
}

func (o *objects) watch(key objectKey, obj *object) {
	ctx, cancel := context.WithCancel(context.Background())
	obj.cancel = cancel
	var kind any = &corev1.ConfigMap{}
	if key.resource == secrets {
		kind = &corev1.Secret{}
	}
	set := func(current any) {
		o.mu.Lock()
		defer o.mu.Unlock()
		obj.synced, obj.current = true, current
		for w := range obj.users {
			w.volumesChanged()
		}
	}
	go follow(ctx, o.client.CoreV1().RESTClient(), key.resource, key.namespace,
		fields.OneTermEqualSelector(metav1.ObjectNameField, key.name), kind, follower{
			replace: func(all []any) {
				if len(all) == 0 {
					set(nil)
					return
				}
				set(all[0])
			},
			upsert: set,
			remove: func(any) { set(nil) },
		})
}

// release ends a worker's interest in everything.
func (o *objects) release(w *worker) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for key, obj := range o.watched {
		delete(obj.users, w)
		if len(obj.users) == 0 {
			obj.cancel()
			delete(o.watched, key)
		}
	}
}
