// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/callfleet/callfleet/api/callflow"
	"github.com/callfleet/callfleet/api/v1alpha1"
)

// flowNamed is the flow that a call begins with; empty if it runs none.
func flowNamed(call v1alpha1.AnyCall) string {
	spec, status := call.CallParts()
	switch {
	case status.Flow != nil:
		return status.Flow.Name
	case spec.Behavior != nil && spec.Behavior.FlowRef != nil:
		return spec.Behavior.FlowRef.Name
	}
	return ""
}

// flowOf is the flow that a call runs now, by its first one; empty if it runs none, not yet, or no more.
func flowOf(call v1alpha1.AnyCall) string {
	_, status := call.CallParts()
	if status.Flow != nil && status.Flow.End != "" {
		return ""
	}
	switch status.Phase {
	case v1alpha1.PhaseJoining, v1alpha1.PhaseInLobby, v1alpha1.PhaseEstablished, v1alpha1.PhaseLeaving:
		return flowNamed(call)
	}
	return ""
}

// revisionOf is the revision without which a call could not go on.
func revisionOf(call v1alpha1.AnyCall) string {
	_, status := call.CallParts()
	if status.Flow == nil || status.Flow.End != "" || status.Phase.Finished() {
		return ""
	}
	return status.Flow.Revision
}

// configMapsOf are those with prompts of a flow.
func configMapsOf(spec *v1alpha1.CallFlowSpec) []string {
	var names []string
	callflow.Prompts(spec, func(_ *field.Path, p *v1alpha1.Prompt) {
		if p.ConfigMap != nil {
			names = append(names, p.ConfigMap.Name)
		}
	})
	slices.Sort(names)
	return slices.Compact(names)
}
