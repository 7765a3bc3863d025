// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"bytes"
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/callfleet/callfleet/api/callflow"
	"github.com/callfleet/callfleet/api/v1alpha1"
)

// keepUnused is how long a revision is kept that no call is known to run: a pod may have begun a call with it, and be without the API
// server to tell of it, for ten minutes and more.
const keepUnused = time.Hour

// Revisions have no owner: the garbage collector would take them with the flow, from under calls that run them, which another pod could
// then not go on with. A flow can be deleted at any time; its revisions go when their last call has.

// keep makes the revision of a valid flow, if there is none of this content yet.
func (r *Reconciler) keep(ctx context.Context, flow *v1alpha1.CallFlow, v verdict) error {
	name := types.NamespacedName{Namespace: flow.Namespace, Name: v.revision}
	if err := r.metadata.Get(ctx, name, revisionMetadata()); err == nil {
		return nil
	} else if !apierrors.IsNotFound(err) {
		return fmt.Errorf("looking for revision %s: %w", v.revision, err)
	}
	revision := &appsv1.ControllerRevision{
		ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name, Labels: map[string]string{v1alpha1.LabelFlow: flow.Name}},
		Data:       runtime.RawExtension{Raw: v.data},
		Revision:   flow.Generation,
	}
	err := r.client.Create(ctx, revision, fieldOwner)
	switch {
	case err == nil:
		r.published(flow, v)
		return nil
	case !apierrors.IsAlreadyExists(err):
		return fmt.Errorf("creating revision %s: %w", v.revision, err)
	}
	there := &appsv1.ControllerRevision{}
	if err := r.live.Get(ctx, name, there); err != nil {
		return fmt.Errorf("reading revision %s: %w", v.revision, err)
	}
	if held, err := callflow.ReadRevision(there.Data.Raw); err == nil {
		if data, err := held.Encode(); err == nil && bytes.Equal(data, v.data) && there.Labels[v1alpha1.LabelFlow] == flow.Name {
			return nil // the cache has yet to show it
		}
	}
	return fmt.Errorf("ControllerRevision %s is there and holds something else; delete it", v.revision)
}

// prune deletes the revisions of a flow that are not the newest, and that no call has run for a while.
func (r *Reconciler) prune(ctx context.Context, flow types.NamespacedName, newest string) (reconcile.Result, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("ControllerRevisionList"))
	if err := r.metadata.List(ctx, list, client.InNamespace(flow.Namespace), client.MatchingLabels{v1alpha1.LabelFlow: flow.Name}); err != nil {
		return reconcile.Result{}, fmt.Errorf("listing the revisions: %w", err)
	}
	var result reconcile.Result
	for i := range list.Items {
		revision := &list.Items[i]
		name := client.ObjectKeyFromObject(revision)
		calls, err := r.count(ctx, name.Namespace, callsByRevision, name.Name)
		if err != nil {
			return reconcile.Result{}, err
		}
		if revision.Name == newest || calls > 0 {
			r.used(name)
			continue
		}
		if wait := r.KeepUnused - r.unusedFor(name); wait > 0 {
			if result.RequeueAfter == 0 || wait < result.RequeueAfter {
				result.RequeueAfter = wait
			}
			continue
		}
		if err := r.client.Delete(ctx, revision, client.Preconditions{UID: ptr.To(revision.UID)}); client.IgnoreNotFound(err) != nil {
			return reconcile.Result{}, fmt.Errorf("deleting revision %s: %w", revision.Name, err)
		}
		r.used(name)
	}
	return result, nil
}

func revisionMetadata() *metav1.PartialObjectMetadata {
	m := &metav1.PartialObjectMetadata{}
	m.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("ControllerRevision"))
	return m
}

func (r *Reconciler) used(revision types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.unused, revision)
}

// unusedFor is how long a revision was seen unused, by this process: one that has just begun takes its time.
func (r *Reconciler) unusedFor(revision types.NamespacedName) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	since, known := r.unused[revision]
	if !known {
		since = r.Clock.Now()
		r.unused[revision] = since
	}
	return r.Clock.Since(since)
}
