// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

func TestTheLeaderTellsHowBotsStand(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0)
	pod := func(name string, since time.Duration) *v1alpha1.MediaPod {
		p := &v1alpha1.MediaPod{ObjectMeta: metav1.ObjectMeta{Namespace: "voice", Name: name}}
		p.Spec.BotRef.Name = "reception"
		if since > 0 {
			p.Spec.Drain = &v1alpha1.Drain{Reason: v1alpha1.DrainScaleIn, Since: metav1.NewTime(now.Add(-since))}
		}
		return p
	}
	bot := &v1alpha1.CallingBot{ObjectMeta: metav1.ObjectMeta{Namespace: "voice", Name: "reception"}}
	bot.Status.Conditions = []metav1.Condition{
		{Type: "Ready", Status: metav1.ConditionFalse}, {Type: "CredentialsValid", Status: metav1.ConditionTrue}, {Type: "WebhookReachable", Status: metav1.ConditionUnknown},
	}
	elected := make(chan struct{})
	s := &standing{
		cache:   fake.NewClientBuilder().WithScheme(scheme).WithObjects(bot, pod("reception-0", time.Minute), pod("reception-1", time.Hour), pod("reception-2", 0)).Build(),
		clock:   clocktesting.NewFakePassiveClock(now),
		elected: elected,
	}
	if n := testutil.CollectAndCount(s); n != 0 {
		t.Errorf("a manager that waits for the lease tells %d series", n)
	}
	close(elected)
	want := `
# HELP callfleet_bot_condition 1 for a condition of a CallingBot that is True, 0 for one that is False; none for one that is Unknown.
# TYPE callfleet_bot_condition gauge
callfleet_bot_condition{bot="reception",condition="CredentialsValid",namespace="voice"} 1
callfleet_bot_condition{bot="reception",condition="Ready",namespace="voice"} 0
# HELP callfleet_bot_longest_drain_seconds How long the media pod of the bot that drains longest has done so; 0 if none drains.
# TYPE callfleet_bot_longest_drain_seconds gauge
callfleet_bot_longest_drain_seconds{bot="reception",namespace="voice"} 3600
`
	if err := testutil.CollectAndCompare(s, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
