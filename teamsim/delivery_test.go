// SPDX-License-Identifier: Apache-2.0

package teamsim_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/callfleet/callfleet/teamsim/admin"
)

func withDelta(d doc) {
	d["callOptions"] = doc{"@odata.type": "#microsoft.graph.outgoingCallOptions", "isDeltaRosterEnabled": true}
}

// deltas are the changes of the roster a bot has heard of.
func (e *ear) deltas() (all []doc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, n := range e.got {
		if d := data(n); d["@odata.type"] == "#microsoft.graph.deltaParticipants" {
			all = append(all, d)
		}
	}
	return all
}

// applied is the roster that follows from changes, without the bot itself.
func applied(deltas []doc) (names []string, gapless bool) {
	here, gapless := map[string]string{}, true
	for i, d := range deltas {
		gapless = gapless && d["sequenceNumber"] == float64(i+1)
		for _, raw := range d["participants"].([]any) {
			p := raw.(doc)
			delete(here, p["id"].(string))
			if user, ok := in(p, "info", "identity")["user"].(doc); ok && p["removedState"] == nil {
				here[p["id"].(string)] = user["displayName"].(string)
			}
		}
	}
	for _, name := range here {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, gapless
}

func TestDeltaRosterFollowsChurnAndShowsGaps(t *testing.T) {
	for name, gap := range map[string]bool{"nothing lost": false, "one lost": true} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			e := newEar(t, s)
			m := s.meeting(func(n *admin.NewMeeting) { n.People = []string{"Ada"} })
			path, id := e.joined(m, withDelta)
			eventually(t, "the first roster", func() bool { return len(e.deltas()) == 1 }, func() string { return "" })
			if gap {
				s.must(s.admin.AddDeliveryFault(t.Context(), admin.DeliveryFault{Kind: admin.Drop, Resource: "participants"}))
			}
			s.must(s.admin.Churn(t.Context(), m.ID, admin.Churn{Seed: 3, Steps: 40, People: 5}))
			s.person(m, "Grace")
			eventually(t, "delivery", func() bool { q, err := s.admin.Quiet(t.Context()); s.must(err); return q.Pending == 0 }, func() string { return "" })
			names, gapless := applied(e.deltas())
			if gapless == gap {
				t.Errorf("without a gap is %v", gapless)
			}
			if !gap && strings.Join(names, " ") != "Ada Grace" {
				t.Errorf("the changes lead to %v", names)
			}
			if list := s.do("GET", path+"/participants", nil).Body["value"].([]any); len(list) != 3 {
				t.Errorf("GET participants: %d of them", len(list))
			}
			if n := s.notifications(id); !gap && slices.ContainsFunc(n, func(n admin.Notification) bool { return len(n.Faults) > 0 }) {
				t.Error("faults in the log though there were none")
			}
		})
	}
}

func TestTheFirstRosterMayBeEmpty(t *testing.T) {
	s := start(t)
	e := newEar(t, s)
	s.must(s.admin.AddDeliveryFault(t.Context(), admin.DeliveryFault{Kind: admin.EmptyRoster}))
	m := s.meeting(func(n *admin.NewMeeting) { n.People = []string{"Ada"} })
	e.joined(m)
	e.roster("nobody", func(all []doc) bool { return len(all) == 0 })
	s.person(m, "Grace")
	e.roster("all three", func(all []doc) bool { return len(all) == 3 })
}

func TestNotificationsMayComeBeforeTheReply(t *testing.T) {
	s := start(t)
	e := newEar(t, s)
	m := s.meeting(nil)
	var replied, early bool
	e.reply = func(string, doc) (int, any) {
		e.mu.Lock()
		defer e.mu.Unlock()
		early = early || !replied
		return http.StatusAccepted, nil
	}
	s.must(s.admin.AddDeliveryFault(t.Context(), admin.DeliveryFault{Kind: admin.Early, AppID: appID}))
	r := s.do("POST", "/v1.0/communications/calls", e.body(m))
	e.mu.Lock()
	replied = true
	e.mu.Unlock()
	if r.Status != http.StatusCreated || r.Body["state"] != "establishing" || !early {
		t.Errorf("%d %v, notified before is %v", r.Status, r.Body["state"], early)
	}
}

func TestABotThatCannotTakeAnEarlyNotificationGetsItsReply(t *testing.T) {
	s := start(t)
	e := newEar(t, s)
	m := s.meeting(nil)
	replied := make(chan struct{})
	e.reply = func(string, doc) (int, any) { <-replied; return http.StatusAccepted, nil }
	s.must(s.admin.AddDeliveryFault(t.Context(), admin.DeliveryFault{Kind: admin.Early}))
	r := s.do("POST", "/v1.0/communications/calls", e.body(m))
	close(replied)
	if r.Status != http.StatusCreated {
		t.Errorf("%d %v", r.Status, r.Body)
	}
}

func TestAnIDInPlainFormIsTaken(t *testing.T) {
	s := start(t)
	e := newEar(t, s)
	s.must(s.admin.AddDeliveryFault(t.Context(), admin.DeliveryFault{Kind: admin.PlainIDs, Probability: 1}))
	id := s.join(e.body(s.meeting(nil)))
	plain := strings.ToUpper(strings.ReplaceAll(id, "-", ""))
	e.find("the plain id", func(n doc) bool { return n["resourceUrl"] == "/communications/calls/"+plain })
	if r := s.do("GET", "/v1.0/communications/calls/"+plain, nil); r.Status != http.StatusOK || r.Body["id"] != id {
		t.Errorf("GET: %d %v", r.Status, r.Body)
	}
}

func TestALegacyChannelComesBackInGraphFormat(t *testing.T) {
	s := start(t)
	b := newBot(t, s).trusted()
	first := true
	mux := http.NewServeMux()
	mux.HandleFunc("POST /webhook", func(w http.ResponseWriter, r *http.Request) {
		if first {
			first = false
			w.WriteHeader(http.StatusNoContent)
			return
		}
		b.callback(w, r)
	})
	b.server.Config.Handler = mux
	s.must(s.admin.PutApp(t.Context(), admin.App{
		ID: appID, TenantID: tenantID, Secret: secret, WebhookURL: b.server.URL + "/webhook", LegacyFirst: true,
	}))
	_, err := s.admin.Ring(t.Context(), admin.IncomingCall{AppID: appID, TenantID: tenantID})
	s.must(err)
	b.waitFor("created incoming")
}

func TestQuotas(t *testing.T) {
	s := start(t)
	e := newEar(t, s)
	m := s.meeting(nil)
	s.must(s.admin.SetQuota(t.Context(), appID, admin.Quota{Concurrent: 1, Monthly: 2, RetryAfterSeconds: 7}))
	first := s.join(e.body(m))
	if r := s.do("POST", "/v1.0/communications/calls", e.body(m)); r.Status != 429 || r.Header.Get("Retry-After") != "7" {
		t.Errorf("a second at once: %d %v", r.Status, r.Body)
	}
	for _, id := range []string{first, ""} {
		if id == "" {
			id = s.join(e.body(m))
		}
		if r := s.do("DELETE", "/v1.0/communications/calls/"+id, nil); r.Status != http.StatusNoContent {
			t.Fatalf("hang up: %d", r.Status)
		}
	}
	r := s.do("POST", "/v1.0/communications/calls", e.body(m))
	if r.Status != 429 || r.errorMessage() != "Application reached the monthly call creation limit." || r.Header.Get("Retry-After") != "" {
		t.Errorf("a third in the month: %d %v", r.Status, r.Body)
	}
}

func TestAReplyMayBeLostAfterTheDeed(t *testing.T) {
	s := start(t)
	e := newEar(t, s)
	m := s.meeting(nil)
	s.must(s.admin.AddFault(t.Context(), admin.Fault{Method: "POST", PathContains: "/calls", Status: 504, After: true}))
	if r := s.do("POST", "/v1.0/communications/calls", e.body(m)); r.Status != 504 {
		t.Fatalf("%d %v", r.Status, r.Body)
	}
	e.find("a notification of the call nobody knows", func(n doc) bool { return data(n)["state"] == "established" })
}

func TestAllIsQuiet(t *testing.T) {
	s := start(t)
	e := newEar(t, s)
	if q, err := s.admin.Quiet(t.Context()); err != nil || !q.Quiet {
		t.Errorf("at first: %+v %v", q, err)
	}
	path, _ := e.joined(s.meeting(nil))
	if q, err := s.admin.Quiet(t.Context()); err != nil || q.Quiet || q.LiveCalls != 1 {
		t.Errorf("in a call: %+v %v", q, err)
	}
	release := make(chan struct{})
	e.mu.Lock()
	e.reply = func(string, doc) (int, any) { <-release; return 202, nil }
	e.mu.Unlock()
	s.do("DELETE", path, nil)
	if q, err := s.admin.Quiet(t.Context()); err != nil || q.Quiet || q.LiveCalls != 0 || q.Pending == 0 {
		t.Errorf("with notifications under way: %+v %v", q, err)
	}
	close(release)
	if q, err := s.admin.WaitQuiet(t.Context()); err != nil || !q.Quiet {
		t.Errorf("in the end: %+v %v", q, err)
	}
}

// TestChaosEndsQuietly lets calls come and go in a mix of everything. Whatever is dropped, the service itself must come
// to rest and keep no ghosts.
func TestChaosEndsQuietly(t *testing.T) {
	s := start(t)
	e := newEar(t, s)
	s.must(s.admin.SetChaos(t.Context(), admin.Chaos{
		Seed: 11, Drop: 0.1, Duplicate: 0.2, Reorder: 0.2, Delay: 0.1, MaxDelayMs: 20, Batch: 0.2, Noise: 0.3, Early: 0.3, EmptyRoster: 0.3,
		KeepTerminal: true, Failing: 0.2, Throttled: 0.1, ReplyLost: 0.1,
	}))
	m := s.meeting(nil)
	seen := map[int]int{}
	for range 12 {
		r := s.do("POST", "/v1.0/communications/calls", e.body(m))
		seen[r.Status]++
	}
	if seen[http.StatusCreated] == 0 || seen[http.StatusCreated] == 12 {
		t.Errorf("replies by status: %v", seen)
	}
	s.must(s.admin.ClearFaults(t.Context()))
	s.must(s.admin.EndMeeting(t.Context(), m.ID))
	eventually(t, "rest", func() bool { q, err := s.admin.Quiet(t.Context()); s.must(err); return q.Quiet }, func() string {
		q, _ := s.admin.Quiet(t.Context())
		return fmt.Sprintf("%+v", q)
	})
	calls, err := s.admin.Calls(t.Context())
	s.must(err)
	for _, c := range calls {
		notes := s.notifications(c.ID)
		if !slices.ContainsFunc(notes, func(n admin.Notification) bool { return n.Summary == "terminated" && n.Accepted() }) {
			t.Errorf("call %s: nobody was told that it ended", c.ID)
		}
	}
	if after := s.do("POST", "/v1.0/communications/calls", e.body(m)); after.Status != http.StatusCreated {
		t.Errorf("after all faults were taken back: %d", after.Status)
	}
}
