// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/soonest"
)

const (
	// defaultPodStart is how long a pod is taken to start before one was seen to: Windows images take minutes.
	defaultPodStart = 5 * time.Minute
	// maxPodStart bounds what is believed of a measurement: a pod that took longer waited for somebody to mend something.
	maxPodStart = 30 * time.Minute
	// podStartsSeen is how many of the youngest pods are looked at.
	podStartsSeen = 20
	// planningMargin is added to how long pods take: a plan is looked at once a minute.
	planningMargin = time.Minute
)

// demand is a session that has no pod yet.
type demand struct {
	session *v1alpha1.MeetingSession
	// start of the call; end is zero if nobody knows it.
	start, end time.Time
	seats      int32
}

// scaling is how many pods autoscaling wants, and why.
type scaling struct {
	wanted int
	why    string
	status v1alpha1.AutoscalingStatus
	// short is how many more pods would be needed than max allows.
	short int
	// invalid is what is wrong with the schedules; nil if nothing is.
	invalid error
	// next is when to look again, though nothing has changed.
	next time.Time
}

// autoscaled: autoscaling decides how many pods there are.
func autoscaled(bot *v1alpha1.CallingBot) bool {
	return bot.Spec.Autoscaling != nil && bot.Spec.Replicas == nil && bot.DeletionTimestamp.IsZero()
}

// scale decides how many pods should serve. They have seats for the calls that there are, for those known to come before
// another pod could be started, and the free ones that are asked for.
func scale(seen *observation, now time.Time) scaling {
	rules := seen.bot.Spec.Autoscaling
	table, invalid := timetableOf(rules)
	start := podStart(seen)
	lead := leadTime(rules, start)
	kept := table.until(now, now.Add(lead))
	serving := divide(seen).serving()

	busy := int32(0)
	for _, pod := range serving {
		busy += busySeats(seen, pod)
	}
	ahead, when := peak(seen.ahead, now, now.Add(lead))
	needed := ceil(busy+ahead+kept.freeSeats, seen.bot.Spec.Capacity.Seats)
	for room := roomOf(seen, serving, when); needed < rules.Max && !room.has(int(needed), kept.freeSeats); needed++ {
		// There would be seats enough, and not together where a session takes several.
	}
	s := scaling{invalid: invalid, short: max(0, int(needed-rules.Max)),
		why: fmt.Sprintf("%d seats are busy, %d are for sessions of the next %s, %d are kept free", busy, ahead, lead.Round(time.Second), kept.freeSeats)}
	recommended := min(max(needed, kept.min), rules.Max)
	s.status = stabilize(seen.bot, int32(len(serving)), recommended, now)
	s.status.PodStart = v1alpha1.Duration(start.String())
	s.wanted = int(s.status.Replicas)

	s.next = soonest.Of(before(table.next(now.Add(lead)), lead), nextStart(seen.ahead, now, lead))
	if s.status.LowerSince != nil {
		s.next = soonest.Of(s.next, s.status.LowerSince.Add(rules.Stabilization.Duration()))
	}
	return s
}

// stabilize follows a recommendation upwards at once, and downwards only when fewer were enough for a while, to the most
// that were needed meanwhile. What it remembers is in the status, so that another leader goes on with it.
func stabilize(bot *v1alpha1.CallingBot, serving, recommended int32, now time.Time) v1alpha1.AutoscalingStatus {
	was := bot.Status.Autoscaling
	if was == nil {
		was = &v1alpha1.AutoscalingStatus{Replicas: min(serving, bot.Spec.Autoscaling.Max)}
	}
	present := min(was.Replicas, bot.Spec.Autoscaling.Max)
	if recommended >= present {
		return v1alpha1.AutoscalingStatus{Replicas: recommended}
	}
	s := v1alpha1.AutoscalingStatus{Replicas: present, LowerSince: was.LowerSince, Peak: max(was.Peak, recommended)}
	if s.LowerSince == nil {
		since := metav1.NewTime(now).Rfc3339Copy()
		s.LowerSince, s.Peak = &since, recommended
	}
	if now.Before(s.LowerSince.Add(bot.Spec.Autoscaling.Stabilization.Duration())) {
		return s
	}
	if s.Peak < present {
		s.Replicas = s.Peak
	}
	if recommended >= s.Replicas {
		return v1alpha1.AutoscalingStatus{Replicas: s.Replicas}
	}
	since := metav1.NewTime(now).Rfc3339Copy()
	s.LowerSince, s.Peak = &since, recommended
	return s
}

// busySeats of a pod are those it cannot give. One that says that its calls leave no time for more has none to give.
func busySeats(seen *observation, pod *v1alpha1.MediaPod) int32 {
	if pod.Status.Agent.Strained() {
		return pod.Spec.Capacity.Seats
	}
	busy := seen.boundSeats[pod.Name]
	if pod.Status.Agent != nil {
		busy = max(busy, pod.Status.Seats.Used+pod.Status.Seats.Reserved)
	}
	return min(busy, pod.Spec.Capacity.Seats)
}

// peak is the most seats that sessions need at once between two times, and when that is.
func peak(list []demand, from, to time.Time) (most int32, when time.Time) {
	type change struct {
		at    time.Time
		seats int32
	}
	var changes []change
	for _, d := range list {
		begins := later(d.start, from)
		if begins.After(to) || !d.end.IsZero() && !d.end.After(begins) {
			continue
		}
		changes = append(changes, change{begins, d.seats})
		if !d.end.IsZero() {
			changes = append(changes, change{d.end, -d.seats})
		}
	}
	// Who ends at a time makes room for who begins then.
	slices.SortFunc(changes, func(a, b change) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.seats, b.seats)) })
	now := int32(0)
	when = from
	for _, c := range changes {
		if now += c.seats; now > most {
			most, when = now, c.at
		}
	}
	return most, when
}

// room is what pods have free, and what has to fit in.
type room struct {
	// free seats of the pods there are, those that are on their way included; the busiest first, as these would be kept.
	free []int32
	// seats of an empty pod.
	seats int32
	// several are the seats of each session that takes more than one, the greatest first; single those of all the others.
	several []int32
	single  int32
}

// roomOf the sessions that want a pod at a time.
func roomOf(seen *observation, serving []*v1alpha1.MediaPod, when time.Time) room {
	r := room{seats: seen.bot.Spec.Capacity.Seats}
	for _, pod := range serving {
		r.free = append(r.free, pod.Spec.Capacity.Seats-busySeats(seen, pod))
	}
	slices.Sort(r.free)
	for _, d := range seen.ahead {
		switch {
		case d.start.After(when) || !d.end.IsZero() && !d.end.After(when):
		case d.seats == 1:
			r.single++
		default:
			r.several = append(r.several, d.seats)
		}
	}
	slices.SortFunc(r.several, func(a, b int32) int { return cmp.Compare(b, a) })
	return r
}

// has tells whether everything fits into so many pods, and leaves so many seats free.
func (r room) has(pods int, freeSeats int32) bool {
	free := slices.Clone(r.free[:min(pods, len(r.free))])
	for len(free) < pods {
		free = append(free, r.seats)
	}
	for _, seats := range r.several {
		best := -1
		for i := range free {
			if free[i] >= seats && (best < 0 || free[i] < free[best]) {
				best = i
			}
		}
		if best < 0 {
			return false
		}
		free[best] -= seats
	}
	left := int32(0)
	for _, n := range free {
		left += n
	}
	return left >= r.single+freeSeats
}

// podStart is how long the fleet's pods take from their creation until they are Ready, as nine of ten of the last did.
func podStart(seen *observation) time.Duration {
	pods := slices.DeleteFunc(pointers(seen.pods), func(pod *v1alpha1.MediaPod) bool { return pod.Status.ReadyTime == nil })
	if len(pods) == 0 {
		if s := seen.bot.Status.Autoscaling; s != nil && s.PodStart.Duration() > 0 {
			return s.PodStart.Duration() // measured on pods that are gone
		}
		return defaultPodStart
	}
	slices.SortFunc(pods, func(a, b *v1alpha1.MediaPod) int { return b.CreationTimestamp.Compare(a.CreationTimestamp.Time) })
	pods = pods[:min(len(pods), podStartsSeen)]
	took := make([]time.Duration, len(pods))
	for i, pod := range pods {
		took[i] = min(max(pod.Status.ReadyTime.Sub(pod.CreationTimestamp.Time), time.Second), maxPodStart)
	}
	slices.Sort(took)
	return took[(len(took)*9-1)/10]
}

// leadTime is how long before they are needed pods are started.
func leadTime(rules *v1alpha1.Autoscaling, start time.Duration) time.Duration {
	lead := start + planningMargin
	if rules != nil {
		lead = max(lead, rules.LeadTime.Duration())
	}
	return lead
}

// nextStart is when the next session that is not planned for yet has to be.
func nextStart(list []demand, now time.Time, lead time.Duration) time.Time {
	var next time.Time
	for _, d := range list {
		if at := d.start.Add(-lead); at.After(now) {
			next = soonest.Of(next, at)
		}
	}
	return next
}

func before(at time.Time, lead time.Duration) time.Time {
	if at.IsZero() {
		return at
	}
	return at.Add(-lead)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func ceil(n, by int32) int32 { return (n + by - 1) / by }

func pointers(pods []v1alpha1.MediaPod) []*v1alpha1.MediaPod {
	list := make([]*v1alpha1.MediaPod, len(pods))
	for i := range pods {
		list[i] = &pods[i]
	}
	return list
}
