// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/callfleet/callfleet/api/client"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// report what is so, a second after the last report at the earliest. The caller holds a.mu.
func (a *agents) report(p *agent) {
	if p.reporting {
		p.due = true
		return
	}
	p.reporting = true
	a.work <- func(ctx context.Context) { a.writeReport(ctx, p) }
}

func (a *agents) writeReport(ctx context.Context, p *agent) {
	a.mu.Lock()
	mp, ready := p.mediaPod, p.mediaPod != nil && p.podUID != ""
	var after *callfleetv1.MediaPod
	if ready {
		after = mp.DeepCopy()
		used, reserved := int32(0), int32(0)
		for _, c := range p.calls {
			if c.made {
				used++
			} else {
				reserved++
			}
		}
		capacity := mp.Spec.Capacity.Seats
		after.Status.Calls = int32(len(p.calls))
		after.Status.Seats = callfleetv1.Seats{Capacity: capacity, Used: used, Reserved: reserved, Free: max(0, capacity-used-reserved)}
		after.Status.Agent = &callfleetv1.AgentReport{
			Instance: p.instance, PodUID: string(p.podUID), StartTime: metav1.NewTime(p.started), ObservedGeneration: mp.Generation,
			Ready: true, Load: callfleetv1.LoadNormal,
		}
	}
	instance := p.instance
	a.mu.Unlock()
	if ready {
		status := map[string]any{"calls": after.Status.Calls, "seats": after.Status.Seats, "agent": after.Status.Agent}
		err := a.api.Patch(types.MergePatchType).Namespace(namespace).Resource(client.MediaPods).Name(p.name).SubResource("status").
			Param("fieldManager", agentOwner).Body(encode(map[string]any{"metadata": map[string]any{"uid": mp.UID}, "status": status})).Do(ctx).Error()
		a.mu.Lock()
		switch {
		case err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err):
			p.due = true
		case err == nil && instance == p.instance && !p.admits:
			p.admits = true
			a.lookForWork(p)
		}
		a.mu.Unlock()
	}
	time.AfterFunc(reportEvery, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		p.reporting = false
		if p.due {
			p.due = false
			a.report(p)
		}
	})
}
