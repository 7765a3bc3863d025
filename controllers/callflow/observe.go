// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/callflow"
	"github.com/callfleet/callfleet/api/v1alpha1"
)

// asCached gives what the cache has, which must not be changed: flows may be large, and each call that comes and goes asks for them.
var asCached = &client.GetOptions{UnsafeDisableDeepCopy: ptr.To(true)}

// mostUsers is how many bots and flows the status names.
const mostUsers = 20

// observation is everything one pass judges by.
type observation struct {
	facts  facts
	usedBy v1alpha1.FlowUsers
}

func (r *Reconciler) observe(ctx context.Context, flow *v1alpha1.CallFlow) (*observation, error) {
	seen := &observation{facts: facts{name: flow.Name, last: flow.Status.Revision, limit: r.RevisionLimit}}
	var err error
	if seen.facts.flows, err = below(ctx, r.client, flow); err != nil {
		return nil, err
	}
	if seen.facts.files, err = r.files.ofFlows(ctx, flow.Namespace, seen.facts.flows); err != nil {
		return nil, err
	}
	seen.usedBy, err = r.users(ctx, flow)
	return seen, err
}

// below is a flow and all it leads to, as far as they exist, by the cache or by the API server itself.
func below(ctx context.Context, flows client.Reader, flow *v1alpha1.CallFlow) (map[string]*v1alpha1.CallFlowSpec, error) {
	found := map[string]*v1alpha1.CallFlowSpec{flow.Name: &flow.Spec}
	for next := callflow.Subflows(&flow.Spec); len(next) > 0; next = next[1:] {
		if found[next[0]] != nil {
			continue
		}
		sub := &v1alpha1.CallFlow{}
		if err := flows.Get(ctx, types.NamespacedName{Namespace: flow.Namespace, Name: next[0]}, sub, asCached); apierrors.IsNotFound(err) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("reading flow %s: %w", next[0], err)
		}
		found[sub.Name] = &sub.Spec
		next = append(next, callflow.Subflows(&sub.Spec)...)
	}
	return found, nil
}

// ofFlows judges the files of all prompts in ConfigMaps.
func (f *files) ofFlows(ctx context.Context, namespace string, flows map[string]*v1alpha1.CallFlowSpec) (map[v1alpha1.KeyReference]file, error) {
	found := map[v1alpha1.KeyReference]file{}
	var failed error
	for _, spec := range flows {
		callflow.Prompts(spec, func(_ *field.Path, p *v1alpha1.Prompt) {
			if p.ConfigMap == nil || failed != nil {
				return
			}
			if _, done := found[*p.ConfigMap]; !done {
				found[*p.ConfigMap], failed = f.find(ctx, namespace, *p.ConfigMap)
			}
		})
	}
	return found, failed
}

// above are the flows that lead to one, over however many others; not itself.
func (r *Reconciler) above(ctx context.Context, namespace, name string) ([]string, error) {
	var found []string
	for next := []string{name}; len(next) > 0; next = next[1:] {
		var list v1alpha1.CallFlowList
		if err := r.client.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{flowsBySubflow: next[0]}, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("listing the flows that lead to %s: %w", next[0], err)
		}
		for i := range list.Items {
			if up := list.Items[i].Name; up != name && !slices.Contains(found, up) {
				found, next = append(found, up), append(next, up)
			}
		}
	}
	return found, nil
}

// users are who runs a flow: bots and flows that name it themselves, and all calls that may come to it.
func (r *Reconciler) users(ctx context.Context, flow *v1alpha1.CallFlow) (v1alpha1.FlowUsers, error) {
	var users v1alpha1.FlowUsers
	in := client.InNamespace(flow.Namespace)
	var bots v1alpha1.CallingBotList
	if err := r.client.List(ctx, &bots, in, client.MatchingFields{botsByFlow: flow.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return users, fmt.Errorf("listing the bots that run the flow: %w", err)
	}
	for i := range bots.Items {
		users.Bots = append(users.Bots, bots.Items[i].Name)
	}
	var flows v1alpha1.CallFlowList
	if err := r.client.List(ctx, &flows, in, client.MatchingFields{flowsBySubflow: flow.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return users, fmt.Errorf("listing the flows that lead to the flow: %w", err)
	}
	for i := range flows.Items {
		users.Flows = append(users.Flows, flows.Items[i].Name)
	}
	above, err := r.above(ctx, flow.Namespace, flow.Name)
	if err != nil {
		return users, err
	}
	for _, name := range append(above, flow.Name) {
		n, err := r.count(ctx, flow.Namespace, callsByFlow, name)
		if err != nil {
			return users, err
		}
		users.Calls += int32(n)
	}
	users.Bots, users.Flows = first(users.Bots), first(users.Flows)
	return users, nil
}

func first(names []string) []string {
	slices.Sort(names)
	return names[:min(mostUsers, len(names))]
}

// count counts the calls and sessions that an index has under a value.
func (r *Reconciler) count(ctx context.Context, namespace, index, value string) (int, error) {
	of := []client.ListOption{client.InNamespace(namespace), client.MatchingFields{index: value}, client.UnsafeDisableDeepCopy}
	var calls v1alpha1.CallList
	if err := r.client.List(ctx, &calls, of...); err != nil {
		return 0, fmt.Errorf("listing calls: %w", err)
	}
	var sessions v1alpha1.MeetingSessionList
	if err := r.client.List(ctx, &sessions, of...); err != nil {
		return 0, fmt.Errorf("listing sessions: %w", err)
	}
	return len(calls.Items) + len(sessions.Items), nil
}
