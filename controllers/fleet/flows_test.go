// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func TestABotTellsOfTheFlowsThatItsRulesName(t *testing.T) {
	p := newPlace(t)
	rule := answer
	rule.Behavior = &v1alpha1.Behavior{FlowRef: &v1alpha1.FlowReference{Name: "menu"}}
	bot := p.bot(controllertest.Bot(p.ns, "reception").Replicas(0).Incoming(rule, busy))
	says := func(status metav1.ConditionStatus, reason, words string) {
		t.Helper()
		controllertest.Await(t, p.Client, bot, "say "+reason, func(b *v1alpha1.CallingBot) error {
			if err := controllertest.HasCondition(b.Status.Conditions, v1alpha1.ConditionFlowsValid, status, reason); err != nil {
				return err
			}
			if c := meta.FindStatusCondition(b.Status.Conditions, v1alpha1.ConditionFlowsValid); !strings.Contains(c.Message, words) {
				return fmt.Errorf("it says %q", c.Message)
			}
			return controllertest.HasCondition(b.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, "")
		})
	}
	says(metav1.ConditionFalse, v1alpha1.ReasonFlowMissing, "CallFlow menu does not exist; apply it")

	flow := controllertest.Create(t, p.Client, &v1alpha1.CallFlow{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.ns, Name: "menu"},
		Spec:       v1alpha1.CallFlowSpec{Start: "bye", Steps: []v1alpha1.FlowStep{{Name: "bye", Hangup: &v1alpha1.HangupStep{}}}},
	})
	judged := func(status metav1.ConditionStatus, reason, message, revision string) {
		t.Helper()
		controllertest.UpdateStatus(t, p.Client, flow, func(f *v1alpha1.CallFlow) {
			f.Status.Revision = revision
			meta.SetStatusCondition(&f.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionValid, Status: status, Reason: reason, Message: message})
		})
	}
	says(metav1.ConditionTrue, v1alpha1.ReasonFlowsValid, "") // nobody has found anything yet
	judged(metav1.ConditionFalse, v1alpha1.ReasonPromptMissing, "no such file; make it", "")
	says(metav1.ConditionFalse, v1alpha1.ReasonFlowMissing, "CallFlow menu: PromptMissing: no such file; make it")
	judged(metav1.ConditionTrue, v1alpha1.ReasonValid, "fine", "menu-1")
	says(metav1.ConditionTrue, v1alpha1.ReasonFlowsValid, "")
	judged(metav1.ConditionFalse, v1alpha1.ReasonInvalid, "spec.start: lost", "menu-1")
	says(metav1.ConditionFalse, v1alpha1.ReasonFlowInvalid, "spec.start: lost")

	controllertest.Update(t, p.Client, bot, func(b *v1alpha1.CallingBot) { b.Spec.Incoming = []v1alpha1.IncomingRule{busy} })
	controllertest.Await(t, p.Client, bot, "say nothing of flows", func(b *v1alpha1.CallingBot) error {
		return controllertest.LacksCondition(b.Status.Conditions, v1alpha1.ConditionFlowsValid)
	})
	if err := p.Client.Delete(context.Background(), flow); err != nil {
		t.Fatal(err)
	}
}
