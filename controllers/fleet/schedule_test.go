// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"strings"
	"testing"
	"time"

	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

func at(t *testing.T, when string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, when)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func officeHours() *v1alpha1.Autoscaling {
	return &v1alpha1.Autoscaling{Min: 1, Max: 9, FreeSeats: 5, Schedules: []v1alpha1.CapacitySchedule{
		{Cron: "0 8 * * MON-FRI", TimeZone: "Europe/Zurich", FreeSeats: ptr.To[int32](50), Min: ptr.To[int32](3)},
		{Cron: "0 18 * * MON-FRI", TimeZone: "Europe/Zurich", FreeSeats: ptr.To[int32](10)},
	}}
}

func TestWhatASchedulesSays(t *testing.T) {
	table, err := timetableOf(officeHours())
	if err != nil {
		t.Fatal(err)
	}
	day, evening := level{50, 3}, level{10, 1}
	cases := map[string]struct {
		now  string
		want level
	}{
		"a minute before":               {"2026-03-02T06:59:00Z", evening},
		"at the minute":                 {"2026-03-02T07:00:00Z", day},
		"at noon":                       {"2026-03-02T11:00:00Z", day},
		"in the evening":                {"2026-03-02T17:00:00Z", evening},
		"over the weekend":              {"2026-03-08T12:00:00Z", evening},
		"in summer the sun is no guide": {"2026-03-30T06:00:00Z", day}, // 8:00 on the day after the clocks went forward
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := table.at(at(t, tc.now)); got != tc.want {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
		})
	}
	early := at(t, "2026-03-02T06:50:00Z")
	if got := table.until(early, early.Add(5*time.Minute)); got != evening {
		t.Errorf("five minutes ahead, ten before eight: %+v", got)
	}
	if got := table.until(early, early.Add(15*time.Minute)); got != day {
		t.Errorf("a quarter of an hour ahead: %+v; pods have to be there at eight", got)
	}
	late := at(t, "2026-03-02T16:50:00Z")
	if got := table.until(late, late.Add(15*time.Minute)); got != day {
		t.Errorf("ten before six, a quarter of an hour ahead: %+v; what is needed until then stays", got)
	}
	if got := table.next(early); !got.Equal(at(t, "2026-03-02T07:00:00Z")) {
		t.Errorf("next change at %s", got)
	}
}

func TestSchedulesThatSayNothing(t *testing.T) {
	never := &v1alpha1.Autoscaling{FreeSeats: 5, Min: 2, Schedules: []v1alpha1.CapacitySchedule{{Cron: "0 0 30 2 *", FreeSeats: ptr.To[int32](50)}}}
	table, err := timetableOf(never)
	if err != nil {
		t.Fatal(err)
	}
	if got := table.at(noon); got != (level{5, 2}) || !table.next(noon).IsZero() {
		t.Errorf("on 30 February: %+v, next %s", got, table.next(noon))
	}
	for name, s := range map[string]v1alpha1.CapacitySchedule{
		"an hour that is none": {Cron: "0 25 * * *"},
		"no such zone":         {Cron: "0 8 * * *", TimeZone: "Europe/Gotham"},
	} {
		t.Run(name, func(t *testing.T) {
			a := officeHours()
			a.Schedules = append([]v1alpha1.CapacitySchedule{s}, a.Schedules...)
			table, err := timetableOf(a)
			if err == nil || !strings.HasPrefix(err.Error(), "autoscaling.schedules[0]: ") {
				t.Errorf("error %v", err)
			}
			if got := table.at(at(t, "2026-03-02T11:00:00Z")); got != (level{50, 3}) {
				t.Errorf("the others say %+v", got)
			}
		})
	}
}
