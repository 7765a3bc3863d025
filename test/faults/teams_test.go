// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/teamsim/admin"
)

// claimed are the ids of all calls that an object ever had.
func claimed(versions []version) map[string]bool {
	ids := map[string]bool{}
	for _, v := range versions {
		if v.call == nil {
			continue
		}
		if st := status(v); st.Call != nil && st.Call.ID != "" {
			ids[plain(st.Call.ID)] = true
		}
		if one, ok := v.call.(*callfleetv1.Call); ok && one.Spec.Incoming != nil {
			ids[plain(one.Spec.Incoming.ID)] = true
		}
	}
	return ids
}

// vain are the calls that the bot could not hang up in time, and has said so. They go on until they speak again.
func vain(w weather, versions []version) map[string]bool {
	ids := map[string]bool{}
	if w.mix.Failing+w.mix.Throttled+w.mix.LoginFailing+w.mix.ReplyLost == 0 {
		return ids // nobody kept it from hanging up
	}
	for _, v := range versions {
		if v.call == nil {
			continue
		}
		if st := status(v); st.Call != nil && st.Call.End != nil && strings.Contains(st.Call.End.Message, "did not confirm the hang-up") {
			ids[plain(st.Call.ID)] = true
		}
	}
	return ids
}

// unawares are the calls that came in and stood, of which the bot heard so late that it took them for unanswered. It hangs
// them up when it learns better, and has given their seat away by then.
func unawares(versions []version) map[string]bool {
	ids := map[string]bool{}
	for _, v := range versions {
		if one, ok := v.call.(*callfleetv1.Call); ok && one.Spec.Incoming != nil {
			if c := one.Status.Call; c != nil && c.End != nil && c.EstablishedTime == nil {
				ids[plain(c.ID)] = true
			}
		}
	}
	return ids
}

// plain is an id however it is written: in capitals, and without dashes.
func plain(id string) string { return strings.ToLower(strings.ReplaceAll(id, "-", "")) }

// brief is what one wants to know of a call.
func brief(c admin.Call) string {
	at := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return t.Format("05.000")
	}
	return fmt.Sprintf("call %s %s %s, created %s, established %s, ended %s %q, state %s, service-hosted %v, to %s", c.ID, c.Direction, c.Kind,
		at(c.Created), at(c.Established), at(c.Ended), c.EndDetail, c.State, c.ServiceHosted, c.CallbackURI)
}

// addressed says to which pod and object a call's notifications go.
func addressed(c admin.Call) (pod, uid string) {
	before, uid, ok := strings.Cut(c.CallbackURI, "/calls/")
	if !ok {
		return "", ""
	}
	return path.Base(before), uid
}

// over is when a call was over; one that goes on is over in the future.
func over(c admin.Call) time.Time {
	if c.Ended.IsZero() {
		return time.Now().Add(time.Hour)
	}
	return c.Ended
}

// twice lists objects that had two calls at a time. A call that was made without the bot being told is nobody's: it is
// hung up as soon as it speaks, and another may have been made by then.
func twice(w weather, calls []admin.Call, claimed map[string]bool) (wrong []string) {
	strays := w.mix.ReplyLost > 0 || w.brings(killOwn, killTheirs, noAPIServer)
	last := map[string]admin.Call{}
	for _, c := range calls {
		_, uid := addressed(c)
		if uid == "" || strays && !claimed[plain(c.ID)] {
			continue
		}
		if before, ok := last[uid]; ok && over(before).After(c.Created) {
			wrong = append(wrong, fmt.Sprintf("object %s had call %s from %s to %s, and call %s from %s on", uid, before.ID,
				before.Created.Format(time.StampMilli), over(before).Format(time.StampMilli), c.ID, c.Created.Format(time.StampMilli)))
		}
		if before, ok := last[uid]; !ok || over(before).Before(over(c)) {
			last[uid] = c
		}
	}
	return wrong
}

// oversold lists pods that had more established calls at a time than seats. Calls that outlived a killed process count
// for nobody.
func oversold(calls []admin.Call, seats map[string]int32, claimed map[string]bool, since time.Time) (wrong []string) {
	kills.Lock()
	defer kills.Unlock()
	type edge struct {
		at   time.Time
		more int32
	}
	edges := map[string][]edge{}
	for _, c := range calls {
		pod, _ := addressed(c)
		if pod == "" || c.Established.IsZero() || !claimed[plain(c.ID)] || kills.last[pod].After(since) {
			continue
		}
		edges[pod] = append(edges[pod], edge{c.Established, 1}, edge{over(c), -1})
	}
	for pod, list := range edges {
		slices.SortFunc(list, func(a, b edge) int { return a.at.Compare(b.at) })
		var now, most int32
		for _, e := range list {
			now += e.more
			most = max(most, now)
		}
		if most > seats[pod] {
			wrong = append(wrong, fmt.Sprintf("pod %s had %d calls at a time on %d seats", pod, most, seats[pod]))
		}
	}
	return wrong
}

// unrecorded lists calls that came in and were answered, and of which no object tells.
func unrecorded(w weather, calls []admin.Call, claimed map[string]bool) (wrong []string) {
	if w.brings(killOwn, killTheirs) {
		return nil // what only the killed process knew
	}
	for _, c := range calls {
		if pod, _ := addressed(c); c.Direction == "incoming" && pod != "" && !c.Established.IsZero() && !claimed[plain(c.ID)] {
			wrong = append(wrong, fmt.Sprintf("it came in and was established, and there was no Call for it: %s", brief(c)))
		}
	}
	return wrong
}

// trusted lists notifications that the bot took with a token that nobody may trust.
func trusted(list []admin.Notification) (wrong []string) {
	for _, n := range list {
		if slices.Contains(n.Faults, admin.BadToken) && n.Accepted() {
			wrong = append(wrong, fmt.Sprintf("a notification with a bad token was accepted with %d: %s of call %s, %s", n.Status, n.ChangeType, n.CallID, n.Summary))
		}
	}
	return wrong
}

// mistold lists calls that were transferred, and whose objects tell of another end though nothing kept the bot from hearing
// of it.
func mistold(w weather, calls []admin.Call, versions []version) (wrong []string) {
	if !w.calm() {
		return nil
	}
	ends := map[string]callfleetv1.EndReason{}
	for _, v := range versions {
		if v.call == nil {
			continue
		}
		if st := status(v); st.Call != nil && st.Call.End != nil {
			ends[plain(st.Call.ID)] = st.Call.End.Reason
		}
	}
	for _, c := range calls {
		if told, ok := ends[plain(c.ID)]; ok && c.Result != nil && c.Result.Code == 0 && c.Result.Subcode == gracefulTransfer && told != callfleetv1.EndTransferred {
			wrong = append(wrong, fmt.Sprintf("it was transferred, and its object tells of %s: %s", told, brief(c)))
		}
	}
	return wrong
}

// gracefulTransfer is the subcode of a call whose other party was transferred (graph.md, section 1.1).
const gracefulTransfer = 7015

// settle waits until nothing goes on in the local Teams. Of what is left then only that is right which no process can
// know of; it has to die of the service's own deadline, which is made to come soon.
func settle(ctx context.Context, vain map[string]bool) (wrong []string) {
	quiet, cancel := context.WithTimeout(ctx, 12*time.Second)
	defer cancel()
	if _, err := world.Teams.WaitQuiet(quiet); err == nil {
		return nil
	}
	calls, err := world.Teams.Calls(ctx)
	if err != nil {
		return []string{err.Error()}
	}
	for _, c := range calls {
		if !c.Live() || vain[plain(c.ID)] {
			continue
		}
		heard, err := heardOf(ctx, c)
		if err != nil || heard != "" {
			wrong = append(wrong, fmt.Sprintf("it goes on although nothing is left of it, and the bot was told of it (%s, %v): %s", heard, err, brief(c)))
		}
	}
	// That such a call is over is told to nobody in vain for long.
	err = errors.Join(world.Teams.SetRetry(ctx, admin.Retry{PatienceMs: 500}), world.Teams.SetClockSpeed(ctx, 3600))
	if err != nil {
		return append(wrong, err.Error())
	}
	deadline, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	left, err := world.Teams.WaitQuiet(deadline)
	if err != nil {
		wrong = append(wrong, fmt.Sprintf("the local Teams is not quiet even after the service's deadlines: %+v", left))
	}
	if err := errors.Join(world.Teams.SetRetry(ctx, retry), world.Teams.SetClockSpeed(ctx, speed)); err != nil {
		wrong = append(wrong, err.Error())
	}
	return wrong
}

// heardOf says when a living process was told last of a call that nobody holds; "" if it never was.
func heardOf(ctx context.Context, c admin.Call) (string, error) {
	list, err := world.Teams.Notifications(ctx, c.ID, 0)
	if err != nil {
		return "", err
	}
	pod, _ := addressed(c)
	kills.Lock()
	died := kills.last[pod]
	kills.Unlock()
	// What a process answered before it died may be read later, on a busy machine; its successor is not up that soon.
	const onItsWay = time.Second
	for _, n := range list {
		if n.Accepted() && n.DoneTime.After(died.Add(onItsWay)) {
			return n.DoneTime.Format(time.StampMilli) + " " + n.ChangeType + " " + n.Summary, nil
		}
	}
	return "", nil
}
