// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

// kubelet's defaults: a lease of 40 s, renewed every 10 s.
const (
	leaseSeconds  = 40
	heartbeatEach = 10 * time.Second
	heartbeatSoon = 500 * time.Millisecond // after a failure
)

// capacity is what the scheduler may fill. Nothing enforces requests or
// limits, so it is generous: a test with many pods is to run on a laptop.
var capacity = corev1.ResourceList{
	corev1.ResourceCPU:              resource.MustParse("64"),
	corev1.ResourceMemory:           resource.MustParse("256Gi"),
	corev1.ResourceEphemeralStorage: resource.MustParse("256Gi"),
	corev1.ResourcePods:             resource.MustParse("1000"),
}

// heartbeat registers the node and keeps its lease and status fresh.
func (a *Agent) heartbeat(ctx context.Context, ready func()) {
	told := false
	for {
		wait := heartbeatEach
		if err := a.beat(ctx); err != nil {
			if ctx.Err() == nil {
				a.cfg.Log.V(1).Info("heartbeat failed", "error", err.Error())
			}
			wait = heartbeatSoon
		} else if !told {
			told = true
			if ready != nil {
				ready()
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (a *Agent) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	node, err := a.client.CoreV1().Nodes().Get(ctx, a.cfg.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		node, err = a.client.CoreV1().Nodes().Create(ctx, a.node(), metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("registering the node: %w", err)
	}
	if err := a.renewLease(ctx, node.UID); err != nil {
		return err
	}
	return a.reportNode(ctx, node)
}

func (a *Agent) node() *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: a.cfg.Name, Labels: map[string]string{
			corev1.LabelOSStable:   runtime.GOOS,
			corev1.LabelArchStable: runtime.GOARCH,
			corev1.LabelHostname:   a.cfg.Name,
		}},
		Status: a.nodeStatus(time.Now()),
	}
}

func (a *Agent) nodeStatus(now time.Time) corev1.NodeStatus {
	return corev1.NodeStatus{
		Capacity: capacity, Allocatable: capacity,
		Conditions: []corev1.NodeCondition{
			nodeCondition(corev1.NodeMemoryPressure, corev1.ConditionFalse, "KubeletHasSufficientMemory", now),
			nodeCondition(corev1.NodeDiskPressure, corev1.ConditionFalse, "KubeletHasNoDiskPressure", now),
			nodeCondition(corev1.NodePIDPressure, corev1.ConditionFalse, "KubeletHasSufficientPID", now),
			nodeCondition(corev1.NodeReady, corev1.ConditionTrue, "KubeletReady", now),
		},
		Addresses: []corev1.NodeAddress{
			{Type: corev1.NodeInternalIP, Address: a.cfg.IP.String()},
			{Type: corev1.NodeHostName, Address: a.cfg.Name},
		},
		DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: int32(a.cfg.KubeletPort)}},
		NodeInfo: corev1.NodeSystemInfo{
			MachineID: a.cfg.Name, SystemUUID: a.cfg.Name, BootID: a.cfg.Name,
			KernelVersion:           kernelVersion(),
			OSImage:                 "host processes",
			ContainerRuntimeVersion: "devcluster://1.0.0",
			KubeletVersion:          a.cfg.Version,
			OperatingSystem:         runtime.GOOS,
			Architecture:            runtime.GOARCH,
		},
	}
}

func nodeCondition(kind corev1.NodeConditionType, status corev1.ConditionStatus, reason string, now time.Time) corev1.NodeCondition {
	return corev1.NodeCondition{
		Type: kind, Status: status, Reason: reason, Message: "the local node agent is running pods",
		LastHeartbeatTime: metav1.NewTime(now), LastTransitionTime: metav1.NewTime(now),
	}
}

func (a *Agent) renewLease(ctx context.Context, node types.UID) error {
	leases := a.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	lease, err := leases.Get(ctx, a.cfg.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		_, err = leases.Create(ctx, &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: a.cfg.Name, OwnerReferences: []metav1.OwnerReference{
				{APIVersion: "v1", Kind: "Node", Name: a.cfg.Name, UID: node},
			}},
			Spec: coordinationv1.LeaseSpec{
				HolderIdentity: ptr.To(a.cfg.Name), LeaseDurationSeconds: ptr.To[int32](leaseSeconds),
				RenewTime: ptr.To(metav1.NowMicro()),
			},
		}, metav1.CreateOptions{})
	case err == nil:
		lease.Spec.HolderIdentity = ptr.To(a.cfg.Name)
		lease.Spec.RenewTime = ptr.To(metav1.NowMicro())
		_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("renewing the node's lease: %w", err)
	}
	return nil
}

// statusEvery is how often the node's status is written though nothing in it
// changed; kubelet has the same.
const statusEvery = 5 * time.Minute

// reportNode writes the node's status if the one on the server is not as it
// is to be: after a restart, or when the node was given up during an outage.
func (a *Agent) reportNode(ctx context.Context, node *corev1.Node) error {
	now := time.Now()
	want := a.nodeStatus(now)
	if !nodeOutdated(node.Status, want, now) {
		return nil
	}
	for i, c := range want.Conditions {
		for _, old := range node.Status.Conditions {
			if old.Type == c.Type && old.Status == c.Status {
				want.Conditions[i].LastTransitionTime = old.LastTransitionTime
			}
		}
	}
	patch, err := json.Marshal(map[string]any{"status": want})
	if err != nil {
		return fmt.Errorf("encoding the node's status: %w", err)
	}
	if _, err := a.client.CoreV1().Nodes().Patch(ctx, a.cfg.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
		return fmt.Errorf("reporting the node's status: %w", err)
	}
	return nil
}

func nodeOutdated(have, want corev1.NodeStatus, now time.Time) bool {
	for _, w := range want.Conditions {
		i := slices.IndexFunc(have.Conditions, func(c corev1.NodeCondition) bool { return c.Type == w.Type })
		if i < 0 || have.Conditions[i].Status != w.Status || now.Sub(have.Conditions[i].LastHeartbeatTime.Time) > statusEvery {
			return true
		}
	}
	sameQuantities := maps.EqualFunc(have.Capacity, want.Capacity, func(a, b resource.Quantity) bool { return a.Cmp(b) == 0 })
	return !sameQuantities || have.NodeInfo != want.NodeInfo || have.DaemonEndpoints != want.DaemonEndpoints ||
		!slices.Equal(have.Addresses, want.Addresses)
}

func kernelVersion() string {
	data, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	return strings.TrimSpace(string(data))
}
