// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MediaPod is to Callfleet what a Node is to the scheduler: one member of a fleet, with seats. The operator makes it;
// people read it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=mp,categories=callfleet
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas
// +kubebuilder:printcolumn:name="Bot",type=string,JSONPath=`.spec.botRef.name`,priority=1
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Used",type=integer,JSONPath=`.status.seats.used`
// +kubebuilder:printcolumn:name="Seats",type=integer,JSONPath=`.status.seats.capacity`
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.status.endpoint.host`
// +kubebuilder:printcolumn:name="Port",type=integer,JSONPath=`.status.endpoint.port`
// +kubebuilder:printcolumn:name="Revision",type=string,JSONPath=`.spec.revision`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Load",type=string,JSONPath=`.status.agent.load`,priority=1
// +kubebuilder:printcolumn:name="Node",type=string,JSONPath=`.status.nodeName`,priority=1
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,priority=1
// +kubebuilder:selectablefield:JSONPath=`.spec.botRef.name`
type MediaPod struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec MediaPodSpec `json:"spec"`
	// +optional
	Status MediaPodStatus `json:"status,omitzero"`
}

// MediaPodList is a list of MediaPods.
// +kubebuilder:object:root=true
type MediaPodList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []MediaPod `json:"items"`
}

// MediaPodSpec is fixed at creation, but for the drain mark, and for incoming and signaling.redirects, which follow the
// CallingBot.
// +kubebuilder:validation:XValidation:rule="self.botRef == oldSelf.botRef && self.slot == oldSelf.slot && self.revision == oldSelf.revision",message="botRef, slot and revision are fixed at creation"
// +kubebuilder:validation:XValidation:rule="self.identity == oldSelf.identity && self.signaling.host == oldSelf.signaling.host && self.media == oldSelf.media && self.capacity == oldSelf.capacity",message="the configuration is fixed at creation; change the CallingBot"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.drain) || !has(self.drain) || (self.drain.reason == oldSelf.drain.reason && self.drain.since == oldSelf.drain.since)",message="reason and since of a drain mark are fixed; take the mark back and give another"
type MediaPodSpec struct {
	// botRef is the CallingBot this pod serves.
	// +required
	BotRef BotReference `json:"botRef"`

	// slot is the pod's number in the fleet: the lowest that was free. Names and ports are derived from it.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9999
	Slot int32 `json:"slot"`

	// revision is the hash of the configuration below.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16
	Revision string `json:"revision"`

	// replicas is always 1: a media pod is one Pod. It is there for /scale, by which the disruption controller of Kubernetes
	// counts how many Pods there should be behind a disruption budget.
	// +optional
	// +default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1
	Replicas int32 `json:"replicas,omitempty"`

	FleetConfig `json:",inline"`

	// incoming rules of the CallingBot.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Incoming []IncomingRule `json:"incoming,omitempty"`

	// drain, while set, makes the pod take no new calls; it is deleted when the last one has ended. Taken back before that, the
	// pod serves on, from when its process has seen so (status.agent.observedGeneration).
	// +optional
	Drain *Drain `json:"drain,omitempty"`
}

// BotReference names a CallingBot in the same namespace.
type BotReference struct {
	// name of the CallingBot.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=50
	Name string `json:"name"`
}

// MediaPodState is the one word `kubectl get mp` prints.
// +kubebuilder:validation:Enum=Pending;Starting;Ready;NotReady;Draining
type MediaPodState string

const (
	// MediaPodPending: no process yet; an address, a certificate or a node is missing.
	MediaPodPending MediaPodState = "Pending"
	// MediaPodStarting: the process runs and has not been ready yet.
	MediaPodStarting MediaPodState = "Starting"
	// MediaPodReady: calls can be placed.
	MediaPodReady MediaPodState = "Ready"
	// MediaPodNotReady: it was ready and is not now.
	MediaPodNotReady MediaPodState = "NotReady"
	// MediaPodDraining: calls go on, none is added.
	MediaPodDraining MediaPodState = "Draining"
)

// MediaPodStatus has two writers. The mediapod controller writes everything but seats, calls, pendingUploads and agent, which
// the agent in the pod reports.
type MediaPodStatus struct {
	// observedGeneration is the generation the controller's part speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// +optional
	State MediaPodState `json:"state,omitempty"`

	// replicas is 1 while there is a Pod, for /scale.
	// +optional
	Replicas int32 `json:"replicas,omitempty"`

	// podUID is the Pod that runs now.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	PodUID string `json:"podUID,omitempty"`

	// podIP is where the router reaches the pod.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	PodIP string `json:"podIP,omitempty"`

	// nodeName is where the pod runs.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	NodeName string `json:"nodeName,omitempty"`

	// readyTime is when the pod was Ready for the first time.
	// +optional
	ReadyTime *metav1.Time `json:"readyTime,omitempty"`

	// endpoint is where the far side reaches the media port, once known.
	// +optional
	Endpoint *Endpoint `json:"endpoint,omitempty"`

	// seats as the agent counts them.
	// +optional
	Seats Seats `json:"seats,omitzero"`

	// calls that are live in the pod.
	// +optional
	Calls int32 `json:"calls"`

	// pendingUploads are recordings that are finished and not in the bucket yet; absent where there is none. The pod is not
	// deleted before they are, or media.recordings.storage.uploadTimeout is over.
	// +optional
	PendingUploads *PendingUploads `json:"pendingUploads,omitempty"`

	// agent is the report of the process in the pod; absent while none runs.
	// +optional
	Agent *AgentReport `json:"agent,omitempty"`

	// conditions: Ready always; EndpointReady, CertificateReady, PodReady; MediaReachable where that is probed; CertificateRenewed, Reconciling and Stalled only while true.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Endpoint is a public media address. The port is the same for TCP (TLS) and UDP.
type Endpoint struct {
	// host is the name to connect to: a DNS name if the bot has a domain, else the address.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Host string `json:"host"`
	// address is the IP address announced to the far side.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Address string `json:"address"`
	// +required
	Port int32 `json:"port"`
}

// AgentReport is what the process in the pod says of itself.
type AgentReport struct {
	// instance identifies this run of the process. A new process has a new one, and holds none of the calls of the old.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Instance string `json:"instance"`

	// podUID is the Pod the process runs in.
	// +required
	// +kubebuilder:validation:MaxLength=64
	PodUID string `json:"podUID"`

	// startTime of the process.
	// +required
	StartTime metav1.Time `json:"startTime"`

	// observedGeneration is the generation of the MediaPod that this report took into account. Once it has reached the
	// generation that carries the drain mark, the pod admits nothing, and calls and reserved only fall.
	// +required
	ObservedGeneration int64 `json:"observedGeneration"`

	// ready: media sockets open, token and keys at hand.
	// +optional
	Ready bool `json:"ready"`

	// load of the process by its calls. Unless it is Normal, the pod takes no more of them and tells of no free seats; it stays
	// ready, and keeps those it has. Absent where the service hosts the media.
	// +optional
	Load PodLoad `json:"load,omitempty"`

	// calls are some of those in the process, by kind and name, such as MeetingSession/standup: the first eight of them in
	// alphabetical order. They are for messages; status.calls says how many there are.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=280
	Calls []string `json:"calls,omitempty"`

	// media is whether far sides reach the process; absent where that is not probed.
	// +optional
	Media *Reachability `json:"media,omitempty"`

	// reason it is not ready, in one word.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// message for people.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// PodLoad is how well a process copes with its calls. The words are those of Microsoft's media platform (MediaPlatformHealth).
// +kubebuilder:validation:Enum=Normal;HeavilyLoaded;Overloaded
type PodLoad string

const (
	// LoadNormal: it takes more.
	LoadNormal PodLoad = "Normal"
	// LoadHeavy: it serves those it has, and takes no more.
	LoadHeavy PodLoad = "HeavilyLoaded"
	// LoadOver: it cannot serve all of them as it should.
	LoadOver PodLoad = "Overloaded"
)

// Strained: the process takes no more calls because of those it has.
func (r *AgentReport) Strained() bool { return r != nil && (r.Load == LoadHeavy || r.Load == LoadOver) }
