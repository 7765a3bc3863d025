// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/callfleet/callfleet/api/client"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/test/rig"
)

// version is one version of an object, as it is stored. Versions of all objects are in one order, that of rv.
type version struct {
	rv   uint64
	uid  types.UID
	name string
	// gone: the object was deleted. at is false if nobody knows when: it was while the API server was away.
	gone, at bool
	call     callfleetv1.AnyCall   // a MeetingSession or Call
	pod      *callfleetv1.MediaPod // or a MediaPod
}

// recorder keeps every version of what it follows.
type recorder struct {
	mu       sync.Mutex
	versions []version
	latest   map[types.UID]callfleetv1.AnyCall
	byName   map[string]types.UID // kind/name
	incoming map[string]types.UID // by the call's id
	gone     map[types.UID]bool
	excused  map[types.UID]bool
	// addresses of the pods, by name
	addresses map[string]string
}

func record(ctx context.Context) (*recorder, error) {
	api, err := client.ForCallfleet(world.Cluster.RestConfig(), "faults")
	if err != nil {
		return nil, err
	}
	r := &recorder{latest: map[types.UID]callfleetv1.AnyCall{}, byName: map[string]types.UID{}, incoming: map[string]types.UID{}, gone: map[types.UID]bool{}, excused: map[types.UID]bool{}, addresses: map[string]string{}}
	go client.Follow(ctx, api, "meetingsessions", rig.Namespace, fields.Everything(), &callfleetv1.MeetingSession{}, client.Follower[*callfleetv1.MeetingSession]{
		Changed: func(s *callfleetv1.MeetingSession) { r.call(s, false) }, Gone: func(s *callfleetv1.MeetingSession) { r.call(s, true) },
	})
	go client.Follow(ctx, api, "calls", rig.Namespace, fields.Everything(), &callfleetv1.Call{}, client.Follower[*callfleetv1.Call]{
		Changed: func(c *callfleetv1.Call) { r.call(c, false) }, Gone: func(c *callfleetv1.Call) { r.call(c, true) },
	})
	go client.Follow(ctx, api, "mediapods", rig.Namespace, fields.Everything(), &callfleetv1.MediaPod{}, client.Follower[*callfleetv1.MediaPod]{
		Changed: func(p *callfleetv1.MediaPod) { r.pod(p, false) }, Gone: func(p *callfleetv1.MediaPod) { r.pod(p, true) },
	})
	return r, nil
}

func rvOf(text string) uint64 {
	rv, _ := strconv.ParseUint(text, 10, 64)
	return rv
}

func nameOf(c callfleetv1.AnyCall) string {
	if _, ok := c.(*callfleetv1.Call); ok {
		return "call/" + c.GetName()
	}
	return "ms/" + c.GetName()
}

func (r *recorder) call(c callfleetv1.AnyCall, gone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := version{rv: rvOf(c.GetResourceVersion()), uid: c.GetUID(), name: nameOf(c), call: c, gone: gone}
	before := r.latest[v.uid]
	v.at = before == nil || before.GetResourceVersion() != c.GetResourceVersion()
	r.versions = append(r.versions, v)
	r.latest[v.uid], r.byName[v.name] = c, v.uid
	if gone {
		r.gone[v.uid] = true
	}
	if one, ok := c.(*callfleetv1.Call); ok && one.Spec.Incoming != nil {
		r.incoming[plain(one.Spec.Incoming.ID)] = v.uid
	}
}

func (r *recorder) pod(p *callfleetv1.MediaPod, gone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := version{rv: rvOf(p.ResourceVersion), uid: p.UID, name: p.Name, pod: p, gone: gone, at: true}
	if gone {
		for i := len(r.versions) - 1; i >= 0; i-- {
			if was := r.versions[i]; was.uid == v.uid {
				v.at = was.rv != v.rv
				break
			}
		}
	}
	r.versions = append(r.versions, v)
	r.addresses[p.Name] = p.Status.PodIP
}

// soFar is what take would give, and leaves it there.
func (r *recorder) soFar() []version {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.versions)
}

// take gives what was recorded since it was last taken; what is known of objects that still exist stays.
func (r *recorder) take() []version {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.versions
	r.versions = nil
	for uid := range r.gone {
		delete(r.byName, nameOf(r.latest[uid]))
		delete(r.latest, uid)
	}
	clear(r.gone)
	clear(r.incoming)
	// What pods are there is what the next replay begins with.
	last := map[string]version{}
	for _, v := range all {
		if v.pod != nil {
			last[v.name] = v
		}
	}
	for _, v := range last {
		if !v.gone {
			r.versions = append(r.versions, v)
		}
	}
	return all
}

// subject is the newest version known of an object; nil if none is. gone says that it was deleted.
func (r *recorder) subject(name string) (c callfleetv1.AnyCall, gone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	uid, ok := r.byName[name]
	if !ok {
		return nil, false
	}
	return r.latest[uid], r.gone[uid]
}

// taken is the name of the Call made for a call that came in.
func (r *recorder) taken(callID string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if uid, ok := r.incoming[plain(callID)]; ok {
		return nameOf(r.latest[uid])
	}
	return ""
}

// addressOf is where a pod was last; empty if nobody knows.
func (r *recorder) addressOf(pod string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.addresses[pod]
}

// untold: a call came in, its object was made, and the process that made it was killed before it could say that it holds
// the call. The controller waits a minute for its word; nobody here does.
func untold(c callfleetv1.AnyCall) bool {
	one, ok := c.(*callfleetv1.Call)
	return ok && one.Spec.Incoming != nil && one.Status.Call == nil && one.Status.MediaPod == ""
}

// unfinished lists what has neither ended nor gone, and should have.
func (r *recorder) unfinished() []callfleetv1.AnyCall {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []callfleetv1.AnyCall
	for uid, c := range r.latest {
		if _, st := c.CallParts(); !r.gone[uid] && !st.Phase.Finished() && !r.mayBeUntold(c) {
			list = append(list, c)
		}
	}
	return list
}

// abandoned: it is untold, and the process that was to tell was killed when the object was made, or later.
func abandoned(c callfleetv1.AnyCall) bool {
	if !untold(c) {
		return false
	}
	by := c.(*callfleetv1.Call).Spec.Incoming.AnsweredBy
	if by == nil {
		return false
	}
	kills.Lock()
	defer kills.Unlock()
	const onItsWay = time.Second // the object, which is timed to the second besides
	return kills.last[by.MediaPod].After(c.GetCreationTimestamp().Add(-onItsWay))
}

// mayBeUntold: nobody will hear of it soon; whoever was told to wait for it once need not do so later.
func (r *recorder) mayBeUntold(c callfleetv1.AnyCall) bool {
	if abandoned(c) {
		r.excused[c.GetUID()] = true
	}
	return untold(c) && r.excused[c.GetUID()]
}

// away: the API server cannot be reached, or is about to stop.
func away(err error) bool {
	// An answer that ends in the middle is of a server that was killed while it gave it.
	return errors.Is(err, io.ErrUnexpectedEOF) || utilnet.IsConnectionRefused(err) || utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err) || utilnet.IsTimeout(err) ||
		apierrors.IsServiceUnavailable(err) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsInternalError(err) || apierrors.IsConflict(err) || apierrors.IsUnauthorized(err) || apierrors.IsForbidden(err)
}

// there lists the objects that still exist, with or without those that have to wait for the word of a dead process.
func (r *recorder) there(excused bool) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for uid, c := range r.latest {
		if !r.gone[uid] && (excused || !r.excused[uid]) {
			names = append(names, nameOf(c))
		}
	}
	return names
}

// story is what one wants to know of an object.
func story(c callfleetv1.AnyCall) string {
	if c == nil {
		return "nothing"
	}
	spec, st := c.CallParts()
	text := fmt.Sprintf("%s uid %s deleted %v bot %s desired %s: %s on %q, end %q, attempts %d, call %s, conditions", nameOf(c), c.GetUID(),
		c.GetDeletionTimestamp() != nil, spec.BotRef.Name, spec.DesiredState, st.Phase, st.MediaPod, st.EndReason, st.Attempts, inJSON(st.Call))
	for _, cond := range st.Conditions {
		text += fmt.Sprintf(" %s=%s/%s", cond.Type, cond.Status, cond.Reason)
	}
	text += ", timeline"
	for _, e := range st.Timeline[max(0, len(st.Timeline)-12):] {
		text += fmt.Sprintf("; %s %s %s", e.Time.Format("05.000"), e.Event, e.Detail)
	}
	return text
}
