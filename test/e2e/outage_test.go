// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/test/rig"
)

// outage is how long a part is away: longer than the leader's lease and than many a report.
const outage = 20 * time.Second

// TestACallOutlivesAnOutage takes one part away during a call: the call stays up, audio goes on, and what happened
// meanwhile is in the status afterwards.
func TestACallOutlivesAnOutage(t *testing.T) {
	tests := map[string]struct {
		stop, start func(*testing.T)
	}{
		"of the manager":    {func(t *testing.T) { kill(t, "callfleet-manager") }, func(t *testing.T) { bring(t, "callfleet-manager") }},
		"of the router":     {func(t *testing.T) { kill(t, "callfleet-router") }, func(t *testing.T) { bring(t, "callfleet-router") }},
		"of the API server": {stopAPIServer, startAPIServer},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			m, ada := meeting(t)
			s := inMeeting(t, m)
			before := calls(t, m)

			tc.stop(t)
			over := time.After(outage)
			clearVoice(t, "echo during the outage", speakAndListen(t, ada))
			// Somebody comes meanwhile: the roster changes while nobody can write or be told.
			value[admin.Person](t)(world.Teams.AddPerson(t.Context(), m.ID, "Grace"))
			<-over
			tc.start(t)
			clearVoice(t, "echo after the outage", speakAndListen(t, ada))

			after := calls(t, m)
			if len(before) != 1 || len(after) != 1 || after[0].ID != before[0].ID || !after[0].Live() {
				t.Fatalf("calls before %+v, after %+v; want one and the same", before, after)
			}
			must(t, world.Await(t.Context(), s, patience, "the roster of three", func() error {
				if s.Status.Phase != callfleetv1.PhaseEstablished || s.Status.Participants.Count != 3 {
					return fmt.Errorf("phase %s, participants %+v", s.Status.Phase, s.Status.Participants)
				}
				return nil
			}))
			end(t, s)
			if s.Status.Attempts != 1 || s.Status.Call.ID != before[0].ID {
				t.Errorf("attempts %d, call %s; want the first call to its end", s.Status.Attempts, s.Status.Call.ID)
			}
			noGhosts(t, m)
		})
	}
}

// TestACallThatEndsWhileTheAPIServerIsAwayIsToldAfterwards: no final status is lost.
func TestACallThatEndsWhileTheAPIServerIsAwayIsToldAfterwards(t *testing.T) {
	m, _ := meeting(t)
	s := inMeeting(t, m)
	stopAPIServer(t)
	must(t, world.Teams.EndMeeting(t.Context(), m.ID))
	<-time.After(3 * time.Second)
	startAPIServer(t)
	awaitPhase(t, s, callfleetv1.PhaseCompleted)
	if s.Status.EndReason != callfleetv1.EndMeetingEnded {
		t.Errorf("endReason %q, want MeetingEnded", s.Status.EndReason)
	}
}

func TestAKilledMediaPod(t *testing.T) {
	die := func(t *testing.T, s *callfleetv1.MeetingSession) {
		must(t, world.Cluster.KillContainer(t.Context(), s.Namespace, s.Status.MediaPod, "mediapod"))
	}
	t.Run("is rejoined by policy", func(t *testing.T) {
		m, ada := meeting(t)
		s := inMeeting(t, m)
		first := s.Status.Call.ID
		die(t, s)
		must(t, world.Await(t.Context(), s, patience, "a second call", func() error {
			if s.Status.Phase != callfleetv1.PhaseEstablished || s.Status.Call == nil || s.Status.Call.ID == first {
				return fmt.Errorf("phase %s, attempts %d", s.Status.Phase, s.Status.Attempts)
			}
			return nil
		}))
		if s.Status.Attempts != 2 {
			t.Errorf("attempts %d, want 2", s.Status.Attempts)
		}
		clearVoice(t, "echo after rejoining", speakAndListen(t, ada))
		for _, c := range calls(t, m) {
			if c.ID == first && c.Live() {
				t.Error("the first call is a ghost")
			}
		}
		end(t, s)
		noGhosts(t, m)
	})
	t.Run("fails without a policy", func(t *testing.T) {
		m, _ := meeting(t)
		s := inMeeting(t, m, func(s *callfleetv1.MeetingSession) {
			s.Spec.Rejoin = callfleetv1.Rejoin{Policy: callfleetv1.RejoinNever}
		})
		die(t, s)
		awaitPhase(t, s, callfleetv1.PhaseFailed)
		if s.Status.EndReason != callfleetv1.EndPodLost {
			t.Errorf("endReason %q, want PodLost", s.Status.EndReason)
		}
		noGhosts(t, m)
		awaitFleet(t, 1) // the process is back before the next test
	})
}

const apiServer = "kube-apiserver"

// stopAPIServer takes it away until startAPIServer; a test that fails meanwhile does not take it away from the next one.
func stopAPIServer(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		if err := world.Cluster.Start(context.Background(), apiServer); err != nil {
			t.Error(err)
		}
	})
	must(t, world.Cluster.Stop(t.Context(), apiServer))
}

func startAPIServer(t *testing.T) {
	t.Helper()
	must(t, world.Cluster.Start(t.Context(), apiServer))
}

const system = "callfleet-system"

// kill ends the process of a deployment's pod with SIGKILL and keeps it from coming back.
func kill(t *testing.T, deployment string) {
	t.Helper()
	var pods corev1.PodList
	must(t, world.Client.List(t.Context(), &pods, client.InNamespace(system), client.MatchingLabels{"app.kubernetes.io/name": deployment}))
	if len(pods.Items) == 0 {
		t.Fatalf("%s has no pod that could be killed", deployment)
	}
	scale(t, deployment, 0)
	for _, p := range pods.Items {
		// The agent may have been told to stop it before we come.
		if err := world.Cluster.KillContainer(t.Context(), system, p.Name, p.Spec.Containers[0].Name); err != nil {
			t.Log("already gone:", err)
		}
	}
}

func bring(t *testing.T, deployment string) {
	t.Helper()
	scale(t, deployment, 1)
	d := &appsv1.Deployment{}
	d.Namespace, d.Name = system, deployment
	must(t, world.Await(t.Context(), d, patience, deployment+" to be back", func() error {
		if d.Status.ReadyReplicas != 1 {
			return errors.New("no ready replica")
		}
		return nil
	}))
}

func scale(t *testing.T, deployment string, n int) {
	t.Helper()
	_, err := world.Kubectl(t.Context(), "-n", system, "scale", "deploy/"+deployment, fmt.Sprintf("--replicas=%d", n))
	must(t, err)
}

// awaitFleet waits until n pods of the sample bot serve and none drains.
func awaitFleet(t *testing.T, n int32) {
	t.Helper()
	bot := &callfleetv1.CallingBot{}
	bot.Namespace, bot.Name = rig.Namespace, rig.BotName
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, world.Await(ctx, bot, time.Minute, fmt.Sprintf("%d pods to serve", n), func() error {
		if st := bot.Status; st.ReadyReplicas != n || st.Replicas != n || st.DrainingReplicas != 0 {
			return fmt.Errorf("%d of %d ready, %d draining: %s", st.ReadyReplicas, st.Replicas, st.DrainingReplicas, conditions(st.Conditions))
		}
		return nil
	}))
}
