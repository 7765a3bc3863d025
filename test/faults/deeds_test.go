// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/teamsim/admin"
)

// mustHappen is what happens at least once in a whole run. Of what it does not try, a run proves nothing.
var mustHappen = []string{
	"policy recording NewCall", "policy recording Shared", "policy recording Rejected",
	"transfer done", string(callfleetv1.EndTransferred), "transfer Refused", "play taken on", "record taken on", "dtmf taken on", "subscribe-tones taken on",
	"delivery " + admin.BotFailing, "delivery " + admin.BotReplyLost, "delivery " + admin.BadToken, "delivery in the old format",
	"redirected to several",
}

// deeds counts what was done and what came of it.
type deeds struct {
	mu    sync.Mutex
	times map[string]int
}

func (d *deeds) add(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.times == nil {
		d.times = map[string]int{}
	}
	d.times[what]++
}

func (d *deeds) all() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.times)
}

// delivered counts what was done to the notifications of a round.
func (d *deeds) delivered(list []admin.Notification, since time.Time) {
	for _, n := range list {
		if n.Time.Before(since) {
			continue
		}
		for _, f := range n.Faults {
			d.add("delivery " + f)
		}
	}
}

// counted lists what there is most of first.
func counted(times map[string]int) string {
	list := slices.Sorted(maps.Keys(times))
	slices.SortStableFunc(list, func(a, b string) int { return times[b] - times[a] })
	for i, what := range list {
		list[i] = fmt.Sprintf("%s %d", what, times[what])
	}
	return strings.Join(list, ", ")
}

// crowd is people who came one by one.
type crowd struct {
	sync.Mutex
	list []admin.Person
}
