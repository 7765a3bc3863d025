// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/test/rig"
)

// joinPatience is how long a call may take to come about: while a pod drains it may wait for a seat.
const joinPatience = 5 * time.Minute

// held is a call that stands, and that only we are to end.
type held struct {
	session, id, pod string
}

// calls keeps a number of calls up: each time one has lasted its time, another one takes its place.
type calls struct {
	rig *rig.Rig
	o   options

	// still is held by what must not see calls come and go meanwhile.
	still sync.RWMutex
	over  chan struct{} // closed when no more calls are to begin, and those there are to end
	ended sync.WaitGroup

	mu     sync.Mutex
	held   map[string]held // by session
	stands map[string]bool // ids of calls that had media once
	cut    []held          // since the last tally
	moved  int             // of those cut, how many came up again
	done   int             // ended by us, since the last tally
	failed int             // ended before they had media, since the last tally
	before int             // how many were held at the last tally
	errs   []error
}

func newCalls(r *rig.Rig, o options) *calls {
	return &calls{rig: r, o: o, over: make(chan struct{}), held: map[string]held{}, stands: map[string]bool{}}
}

// start begins them, not all within the same second, and looks after them.
func (c *calls) start(ctx context.Context) {
	for i := range c.o.calls {
		random := rand.New(rand.NewPCG(c.o.seed, uint64(i)))
		c.ended.Go(func() {
			wait(ctx, time.Duration(i)*100*time.Millisecond, nil)
			for n := 0; ctx.Err() == nil && !c.isOver(); n++ {
				if err := c.one(ctx, fmt.Sprintf("chaos-%d-%d", i, n), c.length(random)); err != nil && ctx.Err() == nil {
					c.fail(err)
					wait(ctx, time.Second, c.over)
				}
			}
		})
	}
	go c.watch(ctx)
}

// length is anything between the shortest and the longest, more often short than long, as calls are.
func (c *calls) length(random *rand.Rand) time.Duration {
	x := random.Float64()
	return c.o.shortest + time.Duration(x*x*float64(c.o.longest-c.o.shortest))
}

// one holds one call for a while, and ends it.
func (c *calls) one(ctx context.Context, name string, length time.Duration) error {
	c.still.RLock()
	m, s, err := c.begin(ctx, name)
	c.still.RUnlock()
	if err != nil {
		return err
	}
	wait(ctx, length, c.over)
	c.still.RLock()
	defer c.still.RUnlock()
	c.release(s.Name)
	before := s.DeepCopy()
	s.Spec.DesiredState = callfleetv1.DesiredEnded
	if err := c.rig.Client.Patch(ctx, s, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("ending %s: %w", name, err)
	}
	err = c.rig.Await(ctx, s, patience, name+" to end", func() error {
		if !s.Status.Phase.Finished() {
			return fmt.Errorf("phase %s", s.Status.Phase)
		}
		return nil
	})
	return errors.Join(err, c.rig.Teams.DeleteMeeting(ctx, m.ID), c.rig.Client.Delete(ctx, s))
}

// begin has the bot join a meeting with one person in it.
func (c *calls) begin(ctx context.Context, name string) (admin.Meeting, *callfleetv1.MeetingSession, error) {
	m, err := c.rig.Teams.CreateMeeting(ctx, admin.NewMeeting{Subject: name, TenantID: rig.TenantID, People: []string{"Ada"}})
	if err != nil {
		return m, nil, fmt.Errorf("making the meeting of %s: %w", name, err)
	}
	s, err := c.rig.Session(name, m.JoinURL)
	if err != nil {
		return m, nil, err
	}
	if err := c.rig.Client.Create(ctx, s); err != nil {
		return m, nil, fmt.Errorf("making %s: %w", name, err)
	}
	return m, s, c.awaitCall(ctx, s, "")
}

// awaitCall waits until a session has a call other than the given one, and holds that.
func (c *calls) awaitCall(ctx context.Context, s *callfleetv1.MeetingSession, other string) error {
	err := c.rig.Await(ctx, s, joinPatience, s.Name+" to be in its meeting", func() error {
		if st := s.Status; st.Phase != callfleetv1.PhaseEstablished || st.Call == nil || st.Call.ID == other {
			return fmt.Errorf("phase %s, endReason %q, attempts %d, pod %s", st.Phase, st.EndReason, st.Attempts, st.MediaPod)
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[s.Name] = held{session: s.Name, id: s.Status.Call.ID, pod: s.Status.MediaPod}
	return nil
}

// release says that the end of a call is ours.
func (c *calls) release(session string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.held[session]; ok {
		delete(c.held, session)
		c.done++
	}
}

// watch asks the service, again and again, whether it still has the calls that are held: it ends those whose media are gone.
func (c *calls) watch(ctx context.Context) {
	for ctx.Err() == nil {
		c.mu.Lock()
		want := maps.Clone(c.held)
		c.mu.Unlock()
		all, err := c.rig.Teams.Calls(ctx)
		if err != nil && ctx.Err() == nil {
			c.fail(fmt.Errorf("asking the service for its calls: %w", err))
		}
		live := map[string]bool{}
		c.mu.Lock()
		for _, call := range all {
			live[call.ID] = call.Live()
			if call.Media != nil && call.Media.Connected {
				c.stands[call.ID] = true
			}
		}
		c.mu.Unlock()
		for _, h := range want {
			if err == nil && !live[h.id] {
				c.wasCut(ctx, h)
			}
		}
		wait(ctx, 500*time.Millisecond, nil)
	}
}

// wasCut notes that a call is gone without us, and follows its session.
func (c *calls) wasCut(ctx context.Context, h held) {
	if !c.cutNow(h) {
		return
	}
	go func() {
		s := &callfleetv1.MeetingSession{}
		s.Namespace, s.Name = rig.Namespace, h.session
		if err := c.awaitCall(ctx, s, h.id); err != nil {
			if ctx.Err() == nil {
				c.fail(fmt.Errorf("after its call was cut: %w", err))
			}
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.moved++
	}()
}

// cutNow notes that a call is gone, unless it is not held any more: then we have ended it meanwhile. One that never had
// media was not cut: on a busy machine some do not come about in the time that the service gives them.
func (c *calls) cutNow(h held) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held[h.session] != h {
		return false
	}
	delete(c.held, h.session)
	if !c.stands[h.id] {
		c.failed++
		return false
	}
	c.cut = append(c.cut, h)
	return true
}

// awaitAll waits until about as many calls are held as there should be.
func (c *calls) awaitAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, joinPatience)
	defer cancel()
	for {
		c.mu.Lock()
		n, errs := len(c.held), errors.Join(c.errs...)
		c.mu.Unlock()
		// Some are between two calls at any time, the more the busier the machine is.
		if n >= c.o.calls*3/4 {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("only %d of %d calls stand after %s: %w", n, c.o.calls, joinPatience, errors.Join(ctx.Err(), errs))
		}
		wait(ctx, 200*time.Millisecond, nil)
	}
}

// hold keeps calls from coming and going until the function it gives is called, and tells which there are.
func (c *calls) hold() (now map[string]held, letGo func()) {
	c.still.Lock()
	c.mu.Lock()
	defer c.mu.Unlock()
	now = maps.Clone(c.held)
	maps.DeleteFunc(now, func(_ string, h held) bool { return !c.stands[h.id] })
	return now, c.still.Unlock
}

// finish lets all calls end.
func (c *calls) finish() {
	close(c.over)
	c.ended.Wait()
}

func (c *calls) isOver() bool {
	select {
	case <-c.over:
		return true
	default:
		return false
	}
}

func (c *calls) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, err)
}

func (c *calls) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.errs...)
}

// wait waits for a while, for the end of ctx or for the end of all calls.
func wait(ctx context.Context, d time.Duration, over <-chan struct{}) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	case <-over:
	}
}
