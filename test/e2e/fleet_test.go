// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/test/rig"
)

func TestScalingOutAndInKeepsCalls(t *testing.T) {
	kubectl := func(args ...string) string {
		out, err := world.Kubectl(t.Context(), append([]string{"-n", rig.Namespace}, args...)...)
		must(t, err)
		return out
	}
	m, ada := meeting(t)
	s := inMeeting(t, m)
	busy := s.Status.MediaPod

	kubectl("scale", "cb/"+rig.BotName, "--replicas=3")
	awaitFleet(t, 3)
	table := kubectl("get", "mp")
	for _, column := range []string{"NAME", "STATE", "USED", "SEATS", "ADDRESS", "PORT", "REVISION", "AGE"} {
		if !strings.Contains(table, column) {
			t.Errorf("kubectl get mp has no column %s:\n%s", column, table)
		}
	}
	if n := strings.Count(table, "Ready"); n != 3 {
		t.Errorf("%d pods are Ready in\n%s", n, table)
	}

	kubectl("scale", "cb/"+rig.BotName, "--replicas=1")
	awaitFleet(t, 1)
	pods := &callfleetv1.MediaPodList{}
	must(t, world.Client.List(t.Context(), pods, client.InNamespace(rig.Namespace)))
	if len(pods.Items) != 1 || pods.Items[0].Name != busy {
		t.Errorf("left are %d pods, want only %s, which has the call", len(pods.Items), busy)
	}
	clearVoice(t, "echo after scaling in", speakAndListen(t, ada))
	end(t, s)
}

func TestABusyPodIsDrainedBeforeItIsDeleted(t *testing.T) {
	m, ada := meeting(t)
	s := inMeeting(t, m)
	scaleBot(t, 0)
	mp := &callfleetv1.MediaPod{}
	mp.Namespace, mp.Name = rig.Namespace, s.Status.MediaPod
	must(t, world.Await(t.Context(), mp, patience, "the pod to drain", func() error {
		if mp.Status.State != callfleetv1.MediaPodDraining {
			return fmt.Errorf("state %s", mp.Status.State)
		}
		return nil
	}))
	clearVoice(t, "echo while the pod drains", speakAndListen(t, ada))
	end(t, s)
	must(t, awaitGone(t.Context(), mp))
	scaleBot(t, 1)
	awaitFleet(t, 1)
}

func scaleBot(t *testing.T, n int) {
	t.Helper()
	_, err := world.Kubectl(t.Context(), "-n", rig.Namespace, "scale", "cb/"+rig.BotName, fmt.Sprintf("--replicas=%d", n))
	must(t, err)
}

func TestAHostPortFleetIsHeard(t *testing.T) {
	bot := value[*callfleetv1.CallingBot](t)(world.Bot())
	bot.Name = "hostport"
	from := freePortRange(t, 4)
	bot.Spec.Media.Endpoint = callfleetv1.MediaEndpoint{Type: callfleetv1.EndpointHostPort, Ports: &callfleetv1.PortRange{From: from, To: from + 3}}
	startBot(t, bot)
	m, ada := meeting(t)
	s := inMeeting(t, m, func(s *callfleetv1.MeetingSession) { s.Spec.BotRef.Name = bot.Name })
	mp := &callfleetv1.MediaPod{}
	must(t, world.Client.Get(t.Context(), client.ObjectKey{Namespace: s.Namespace, Name: s.Status.MediaPod}, mp))
	if e := mp.Status.Endpoint; e == nil || e.Port < from || e.Port > from+3 || !atANode(e.Address) {
		t.Errorf("endpoint %+v, want a node's address and a port of %d..%d", mp.Status.Endpoint, from, from+3)
	}
	if c := meta.FindStatusCondition(mp.Status.Conditions, callfleetv1.ConditionMediaReachable); c == nil || c.Status != metav1.ConditionTrue {
		t.Errorf("the router reaches the pod, and the condition is %+v", c)
	}
	clearVoice(t, "echo through a host port", speakAndListen(t, ada))
	end(t, s)
}

func atANode(address string) bool {
	return slices.ContainsFunc(world.Cluster.NodeIPs(), func(ip netip.Addr) bool { return ip.String() == address })
}

// TestFleetsBehindABalancerAreHeard: two pods share an address, and each is reached at its own port of it; then pods with a
// Service of their own.
func TestFleetsBehindABalancerAreHeard(t *testing.T) {
	for name, kind := range map[string]callfleetv1.EndpointType{
		"shared": callfleetv1.EndpointLoadBalancer, "owned": callfleetv1.EndpointLoadBalancerPerPod, "nodeport": callfleetv1.EndpointNodePort,
	} {
		t.Run(name, func(t *testing.T) {
			bot := value[*callfleetv1.CallingBot](t)(world.Bot())
			pods := int32(1)
			if kind == callfleetv1.EndpointLoadBalancer {
				pods = 2
			}
			bot.Name, bot.Spec.Replicas, bot.Spec.Capacity.Seats = name, ptr.To(pods), 1
			bot.Spec.Media.Endpoint = callfleetv1.MediaEndpoint{Type: kind}
			if kind == callfleetv1.EndpointLoadBalancer {
				bot.Spec.Media.Endpoint.Ports = &callfleetv1.PortRange{From: 28550, To: 28553}
			}
			startBot(t, bot)
			places := map[callfleetv1.Endpoint]bool{}
			var sessions []*callfleetv1.MeetingSession
			for i := range pods { // one seat each, so that the second goes to the other pod
				m, ada := meeting(t)
				s := inMeeting(t, m, func(s *callfleetv1.MeetingSession) {
					s.Name, s.Spec.BotRef.Name = fmt.Sprintf("%s-%d", s.Name, i), bot.Name
				})
				mp := &callfleetv1.MediaPod{}
				must(t, world.Client.Get(t.Context(), client.ObjectKey{Namespace: s.Namespace, Name: s.Status.MediaPod}, mp))
				places[*mp.Status.Endpoint] = true
				clearVoice(t, "echo of "+mp.Name, speakAndListen(t, ada))
				sessions = append(sessions, s)
			}
			for _, s := range sessions {
				end(t, s)
			}
			if len(places) != int(pods) {
				t.Errorf("%d pods are at %v", pods, places)
			}
		})
	}
}

// TestAPodWhoseNameLeadsNowhereTakesNoCalls, and says why; unless nobody is to find that out.
func TestAPodWhoseNameLeadsNowhereTakesNoCalls(t *testing.T) {
	bot := value[*callfleetv1.CallingBot](t)(world.Bot())
	bot.Name = "nameless"
	from := freePortRange(t, 4)
	bot.Spec.Media.Endpoint = callfleetv1.MediaEndpoint{
		Type: callfleetv1.EndpointHostPort, Ports: &callfleetv1.PortRange{From: from, To: from + 3}, Domain: "media.invalid",
	}
	create(t, bot)
	mp := &callfleetv1.MediaPod{ObjectMeta: metav1.ObjectMeta{Namespace: bot.Namespace, Name: bot.Name + "-0"}}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		err := world.Client.Get(t.Context(), client.ObjectKeyFromObject(mp), mp)
		reachable := meta.FindStatusCondition(mp.Status.Conditions, callfleetv1.ConditionMediaReachable)
		ready := meta.FindStatusCondition(mp.Status.Conditions, callfleetv1.ConditionReady)
		if err == nil && reachable != nil && reachable.Status == metav1.ConditionFalse && ready.Reason == callfleetv1.ReasonNameNotResolved {
			if want := "0.nameless.media.invalid does not resolve; have DNS lead it to " + mp.Status.Endpoint.Address; reachable.Message != want || ready.Message != want {
				t.Errorf("messages %q and %q, want %q", reachable.Message, ready.Message, want)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v, conditions %+v", err, mp.Status.Conditions)
		}
	}
	must(t, world.Client.Get(t.Context(), client.ObjectKeyFromObject(bot), bot))
	bot.Spec.Media.Endpoint.Probe = callfleetv1.ProbeNone
	must(t, world.Client.Update(t.Context(), bot))
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		must(t, world.Client.Get(t.Context(), client.ObjectKeyFromObject(bot), bot))
		if bot.Status.ReadyReplicas > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("conditions %+v", bot.Status.Conditions)
		}
	}
}

// freePortRange finds n ports in a row that nobody listens on, and that no other run looks at.
func freePortRange(t *testing.T, n int) int32 {
	t.Helper()
	const each = 100
	first := 28550 + each*world.Cluster.Slot()
	for base := first; base+n <= first+each; base += n {
		free := true
		for p := base; p < base+n && free; p++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
			if free = err == nil; free {
				_ = l.Close()
			}
		}
		if free {
			return int32(base)
		}
	}
	t.Fatal("no free range of ports")
	return 0
}

// TestADeletedPodLetsItsCallsFinish: somebody deletes the Pod under a call. The process waits for the call as long as its
// grace period lets it, then leaves properly.
func TestADeletedPodLetsItsCallsFinish(t *testing.T) {
	const grace = 25 // seconds; the last fifteen are for hanging up and for the last words
	bot := value[*callfleetv1.CallingBot](t)(world.Bot())
	bot.Name = "patient"
	bot.Spec.Template.Raw = fmt.Appendf(nil, `{"spec":{"os":{"name":"linux"},"terminationGracePeriodSeconds":%d}}`, grace)
	startBot(t, bot)
	m, ada := meeting(t)
	s := inMeeting(t, m, func(s *callfleetv1.MeetingSession) {
		s.Spec.BotRef.Name = bot.Name
		s.Spec.Rejoin = callfleetv1.Rejoin{Policy: callfleetv1.RejoinNever}
	})
	_, err := world.Kubectl(t.Context(), "-n", s.Namespace, "delete", "pod", s.Status.MediaPod, "--wait=false")
	must(t, err)
	clearVoice(t, "echo while the pod is told to stop", speakAndListen(t, ada))
	awaitPhase(t, s, callfleetv1.PhaseFailed)
	if s.Status.EndReason != callfleetv1.EndPodStopped {
		t.Errorf("endReason %q, want PodStopped", s.Status.EndReason)
	}
	noGhosts(t, m)
	mp := &callfleetv1.MediaPod{}
	must(t, world.Client.Get(t.Context(), client.ObjectKey{Namespace: s.Namespace, Name: s.Status.MediaPod}, mp))
	must(t, world.Await(t.Context(), mp, patience, "a new Pod to serve", func() error {
		if mp.Status.State != callfleetv1.MediaPodReady {
			return fmt.Errorf("state %s", mp.Status.State)
		}
		return nil
	}))
}

// TestASessionAppliedTwiceIsOneCall: GitOps tools apply all day.
func TestASessionAppliedTwiceIsOneCall(t *testing.T) {
	m, _ := meeting(t)
	s := inMeeting(t, m)
	before := s.Status.Call.ID
	_, err := world.Kubectl(t.Context(), "-n", s.Namespace, "annotate", "ms", s.Name, "touched="+time.Now().Format("150405"))
	must(t, err)
	<-time.After(2 * time.Second)
	if got := calls(t, m); len(got) != 1 || got[0].ID != before {
		t.Errorf("calls %+v, want the one", got)
	}
}
