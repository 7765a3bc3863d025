// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func TestMain(m *testing.M) { controllertest.Main(m) }

// place is one test's namespace with a running controller. The test plays the agents, and those who apply flows.
type place struct {
	*testing.T
	*controllertest.Cluster
	ns  string
	mgr *controllertest.Manager
}

// newPlace keeps revisions that nobody uses for as long as is said.
func newPlace(t *testing.T, unused time.Duration) *place {
	t.Helper()
	cluster := controllertest.Start(t)
	ns := cluster.Namespace(t)
	return &place{t, cluster, ns, cluster.StartManager(t, ns, (&Reconciler{KeepUnused: unused}).SetupWithManager)}
}

func (p *place) flow(name string, spec *v1alpha1.CallFlowSpec) *v1alpha1.CallFlow {
	p.Helper()
	return controllertest.Create(p.T, p.Client, &v1alpha1.CallFlow{ObjectMeta: metav1.ObjectMeta{Namespace: p.ns, Name: name}, Spec: *spec.DeepCopy()})
}

func (p *place) change(flow *v1alpha1.CallFlow, spec *v1alpha1.CallFlowSpec) {
	p.Helper()
	controllertest.Update(p.T, p.Client, flow, func(f *v1alpha1.CallFlow) { f.Spec = *spec.DeepCopy() })
}

// awaitReason waits for what is said of the flow as it is now.
func (p *place) awaitReason(flow *v1alpha1.CallFlow, reason string) *v1alpha1.CallFlow {
	p.Helper()
	status := metav1.ConditionFalse
	if reason == v1alpha1.ReasonValid {
		status = metav1.ConditionTrue
	}
	return controllertest.Await(p.T, p.Client, flow, "be "+reason, func(f *v1alpha1.CallFlow) error {
		if f.Status.ObservedGeneration != f.Generation {
			return errors.New("the status is of an earlier generation")
		}
		if err := controllertest.HasCondition(f.Status.Conditions, v1alpha1.ConditionValid, status, reason); err != nil {
			return err
		}
		if status == metav1.ConditionTrue {
			return controllertest.LacksCondition(f.Status.Conditions, v1alpha1.ConditionStalled)
		}
		return controllertest.HasCondition(f.Status.Conditions, v1alpha1.ConditionStalled, metav1.ConditionTrue, reason)
	})
}

// prompts puts files into the ConfigMap prompts.
func (p *place) prompts(files map[string][]byte) *corev1.ConfigMap {
	p.Helper()
	return controllertest.Create(p.T, p.Client, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: p.ns, Name: "prompts"}, BinaryData: files})
}

// sound is a file that can be played; n makes each another one.
func sound(n int16) []byte {
	var out bytes.Buffer
	if err := wav.Encode(&out, wav.Clip{SampleRate: 16000, Samples: []int16{n, 0, -n, 5}}); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// call makes one that runs a revision of a flow.
func (p *place) call(name, flow, revision string) *v1alpha1.Call {
	p.Helper()
	return controllertest.Create(p.T, p.Client, controllertest.IncomingCall(p.ns, name, "reception").
		Held("reception-0", "i", v1alpha1.HostingService).
		With(func(c *v1alpha1.Call) { c.Status.Flow = &v1alpha1.FlowStatus{Name: flow, Revision: revision} }).Object())
}

func (p *place) revisions() []appsv1.ControllerRevision {
	p.Helper()
	var list appsv1.ControllerRevisionList
	if err := p.Client.List(context.Background(), &list, client.InNamespace(p.ns)); err != nil {
		p.Fatal(err)
	}
	return list.Items
}

// awaitRevisions waits until there are these and no others.
func (p *place) awaitRevisions(want ...string) {
	p.Helper()
	slices.Sort(want)
	controllertest.Eventually(p.T, "revisions", func() error {
		var got []string
		for _, r := range p.revisions() {
			got = append(got, r.Name)
		}
		if slices.Sort(got); !slices.Equal(want, got) {
			return fmt.Errorf("got %v, want %v", got, want)
		}
		return nil
	})
}

// events that were told of an object, by reason.
func (p *place) events(reason string) int {
	p.Helper()
	var list eventsv1.EventList
	if err := p.Client.List(context.Background(), &list, client.InNamespace(p.ns)); err != nil {
		p.Fatal(err)
	}
	n := 0
	for _, e := range list.Items {
		if e.Reason == reason {
			n++
		}
	}
	return n
}
