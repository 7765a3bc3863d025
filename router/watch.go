// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/rest"

	"github.com/callfleet/callfleet/api/client"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// Watch keeps the table in step with the MediaPods of these namespaces (none: all) until ctx is done. It calls synced when the table is
// complete. A lost API server leaves the table as it was.
func Watch(ctx context.Context, cfg *rest.Config, namespaces []string, table *Table, synced func()) error {
	own, err := client.ForCallfleet(cfg, "callfleet-router")
	if err != nil {
		return err
	}
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	// A namespace that cannot be read keeps the router from being ready: its calls would be told to come again for ever.
	var missing atomic.Int32
	missing.Store(int32(len(namespaces)))
	var all sync.WaitGroup
	for _, namespace := range namespaces {
		var once sync.Once
		all.Go(func() {
			client.Follow(ctx, own, client.MediaPods, namespace, fields.Everything(), &callfleetv1.MediaPod{}, client.Follower[*callfleetv1.MediaPod]{
				Changed: table.Set, Gone: table.Delete,
				Synced: func() {
					once.Do(func() {
						if missing.Add(-1) == 0 {
							synced()
						}
					})
				},
			})
		})
	}
	all.Wait()
	return nil
}
