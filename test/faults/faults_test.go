// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/test/rig"
)

// tally is what became of all scenarios, so that nobody takes a run for proof in which nothing happened.
type tally struct {
	scenarios, calls, established int
	ends                          map[string]int
	done                          *deeds
}

// TestFaultMatrix plays rounds of scenarios. A round that fails is played again with -seed and -scenarios as it says; one
// scenario of it with -only.
func TestFaultMatrix(t *testing.T) {
	if testing.Short() {
		t.Skip("a cluster is needed: make faults")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := record(ctx)
	if err != nil {
		t.Fatal(err)
	}
	sum := &tally{ends: map[string]int{}, done: &deeds{}}
	for seed, left := *firstSeed, *total; left > 0; seed, left = seed+1, left-*perRound {
		n := min(left, *perRound)
		ok := t.Run(fmt.Sprintf("round %d", seed), func(t *testing.T) { playRound(t, forecast(seed), n, r, sum) })
		if !ok {
			t.Fatalf("to play the round again: go test ./test/faults -run TestFaultMatrix -seed %d -scenarios %d -round %d; with -only N that scenario alone", seed, n, n)
		}
	}
	// Those that waited for the word of a process that was killed.
	for deadline := time.Now().Add(overWithin); len(r.there(true)) > 0; _ = pause(ctx, 100*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("deleted, and still there after %s: %v", overWithin, r.there(true))
		}
	}
	t.Logf("%d scenarios, %d calls in the local Teams, %d of them established; ends: %s", sum.scenarios, sum.calls, sum.established, counted(sum.ends))
	t.Logf("besides: %s", counted(sum.done.all()))
	if *only < 0 && *total >= 100 && sum.established*3 < sum.scenarios {
		t.Errorf("%d of %d scenarios came to a call: that proves little", sum.established, sum.scenarios)
	}
	if *only < 0 && *total >= 1000 {
		for _, what := range mustHappen {
			if sum.done.all()[what] == 0 && sum.ends[what] == 0 {
				t.Errorf("in %d scenarios this happened nowhere: %s", sum.scenarios, what)
			}
		}
	}
}

// roundWithin is how long a round may take, whatever hangs.
const roundWithin = 4 * time.Minute

func playRound(t *testing.T, w weather, n int, r *recorder, sum *tally) {
	ctx, cancel := context.WithTimeout(t.Context(), roundWithin)
	defer cancel()
	t.Log(w)
	began := time.Now()
	plans := make([]plan, 0, n)
	for i := range n {
		if *only < 0 || *only == i {
			plans = append(plans, draw(w.seed, i))
		}
	}
	wrong, took := make([]error, len(plans)), make([]time.Duration, len(plans))
	clear := w.begin(ctx, t)
	k := &sky{}
	var all sync.WaitGroup
	for i, p := range plans {
		all.Go(func() {
			wrong[i] = play(ctx, p, w, r, k, sum.done)
			took[i] = time.Since(began)
		})
	}
	all.Wait()
	clear()
	played := time.Since(began)
	for i, err := range wrong {
		if err != nil {
			t.Errorf("%v\n  %v", plans[i], err)
		}
	}
	for _, text := range verify(ctx, w, r, began, sum) {
		t.Error(text)
	}
	sum.scenarios += len(plans)
	last := plans[slices.Index(took, slices.Max(took))]
	t.Logf("%d scenarios in %.1f s, all quiet after %.1f s; last was %v", len(plans), played.Seconds(), time.Since(began).Seconds(), last)
}

// verify waits until everything is over and says what is wrong then, or was in the meantime.
func verify(ctx context.Context, w weather, r *recorder, began time.Time, sum *tally) (wrong []string) {
	add := func(err error) {
		if err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	for deadline := time.Now().Add(endsWithin); len(r.unfinished()) > 0 && time.Now().Before(deadline); {
		_ = pause(ctx, 50*time.Millisecond)
	}
	for _, c := range r.unfinished() {
		wrong = append(wrong, "without an end: "+story(c))
	}
	wrong = append(wrong, settle(ctx, vain(w, r.soFar()))...)
	seats := map[string]int32{}
	for name, f := range fleets {
		for i := range 2 * f.pods {
			seats[fmt.Sprintf("%s-%d", name, i)] = f.seats
		}
	}
	add(fleetsStand(ctx, 30*time.Second))
	add(clean(ctx, r))
	versions := r.take()
	wrong = append(wrong, replay(w, versions)...)
	all, err := world.Teams.Calls(ctx)
	add(err)
	calls := slices.DeleteFunc(all, func(c admin.Call) bool { return c.Created.Before(began) })
	ids := claimed(versions)
	wrong = append(wrong, unrecorded(w, calls, ids)...)
	left := vain(w, versions)
	ended := slices.DeleteFunc(slices.Clone(calls), func(c admin.Call) bool { return left[plain(c.ID)] })
	wrong = append(wrong, twice(w, ended, ids)...)
	late := unawares(versions)
	seated := slices.DeleteFunc(ended, func(c admin.Call) bool { return c.Direction == "incoming" && late[plain(c.ID)] })
	wrong = append(wrong, oversold(seated, seats, ids, began)...)
	told, err := world.Teams.Notifications(ctx, "", 0)
	add(err)
	wrong = append(wrong, trusted(told)...)
	sum.done.delivered(told, began)
	wrong = append(wrong, mistold(w, calls, versions)...)
	violations, err := world.Teams.Violations(ctx)
	add(err)
	for _, v := range violations {
		wrong = append(wrong, "media was kept without the right to: "+inJSON(v))
	}
	dead, err := crashes(ctx)
	add(err)
	wrong = append(wrong, dead...)
	sum.count(versions)
	for _, c := range calls {
		sum.calls++
		if !c.Established.IsZero() {
			sum.established++
		}
		if w.legacy && c.Direction == "incoming" && !c.Established.IsZero() {
			sum.done.add("delivery in the old format")
		}
	}
	return wrong
}

// clean deletes all objects; they are over, so they must go at once.
func clean(ctx context.Context, r *recorder) error {
	for _, kind := range []client.Object{&callfleetv1.MeetingSession{}, &callfleetv1.Call{}} {
		if err := steadily(ctx, func() error { return world.Client.DeleteAllOf(ctx, kind, client.InNamespace(rig.Namespace)) }); err != nil {
			return err
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		left := r.there(false)
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("deleted, over and still there: %v", left)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

func (s *tally) count(versions []version) {
	last := map[string]string{}
	for _, v := range versions {
		if v.call == nil {
			continue
		}
		if st := status(v); st.EndReason != "" {
			last[string(v.uid)] = string(st.EndReason)
		} else if v.gone {
			last[string(v.uid)] = "deleted"
		}
	}
	for _, e := range last {
		s.ends[e]++
	}
}
