// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"cmp"
	"fmt"
	"time"
	_ "time/tzdata" // the manager's image need not have it

	"github.com/robfig/cron/v3"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/soonest"
)

// timetable is the schedules of a bot, understood.
type timetable struct {
	base    level
	entries []entry
}

// level is what autoscaling keeps.
type level struct{ freeSeats, min int32 }

// atLeast is the greater of both, each by itself.
func (l level) atLeast(o level) level {
	return level{max(l.freeSeats, o.freeSeats), max(l.min, o.min)}
}

type entry struct {
	schedule cron.Schedule
	zone     *time.Location
	level    level
}

// timetableOf leaves out entries that cannot be understood, and says of the first what is wrong with it.
func timetableOf(a *v1alpha1.Autoscaling) (timetable, error) {
	t := timetable{base: level{a.FreeSeats, a.Min}}
	var invalid error
	for i, s := range a.Schedules {
		e := entry{zone: time.UTC, level: t.base}
		var err error
		if s.TimeZone != "" {
			e.zone, err = time.LoadLocation(s.TimeZone)
		}
		if err == nil {
			e.schedule, err = cron.ParseStandard(s.Cron)
		}
		if err != nil {
			invalid = cmp.Or(invalid, fmt.Errorf("autoscaling.schedules[%d]: %w", i, err))
			continue
		}
		if s.FreeSeats != nil {
			e.level.freeSeats = *s.FreeSeats
		}
		if s.Min != nil {
			e.level.min = *s.Min
		}
		t.entries = append(t.entries, e)
	}
	return t, invalid
}

// lookBack are the spans in which the last time of an entry is looked for, the likely ones first: looking through a year of
// minutes would take long, and who is scheduled every minute is found in the first hour.
var lookBack = []time.Duration{time.Hour, 25 * time.Hour, 8 * 24 * time.Hour, 32 * 24 * time.Hour, 367 * 24 * time.Hour}

// last is when the entry came last; zero if it did not within a year.
func (e entry) last(now time.Time) time.Time {
	for _, span := range lookBack {
		var last time.Time
		for at := e.next(now.Add(-span)); !at.IsZero() && !at.After(now); at = e.next(at) {
			last = at
		}
		if !last.IsZero() {
			return last
		}
	}
	return time.Time{}
}

// next is when the entry comes after a time; zero for never.
func (e entry) next(after time.Time) time.Time { return e.schedule.Next(after.In(e.zone)) }

// at is what holds at a time: of entries that come at once, the later in the list.
func (t timetable) at(now time.Time) level {
	held, since := t.base, time.Time{}
	for _, e := range t.entries {
		if last := e.last(now); !last.IsZero() && !last.Before(since) {
			held, since = e.level, last
		}
	}
	return held
}

// until is what has to be there from now until a time: the most of what holds in between.
func (t timetable) until(now, end time.Time) level {
	most := t.at(now)
	for at := t.next(now); !at.IsZero() && !at.After(end); at = t.next(at) {
		most = most.atLeast(t.at(at))
	}
	return most
}

// next is when anything changes; zero for never.
func (t timetable) next(now time.Time) time.Time {
	var first time.Time
	for _, e := range t.entries {
		first = soonest.Of(first, e.next(now))
	}
	return first
}
