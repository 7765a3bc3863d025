// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// balance gives Services of type LoadBalancer a public address, as a cloud's
// controller does. The forwarder listens there as it does on cluster IPs.
func (s *services) balance(ctx context.Context) error {
	if s.agent.cloud == nil {
		return nil
	}
	s.mu.Lock()
	var without []*corev1.Service
	for _, svc := range s.all {
		if svc.Spec.Type == corev1.ServiceTypeLoadBalancer && len(svc.Status.LoadBalancer.Ingress) == 0 {
			without = append(without, svc.DeepCopy())
		}
	}
	s.mu.Unlock()
	var problems []error
	for _, svc := range without {
		address, ok := publicAddress(svc.Spec.ClusterIP)
		if !ok {
			continue
		}
		svc.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: address.String()}}
		_, err := s.agent.cloud.CoreV1().Services(svc.Namespace).UpdateStatus(ctx, svc, metav1.UpdateOptions{})
		if !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) { // then there is news of it, and another try
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// publicAddress belongs to a cluster IP as 127.128.0.7 does to 127.96.0.7, so
// nobody has to keep a list: the cluster IPs of all slots are in 127.96.0.0/11.
func publicAddress(clusterIP string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(clusterIP)
	if err != nil || !netip.MustParsePrefix("127.96.0.0/11").Contains(ip) {
		return netip.Addr{}, false
	}
	bytes := slices.Clone(ip.AsSlice())
	bytes[1] += 32
	return netip.AddrFromSlice(bytes)
}
