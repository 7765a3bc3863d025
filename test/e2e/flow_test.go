// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/test/rig"
)

// story is what somebody does in a call that runs a flow. It gives what could be seen of it at the end.
type story func(c *caller) string

var stories = map[string]story{
	// Press 0 to reach the operator, in the middle of the first prompt.
	"operator": func(c *caller) string {
		c.hears("operator/welcome.wav", 0.6)
		c.press("0")
		seen := c.ended(callfleetv1.FlowTransferred, 3)
		awaitEnd(c.T, c.call, callfleetv1.PhaseCompleted, callfleetv1.EndTransferred)
		return seen
	},
	// Heard again, then confirmed.
	"reminder": func(c *caller) string {
		c.hears("reminder/appointment.wav")
		c.hears("reminder/menu.wav")
		c.press("2")
		c.hears("reminder/appointment.wav")
		c.hears("reminder/menu.wav")
		c.press("1")
		c.hears("reminder/confirmed.wav")
		seen := c.ended(callfleetv1.FlowHungUp, 7)
		awaitEnd(c.T, c.call, callfleetv1.PhaseCompleted, callfleetv1.EndFlowEnded)
		return seen
	},
	"voicemail": func(c *caller) string {
		c.hears("voicemail/greeting.wav")
		c.hears("voicemail/leave.wav")
		<-time.After(time.Second) // the beep
		c.speaks()
		c.press("#")
		c.hears("voicemail/review.wav")
		c.press("1")
		c.hears("voicemail/saved.wav")
		seen := c.ended(callfleetv1.FlowHungUp, 5)
		awaitEnd(c.T, c.call, callfleetv1.PhaseCompleted, callfleetv1.EndFlowEnded)
		awaitStatus(c.T, c.call, "the message among the recordings", func(st *callfleetv1.CallStatus) bool {
			return len(st.Recordings) == 1 && strings.HasPrefix(st.Recordings[0].Track, "message-1") &&
				st.Recordings[0].Duration.Duration() > time.Second && st.Recordings[0].Duration.Duration() < 10*time.Second
		})
		return seen
	},
	// A wrong PIN, the right one, and the host comes.
	"doorman": func(c *caller) string {
		c.hears("doorman/pin.wav", 0.5)
		c.press("4712#")
		c.hears("doorman/wrong.wav")
		c.press("4711#")
		c.hears("doorman/welcome.wav")
		c.hears("doorman/joined.wav")
		seen := c.ended(callfleetv1.FlowReturned, 8)
		if there := sim(c.T, c.id); !there.Live() {
			c.Errorf("the bot has left: %s", inJSON(there))
		}
		must(c.T, world.Teams.HangUp(c.Context(), c.id, c.person.UserID)) // it is a group call since the host was invited
		return seen
	},
	"afterhours": func(c *caller) string {
		c.order(orderShipped)
		c.hears("afterhours/shipped.wav")
		c.hears("afterhours/goodbye.wav")
		return c.ended(callfleetv1.FlowHungUp, 8)
	},
}

// order asks for an order.
func (c *caller) order(number string) {
	c.Helper()
	c.hears("afterhours/closed.wav")
	c.hears("afterhours/menu.wav")
	c.press("1")
	c.hears("afterhours/order.wav", 0.5)
	c.press(number + "#")
}

// TestFlowsAreAlikeOnEitherMedia: each sample is played by somebody who listens and presses keys, once where Microsoft plays and listens, and
// once where the pod does.
func TestFlowsAreAlikeOnEitherMedia(t *testing.T) {
	shop := startOrders(t)
	down := sampleFlow(t, "afterhours")
	down.Name = "afterhours-down"
	flows(t, func(f *callfleetv1.CallFlow) {
		where := shop.URL
		if f.Name == down.Name {
			where = "https://" + world.Cluster.HostIP().String() + ":1" // nobody listens there
		}
		askAt(f, where)
	}, down)

	who := map[string]string{} // by flow and bot
	ruled := func(bot string, names ...string) (all []callfleetv1.IncomingRule) {
		for _, name := range names {
			id := uuid.NewString()
			who[name+" "+bot] = id
			all = append(all, runs(id, name))
		}
		return all
	}
	desk(t, func(b *callfleetv1.CallingBot) { b.Spec.Incoming = ruled("desk", append(sampleFlows, down.Name)...) })
	rules(t, ruled(rig.BotName, sampleFlows...)...)

	var mu sync.Mutex
	seen := map[string]string{}
	apps := map[string]string{"desk": deskApp, rig.BotName: rig.AppID}
	t.Run("calls", func(t *testing.T) {
		for bot, app := range apps {
			for name, tell := range stories {
				t.Run(name+" "+bot, func(t *testing.T) {
					t.Parallel()
					var c *caller
					if name == "reminder" {
						c = isCalled(t, bot, name)
					} else {
						c = callsBot(t, app, who[name+" "+bot])
					}
					what := tell(c)
					mu.Lock()
					seen[name+" "+bot] = what
					mu.Unlock()
				})
			}
		}
		for order, name := range map[string]string{orderGarbled: "afterhours", orderSlow: "afterhours", "44444": down.Name} {
			t.Run("no good answer about "+order, func(t *testing.T) {
				t.Parallel()
				c := callsBot(t, deskApp, who[name+" desk"])
				c.order(order)
				c.hears("afterhours/unavailable.wav")
				c.ended(callfleetv1.FlowHungUp, 8)
			})
		}
	})
	for name := range stories {
		if a, b := seen[name+" desk"], seen[name+" "+rig.BotName]; a != b {
			t.Errorf("%s differs: the service's call tells\n%s\nand the pod's\n%s", name, a, b)
		}
	}
	if got := shop.about(orderShipped); len(got) != 2 || got[0].Key == got[1].Key {
		t.Errorf("two calls asked %+v", got)
	}
	if got := shop.about(orderSlow); len(got) != 2 || got[0].Key != got[1].Key {
		t.Errorf("a question that is asked again was asked as %+v", got)
	}
	if got := shop.about(orderGarbled); len(got) != 1 {
		t.Errorf("whoever answers nonsense was asked %+v", got)
	}
}

// isCalled lets a bot call somebody, who answers.
func isCalled(t *testing.T, bot, flow string) *caller {
	t.Helper()
	ada := user(t, "Ada", admin.Answers)
	c := &caller{T: t, call: outgoing(t, func(s *callfleetv1.OneCallSpec) {
		s.BotRef.Name, s.To = bot, []callfleetv1.Identity{{User: callfleetv1.GUID(ada.ID)}}
		s.Behavior = &callfleetv1.Behavior{FlowRef: &callfleetv1.FlowReference{Name: flow}}
	})}
	awaitStatus(t, c.call, "the call to have an id", func(st *callfleetv1.CallStatus) bool { return st.Call != nil && st.Call.ID != "" })
	c.id = c.call.Status.Call.ID
	c.pickUp()
	return c
}

// askAt has the webhooks of a flow ask a server.
func askAt(f *callfleetv1.CallFlow, url string) {
	for i := range f.Spec.Steps {
		if w := f.Spec.Steps[i].Webhook; w != nil {
			w.URL = callfleetv1.HTTPSURL(url)
		}
	}
}

// TestAFlowGoesOnInAnotherPod: the pod of a call is killed while a web server is asked. The one that goes on asks the same question, under the
// same key, and has lost no variable.
func TestAFlowGoesOnInAnotherPod(t *testing.T) {
	shop := startOrders(t)
	flows(t, func(f *callfleetv1.CallFlow) {
		askAt(f, shop.URL)
		for i := range f.Spec.Steps {
			if w := f.Spec.Steps[i].Webhook; w != nil {
				w.Timeout = "30s"
			}
		}
	})
	ada := uuid.NewString()
	bot := desk(t, func(b *callfleetv1.CallingBot) {
		two := int32(2)
		b.Spec.Replicas, b.Spec.Incoming = &two, []callfleetv1.IncomingRule{runs(ada, "afterhours")}
	})
	eventually(t, "a second pod", func() error {
		must(t, world.Client.Get(t.Context(), client.ObjectKeyFromObject(bot), bot))
		if bot.Status.ReadyReplicas < 2 {
			return fmt.Errorf("%d pods are ready", bot.Status.ReadyReplicas)
		}
		return nil
	})
	c := callsBot(t, deskApp, ada)
	c.order(orderPatient)
	eventually(t, "the question", func() error {
		if len(shop.about(orderPatient)) == 0 {
			return fmt.Errorf("nothing was asked; %s", c.where())
		}
		return nil
	})
	awaitStatus(t, c.call, "the flow to be sealed", func(st *callfleetv1.CallStatus) bool {
		return st.Flow != nil && st.Flow.Sealed != "" && st.Flow.Step == "lookup"
	})
	if raw := inJSON(c.call.Status); strings.Contains(raw, orderPatient) {
		t.Errorf("the status holds what was pressed: %s", raw)
	}
	holder := c.call.Status.MediaPod
	killForGood(t, holder)
	c.hears("afterhours/shipped.wav")
	c.ended(callfleetv1.FlowHungUp, 8)
	if c.call.Status.MediaPod == holder || c.call.Status.MediaPod == "" {
		t.Errorf("the call ended in pod %q", c.call.Status.MediaPod)
	}
	got := shop.about(orderPatient)
	if keys := slices.Compact(slices.Collect(func(yield func(string) bool) {
		for _, q := range got {
			if !yield(q.Key) {
				return
			}
		}
	})); len(got) < 2 || len(keys) != 1 {
		t.Errorf("asked %+v, want the same question under one key", got)
	}
}
