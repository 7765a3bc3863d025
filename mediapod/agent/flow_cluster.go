// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"

	"github.com/callfleet/callfleet/api/client"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// forbiddenAgain is how long until the API server is asked again for flows that the pod may not read: its role is older than it is.
const forbiddenAgain = time.Minute

// callFlow reads a CallFlow of the pod's namespace.
func (c *cluster) callFlow(ctx context.Context, name string) (*callfleetv1.CallFlow, error) {
	out := &callfleetv1.CallFlow{}
	err := c.callfleet.Get().Namespace(c.namespace).Resource(client.CallFlows).Name(name).Timeout(requestTimeout).Do(ctx).Into(out)
	return out, err
}

// flowRevision reads one version of a flow.
func (c *cluster) flowRevision(ctx context.Context, name string) (*appsv1.ControllerRevision, error) {
	out := &appsv1.ControllerRevision{}
	err := c.apps.Get().Namespace(c.namespace).Resource("controllerrevisions").Name(name).Timeout(requestTimeout).Do(ctx).Into(out)
	return out, err
}

// followFlows tells the store of the flows of the namespace until ctx is done. A pod that may not read them yet, because its role is
// of before there were flows, takes calls all the same.
func (c *cluster) followFlows(ctx context.Context, s *flowStore) {
	told := false
	for {
		err := c.callfleet.Get().Namespace(c.namespace).Resource(client.CallFlows).Param("limit", "1").Timeout(requestTimeout).Do(ctx).Error()
		if !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err) {
			break
		}
		if !told {
			s.log.Info("flows cannot be read, so that no call can run one; apply config/crd and config/rbac/mediapod_role.yaml of this version", "cause", err.Error())
			told = true
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(forbiddenAgain):
		}
	}
	client.Follow(ctx, c.callfleet, client.CallFlows, c.namespace, fields.Everything(), &callfleetv1.CallFlow{},
		client.Follower[*callfleetv1.CallFlow]{Changed: s.changed, Gone: s.gone})
}
