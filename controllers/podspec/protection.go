// SPDX-License-Identifier: Apache-2.0

package podspec

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

const (
	// safeToEvict "false" keeps the cluster autoscaler from removing the Pod's node.
	// https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md#what-types-of-pods-can-prevent-ca-from-removing-a-node
	safeToEvict = "cluster-autoscaler.kubernetes.io/safe-to-evict"
	// doNotDisrupt "true" keeps karpenter from consolidating, replacing or expiring the Pod's node.
	// https://karpenter.sh/docs/concepts/disruption/#pod-level-controls
	doNotDisrupt = "karpenter.sh/do-not-disrupt"

	// PriorityClass of media pods, unless the template names another. It is in config/priority.
	PriorityClass = "callfleet-media"

	// zoneSkew is how many pods of a bot a zone or node may have more than another before the scheduler looks elsewhere.
	zoneSkew = 1
)

// protections are the annotations of a Pod that must not go, for those who do not ask a disruption budget.
var protections = map[string]string{safeToEvict: "false", doNotDisrupt: "true"}

// Marks are what is kept up to date of a Pod: labels, and the annotations that are there only while it is busy. An annotation
// with the value nil is not to be there.
func Marks(mp *v1alpha1.MediaPod, busy bool) (labels map[string]string, annotations map[string]*string) {
	labels, annotations = Labels(mp), map[string]*string{}
	own := templateAnnotations(mp.Spec.Template)
	for key, value := range protections {
		switch theirs, ok := own[key]; {
		case busy:
			annotations[key] = &value
		case ok:
			annotations[key] = &theirs
		default:
			annotations[key] = nil
		}
	}
	if busy {
		labels[v1alpha1.LabelCalls] = v1alpha1.LabelCallsActive
	}
	return labels, annotations
}

// Marked says whether a Pod has its marks.
func Marked(pod *corev1.Pod, labels map[string]string, annotations map[string]*string) bool {
	for key, value := range labels {
		if pod.Labels[key] != value {
			return false
		}
	}
	for key, want := range annotations {
		if got, ok := pod.Annotations[key]; ok != (want != nil) || ok && got != *want {
			return false
		}
	}
	return true
}

// templateAnnotations are those the fleet's template gives its pods. The template was judged when the Pod was rendered.
func templateAnnotations(template *runtime.RawExtension) map[string]string {
	if isEmpty(template) {
		return nil
	}
	var t struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	if json.Unmarshal(template.Raw, &t) != nil {
		return nil
	}
	return t.Metadata.Annotations
}

// spread keeps the pods of a bot apart, as far as there is room: what takes a node or a zone away then takes few of its calls.
// The operator's part of the Pod comes before the template's, which may say otherwise for the same topology.
func spread(bot string) []corev1.TopologySpreadConstraint {
	var list []corev1.TopologySpreadConstraint
	for _, topology := range []string{corev1.LabelHostname, corev1.LabelTopologyZone} {
		list = append(list, corev1.TopologySpreadConstraint{
			MaxSkew: zoneSkew, TopologyKey: topology, WhenUnsatisfiable: corev1.ScheduleAnyway,
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelBot: bot}},
		})
	}
	return list
}
