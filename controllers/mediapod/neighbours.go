// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/endpoint"
	"github.com/callfleet/callfleet/controllers/podspec"
)

// others are what is around a media pod that its endpoint depends on; see endpoint.Facts.
type others struct {
	bot *v1alpha1.CallingBot
	// pods are the media pods of the bot, this one among them; only where they share something.
	pods      []*v1alpha1.MediaPod
	fleet     []endpoint.Member
	portUses  map[int32]int
	nodePorts map[int32]string
	endpoints map[v1alpha1.Endpoint]string
}

func (r *Reconciler) observeService(ctx context.Context, f *facts) error {
	name := endpoint.ServiceName(f.mediaPod)
	if name == "" {
		return nil
	}
	service := &corev1.Service{}
	if err := r.Client.Get(ctx, types.NamespacedName{Namespace: f.mediaPod.Namespace, Name: name}, service); apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("reading the Service: %w", err)
	}
	f.service = service
	return nil
}

func (r *Reconciler) observeNode(ctx context.Context, f *facts) error {
	if !endpoint.OnNode(f.mediaPod.Spec.Media.Endpoint.Type) || f.pod == nil || f.pod.Spec.NodeName == "" {
		return nil
	}
	node := &corev1.Node{}
	if err := r.Client.Get(ctx, types.NamespacedName{Name: f.pod.Spec.NodeName}, node); apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("reading node %s: %w", f.pod.Spec.NodeName, err)
	}
	f.node = node
	return nil
}

func (r *Reconciler) observeOthers(ctx context.Context, f *facts) error {
	if podspec.ServiceHosted(f.mediaPod) {
		return nil
	}
	if shares(f.mediaPod) {
		if err := r.observeFleet(ctx, f); err != nil {
			return err
		}
	}
	switch e := f.mediaPod.Spec.Media.Endpoint; {
	case e.Type == v1alpha1.EndpointNodePort && e.Ports != nil && f.service == nil:
		return r.observeNodePorts(ctx, f)
	case e.Type == v1alpha1.EndpointHostPort && f.pod == nil:
		return r.observePortUses(ctx, f)
	case e.Type == v1alpha1.EndpointHostPort && f.mediaPod.Status.Endpoint == nil:
		return r.observeEndpoints(ctx, f)
	}
	return nil
}

// shares says whether the MediaPod has something together with the others of its bot.
func shares(mp *v1alpha1.MediaPod) bool {
	return mp.Spec.Media.Endpoint.Type == v1alpha1.EndpointLoadBalancer || mp.Spec.Media.Certificate.Shared()
}

// observeFleet finds the bot and its other media pods, and of those that share its Service the ports they have.
func (r *Reconciler) observeFleet(ctx context.Context, f *facts) error {
	bot := &v1alpha1.CallingBot{}
	key := types.NamespacedName{Namespace: f.mediaPod.Namespace, Name: f.mediaPod.Spec.BotRef.Name}
	if err := r.Client.Get(ctx, key, bot); err == nil {
		f.others.bot = bot
	} else if !apierrors.IsNotFound(err) {
		return fmt.Errorf("reading the bot: %w", err)
	}
	ofBot := []client.ListOption{client.InNamespace(key.Namespace), client.MatchingLabels{v1alpha1.LabelBot: key.Name}}
	pods := &corev1.PodList{}
	if err := r.Client.List(ctx, pods, ofBot...); err != nil {
		return fmt.Errorf("listing the fleet's Pods: %w", err)
	}
	ports := make(map[string]int32, len(pods.Items))
	for i := range pods.Items {
		ports[pods.Items[i].Name] = podspec.MediaPort(&pods.Items[i])
	}
	members := &v1alpha1.MediaPodList{}
	if err := r.Client.List(ctx, members, ofBot...); err != nil {
		return fmt.Errorf("listing the fleet: %w", err)
	}
	for i := range members.Items {
		m := &members.Items[i]
		f.others.pods = append(f.others.pods, m)
		if m.Spec.Media.Endpoint.Type != v1alpha1.EndpointLoadBalancer {
			continue
		}
		port := ports[m.Name]
		if m.Name == f.mediaPod.Name && f.pod != nil {
			port = podspec.MediaPort(f.pod)
		}
		if port == 0 && m.Status.Endpoint != nil {
			port = m.Status.Endpoint.Port
		}
		f.others.fleet = append(f.others.fleet, endpoint.Member{MediaPod: m, Port: port})
	}
	return nil
}

// observeNodePorts finds which node ports are taken in the cluster.
func (r *Reconciler) observeNodePorts(ctx context.Context, f *facts) error {
	services := &corev1.ServiceList{}
	if err := r.Client.List(ctx, services, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing Services: %w", err)
	}
	f.others.nodePorts = map[int32]string{}
	for i := range services.Items {
		s := &services.Items[i]
		for _, p := range s.Spec.Ports {
			if p.NodePort != 0 {
				f.others.nodePorts[p.NodePort] = s.Namespace + "/" + s.Name
			}
		}
	}
	return nil
}

// observePortUses counts which ports of their nodes the cluster's media pods have. Each of a thousand pods that start asks for all
// of them, several times, so they are only looked at, not copied.
func (r *Reconciler) observePortUses(ctx context.Context, f *facts) error {
	pods := &corev1.PodList{}
	if err := r.Client.List(ctx, pods, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing Pods: %w", err)
	}
	f.others.portUses = map[int32]int{}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.Name != f.mediaPod.Name || pod.Namespace != f.mediaPod.Namespace {
			f.others.portUses[podspec.HostPort(pod)]++
		}
	}
	return nil
}

// observeEndpoints finds where the cluster's other media pods are reached, without copying them.
func (r *Reconciler) observeEndpoints(ctx context.Context, f *facts) error {
	all := &v1alpha1.MediaPodList{}
	if err := r.Client.List(ctx, all, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing media pods: %w", err)
	}
	f.others.endpoints = map[v1alpha1.Endpoint]string{}
	for i := range all.Items {
		other := &all.Items[i]
		if other.Status.Endpoint != nil && other.UID != f.mediaPod.UID {
			f.others.endpoints[*other.Status.Endpoint] = other.Namespace + "/" + other.Name
		}
	}
	return nil
}
