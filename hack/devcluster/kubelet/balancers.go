// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// Balancer does for Services of type LoadBalancer what a cloud does: it gives
// them an address, and has the host send what is for it to a node that takes
// it. What nodes and pods send there their kube-proxy delivers.
type Balancer struct {
	Network Network
	Client  kubernetes.Interface
	Log     logr.Logger
}

// retry is how soon the whole is looked at again when something failed.
const retry = time.Second

// Run works until ctx is done.
func (b Balancer) Run(ctx context.Context) {
	factory := informers.NewSharedInformerFactory(b.Client, 0)
	services, ends := factory.Core().V1().Services(), factory.Discovery().V1().EndpointSlices()
	dirty := make(chan struct{}, 1)
	changed := func(any) {
		select {
		case dirty <- struct{}{}:
		default:
		}
	}
	handler := cache.ResourceEventHandlerFuncs{AddFunc: changed, UpdateFunc: func(_, now any) { changed(now) }, DeleteFunc: changed}
	for _, informer := range []cache.SharedIndexInformer{services.Informer(), ends.Informer()} {
		if _, err := informer.AddEventHandler(handler); err != nil { // only one that was stopped refuses
			b.Log.Error(err, "watching Services")
			return
		}
	}
	factory.Start(ctx.Done())
	routes := map[netip.Addr]netip.Addr{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-dirty:
		}
		all, err := services.Lister().List(labels.Everything())
		if err == nil {
			var slices []*discoveryv1.EndpointSlice
			if slices, err = ends.Lister().List(labels.Everything()); err == nil {
				err = b.pass(ctx, all, slices, routes)
			}
		}
		if err != nil && ctx.Err() == nil {
			b.Log.Info("balancing failed, trying again", "error", err.Error())
			time.AfterFunc(retry, func() { changed(nil) })
		}
	}
}

// pass gives out addresses that are missing and routes that have changed.
func (b Balancer) pass(ctx context.Context, services []*corev1.Service, ends []*discoveryv1.EndpointSlice, routes map[netip.Addr]netip.Addr) error {
	for _, svc := range services {
		address, ok := b.Network.balancer(svc)
		if !ok {
			continue
		}
		if len(svc.Status.LoadBalancer.Ingress) == 0 {
			told := svc.DeepCopy()
			told.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: address.String()}}
			_, err := b.Client.CoreV1().Services(svc.Namespace).UpdateStatus(ctx, told, metav1.UpdateOptions{})
			if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) { // then there is news of it, and another try
				return err
			}
		}
		node := b.Network.entry(svc, ends)
		if routes[address] == node {
			continue
		}
		if err := run(ctx, "", "ip", "route", "replace", address.String()+"/32", "via", node.String(), "dev", b.Network.bridge()); err != nil {
			return err
		}
		routes[address] = node
	}
	return nil
}

// balancer is the public address of a Service. It belongs to the cluster IP, so
// nobody has to keep a list.
func (n Network) balancer(svc *corev1.Service) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(svc.Spec.ClusterIP)
	if svc.Spec.Type != corev1.ServiceTypeLoadBalancer || err != nil || !n.Services().Contains(ip) {
		return netip.Addr{}, false
	}
	a := ip.As4()
	a[2] += n.Balancers().Addr().As4()[2] - n.Services().Addr().As4()[2]
	return netip.AddrFrom4(a), true
}

// entry is the node that gets what comes for a Service from outside: any, or
// one with a pod of it where only those take it.
func (n Network) entry(svc *corev1.Service, ends []*discoveryv1.EndpointSlice) netip.Addr {
	first := n.Node(1)
	if svc.Spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal {
		return first
	}
	for _, slice := range ends {
		if slice.Namespace != svc.Namespace || slice.Labels[discoveryv1.LabelServiceName] != svc.Name {
			continue
		}
		for i := 1; i <= n.Nodes; i++ {
			if slices.ContainsFunc(slice.Endpoints, func(e discoveryv1.Endpoint) bool { return e.NodeName != nil && *e.NodeName == n.Name(i) }) {
				return n.Node(i)
			}
		}
	}
	return first
}
