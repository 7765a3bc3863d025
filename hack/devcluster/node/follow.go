// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// follower is told what is on the API server, as it changes.
type follower struct {
	replace func(all []any)
	upsert  func(obj any)
	remove  func(obj any)
}

// The methods make a follower the store of a reflector.
func (f follower) Add(obj any) error    { f.upsert(obj); return nil }
func (f follower) Update(obj any) error { f.upsert(obj); return nil }
func (f follower) Delete(obj any) error { f.remove(obj); return nil }
func (f follower) Resync() error        { return nil }

func (f follower) Replace(all []any, _ string) error { f.replace(all); return nil }

// follow lists and watches until ctx is done. Its back-off is much shorter
// than the default one, which reaches 30 s: after an outage of the API server
// the node is to be up to date at once.
func follow(ctx context.Context, client rest.Interface, resource, namespace string, selector fields.Selector, kind any, f follower) {
	source := cache.NewListWatchFromClient(client, resource, namespace, selector)
	reflector := cache.NewReflectorWithOptions(source, kind, f, cache.ReflectorOptions{
		Name: "devcluster/" + resource,
		Backoff: &wait.Backoff{
			Duration: 50 * time.Millisecond, Factor: 2, Steps: 6, Jitter: 0.1, Cap: time.Second,
		},
	})
	reflector.RunWithContext(ctx)
}

// watchPods follows the pods that are bound to this node.
func (a *Agent) watchPods(ctx context.Context) {
	bound := fields.OneTermEqualSelector("spec.nodeName", a.cfg.Name)
	follow(ctx, a.client.CoreV1().RESTClient(), "pods", corev1.NamespaceAll, bound, &corev1.Pod{}, follower{
		replace: func(all []any) {
			pods := make([]*corev1.Pod, 0, len(all))
			for _, obj := range all {
				pods = append(pods, obj.(*corev1.Pod))
			}
			a.podSet(pods)
		},
		upsert: func(obj any) { a.podUpserted(obj.(*corev1.Pod)) },
		remove: func(obj any) { a.podDeleted(obj.(*corev1.Pod)) },
	})
}
