// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/callfleet/callfleet/mediapod/signaling"
)

// lookupFresh is how long a list of the bot's calls answers for all who ask: when a pod is lost, the notifications of all
// its calls come at once.
const lookupFresh = time.Second

// lookups remembers the calls of the bot for a moment.
type lookups struct {
	mu    sync.Mutex
	at    time.Time
	calls map[string]*subject // by the call's UID
}

// orphan says whose a call is that a notification came for and that is not held here. If nobody holds it, this process
// takes it over. mediaPod is the pod the notification was addressed to.
func (a *Agent) orphan(ctx context.Context, uid, mediaPod string) signaling.Orphan {
	if held, wait := a.holding(uid); wait != nil {
		return adoptedWithin(ctx, held, wait)
	}
	s, err := a.lookUp(ctx, uid)
	switch {
	case err != nil:
		a.log.V(1).Info("whose call a notification is about cannot be told now", "session", uid, "cause", err.Error())
		return signaling.Orphan{Later: true}
	case s == nil || over(s):
		return a.unclaimed(ctx, mediaPod)
	case !adoptable(s):
		return signaling.Orphan{Later: s.status.Call == nil && s.incoming()} // its first status is on its way
	}
	holder := s.status.MediaPod
	switch {
	case holder == a.name:
		// Left by the process before this one; the watch is about to bring it.
		return a.rescue(ctx, s, verdictAdopt)
	case holder != "" && holder != mediaPod:
		// Somebody took it over before; its callbacks keep the address they began with.
		if gone, err := a.podGone(ctx, holder); err != nil || !gone {
			return signaling.Orphan{Owner: holder, Later: err != nil}
		}
	}
	return a.rescue(ctx, s, verdictTakeOver)
}

// holding is what this process has of the call already.
func (a *Agent) holding(uid string) (func() *runner, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	find := func() *runner {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.runners[uid]
	}
	if r := a.runners[uid]; r != nil {
		return find, r.held
	}
	if p := a.pending[uid]; p != nil {
		return find, p.done
	}
	return nil, nil
}

// adoptedWithin waits until the call is held here.
func adoptedWithin(ctx context.Context, find func() *runner, decided <-chan struct{}) signaling.Orphan {
	for _, step := range []func() <-chan struct{}{
		func() <-chan struct{} { return decided },
		func() <-chan struct{} {
			if r := find(); r != nil {
				return r.held
			}
			return nil
		},
	} {
		done := step()
		if done == nil {
			return signaling.Orphan{Later: true} // somebody else was quicker, or there is no seat
		}
		select {
		case <-done:
		case <-ctx.Done():
			return signaling.Orphan{Later: true}
		}
	}
	return signaling.Orphan{Adopted: true}
}

// rescue adopts a call, if there is a seat.
func (a *Agent) rescue(ctx context.Context, s *subject, what verdict) signaling.Orphan {
	a.mu.Lock()
	if a.runners[s.uid] == nil && a.pending[s.uid] == nil {
		// That its last pod refused it does not matter: the service has something to say about it, now. But a pod that has
		// said it takes no more calls is held to it: its MediaPod may be deleted on the strength of that.
		if !a.seatFree(s) || what == verdictTakeOver && draining(a.pod) {
			a.mu.Unlock()
			return signaling.Orphan{Later: true}
		}
		a.carry(s, what)
	}
	a.mu.Unlock()
	held, wait := a.holding(s.uid)
	if wait == nil {
		return signaling.Orphan{Later: true}
	}
	return adoptedWithin(ctx, held, wait)
}

// unclaimed: no object tells of the call. The pod it was made by may be about to make one, unless it is gone.
func (a *Agent) unclaimed(ctx context.Context, mediaPod string) signaling.Orphan {
	if mediaPod == a.name {
		return signaling.Orphan{}
	}
	gone, err := a.podGone(ctx, mediaPod)
	return signaling.Orphan{Abandoned: gone, Later: err != nil}
}

// podGone reports whether a media pod does not exist any more.
func (a *Agent) podGone(ctx context.Context, name string) (bool, error) {
	_, err := a.pods.getMediaPod(ctx, name)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	return false, err
}

// lookUp finds the object of a call among those of the bot; nil if there is none.
func (a *Agent) lookUp(ctx context.Context, uid string) (*subject, error) {
	a.lookups.mu.Lock()
	defer a.lookups.mu.Unlock()
	if now := a.clock.Now(); a.lookups.calls == nil || now.Sub(a.lookups.at) >= lookupFresh {
		found := map[string]*subject{}
		for _, k := range kinds {
			list, err := a.objects.unfinished(ctx, k, a.mediaPod().Spec.BotRef.Name)
			if err != nil {
				return nil, err
			}
			for _, s := range list {
				found[s.uid] = s
			}
		}
		a.lookups.calls, a.lookups.at = found, now
	}
	return a.lookups.calls[uid], nil
}
