// SPDX-License-Identifier: Apache-2.0

package session

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/session/placement"
)

// facts are what a decision about one session rests on, besides the session itself. Only what the session's state
// asks for is filled in.
type facts struct {
	// bot the session names; looked at while the session has no call.
	bot botFacts
	// fleet are the bot's media pods by name; looked at while the session has no call.
	fleet []podFacts
	// holder is the media pod that status.mediaPod names, or, of a call that came in and that nothing has been told of yet, the
	// one that answered it; nil if it does not exist, or the session names none.
	holder *podFacts
	// rival is the session that is in the same meeting, or has the older claim to it; empty if there is none.
	rival string
	// rules are how the bot wants its calls to be placed; looked at with the fleet.
	rules rules
	// refusals are the pods that are not to be asked again yet.
	refusals []refusal
	// recordersGone are the media pods that alone had recordings of a session that is over, and are gone.
	recordersGone []string
}

// rules are how a bot wants its calls to be placed.
type rules struct {
	// newest is the revision of the bot's present configuration; empty if it is not known yet.
	newest string
	spread bool
}

// order of the pods with room.
func (r rules) order() placement.Order {
	if r.spread {
		return placement.Spread
	}
	return placement.Packed
}

type botFacts struct {
	exists   bool
	deleting bool
	// elsewhere are the other namespaces that have a bot of this name; known only if this one has none.
	elsewhere []string
}

type podFacts struct {
	name  types.NamespacedName
	ready bool
	// leaving: marked to drain, or deleted.
	leaving bool
	// reason and message of a pod that is not ready: the agent's if it gave one, which tell more.
	reason, message string
	capacity        int32
	taken           int32
	// revision of its configuration, and media, by which a call's seats are counted. Neither ever changes.
	revision string
	media    *v1alpha1.Media
	// renewed: its certificate was, and another pod is about to take its place.
	renewed bool
	// instance of the agent that reports; empty while none does.
	instance string
}

// usable reports whether calls may be placed on the pod.
func (p podFacts) usable() bool { return p.ready && !p.leaving }

func (p podFacts) free() int32 { return max(0, p.capacity-p.taken) }

// seatsFor is how many seats a session takes on the pod: as many as it was given, while it is there.
func (p podFacts) seatsFor(s *subject) int32 {
	if s.status.Seats > 0 && s.status.MediaPod == p.name.Name {
		return s.status.Seats
	}
	return v1alpha1.SeatsOf(p.media, s.spec)
}

// differs reports whether the pod has changed in anything that placement rests on.
func (p podFacts) differs(from podFacts) bool {
	p.media, from.media = nil, nil
	return p != from
}

// observe gathers the facts about s.
func (r *Reconciler) observe(ctx context.Context, s *subject, now time.Time) (facts, error) {
	var f facts
	var err error
	if s.finished() {
		f.recordersGone, err = r.observeRecordings(ctx, s)
		return f, err
	}
	if s.untold() {
		if s.answeredBy != nil {
			f.holder, err = r.observeHolder(ctx, s)
		}
		return f, err
	}
	if s.bound() {
		f.holder, err = r.observeHolder(ctx, s)
		if err != nil || s.claimed() && (!s.adoptable() || f.holder != nil && f.holder.instance == s.status.Call.ClaimedBy) {
			return f, err
		}
	} else {
		if f.bot, err = r.observeBot(ctx, s.bot()); err != nil {
			return f, err
		}
		if f.rival, err = r.observeRival(ctx, s, now); err != nil {
			return f, err
		}
	}
	if f.fleet, err = r.observeFleet(ctx, s.bot()); err != nil {
		return f, err
	}
	f.rules, err = r.observeRules(ctx, s.bot())
	f.refusals = r.refusals.of(s.uid(), now)
	return f, err
}

// observeRules of a bot that is gone, or not known yet, are the usual ones.
func (r *Reconciler) observeRules(ctx context.Context, key types.NamespacedName) (rules, error) {
	var bot v1alpha1.CallingBot
	if err := r.Client.Get(ctx, key, &bot); client.IgnoreNotFound(err) != nil {
		return rules{}, fmt.Errorf("reading bot %s: %w", key, err)
	}
	return rules{newest: bot.Status.Rollout.Revision, spread: bot.Spec.Placement == v1alpha1.PlacementSpread}, nil
}

// observeHolder asks the API server itself before it says that a pod is gone, or that another process runs in it than the
// one that claimed the call: what follows from that is final, and the watches of two kinds keep no order between them.
func (r *Reconciler) observeHolder(ctx context.Context, s *subject) (*podFacts, error) {
	name, instance := s.holder()
	key := types.NamespacedName{Namespace: s.object.GetNamespace(), Name: name}
	var mp v1alpha1.MediaPod
	err := r.Client.Get(ctx, key, &mp)
	if apierrors.IsNotFound(err) || err == nil && instance != "" && podFactsOf(&mp).instance != instance {
		mp = v1alpha1.MediaPod{}
		err = r.APIReader.Get(ctx, key, &mp)
	}
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading media pod %s: %w", key, err)
	}
	p := podFactsOf(&mp)
	return &p, nil
}

// observeBot asks the API server itself before it says that there is no bot: a bot and its session are often applied
// together, and the watches of two kinds keep no order between them.
func (r *Reconciler) observeBot(ctx context.Context, key types.NamespacedName) (botFacts, error) {
	var bot v1alpha1.CallingBot
	err := r.Client.Get(ctx, key, &bot)
	if apierrors.IsNotFound(err) {
		err = r.APIReader.Get(ctx, key, &bot)
	}
	switch {
	case err == nil:
		return botFacts{exists: true, deleting: bot.DeletionTimestamp != nil}, nil
	case !apierrors.IsNotFound(err):
		return botFacts{}, fmt.Errorf("reading bot %s: %w", key, err)
	}
	var bots v1alpha1.CallingBotList
	if err := r.Client.List(ctx, &bots, client.UnsafeDisableDeepCopy); err != nil {
		return botFacts{}, fmt.Errorf("looking for bots named %s: %w", key.Name, err)
	}
	var f botFacts
	for i := range bots.Items {
		if bots.Items[i].Name == key.Name {
			f.elsewhere = append(f.elsewhere, bots.Items[i].Namespace)
		}
	}
	slices.Sort(f.elsewhere)
	return f, nil
}

func (r *Reconciler) observeFleet(ctx context.Context, bot types.NamespacedName) ([]podFacts, error) {
	var list v1alpha1.MediaPodList
	if err := r.Client.List(ctx, &list, client.InNamespace(bot.Namespace), client.MatchingFields{indexPodBot: bot.Name},
		client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing media pods of %s: %w", bot, err)
	}
	fleet := make([]podFacts, len(list.Items))
	pods := make([]placement.Pod, len(list.Items))
	for i := range list.Items {
		fleet[i] = podFactsOf(&list.Items[i])
		pods[i] = placement.Pod{Name: fleet[i].name, Capacity: fleet[i].capacity}
	}
	for i, load := range r.ledger.Loads(pods) {
		fleet[i].taken = load.Taken
	}
	slices.SortFunc(fleet, func(a, b podFacts) int { return cmp.Compare(a.name.Name, b.name.Name) })
	return fleet, nil
}

func podFactsOf(mp *v1alpha1.MediaPod) podFacts {
	p := podFacts{
		name:     client.ObjectKeyFromObject(mp),
		leaving:  mp.Spec.Drain != nil || mp.DeletionTimestamp != nil,
		capacity: mp.Spec.Capacity.Seats,
		revision: mp.Spec.Revision,
		media:    &mp.Spec.Media,
	}
	p.renewed = meta.IsStatusConditionTrue(mp.Status.Conditions, v1alpha1.ConditionCertificateRenewed)
	if ready := meta.FindStatusCondition(mp.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		p.ready = ready.Status == "True" && mp.Status.Agent != nil
		p.reason, p.message = ready.Reason, ready.Message
	}
	if agent := mp.Status.Agent; agent != nil {
		p.instance = agent.Instance
		if !p.ready && !agent.Ready && agent.Reason != "" {
			p.reason, p.message = agent.Reason, agent.Message
		}
		if p.ready && agent.Strained() {
			p.ready, p.reason, p.message = false, string(agent.Load), agent.Message
		}
		// A pod never has more seats than it says itself.
		if reported := mp.Status.Seats.Capacity; reported > 0 {
			p.capacity = min(p.capacity, reported)
		}
	}
	return p
}

// observeRival looks for another session of the bot in the meeting.
func (r *Reconciler) observeRival(ctx context.Context, s *subject, now time.Time) (string, error) {
	if s.meeting == "" || s.shared {
		return "", nil
	}
	others, err := r.listKind(ctx, s.kind, client.InNamespace(s.object.GetNamespace()), client.MatchingFields{indexMeeting: s.meeting})
	if err != nil {
		return "", err
	}
	return rivalOf(s, others, now), nil
}

// rivalOf names the session that s has to give way to. Who is in the meeting, or about to return to it, stays; among
// those that wait the oldest goes first.
func rivalOf(s *subject, others []*subject, now time.Time) string {
	var rival *subject
	for _, o := range others {
		if o.uid() == s.uid() || o.finished() || !o.bound() && (o.leaving(now) || !o.started(now)) {
			continue
		}
		if precedes(o, s) && (rival == nil || precedes(o, rival)) {
			rival = o
		}
	}
	if rival == nil {
		return ""
	}
	return rival.object.GetName()
}

func precedes(a, b *subject) bool {
	if x, y := a.holdsMeeting(), b.holdsMeeting(); x != y {
		return x
	}
	at, bt := a.object.GetCreationTimestamp(), b.object.GetCreationTimestamp()
	return cmp.Or(at.Compare(bt.Time), cmp.Compare(a.uid(), b.uid())) < 0
}

// holdsMeeting: in the meeting, or between two attempts at it.
func (s *subject) holdsMeeting() bool { return s.bound() || s.status.Attempts > 0 }

// list gives the sessions and calls that match, for reading only.
func (r *Reconciler) list(ctx context.Context, options ...client.ListOption) ([]*subject, error) {
	var subjects []*subject
	for _, k := range kinds {
		some, err := r.listKind(ctx, k, options...)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, some...)
	}
	return subjects, nil
}

func (r *Reconciler) listKind(ctx context.Context, k *kind, options ...client.ListOption) ([]*subject, error) {
	list := k.newList()
	if err := r.Client.List(ctx, list, append(options[:len(options):len(options)], client.UnsafeDisableDeepCopy)...); err != nil {
		return nil, fmt.Errorf("listing %ss: %w", k.noun, err)
	}
	return k.subjects(list), nil
}

func (k *kind) subjects(list client.ObjectList) []*subject {
	items := k.items(list)
	subjects := make([]*subject, len(items))
	for i, o := range items {
		subjects[i] = k.subject(o)
	}
	return subjects
}
