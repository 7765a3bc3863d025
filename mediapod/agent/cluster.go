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

// cluster is the API server as the agent uses it: two kinds, a handful of verbs. A plain REST client is enough and
// keeps the process small.
type cluster struct {
	callfleet, core rest.Interface
	namespace       string
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
	return &cluster{callfleet: own, core: core, namespace: namespace}, nil
}

func (c *cluster) getMediaPod(ctx context.Context, name string) (*callfleetv1.MediaPod, error) {
	out := &callfleetv1.MediaPod{}
	err := c.callfleet.Get().Namespace(c.namespace).Resource(client.MediaPods).Name(name).Timeout(requestTimeout).Do(ctx).Into(out)
	return out, err
}

func (c *cluster) getSession(ctx context.Context, name string) (*callfleetv1.MeetingSession, error) {
	out := &callfleetv1.MeetingSession{}
	err := c.callfleet.Get().Namespace(c.namespace).Resource(client.MeetingSessions).Name(name).Timeout(requestTimeout).Do(ctx).Into(out)
	return out, err
}

func (c *cluster) getConfigMap(ctx context.Context, name string) (*corev1.ConfigMap, error) {
	out := &corev1.ConfigMap{}
	err := c.core.Get().Namespace(c.namespace).Resource("configmaps").Name(name).Timeout(requestTimeout).Do(ctx).Into(out)
	return out, err
}

// patchSession writes the difference between before and after into the status, if before is still the newest version.
func (c *cluster) patchSession(ctx context.Context, before, after *callfleetv1.MeetingSession) (*callfleetv1.MeetingSession, error) {
	patch, err := mergePatch(before, after)
	if err != nil {
		return nil, err
	}
	// The resourceVersion makes the API server refuse the write with a conflict if anybody wrote since.
	patch, err = jsonpatch.MergeMergePatches(patch, []byte(`{"metadata":{"resourceVersion":"`+before.ResourceVersion+`"}}`))
	if err != nil {
		return nil, fmt.Errorf("adding the resourceVersion to a patch: %w", err)
	}
	out := &callfleetv1.MeetingSession{}
	err = c.patchStatus(client.MeetingSessions, before.Name, patch).Do(ctx).Into(out)
	return out, err
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

// followSessions tells the agent of the sessions bound to a pod until ctx is done.
func (c *cluster) followSessions(ctx context.Context, mediaPod string, a *Agent) {
	bound := fields.OneTermEqualSelector("status.mediaPod", mediaPod)
	client.Follow(ctx, c.callfleet, client.MeetingSessions, c.namespace, bound, &callfleetv1.MeetingSession{},
		client.Follower[*callfleetv1.MeetingSession]{Changed: a.sessionChanged, Gone: a.sessionGone})
}

// followMediaPod tells of each version of one MediaPod until ctx is done.
func (c *cluster) followMediaPod(ctx context.Context, name string, changed func(*callfleetv1.MediaPod)) {
	one := fields.OneTermEqualSelector("metadata.name", name)
	client.Follow(ctx, c.callfleet, client.MediaPods, c.namespace, one, &callfleetv1.MediaPod{},
		client.Follower[*callfleetv1.MediaPod]{Changed: changed})
}
