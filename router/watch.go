// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/rest"

	"github.com/callfleet/callfleet/api/client"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// Watch keeps the table in step with the MediaPods of a namespace ("" for all) until ctx is done. It calls synced
// when the table is complete. A lost API server leaves the table as it was.
func Watch(ctx context.Context, cfg *rest.Config, namespace string, table *Table, synced func()) error {
	own, err := client.ForCallfleet(cfg, "callfleet-router")
	if err != nil {
		return err
	}
	client.Follow(ctx, own, client.MediaPods, namespace, fields.Everything(), &callfleetv1.MediaPod{}, client.Follower[*callfleetv1.MediaPod]{
		Changed: table.Set, Gone: table.Delete, Synced: synced,
	})
	return nil
}
