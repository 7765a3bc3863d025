// SPDX-License-Identifier: Apache-2.0

package teamsim_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/callfleet/callfleet/teamsim/admin"
)

// TestCallsToAndFromPeopleMatchTheSchema sends the bodies the documentation shows and looks at all that comes back.
func TestCallsToAndFromPeopleMatchTheSchema(t *testing.T) {
	schema := loadSchemas(t)
	s := start(t)
	b := s.reachable(callRoles...)
	shelf := newShelf(s, map[string][]byte{"pause.wav": encode(t, hush(40*time.Millisecond))})
	path, id := s.answered(b, serviceHosted(), func(in *admin.IncomingCall) { in.Phone, in.CountryCode = number, "DE" })
	schema.check("an answered call", "microsoft.graph.call", s.do("GET", path, nil).Body)
	p := prompt(shelf.plain.URL + "/pause.wav")
	for action, body := range map[string]doc{
		"playPrompt": {"prompts": []doc{p}}, "recordResponse": {"prompts": []doc{p}, "maxRecordDurationInSeconds": 1, "playBeep": false},
		"subscribeToTone": {"clientContext": "x"}, "cancelMediaProcessing": {}, "sendDtmfTones": {"tones": []string{"tone1"}, "delayBetweenTonesMs": 1},
	} {
		if action == "cancelMediaProcessing" {
			continue // last, or it cancels the others
		}
		op := s.operate(path, action, body)
		checkOperation(schema, action, op)
		if op["status"] == "running" {
			n := b.ended(op)
			checkOperation(schema, "the end of "+action, n.Call)
		}
	}
	checkOperation(schema, "cancelMediaProcessing", s.operate(path, "cancelMediaProcessing", doc{}))
	s.must(s.admin.Press(t.Context(), s.call(id).People[0], "star"))
	b.waitFor("updated established active 1 star")

	body := asInstance(callBody(b, serviceHosted(), phone(number)))
	schema.check("the body of a call", "microsoft.graph.call", body)
	created := s.do("POST", "/v1.0/communications/calls", body)
	schema.check("a created call", "microsoft.graph.call", created.Body)
	eventually(t, "the second call", func() bool { return s.call(created.Body["id"].(string)).MediaActive }, func() string { return strings.Join(b.story(), "; ") })
	if r := s.do("POST", path+"/transfer", doc{"transferTarget": user(graceID, "Grace")}); r.Status != 202 {
		t.Fatalf("transfer: %d %v", r.Status, r.Body)
	}
	b.waitFor("deleted terminated 0/7015")

	redirected, _ := s.ring(b, nil)
	if r := s.do("POST", redirected+"/redirect", doc{"targets": []doc{user(graceID, "Grace")}}); r.Status != 202 {
		t.Fatalf("redirect: %d %v", r.Status, r.Body)
	}
	b.waitFor("deleted terminated 200/0")
	for i, n := range b.notes() {
		schema.check(b.story()[i], "microsoft.graph.commsNotifications", json.RawMessage(n.Raw))
		if n.Call["@odata.type"] == "#microsoft.graph.call" {
			schema.check(b.story()[i], "microsoft.graph.call", n.Call)
		}
	}
}

func checkOperation(schema schemas, what string, op doc) {
	schema.t.Helper()
	one := doc{}
	for k, v := range op {
		one[k] = v
	}
	// The CSDL spells the statuses in upper case, payloads in lower case (reference section 1.6).
	status := one["status"].(string)
	one["status"] = strings.ToUpper(status[:1]) + status[1:]
	schema.check(what, strings.TrimPrefix(one["@odata.type"].(string), "#"), one)
}
