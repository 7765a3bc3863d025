// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	runtimeclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/client"
	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// running is a behavior that runs a flow.
func running(name string, more ...func(*v1alpha1.Behavior)) *v1alpha1.Behavior {
	b := &v1alpha1.Behavior{FlowRef: &v1alpha1.FlowReference{Name: name}}
	for _, f := range more {
		f(b)
	}
	return b
}

func TestBehaviorsMayBeFlows(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	const exclude = "echo, play and flowRef exclude each other"
	for name, tc := range map[string]struct {
		behavior *v1alpha1.Behavior
		want     string
	}{
		"a flow":             {running("reception"), accepted},
		"a flow, recorded":   {running("reception", func(b *v1alpha1.Behavior) { b.Recording = &v1alpha1.RecordingBehavior{} }), accepted},
		"a flow and an echo": {running("reception", func(b *v1alpha1.Behavior) { b.Echo = &v1alpha1.Echo{} }), exclude},
		"a flow and a play":  {running("reception", func(b *v1alpha1.Behavior) { b.Play = &v1alpha1.Play{URL: "https://x/y.wav"} }), exclude},
		"no flow":            {running(""), "behavior.flowRef.name in body should be at least 1 chars long"},
		"a long name":        {running(strings.Repeat("a", 254)), "behavior.flowRef.name: Too long: may not be more than 253 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			create(t, controllertest.Session(ns, "standup", "reception").With(func(s *v1alpha1.MeetingSession) { s.Spec.Behavior = tc.behavior }).Object(), tc.want)
			create(t, controllertest.Call(ns, "lunch", "reception").With(func(c *v1alpha1.Call) { c.Spec.Behavior = tc.behavior }).Object(), tc.want)
			rule := v1alpha1.IncomingRule{Action: v1alpha1.IncomingAnswer, Behavior: tc.behavior}
			create(t, controllertest.Bot(ns, "reception").Incoming(rule).Object(), tc.want)
		})
	}
	t.Run("of a bot whose media the service has", func(t *testing.T) {
		rule := v1alpha1.IncomingRule{Action: v1alpha1.IncomingAnswer, Behavior: running("reception")}
		create(t, controllertest.Bot(ns, "reception").ServiceHosted().Incoming(rule).Object(), accepted)
		rule.Behavior = running("reception", func(b *v1alpha1.Behavior) { b.Recording = &v1alpha1.RecordingBehavior{} })
		create(t, controllertest.Bot(ns, "reception").ServiceHosted().Incoming(rule).Object(), "an incoming rule with behavior.recording needs media.hosting: Application")
	})
	t.Run("of a call that is rejected", func(t *testing.T) {
		rule := v1alpha1.IncomingRule{Action: v1alpha1.IncomingReject, Behavior: running("reception")}
		create(t, controllertest.Bot(ns, "reception").Incoming(rule).Object(), "behavior, call and participantCapacity go with action: Answer")
	})
	t.Run("another flow, later", func(t *testing.T) {
		call := controllertest.Call(ns, "dinner", "reception").With(func(c *v1alpha1.Call) { c.Spec.Behavior = running("reception") }).Object()
		update(t, call, func(c *v1alpha1.Call) { c.Spec.Behavior = running("night") }, "behavior cannot change; make a new object")
	})
}

func TestFlowStatusOfACall(t *testing.T) {
	cluster := controllertest.Start(t)
	ns := cluster.Namespace(t)
	call := controllertest.Create(t, cluster.Client, controllertest.Call(ns, "lunch", "reception").Object())
	for name, tc := range map[string]struct {
		status v1alpha1.FlowStatus
		want   string
	}{
		"under way":          {v1alpha1.FlowStatus{Name: "reception", Revision: "reception-1", Step: "pin/ask", Steps: 7, Sealed: strings.Repeat("a", 65536)}, accepted},
		"over":               {v1alpha1.FlowStatus{Name: "reception", End: v1alpha1.FlowFailed, Message: "no more"}, accepted},
		"ended otherwise":    {v1alpha1.FlowStatus{Name: "reception", End: "Happily"}, `Unsupported value: "Happily"`},
		"too much is sealed": {v1alpha1.FlowStatus{Name: "reception", Sealed: strings.Repeat("a", 65537)}, "status.flow.sealed: Too long"},
		"a long name":        {v1alpha1.FlowStatus{Name: strings.Repeat("a", 254)}, "status.flow.name: Too long"},
		"a long revision":    {v1alpha1.FlowStatus{Name: "reception", Revision: strings.Repeat("a", 254)}, "status.flow.revision: Too long"},
		"a long step":        {v1alpha1.FlowStatus{Name: "reception", Step: strings.Repeat("a", 321)}, "status.flow.step: Too long"},
		"a long story":       {v1alpha1.FlowStatus{Name: "reception", Message: strings.Repeat("a", 513)}, "status.flow.message: Too long"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := call.DeepCopy()
			changed.Status.Flow = &tc.status
			judge(t, cluster.Client.Status().Update(context.Background(), changed, runtimeclient.DryRunAll), tc.want)
		})
	}
}

func TestStatusOfACallFlow(t *testing.T) {
	cluster := controllertest.Start(t)
	ns := cluster.Namespace(t)
	flow := controllertest.Create(t, cluster.Client, &v1alpha1.CallFlow{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "reception"}, Spec: v1alpha1.CallFlowSpec{
		Start: "end", Steps: []v1alpha1.FlowStep{{Name: "end", Hangup: &v1alpha1.HangupStep{}}},
	}})
	valid := metav1.Condition{Type: "Valid", Status: metav1.ConditionTrue, Reason: "Valid", LastTransitionTime: metav1.Now()}
	full := v1alpha1.CallFlowStatus{
		ObservedGeneration: 1, Revision: "reception-1f0c", PromptsDigest: strings.Repeat("a", 64), Conditions: []metav1.Condition{valid},
		UsedBy: v1alpha1.FlowUsers{Bots: slices.Repeat([]string{"reception"}, 20), Flows: slices.Repeat([]string{"day"}, 20), Calls: 3},
	}
	for name, tc := range map[string]struct {
		change func(*v1alpha1.CallFlowStatus)
		want   string
	}{
		"all of it":       {func(*v1alpha1.CallFlowStatus) {}, accepted},
		"a long revision": {func(s *v1alpha1.CallFlowStatus) { s.Revision = strings.Repeat("a", 254) }, "status.revision: Too long"},
		"a long digest":   {func(s *v1alpha1.CallFlowStatus) { s.PromptsDigest = strings.Repeat("a", 65) }, "status.promptsDigest: Too long"},
		"21 bots":         {func(s *v1alpha1.CallFlowStatus) { s.UsedBy.Bots = slices.Repeat([]string{"a"}, 21) }, "status.usedBy.bots: Too many: 21: must have at most 20 items"},
		"21 flows":        {func(s *v1alpha1.CallFlowStatus) { s.UsedBy.Flows = slices.Repeat([]string{"a"}, 21) }, "status.usedBy.flows: Too many: 21: must have at most 20 items"},
		"valid twice":     {func(s *v1alpha1.CallFlowStatus) { s.Conditions = []metav1.Condition{valid, valid} }, "status.conditions[1]: Duplicate value"},
		"nine conditions": {func(s *v1alpha1.CallFlowStatus) {
			s.Conditions = nil
			for _, letter := range "abcdefghi" {
				another := valid
				another.Type = string(letter)
				s.Conditions = append(s.Conditions, another)
			}
		}, "status.conditions: Too many: 9: must have at most 8 items"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := flow.DeepCopy()
			full.DeepCopyInto(&changed.Status)
			tc.change(&changed.Status)
			judge(t, cluster.Client.Status().Update(context.Background(), changed, runtimeclient.DryRunAll), tc.want)
		})
	}

	full.DeepCopyInto(&flow.Status)
	if err := cluster.Client.Status().Update(context.Background(), flow); err != nil {
		t.Fatal(err)
	}
	t.Run("as kubectl get shows it", func(t *testing.T) {
		rest, err := client.ForCallfleet(cluster.Config, "test")
		if err != nil {
			t.Fatal(err)
		}
		raw, err := rest.Get().Namespace(ns).Resource("callflows").SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		table := metav1.Table{}
		if err := json.Unmarshal(raw, &table); err != nil {
			t.Fatal(err)
		}
		var columns []string
		for _, c := range table.ColumnDefinitions {
			columns = append(columns, c.Name)
		}
		if diff := cmp.Diff([]string{"Name", "Valid", "Reason", "Calls", "Revision", "Age"}, columns); diff != "" {
			t.Errorf("the columns are not those (-want +got):\n%s", diff)
		}
		if len(table.Rows) != 1 {
			t.Fatalf("there are %d rows", len(table.Rows))
		}
		cells := table.Rows[0].Cells
		if diff := cmp.Diff([]any{"reception", "True", "Valid", float64(3), "reception-1f0c"}, cells[:len(cells)-1]); diff != "" {
			t.Errorf("the cells are not those (-want +got):\n%s", diff)
		}
	})
	t.Run("by its short name and category", func(t *testing.T) {
		rest, err := client.ForCallfleet(cluster.Config, "test")
		if err != nil {
			t.Fatal(err)
		}
		resources := metav1.APIResourceList{}
		raw, err := rest.Get().AbsPath("/apis", v1alpha1.GroupVersion.String()).DoRaw(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &resources); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(resources.APIResources, func(r metav1.APIResource) bool { return r.Name == "callflows" })
		if i < 0 || !slices.Equal(resources.APIResources[i].ShortNames, []string{"cf"}) || !slices.Equal(resources.APIResources[i].Categories, []string{"callfleet"}) {
			t.Errorf("found is %+v", resources.APIResources)
		}
	})
}
