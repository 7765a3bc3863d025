// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// baselineSessions are enough to last for seconds on any machine.
const baselineSessions = 400

// baseline is how many sessions a second could be bound and established at most, on this machine as it is now: nobody
// decides anything, and one program writes what user, manager and agent would, as fast as the API server takes it.
func (g *ground) baseline(ctx context.Context) (float64, error) {
	fmt.Fprintln(os.Stderr, "==> the API server alone")
	const alone = "alone"
	if err := g.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: alone}}); err != nil {
		return 0, err
	}
	group, writing := errgroup.WithContext(ctx)
	group.SetLimit(appliers)
	began := time.Now()
	for i := range baselineSessions {
		group.Go(func() error {
			s := session(fmt.Sprintf("s-%05d", i), botName(0))
			s.Namespace = alone
			if err := g.client.Create(writing, s); err != nil {
				return err
			}
			before := s.DeepCopy()
			s.Annotations = map[string]string{"callfleet.dev/in-place-of": "the finalizer, which would have to be removed"}
			if err := g.client.Patch(writing, s, ctrlclient.MergeFrom(before)); err != nil {
				return err
			}
			for _, tell := range []func(*callfleetv1.MeetingSession){bind, claimed, establishedNow} {
				before := s.DeepCopy()
				tell(s)
				if err := g.client.Status().Patch(writing, s, ctrlclient.MergeFromWithOptions(before, ctrlclient.MergeFromWithOptimisticLock{})); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return 0, fmt.Errorf("writing sessions: %w", err)
	}
	rate := baselineSessions / time.Since(began).Seconds()
	return rate, g.client.DeleteAllOf(ctx, &callfleetv1.MeetingSession{}, ctrlclient.InNamespace(alone))
}

// bind says what the manager does.
func bind(s *callfleetv1.MeetingSession) {
	now := metav1.NowMicro()
	s.Status.Phase, s.Status.MediaPod, s.Status.Seats, s.Status.Attempts, s.Status.ObservedGeneration = callfleetv1.PhaseAssigned, "bot-0-0", 1, 1, s.Generation
	s.Status.Timeline = append(s.Status.Timeline, callfleetv1.TimelineEvent{Time: now, Event: "Pending", Detail: "created"}, callfleetv1.TimelineEvent{Time: now, Event: "Assigned", Detail: "bot-0-0"})
	s.Status.Conditions = append(s.Status.Conditions, metav1.Condition{
		Type: callfleetv1.ConditionAssigned, Status: metav1.ConditionTrue, Reason: callfleetv1.ReasonBound, Message: "the session has a seat in media pod bot-0-0",
		ObservedGeneration: s.Generation, LastTransitionTime: metav1.Now(),
	})
}

func claimed(s *callfleetv1.MeetingSession) {
	claimBy(&s.Status.CallStatus, uuid.NewString(), "bot-0-0")
}

func establishedNow(s *callfleetv1.MeetingSession) { establishIn(s, "bot-0-0") }
