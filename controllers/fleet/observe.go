// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/drain"
)

// Indexes of the manager's cache. botOfMediaPod is a selectable field, so the API server answers to it too.
const (
	botOfMediaPod  = "spec.botRef.name"
	cachedBotOfPod = "fleet/mediapod-bot"
	botOfBound     = "fleet/bound-call-bot"
)

// observation is everything one pass judges by. Acting keeps it up to date, so that what is published is what is.
type observation struct {
	bot *v1alpha1.CallingBot
	// revision is the hash of the bot's present configuration.
	revision string
	// pods are the bot's MediaPods, by slot.
	pods []v1alpha1.MediaPod
	// bound are the unfinished sessions and calls bound to each MediaPod, by its name.
	bound map[string][]string
	// problem keeps new pods from being made; nil if there is none.
	problem *problem
}

// problem is something only a person can put right.
type problem struct {
	reason  string
	message string
}

// observe reads the pods through the reader given: the cache, or the API server when it must be the present truth.
func (r *Reconciler) observe(ctx context.Context, pods client.Reader, bot *v1alpha1.CallingBot) (*observation, error) {
	revision, err := revisionOf(&bot.Spec.FleetConfig)
	if err != nil {
		return nil, err
	}
	seen := &observation{bot: bot, revision: revision, bound: map[string][]string{}}

	if seen.pods, err = r.podsOf(ctx, pods, bot); err != nil {
		return nil, err
	}
	if err := r.observeBound(ctx, seen); err != nil {
		return nil, err
	}
	if bot.DeletionTimestamp.IsZero() {
		seen.problem, err = r.missing(ctx, bot)
	}
	return seen, err
}

func (r *Reconciler) observeBound(ctx context.Context, seen *observation) error {
	of := []client.ListOption{client.InNamespace(seen.bot.Namespace), client.MatchingFields{botOfBound: seen.bot.Name}}
	note := func(call v1alpha1.AnyCall) {
		pod := drain.BoundTo(call)
		seen.bound[pod] = append(seen.bound[pod], call.GetName())
	}
	var sessions v1alpha1.MeetingSessionList
	if err := r.client.List(ctx, &sessions, of...); err != nil {
		return fmt.Errorf("listing sessions: %w", err)
	}
	for i := range sessions.Items {
		note(&sessions.Items[i])
	}
	var calls v1alpha1.CallList
	if err := r.client.List(ctx, &calls, of...); err != nil {
		return fmt.Errorf("listing calls: %w", err)
	}
	for i := range calls.Items {
		note(&calls.Items[i])
	}
	return nil
}

// podsOf lists the bot's fleet by slot.
func (r *Reconciler) podsOf(ctx context.Context, reader client.Reader, bot *v1alpha1.CallingBot) ([]v1alpha1.MediaPod, error) {
	field := cachedBotOfPod
	if reader == r.live {
		field = botOfMediaPod
	}
	var list v1alpha1.MediaPodList
	if err := reader.List(ctx, &list, client.InNamespace(bot.Namespace), client.MatchingFields{field: bot.Name}); err != nil {
		return nil, fmt.Errorf("listing media pods: %w", err)
	}
	// A MediaPod that somebody made by hand under another name is none of the fleet's.
	fleet := slices.DeleteFunc(list.Items, func(pod v1alpha1.MediaPod) bool { return pod.Name != mediaPodName(bot, pod.Spec.Slot) })
	slices.SortFunc(fleet, func(a, b v1alpha1.MediaPod) int { return cmp.Compare(a.Spec.Slot, b.Spec.Slot) })
	return fleet, nil
}
