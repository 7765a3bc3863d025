// SPDX-License-Identifier: Apache-2.0

// Package endpoint finds out where the far side reaches a media pod: one strategy per file, each a pure function of what
// was observed. What a strategy wants written, it returns.
package endpoint

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// Facts are what a strategy looks at. Fields of no use to the pod's strategy are left empty.
type Facts struct {
	// MediaPod whose endpoint it is.
	MediaPod *v1alpha1.MediaPod
	// Service of the name that ServiceName gives; nil if there is none.
	Service *corev1.Service
	// PodPort is the media port the Pod was made with; 0 while there is no Pod.
	PodPort int32
	// NodeName is where the Pod was scheduled to; "" before.
	NodeName string
	// Node of that name; nil if it is not known.
	Node *corev1.Node
	// PortUses says how many other media pods of the cluster have a port of their nodes.
	PortUses map[int32]int
	// NodePorts are those of the cluster's other Services, with whose they are.
	NodePorts map[int32]string
	// Endpoints are those of the cluster's other media pods, with whose they are.
	Endpoints map[v1alpha1.Endpoint]string
	// Bot of the MediaPod; nil if it is gone.
	Bot *v1alpha1.CallingBot
	// Fleet are the media pods of the bot that share a Service, this one among them.
	Fleet []Member
}

// State is what a strategy found.
type State struct {
	// Endpoint is complete, or nil while something is missing.
	Endpoint *v1alpha1.Endpoint
	// Port the Pod is to be made with; 0 if none can be given.
	Port int32
	// PodFirst says that the address is known only after the Pod was scheduled, so the Pod must not wait for it.
	PodFirst bool
	// Service to be written by server-side apply; nil if there is nothing to write.
	Service *applycorev1.ServiceApplyConfiguration
	// Reason and Message of the condition EndpointReady.
	Reason, Message string
	// Stalled says that somebody has to change something.
	Stalled bool
}

// Observe asks the strategy of the MediaPod's endpoint type.
func Observe(f Facts) State {
	switch f.MediaPod.Spec.Media.Endpoint.Type {
	case v1alpha1.EndpointHostPort:
		return hostPort(f)
	case v1alpha1.EndpointNodePort:
		return nodePort(f)
	case v1alpha1.EndpointLoadBalancer:
		return loadBalancer(f)
	case v1alpha1.EndpointLoadBalancerPerPod:
		return loadBalancerPerPod(f)
	default:
		return clusterIP(f)
	}
}

// OnNode says whether the pods' address is that of their nodes.
func OnNode(kind v1alpha1.EndpointType) bool {
	return kind == v1alpha1.EndpointHostPort || kind == v1alpha1.EndpointNodePort
}

// known is the state of an endpoint that is complete.
func known(f Facts, address string, port int32) State {
	e := &v1alpha1.Endpoint{Host: host(f.MediaPod, address), Address: address, Port: port}
	return State{
		Endpoint: e, Port: port, Reason: v1alpha1.ReasonAssigned,
		Message: fmt.Sprintf("reached at %s, port %d, TCP and UDP", e.Host, port),
	}
}

// host is the name the far side connects to.
func host(mp *v1alpha1.MediaPod, address string) string {
	if domain := mp.Spec.Media.Endpoint.Domain; domain != "" {
		return fmt.Sprintf("%d.%s.%s", mp.Spec.Slot, mp.Spec.BotRef.Name, domain)
	}
	return address
}

// Host is the name the pod will have, as far as it can be told before the address is known; else "".
func Host(mp *v1alpha1.MediaPod) string { return host(mp, "") }

// Wildcard covers the names of all pods of a bot; "" without a domain.
func Wildcard(bot, domain string) string {
	if domain == "" {
		return ""
	}
	return "*." + bot + "." + domain
}
