// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// scaled is a bot that autoscaling decides about: pods of ten seats, five free, one to nine of them.
func scaled(change ...func(*v1alpha1.Autoscaling)) *controllertest.BotBuilder {
	return controllertest.Bot("voice", "b").Seats(10).With(func(b *v1alpha1.CallingBot) {
		b.Spec.Replicas = nil
		b.Spec.Autoscaling = &v1alpha1.Autoscaling{Min: 1, Max: 9, FreeSeats: 5, Stabilization: "5m"}
		for _, c := range change {
			c(b.Spec.Autoscaling)
		}
	})
}

// ten is a ready pod of ten seats that took two minutes to start, with so many of them used.
func ten(slot, used int32) *controllertest.MediaPodBuilder {
	return ready(slot).With(func(p *v1alpha1.MediaPod) {
		p.Spec.Capacity.Seats = 10
		p.CreationTimestamp = metav1.NewTime(noon.Add(-time.Hour))
		p.Status.ReadyTime = ptr.To(metav1.NewTime(noon.Add(-58 * time.Minute)))
	}).Seats(10, used, 0)
}

// in is a session that begins so long after noon and takes so many seats.
func in(after time.Duration, seats int32) demand {
	s := controllertest.Session("voice", fmt.Sprint("in-", after), "b").Start(noon.Add(after)).Object()
	return demand{session: s, start: noon.Add(after), seats: seats}
}

func (d demand) lasting(length time.Duration) demand {
	d.end = d.start.Add(length)
	return d
}

func fleetOf(bot *v1alpha1.CallingBot, ahead []demand, pods ...*controllertest.MediaPodBuilder) *observation {
	seen := &observation{bot: bot, revision: newRevision, bound: map[string][]string{}, boundSeats: map[string]int32{}, ahead: ahead}
	for _, pod := range pods {
		seen.pods = append(seen.pods, *pod.Object())
	}
	return seen
}

func TestHowManyPodsAreWanted(t *testing.T) {
	type pods = []*controllertest.MediaPodBuilder
	many := func(n int, d demand) (list []demand) {
		for range n {
			list = append(list, d)
		}
		return list
	}
	strained := func(p *v1alpha1.MediaPod) { p.Status.Agent.Load, p.Status.Seats.Free = v1alpha1.LoadHeavy, 0 }
	cases := map[string]struct {
		bot   *controllertest.BotBuilder
		pods  pods
		ahead []demand
		want  int
	}{
		"an idle fleet keeps its free seats":        {bot: scaled(), want: 1},
		"no fewer than min":                         {bot: scaled(func(a *v1alpha1.Autoscaling) { a.Min = 3 }), want: 3},
		"none at all, if that is allowed":           {bot: scaled(func(a *v1alpha1.Autoscaling) { a.Min, a.FreeSeats = 0, 0 }), want: 0},
		"busy seats and free ones":                  {bot: scaled(), pods: pods{ten(0, 6)}, want: 2},
		"exactly enough":                            {bot: scaled(), pods: pods{ten(0, 5)}, want: 1},
		"no more than max":                          {bot: scaled(), pods: pods{ten(0, 10)}, ahead: many(200, in(0, 1)), want: 9},
		"a pod that says it has none is busy":       {bot: scaled(), pods: pods{ten(0, 1).With(strained)}, want: 2},
		"sessions that wait":                        {bot: scaled(), pods: pods{ten(0, 0)}, ahead: many(6, in(-time.Minute, 1)), want: 2},
		"sessions before a pod could start":         {bot: scaled(), pods: pods{ten(0, 0)}, ahead: many(6, in(3*time.Minute, 1)), want: 2},
		"sessions for which there is time yet":      {bot: scaled(), pods: pods{ten(0, 0)}, ahead: many(6, in(3*time.Minute+time.Second, 1)), want: 1},
		"unless more lead is asked for":             {bot: scaled(func(a *v1alpha1.Autoscaling) { a.LeadTime = "10m" }), pods: pods{ten(0, 0)}, ahead: many(6, in(10*time.Minute, 1)), want: 2},
		"less lead than pods take is none":          {bot: scaled(func(a *v1alpha1.Autoscaling) { a.LeadTime = "1s" }), pods: pods{ten(0, 0)}, ahead: many(6, in(3*time.Minute, 1)), want: 2},
		"before any pod was measured, five minutes": {bot: scaled(), ahead: many(6, in(6*time.Minute, 1)), want: 2},
		"one after the other need no more":          {bot: scaled(), pods: pods{ten(0, 0)}, ahead: append(many(5, in(0, 1).lasting(time.Minute)), many(5, in(time.Minute, 1))...), want: 1},
		"video takes two":                           {bot: scaled(func(a *v1alpha1.Autoscaling) { a.FreeSeats = 0 }), pods: pods{ten(0, 0)}, ahead: many(5, in(time.Minute, 2)), want: 1},
		"and three and a bit leave some over":       {bot: scaled(func(a *v1alpha1.Autoscaling) { a.FreeSeats = 0 }), pods: pods{ten(0, 0)}, ahead: many(6, in(time.Minute, 3)), want: 2},
		"which are free for single ones":            {bot: scaled(func(a *v1alpha1.Autoscaling) { a.FreeSeats = 2 }), pods: pods{ten(0, 0)}, ahead: many(6, in(time.Minute, 3)), want: 2},
		"and too few for more":                      {bot: scaled(func(a *v1alpha1.Autoscaling) { a.FreeSeats = 3 }), pods: pods{ten(0, 0)}, ahead: many(6, in(time.Minute, 3)), want: 3},
		"seats scattered over the fleet are none": {
			bot: scaled(func(a *v1alpha1.Autoscaling) { a.FreeSeats = 0 }), pods: pods{ten(0, 9), ten(1, 9), ten(2, 9)}, ahead: many(1, in(0, 3)), want: 4,
		},
		"calls on pods that drain need no seats of others": {bot: scaled(), pods: pods{ten(0, 1), oldDraining(1, 10)}, want: 1},
		"what is bound and not reported yet is busy":       {bot: scaled(), pods: pods{ten(7, 0)}, want: 2},
		"the schedule for what comes": {bot: scaled(func(a *v1alpha1.Autoscaling) {
			a.Schedules = []v1alpha1.CapacitySchedule{{Cron: "2 12 * * *", FreeSeats: ptr.To[int32](25)}}
		}), pods: pods{ten(0, 0)}, want: 3},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			seen := fleetOf(tc.bot.Object(), tc.ahead, tc.pods...)
			seen.boundSeats["b-7"] = 8
			seen.bot.Status.Autoscaling = &v1alpha1.AutoscalingStatus{}
			if got := scale(seen, noon); got.wanted != tc.want {
				t.Errorf("%d pods, want %d: %s", got.wanted, tc.want, got.why)
			}
		})
	}
}

func TestTheFleetShrinksOnlyWhenFewerWereEnoughForAWhile(t *testing.T) {
	bot := scaled().Object()
	minute := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }
	var got []int32
	for i, recommended := range []int32{4, 2, 3, 2, 1, 1, 1, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1} {
		s := stabilize(bot, 0, recommended, minute(i))
		bot.Status.Autoscaling = &s
		got = append(got, s.Replicas)
	}
	//                 up, five minutes of less, then the most of these, up at once, ...
	want := []int32{4, 4, 4, 4, 4, 4, 3, 5, 5, 5, 5, 5, 5, 1, 1, 1, 1, 1, 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("replicas minute by minute (-want +got):\n%s", diff)
	}
	// Who takes over from a user begins with what is there.
	bot.Status.Autoscaling = nil
	if s := stabilize(bot, 6, 2, noon); s.Replicas != 6 || s.LowerSince == nil {
		t.Errorf("%+v", s)
	}
	// A lower max holds at once.
	bot.Status.Autoscaling = &v1alpha1.AutoscalingStatus{Replicas: 8}
	bot.Spec.Autoscaling.Max = 3
	if s := stabilize(bot, 8, 1, noon); s.Replicas != 3 {
		t.Errorf("%+v", s)
	}
}

func TestHowLongPodsTakeToStart(t *testing.T) {
	took := func(slot int32, d time.Duration) *controllertest.MediaPodBuilder {
		return ready(slot).With(func(p *v1alpha1.MediaPod) {
			p.Status.ReadyTime = ptr.To(metav1.NewTime(p.CreationTimestamp.Add(d)))
		})
	}
	var usual []*controllertest.MediaPodBuilder
	for slot := range int32(10) {
		usual = append(usual, took(slot, time.Duration(60+slot)*time.Second))
	}
	measured := scaled().With(func(b *v1alpha1.CallingBot) { b.Status.Autoscaling = &v1alpha1.AutoscalingStatus{PodStart: "90s"} })
	cases := map[string]struct {
		bot  *controllertest.BotBuilder
		pods []*controllertest.MediaPodBuilder
		want time.Duration
	}{
		"no pod was seen":                {scaled(), nil, defaultPodStart},
		"none is there, some were":       {measured, nil, 90 * time.Second},
		"none is ready, some were":       {measured, []*controllertest.MediaPodBuilder{mp(0, newRevision)}, 90 * time.Second},
		"as nine of ten did":             {measured, usual, 68 * time.Second},
		"one that waited for somebody":   {scaled(), append(usual[:9:9], took(9, 48*time.Hour)), 68 * time.Second},
		"all of them did":                {scaled(), []*controllertest.MediaPodBuilder{took(0, 48*time.Hour)}, maxPodStart},
		"clocks that differ by a second": {scaled(), []*controllertest.MediaPodBuilder{took(0, -time.Second)}, time.Second},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := podStart(fleetOf(tc.bot.Object(), nil, tc.pods...)); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

func TestWhatASessionAheadCanCountOn(t *testing.T) {
	type pods = []*controllertest.MediaPodBuilder
	starting := func(slot int32, ago time.Duration) *controllertest.MediaPodBuilder {
		return mp(slot, newRevision).With(func(p *v1alpha1.MediaPod) {
			p.Spec.Capacity.Seats = 10
			p.CreationTimestamp = metav1.NewTime(noon.Add(-ago))
		})
	}
	one := scaled(func(a *v1alpha1.Autoscaling) { a.Max = 1 })
	fixed := controllertest.Bot("voice", "b").Seats(10).Replicas(1)
	cases := map[string]struct {
		bot  *controllertest.BotBuilder
		pods pods
		more []demand
		want string
	}{
		"time enough":                          {bot: scaled(), want: "True/Planned"},
		"the pods are there":                   {bot: scaled(), pods: pods{ten(0, 9)}, want: "True/SeatsReady"},
		"they start, and will be there":        {bot: scaled(), pods: pods{ten(0, 10), starting(1, time.Minute)}, want: "True/PodsStarting"},
		"they start, and will not":             {bot: scaled(), pods: pods{ten(0, 10), starting(1, 0)}, want: "False/PodsLate"},
		"max is too small for it":              {bot: one, pods: pods{ten(0, 10)}, want: "False/FleetTooSmall"},
		"and for those before it":              {bot: one, pods: pods{ten(0, 5)}, more: []demand{in(0, 5)}, want: "False/FleetTooSmall"},
		"which are over by then":               {bot: one, pods: pods{ten(0, 5)}, more: []demand{in(0, 5).lasting(time.Minute)}, want: "True/SeatsReady"},
		"those after it do not matter":         {bot: one, pods: pods{ten(0, 9)}, more: []demand{in(time.Hour, 5)}, want: "True/SeatsReady"},
		"replicas are as many as the user set": {bot: fixed, pods: pods{ten(0, 10)}, want: "False/FleetTooSmall"},
		"and may be enough":                    {bot: fixed, pods: pods{ten(0, 0)}, want: "True/SeatsReady"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			begins := 90 * time.Second
			if tc.want == "True/Planned" {
				begins = time.Hour
			}
			session := in(begins, 1)
			seen := fleetOf(tc.bot.Object(), append(tc.more, session), tc.pods...)
			if autoscaled(seen.bot) {
				s := scale(seen, noon)
				seen.scaling = &s
			}
			got := "nothing"
			for _, p := range prospects(seen, noon) {
				if p.session == session.session {
					got = string(p.c.Status) + "/" + p.c.Reason
				}
			}
			if got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

func TestAutoscalingSaysHowItGoes(t *testing.T) {
	saying := func(s *scaling, bot *controllertest.BotBuilder) string {
		seen := fleetOf(bot.Object(), nil)
		seen.scaling = s
		for _, c := range scalingConditions(seen) {
			return string(c.Status) + "/" + c.Reason + ": " + c.Message
		}
		return ""
	}
	for name, tc := range map[string]struct{ got, want string }{
		"follows":             {saying(&scaling{}, scaled()), "True/FollowingDemand: "},
		"more than max":       {saying(&scaling{short: 4}, scaled()), "True/MaxReached: as many pods serve as autoscaling.max allows, 9; for the seats that are asked for 4 more are needed"},
		"replicas is set":     {saying(nil, scaled().Replicas(3)), "False/ReplicasSet: "},
		"a schedule is wrong": {saying(&scaling{invalid: errors.New("autoscaling.schedules[1]: no")}, scaled()), "False/ScheduleInvalid: autoscaling.schedules[1]: no"},
		"nobody asks for it":  {saying(nil, controllertest.Bot("voice", "b")), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.HasPrefix(tc.got, tc.want) || tc.want == "" && tc.got != "" {
				t.Errorf("%q, want %q", tc.got, tc.want)
			}
		})
	}
}

// The reason of a pod that autoscaling makes or drains tells what it goes by.
func TestPlanTellsWhatAutoscalingGoesBy(t *testing.T) {
	seen := fleetOf(scaled().Object(), []demand{in(0, 8)}, ten(0, 6))
	seen.bot.Status.Autoscaling = &v1alpha1.AutoscalingStatus{}
	s := scale(seen, noon)
	seen.scaling = &s
	want := []string{"create b-1: 1 of 2 pods exist; autoscaling: 6 seats are busy, 8 are for sessions of the next 3m0s, 5 are kept free"}
	if diff := cmp.Diff(want, describe(seen, makePlan(seen, noon))); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}
