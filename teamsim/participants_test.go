// SPDX-License-Identifier: Apache-2.0

package teamsim_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/callfleet/callfleet/teamsim/admin"
)

var groupRoles = append([]string{"Calls.InitiateGroupCall.All", "Calls.Initiate.All"}, allRoles...)

const (
	ada   = "aaaaaaaa-0000-4000-8000-00000000000a"
	grace = "aaaaaaaa-0000-4000-8000-00000000000b"
)

func invitees(ids ...string) doc {
	list := []doc{}
	for i, id := range ids {
		list = append(list, doc{
			"@odata.type": "#microsoft.graph.invitationParticipantInfo", "participantId": fmt.Sprintf("invited-%d", i),
			"identity": doc{"@odata.type": "#microsoft.graph.identitySet", "user": doc{"@odata.type": "#microsoft.graph.identity", "id": id}},
		})
	}
	return doc{"participants": list, "clientContext": "ctx"}
}

// begun does something that starts an operation and returns its id.
func (s *sim) begun(path string, body any, status int) string {
	s.t.Helper()
	r := s.do("POST", path, body)
	if r.Status != status || !strings.HasSuffix(r.Header.Get("Location"), fmt.Sprintf("/operations/%v", r.Body["id"])) {
		s.t.Fatalf("POST %s: %d %v, Location %s", path, r.Status, r.Body, r.Header.Get("Location"))
	}
	return r.Body["id"].(string)
}

func TestInvitations(t *testing.T) {
	for name, c := range map[string]struct {
		reaction string
		status   string
		code     float64
	}{
		"answered":    {"Answer", "completed", 200},
		"declined":    {"Decline", "failed", 603},
		"unreachable": {"Unreachable", "failed", 480},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.register(groupRoles...)
			e := newEar(t, s)
			path, id := e.joined(s.meeting(nil))
			s.must(s.admin.PutUser(t.Context(), admin.User{ID: ada, DisplayName: "Ada", Reaction: c.reaction}))
			r := s.do("POST", path+"/participants/invite", invitees(ada))
			if r.Status != http.StatusOK || r.Body["status"] != "Running" || r.Body["clientContext"] != "ctx" {
				t.Fatalf("reply %d %v", r.Status, r.Body)
			}
			op := r.Body["id"].(string)
			end := e.operation(op)
			if end["status"] != c.status || end["resultInfo"].(doc)["code"] != c.code || end["clientContext"] != "ctx" {
				t.Errorf("operation %v", end)
			}
			if got := s.do("GET", path+"/operations/"+op, nil); got.Status != 200 || got.Body["status"] != c.status {
				t.Errorf("GET operation: %d %v", got.Status, got.Body)
			}
			if c.status == "completed" {
				e.roster("Ada", func(all []doc) bool { return len(all) == 2 && all[1]["id"] == "invited-0" })
			}
			_ = id
		})
	}
}

func TestAnInvitationCanBeWithdrawn(t *testing.T) {
	s := start(t)
	s.register(groupRoles...)
	e := newEar(t, s)
	path, _ := e.joined(s.meeting(nil))
	s.must(s.admin.PutUser(t.Context(), admin.User{ID: ada, Reaction: "Ignore"}))
	op := s.begun(path+"/participants/invite", invitees(ada), http.StatusOK)
	if r := s.do("DELETE", path+"/participants/invited-0", nil); r.Status != http.StatusNoContent {
		t.Fatalf("withdraw: %d %v", r.Status, r.Body)
	}
	if end := e.operation(op); end["status"] != "failed" {
		t.Errorf("operation %v", end)
	}
	if r := s.do("DELETE", path+"/participants/invited-0", nil); r.Status == http.StatusNoContent {
		t.Error("withdrawn twice")
	}
}

func TestAnInvitationTakesThePersonOutOfTheCallItReplaces(t *testing.T) {
	s := start(t)
	s.register(groupRoles...)
	e := newEar(t, s)
	path, _ := e.joined(s.meeting(nil))
	second := s.join(doc{
		"@odata.type": "#microsoft.graph.call", "callbackUri": e.server.URL + "/bot", "requestedModalities": []string{"audio"},
		"mediaConfig": doc{"@odata.type": "#microsoft.graph.serviceHostedMediaConfig"}, "tenantId": tenantID,
		"targets": []doc{{"@odata.type": "#microsoft.graph.invitationParticipantInfo", "identity": doc{"user": doc{"id": ada}}}},
	})
	e.state(second, "established")
	eventually(t, "Ada to be there", func() bool { return len(s.call(second).People) == 1 && s.call(second).MediaActive }, func() string { return "" })
	body := invitees(ada)
	body["participants"].([]doc)[0]["replacesCallId"] = second
	op := s.begun(path+"/participants/invite", body, http.StatusOK)
	if end := e.operation(op); end["status"] != "completed" {
		t.Errorf("operation %v", end)
	}
	e.state(second, "terminated")
	e.roster("two", func(all []doc) bool { return len(all) == 2 })
}

func TestWhatIsRefusedOfParticipants(t *testing.T) {
	s := start(t)
	s.register(groupRoles...)
	e := newEar(t, s)
	m := s.meeting(func(n *admin.NewMeeting) { n.People = []string{"Grace"} })
	path, _ := e.joined(m)
	person := m.Participants[0].ID
	for name, c := range map[string]struct {
		roles        []string
		method, path string
		body         any
		status       int
	}{
		"six at once":             {groupRoles, "POST", "/participants/invite", invitees(ada, ada, ada, ada, ada, ada), 400},
		"nobody":                  {groupRoles, "POST", "/participants/invite", doc{"participants": []doc{}}, 400},
		"no permission to invite": {allRoles, "POST", "/participants/invite", invitees(ada), 403},
		"invite by GET":           {groupRoles, "GET", "/participants/invite", nil, 405},
		"remove, not on the list": {groupRoles, "DELETE", "/participants/" + person, nil, 403},
		"mute nobody":             {groupRoles, "POST", "/participants/x/mute", nil, 404},
		"unmute somebody":         {groupRoles, "POST", "/participants/" + person + "/unmute", nil, 400},
		"hold oneself back":       {groupRoles, "POST", "/participants/" + person + "/stopHoldMusic", nil, 400},
		"hold music from a disk": {groupRoles, "POST", "/participants/" + person + "/startHoldMusic", doc{"customPrompt": doc{
			"@odata.type": "#microsoft.graph.mediaPrompt", "mediaInfo": doc{"uri": "file:///music.wav"},
		}}, 400},
		"share, service-hosted":        {groupRoles, "POST", "/changeScreenSharingRole", doc{"role": "sharer"}, 400},
		"share, no media permission":   {groupRoles[:3], "POST", "/changeScreenSharingRole", doc{"role": "sharer"}, 403},
		"a role that is none":          {groupRoles, "POST", "/changeScreenSharingRole", doc{"role": "presenter"}, 400},
		"a recording status of none":   {groupRoles, "POST", "/updateRecordingStatus", doc{"status": "unknown"}, 400},
		"no recording status":          {groupRoles, "POST", "/updateRecordingStatus", doc{}, 400},
		"an operation of nobody":       {groupRoles, "GET", "/operations/x", nil, 404},
		"a routing group for two":      {groupRoles, "POST", "/audioRoutingGroups", doc{"routingMode": "oneToOne", "sources": []string{person}, "receivers": []string{}}, 400},
		"a routing group of strangers": {groupRoles, "POST", "/audioRoutingGroups", doc{"routingMode": "multicast", "sources": []string{"x"}, "receivers": []string{person}}, 400},
		"a session that is not there":  {groupRoles, "GET", "/contentSharingSessions/x", nil, 404},
	} {
		s.register(c.roles...)
		if r := s.do(c.method, path+c.path, c.body); r.Status != c.status {
			t.Errorf("%s: %d %v, want %d", name, r.Status, r.Body, c.status)
		}
	}
}

func TestRemovingAndMutingParticipants(t *testing.T) {
	s := start(t)
	e := newEar(t, s)
	m := s.meeting(func(n *admin.NewMeeting) { n.People = []string{"Grace"} })
	path, _ := e.joined(m)
	person := m.Participants[0].ID
	if r := s.do("POST", path+"/participants/"+person+"/mute", doc{"clientContext": "c"}); r.Status != 200 || r.Body["status"] != "completed" {
		t.Fatalf("mute: %d %v", r.Status, r.Body)
	}
	e.roster("Grace muted", func(all []doc) bool { return len(all) == 2 && all[0]["isMuted"] == true })
	s.must(s.admin.PutPolicies(t.Context(), tenantID, admin.Policies{AllowRemove: []string{appID}}))
	if r := s.do("DELETE", path+"/participants/"+person, nil); r.Status != http.StatusNoContent {
		t.Fatalf("remove: %d %v", r.Status, r.Body)
	}
	eventually(t, "Grace to be gone", func() bool {
		now, err := s.admin.Meeting(t.Context(), m.ID)
		s.must(err)
		return len(now.Participants) == 1
	}, func() string { return "" })
	if r := s.do("GET", path+"/participants/"+person, nil); r.Status != http.StatusNotFound {
		t.Errorf("GET a participant who is gone: %d", r.Status)
	}
}

func TestHoldMusicIsForOneAtATime(t *testing.T) {
	s := start(t)
	e := newEar(t, s)
	m := s.meeting(func(n *admin.NewMeeting) { n.People = []string{"Ada", "Grace"} })
	path, _ := e.joined(m)
	first, second := m.Participants[0].ID, m.Participants[1].ID
	if end := e.operation(s.begun(path+"/participants/"+first+"/startHoldMusic", nil, http.StatusAccepted)); end["status"] != "completed" {
		t.Errorf("start: %v", end)
	}
	if r := s.do("POST", path+"/participants/"+second+"/startHoldMusic", nil); r.Status != http.StatusBadRequest {
		t.Errorf("a second one on hold: %d", r.Status)
	}
	if end := e.operation(s.begun(path+"/participants/"+first+"/stopHoldMusic", doc{}, http.StatusAccepted)); end["status"] != "completed" {
		t.Errorf("stop: %v", end)
	}
	prompt := doc{"customPrompt": doc{"@odata.type": "#microsoft.graph.mediaPrompt", "mediaInfo": doc{"uri": "https://127.0.0.1:1/gone.wav"}}}
	if end := e.operation(s.begun(path+"/participants/"+second+"/startHoldMusic", prompt, http.StatusAccepted)); end["status"] != "failed" {
		t.Errorf("music that cannot be fetched: %v", end)
	}
	if r := s.do("POST", path+"/participants/"+second+"/startHoldMusic", nil); r.Status != http.StatusAccepted {
		t.Errorf("after music that failed: %d %v", r.Status, r.Body)
	}
}

func TestLargeGalleryIsAParticipant(t *testing.T) {
	s := start(t)
	e := newEar(t, s)
	m := s.meeting(nil)
	path, _ := e.joined(m)
	if end := e.operation(s.begun(path+"/addLargeGalleryView", doc{"clientContext": "g"}, http.StatusAccepted)); end["status"] != "completed" {
		t.Errorf("operation %v", end)
	}
	e.roster("the gallery", func(all []doc) bool {
		if len(all) != 2 {
			return false
		}
		app := in(all[1], "info", "identity", "application")
		stream := all[1]["mediaStreams"].([]any)[0].(doc)
		return app["ApplicationType"] == "LargeGallery-V2" && stream["mediaType"] == "video" && stream["direction"] == "sendReceive" &&
			strings.Contains(fmt.Sprint(all[1]["metadata"]), "audienceView")
	})
	s.do("DELETE", path, nil)
	if now, err := s.admin.Meeting(t.Context(), m.ID); err != nil || len(now.Participants) > 0 {
		t.Errorf("after the bot went: %+v %v", now.Participants, err)
	}
}

func TestACallWithoutTheModalityHasNoPartInScreenSharing(t *testing.T) {
	s := start(t)
	b := newBot(t, s).trusted()
	m := s.meeting(func(n *admin.NewMeeting) { n.People = []string{"Ada"} })
	hosted := s.join(joinBody(m, b))
	eventually(t, "the bot's media", func() bool { return s.call(hosted).MediaActive }, func() string { return "" })
	for _, role := range []string{"viewer", "sharer"} {
		r := s.do("POST", "/v1.0/communications/calls/"+hosted+"/changeScreenSharingRole", doc{"role": role})
		if r.Status != http.StatusBadRequest || !strings.Contains(fmt.Sprint(r.Body), "videoBasedScreenSharing") {
			t.Errorf("%s: %d %v", role, r.Status, r.Body)
		}
	}
}

func TestScreenSharingShowsInRosterAndSessions(t *testing.T) {
	s := start(t)
	b := newBot(t, s).trusted()
	m := s.meeting(func(n *admin.NewMeeting) { n.People = []string{"Ada"} })
	body := joinBody(m, b)
	body["requestedModalities"] = []string{"audio", "videoBasedScreenSharing"}
	hosted := s.join(body)
	eventually(t, "the bot's media", func() bool { return s.call(hosted).MediaActive }, func() string { return "" })
	e := newEar(t, s)
	watcher, _ := e.joined(m, func(d doc) {
		d["callOptions"] = doc{"@odata.type": "#microsoft.graph.outgoingCallOptions", "isContentSharingNotificationEnabled": true}
	})
	if r := s.do("POST", "/v1.0/communications/calls/"+hosted+"/changeScreenSharingRole", doc{"role": "sharer"}); r.Status != http.StatusAccepted {
		t.Fatalf("share: %d %v", r.Status, r.Body)
	}
	participant := s.call(hosted).ParticipantID
	sharing := func(id, direction string) func(all []doc) bool {
		return func(all []doc) bool {
			for _, p := range all {
				for _, raw := range p["mediaStreams"].([]any) {
					if stream := raw.(doc); p["id"] == id && stream["mediaType"] == "videoBasedScreenSharing" && stream["direction"] == direction {
						return true
					}
				}
			}
			return false
		}
	}
	e.roster("the bot sharing", sharing(participant, "sendOnly"))
	session := func(change string) string {
		n := e.find("sharing "+change, func(n doc) bool {
			return n["changeType"] == change && strings.HasSuffix(fmt.Sprint(n["resourceUrl"]), "/contentsharingsessions")
		})
		return n["resourceData"].([]any)[0].(doc)["id"].(string)
	}
	first := session("created")
	if r := s.do("GET", watcher+"/contentSharingSessions/"+first, nil); r.Status != 200 || r.Body["id"] != first {
		t.Errorf("GET session: %d %v", r.Status, r.Body)
	}
	s.must(s.admin.ShareScreen(t.Context(), m.ID, m.Participants[0].ID, true))
	e.roster("the bot a viewer", sharing(participant, "receiveOnly"))
	if ended := session("deleted"); ended != first {
		t.Errorf("ended session %s, want %s", ended, first)
	}
}

func TestRecordingStatusAndItsGate(t *testing.T) {
	s := start(t)
	e := newEar(t, s)
	path, id := e.joined(s.meeting(nil))
	kept := func(want bool, when string) {
		t.Helper()
		allowed, err := s.admin.ReportPersisted(t.Context(), id, admin.Persisted{Frames: 50})
		s.must(err)
		if allowed != want {
			t.Errorf("%s: keeping frames allowed is %v", when, allowed)
		}
	}
	kept(false, "before anything was said")
	for _, step := range []struct {
		status  string
		allowed bool
	}{{"recording", true}, {"notRecording", false}, {"recording", true}, {"failed", false}} {
		if r := s.do("POST", path+"/updateRecordingStatus", doc{"status": step.status, "clientContext": "x"}); r.Status != 200 || r.Body["status"] != "completed" {
			t.Fatalf("%s: %d %v", step.status, r.Status, r.Body)
		}
		kept(step.allowed, "after "+step.status)
		e.roster(step.status, func(all []doc) bool {
			info, _ := all[0]["recordingInfo"].(doc)
			return info["recordingStatus"] == step.status
		})
	}
	violations, err := s.admin.Violations(t.Context())
	s.must(err)
	if len(violations) != 3 || violations[0].CallID != id || violations[0].Frames != 50 {
		t.Errorf("violations %+v", violations)
	}
}

func TestAudioRoutingGroups(t *testing.T) {
	s := start(t)
	e := newEar(t, s)
	m := s.meeting(func(n *admin.NewMeeting) { n.People = []string{"Ada", "Grace"} })
	path, _ := e.joined(m)
	ids := []string{m.Participants[0].ID, m.Participants[1].ID}
	groups := path + "/audioRoutingGroups"
	made := s.do("POST", groups, doc{"routingMode": "multicast", "sources": ids[:1], "receivers": ids[1:]})
	if made.Status != http.StatusOK {
		t.Fatalf("create: %d %v", made.Status, made.Body)
	}
	one := groups + "/" + made.Body["id"].(string)
	for _, step := range []struct {
		method, path string
		body         any
		status, left int
	}{
		{"GET", one, nil, 200, 1},
		{"PATCH", one, doc{"receivers": []string{}}, 400, 1},
		{"PATCH", one, doc{"sources": ids[1:], "receivers": ids[:1]}, 200, 1},
		{"POST", groups, doc{"routingMode": "oneToOne", "sources": ids[:1], "receivers": ids[1:]}, 200, 2},
		{"DELETE", one, nil, 204, 1},
		{"DELETE", one, nil, 404, 1},
	} {
		if r := s.do(step.method, step.path, step.body); r.Status != step.status {
			t.Errorf("%s %v: %d %v, want %d", step.method, step.body, r.Status, r.Body, step.status)
		}
		if r := s.do("GET", groups, nil); len(r.Body["value"].([]any)) != step.left {
			t.Errorf("after %s: %v, want %d", step.method, r.Body["value"], step.left)
		}
	}
}

func TestDeviceQuality(t *testing.T) {
	s := start(t)
	quality := doc{"quality": doc{
		"@odata.type": "#microsoft.graph.teleconferenceDeviceQuality", "callChainId": scenarioID, "participantId": ada, "mediaLegId": grace,
		"deviceName": "Room", "deviceDescription": "CVI",
		"mediaQualityList": []doc{{"@odata.type": "#microsoft.graph.teleconferenceDeviceAudioQuality", "channelIndex": 1}},
	}}
	const path = "/v1.0/communications/calls/logTeleconferenceDeviceQuality"
	if r := s.do("POST", path, quality); r.Status != http.StatusOK {
		t.Errorf("%d %v", r.Status, r.Body)
	}
	if r := s.do("POST", path, doc{"quality": doc{}}); r.Status != http.StatusBadRequest {
		t.Errorf("an empty one: %d", r.Status)
	}
	s.register("Calls.JoinGroupCall.All")
	if r := s.do("POST", path, quality); r.Status != http.StatusForbidden {
		t.Errorf("without permission: %d", r.Status)
	}
}
