// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/callfleet/callfleet/api/client"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// Watch keeps the table in step with the MediaPods of a namespace ("" for all) until ctx is done. It calls synced once
// the table is complete for the first time. A lost API server leaves the table as it was.
func Watch(ctx context.Context, cfg *rest.Config, namespace string, table *Table, synced func()) error {
	own, err := client.ForCallfleet(cfg, "callfleet-router")
	if err != nil {
		return err
	}
	inf := client.Informer(own, client.MediaPods, namespace, fields.Everything(), &callfleetv1.MediaPod{}, 0)
	reg, err := inf.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { table.Set(o.(*callfleetv1.MediaPod)) },
		UpdateFunc: func(_, o any) { table.Set(o.(*callfleetv1.MediaPod)) },
		DeleteFunc: func(o any) {
			if t, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = t.Obj
			}
			if mp, ok := o.(*callfleetv1.MediaPod); ok {
				table.Delete(mp)
			}
		},
	})
	if err != nil {
		return err
	}
	go func() {
		if cache.WaitForCacheSync(ctx.Done(), reg.HasSynced) {
			synced()
		}
	}()
	inf.RunWithContext(ctx)
	return nil
}
