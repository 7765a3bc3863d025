// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/callfleet/callfleet/api/client"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

const fieldManager = "callfleet-agent"

// requestTimeout is what an API server that no longer answers may cost one request.
const requestTimeout = 10 * time.Second

// cluster is the API server as the agent uses it: a few kinds, a handful of verbs. A plain REST client is enough and
// keeps the process small.
type cluster struct {
	callfleet, core, apps rest.Interface
	namespace             string
}

func newCluster(cfg *rest.Config, namespace string) (*cluster, error) {
	own, err := client.ForCallfleet(cfg, fieldManager)
	if err != nil {
		return nil, err
	}
	core, err := client.ForCore(cfg, fieldManager)
	if err != nil {
		return nil, err
	}
	apps, err := client.ForApps(cfg, fieldManager)
	if err != nil {
		return nil, err
	}
	return &cluster{callfleet: own, core: core, apps: apps, namespace: namespace}, nil
}

func (c *cluster) getMediaPod(ctx context.Context, name string) (*callfleetv1.MediaPod, error) {
	out := &callfleetv1.MediaPod{}
	err := c.callfleet.Get().Namespace(c.namespace).Resource(client.MediaPods).Name(name).Timeout(requestTimeout).Do(ctx).Into(out)
	return out, err
}

// get reads an object of a kind.
func (c *cluster) get(ctx context.Context, k *kind, name string) (*subject, error) {
	out := k.empty()
	err := c.callfleet.Get().Namespace(c.namespace).Resource(k.resource).Name(name).Timeout(requestTimeout).Do(ctx).Into(out)
	if err != nil {
		return nil, err
	}
	return k.subject(out), nil
}

// create makes the object of a call that came in.
func (c *cluster) create(ctx context.Context, s *subject) (*subject, error) {
	out := s.kind.empty()
	err := c.callfleet.Post().Namespace(c.namespace).Resource(s.kind.resource).
		Param("fieldManager", fieldManager).Timeout(requestTimeout).Body(s.object).Do(ctx).Into(out)
	if err != nil {
		return nil, err
	}
	return s.kind.subject(out), nil
}

// patch writes the difference between before and after into the status, if before is still the newest version.
func (c *cluster) patch(ctx context.Context, before, after *subject) (*subject, error) {
	patch, err := mergePatch(before.object, after.object)
	if err != nil {
		return nil, err
	}
	// The resourceVersion makes the API server refuse the write with a conflict if anybody wrote since.
	patch, err = jsonpatch.MergeMergePatches(patch, []byte(`{"metadata":{"resourceVersion":"`+before.version()+`"}}`))
	if err != nil {
		return nil, fmt.Errorf("adding the resourceVersion to a patch: %w", err)
	}
	out := before.kind.empty()
	if err := c.patchStatus(before.kind.resource, before.name(), patch).Do(ctx).Into(out); err != nil {
		return nil, err
	}
	return before.kind.subject(out), nil
}

// unfinished lists the calls of a bot, of one kind, that are not over.
func (c *cluster) unfinished(ctx context.Context, k *kind, bot string) ([]*subject, error) {
	live := fields.AndSelectors(
		fields.OneTermEqualSelector("spec.botRef.name", bot),
		fields.OneTermNotEqualSelector("status.phase", string(callfleetv1.PhaseCompleted)),
		fields.OneTermNotEqualSelector("status.phase", string(callfleetv1.PhaseFailed)))
	request := c.callfleet.Get().Namespace(c.namespace).Resource(k.resource).Param("fieldSelector", live.String()).Timeout(requestTimeout)
	var found []*subject
	if k == calls {
		list := &callfleetv1.CallList{}
		if err := request.Do(ctx).Into(list); err != nil {
			return nil, fmt.Errorf("listing calls: %w", err)
		}
		for i := range list.Items {
			found = append(found, k.subject(&list.Items[i]))
		}
		return found, nil
	}
	list := &callfleetv1.MeetingSessionList{}
	if err := request.Do(ctx).Into(list); err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	for i := range list.Items {
		found = append(found, k.subject(&list.Items[i]))
	}
	return found, nil
}

// patchMediaPod writes the agent's members of the status; nobody else writes them, so no version is needed.
func (c *cluster) patchMediaPod(ctx context.Context, before, after *callfleetv1.MediaPod) (*callfleetv1.MediaPod, error) {
	patch, err := mergePatch(before, after)
	if err != nil {
		return nil, err
	}
	out := &callfleetv1.MediaPod{}
	err = c.patchStatus(client.MediaPods, before.Name, patch).Do(ctx).Into(out)
	return out, err
}

func (c *cluster) patchStatus(resource, name string, patch []byte) *rest.Request {
	return c.callfleet.Patch(types.MergePatchType).Namespace(c.namespace).Resource(resource).Name(name).
		SubResource("status").Param("fieldManager", fieldManager).Timeout(requestTimeout).Body(patch)
}

func mergePatch(before, after any) ([]byte, error) {
	b, err := json.Marshal(before)
	if err != nil {
		return nil, err
	}
	a, err := json.Marshal(after)
	if err != nil {
		return nil, err
	}
	patch, err := jsonpatch.CreateMergePatch(b, a)
	if err != nil {
		return nil, fmt.Errorf("computing a patch: %w", err)
	}
	return patch, nil
}

// ConfigMap reads one of the pod's namespace.
func (c *cluster) ConfigMap(ctx context.Context, name string) (*corev1.ConfigMap, error) {
	out := &corev1.ConfigMap{}
	err := c.core.Get().Namespace(c.namespace).Resource("configmaps").Name(name).Timeout(requestTimeout).Do(ctx).Into(out)
	return out, err
}

// Secret reads one of the pod's namespace, which takes a grant of the user's.
func (c *cluster) Secret(ctx context.Context, name string) (*corev1.Secret, error) {
	out := &corev1.Secret{}
	err := c.core.Get().Namespace(c.namespace).Resource("secrets").Name(name).Timeout(requestTimeout).Do(ctx).Into(out)
	return out, err
}

// CreateSecret makes one in the pod's namespace.
func (c *cluster) CreateSecret(ctx context.Context, secret *corev1.Secret) error {
	return c.core.Post().Namespace(c.namespace).Resource("secrets").
		Param("fieldManager", fieldManager).Timeout(requestTimeout).Body(secret).Do(ctx).Error()
}

// follow tells the agent of the objects of a kind that are bound to a pod, until ctx is done.
func (c *cluster) follow(ctx context.Context, k *kind, mediaPod string, a *Agent) {
	bound := fields.OneTermEqualSelector("status.mediaPod", mediaPod)
	client.Follow(ctx, c.callfleet, k.resource, c.namespace, bound, k.empty(), client.Follower[client.Object]{
		Changed: func(o client.Object) { a.changed(k.subject(o)) },
		Gone:    func(o client.Object) { a.gone(k.subject(o)) },
		Synced:  func() { a.synced(k) },
	})
}

// followMediaPod tells of each version of one MediaPod until ctx is done.
func (c *cluster) followMediaPod(ctx context.Context, name string, changed func(*callfleetv1.MediaPod)) {
	one := fields.OneTermEqualSelector("metadata.name", name)
	client.Follow(ctx, c.callfleet, client.MediaPods, c.namespace, one, &callfleetv1.MediaPod{},
		client.Follower[*callfleetv1.MediaPod]{Changed: changed})
}
