// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// EndpointProbe says who tries a pod's public name and port.
// +kubebuilder:validation:Enum=Router;None
type EndpointProbe string

const (
	// ProbeRouter: the router, which is another pod, connects as a far side does.
	ProbeRouter EndpointProbe = "Router"
	// ProbeNone: nobody; for addresses that are not reached from inside the cluster.
	ProbeNone EndpointProbe = "None"
)

// Probed says whether pods wait for their name and port to answer before they take calls.
func (e MediaEndpoint) Probed() bool {
	switch e.Probe {
	case ProbeRouter:
		return true
	case ProbeNone:
		return false
	}
	return e.Type != EndpointClusterIP
}

// Reachability is what the process in the pod knows of its public name and port.
type Reachability struct {
	// reachable: it answered there, with its own certificate. Absent while nobody could say.
	// +optional
	Reachable *bool `json:"reachable,omitempty"`

	// reason in one word.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason"`

	// message for people: the hop that failed, and what to do.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}
