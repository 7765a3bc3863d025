// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/drain"
)

// Indexes of the manager's cache. botOfMediaPod is a selectable field, so the API server answers to it too.
const (
	botOfMediaPod  = "spec.botRef.name"
	cachedBotOfPod = "fleet/mediapod-bot"
	botOfBound     = "fleet/bound-call-bot"
	botOfAhead     = "fleet/session-ahead-bot"
	nodeOfPod      = "fleet/mediapod-node"
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
	// boundSeats are the seats that these take, and bounded those of them whose end is known.
	boundSeats map[string]int32
	bounded    []demand
	// ahead are the sessions that have no pod yet: they wait, or begin later.
	ahead []demand
	// nodes that the pods run on, by name.
	nodes map[string]nodeFacts
	// scaling is what autoscaling wants; nil if it has no say.
	scaling *scaling
	// flows that the bot's rules name.
	flows []flowFacts
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
	config, err := r.configurations.of(client.ObjectKeyFromObject(bot), &bot.Spec.FleetConfig)
	if err != nil {
		return nil, err
	}
	seen := &observation{bot: bot, revision: config.revision, bound: map[string][]string{}, boundSeats: map[string]int32{}}

	if seen.pods, err = r.podsOf(ctx, pods, bot); err != nil {
		return nil, err
	}
	if err := r.observeNodes(ctx, seen); err != nil {
		return nil, err
	}
	if err := r.observeBound(ctx, seen); err != nil {
		return nil, err
	}
	if err := r.observeAhead(ctx, seen); err != nil {
		return nil, err
	}
	if autoscaled(bot) {
		wants := scale(seen, r.Clock.Now())
		seen.scaling = &wants
	}
	if bot.DeletionTimestamp.IsZero() {
		if err := r.observeFlows(ctx, seen); err != nil {
			return nil, err
		}
		seen.problem, err = r.missing(ctx, bot, config)
	}
	return seen, err
}

func (r *Reconciler) observeBound(ctx context.Context, seen *observation) error {
	of := []client.ListOption{client.InNamespace(seen.bot.Namespace), client.MatchingFields{botOfBound: seen.bot.Name}, client.UnsafeDisableDeepCopy}
	media := &seen.bot.Spec.Media
	note := func(call v1alpha1.AnyCall) int32 {
		pod := drain.BoundTo(call)
		spec, status := call.CallParts()
		seats := status.Seats
		if seats == 0 {
			seats = v1alpha1.SeatsOf(media, spec)
		}
		seen.bound[pod] = append(seen.bound[pod], call.GetName())
		seen.boundSeats[pod] += seats
		return seats
	}
	var sessions v1alpha1.MeetingSessionList
	if err := r.Client.List(ctx, &sessions, of...); err != nil {
		return fmt.Errorf("listing sessions: %w", err)
	}
	for i := range sessions.Items {
		seats := note(&sessions.Items[i])
		if end := sessions.Items[i].Spec.EndTime; end != nil {
			seen.bounded = append(seen.bounded, demand{end: end.Time, seats: seats})
		}
	}
	var calls v1alpha1.CallList
	if err := r.Client.List(ctx, &calls, of...); err != nil {
		return fmt.Errorf("listing calls: %w", err)
	}
	for i := range calls.Items {
		note(&calls.Items[i])
	}
	return nil
}

// observeAhead lists the sessions and calls that have no pod yet. One that takes more seats than a pod has gets none, ever.
func (r *Reconciler) observeAhead(ctx context.Context, seen *observation) error {
	of := []client.ListOption{client.InNamespace(seen.bot.Namespace), client.MatchingFields{botOfAhead: seen.bot.Name}, client.UnsafeDisableDeepCopy}
	note := func(d demand, spec *v1alpha1.CallSpec) {
		if d.seats = v1alpha1.SeatsOf(&seen.bot.Spec.Media, spec); d.seats <= seen.bot.Spec.Capacity.Seats {
			seen.ahead = append(seen.ahead, d)
		}
	}
	var sessions v1alpha1.MeetingSessionList
	if err := r.Client.List(ctx, &sessions, of...); err != nil {
		return fmt.Errorf("listing sessions that are ahead: %w", err)
	}
	for i := range sessions.Items {
		session := &sessions.Items[i]
		d := demand{session: session}
		if start := session.Spec.StartTime; start != nil {
			d.start = start.Time
		}
		if end := session.Spec.EndTime; end != nil {
			d.end = end.Time
		}
		note(d, &session.Spec.CallSpec)
	}
	var calls v1alpha1.CallList
	if err := r.Client.List(ctx, &calls, of...); err != nil {
		return fmt.Errorf("listing calls that are ahead: %w", err)
	}
	for i := range calls.Items {
		note(demand{}, &calls.Items[i].Spec.CallSpec)
	}
	return nil
}

// isAhead: the session or call wants a pod, now or later, and has none.
func isAhead(call v1alpha1.AnyCall) bool {
	if c, ok := call.(*v1alpha1.Call); ok && c.Spec.Incoming != nil {
		return false // its pod has yet to tell of it
	}
	spec, status := call.CallParts()
	if c := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionAssigned); c != nil && c.Reason == v1alpha1.ReasonAlreadyInMeeting {
		return false // a seat is not what it lacks
	}
	return status.MediaPod == "" && !status.Phase.Finished() && call.GetDeletionTimestamp().IsZero() && spec.DesiredState != v1alpha1.DesiredEnded
}

// podsOf lists the bot's fleet by slot.
func (r *Reconciler) podsOf(ctx context.Context, reader client.Reader, bot *v1alpha1.CallingBot) ([]v1alpha1.MediaPod, error) {
	field := cachedBotOfPod
	if reader == r.APIReader {
		field = botOfMediaPod
	}
	var list v1alpha1.MediaPodList
	if err := reader.List(ctx, &list, client.InNamespace(bot.Namespace), client.MatchingFields{field: bot.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing media pods: %w", err)
	}
	// They are put in order before they are copied, because one is a kilobyte and more, and sorting moves them often.
	bySlot := make([]*v1alpha1.MediaPod, 0, len(list.Items))
	for i := range list.Items {
		// A MediaPod that somebody made by hand under another name is none of the fleet's.
		if pod := &list.Items[i]; pod.Name == mediaPodName(bot, pod.Spec.Slot) {
			bySlot = append(bySlot, pod)
		}
	}
	slices.SortFunc(bySlot, func(a, b *v1alpha1.MediaPod) int { return cmp.Compare(a.Spec.Slot, b.Spec.Slot) })
	fleet := make([]v1alpha1.MediaPod, len(bySlot))
	for i, pod := range bySlot {
		pod.DeepCopyInto(&fleet[i])
	}
	return fleet, nil
}
