// SPDX-License-Identifier: Apache-2.0

package teamsim_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/callfleet/callfleet/teamsim/admin"
)

// schemaFile is an OpenAPI document cut from the service's CSDL, where one is at hand.
const schemaFile = "../../shared/graph-schema/calls.strict.openapi.json"

type schemas struct {
	t *testing.T
	d *openapi3.T
}

func loadSchemas(t *testing.T) schemas {
	t.Helper()
	if _, err := os.Stat(schemaFile); errors.Is(err, fs.ErrNotExist) {
		t.Skip("no schema of the calls API here")
	}
	d, err := openapi3.NewLoader().LoadFromFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	return schemas{t, d}
}

func (s schemas) check(what, schema string, value any) {
	s.t.Helper()
	ref := s.d.Components.Schemas[schema]
	if ref == nil {
		s.t.Fatalf("the schema has no %s", schema)
	}
	raw, err := json.Marshal(value)
	if err != nil {
		s.t.Fatal(err)
	}
	var plain any
	if err := json.Unmarshal(raw, &plain); err != nil {
		s.t.Fatal(err)
	}
	if err := ref.Value.VisitJSON(plain); err != nil {
		s.t.Errorf("%s is not a %s: %v\n%s", what, schema, err, raw)
	}
}

func TestWhatBotsSeeMatchesTheSchema(t *testing.T) {
	schema := loadSchemas(t)
	s := start(t)
	b := newBot(t, s).trusted()
	m := s.meeting(func(n *admin.NewMeeting) { n.Lobby, n.People = true, []string{"Ada"} })
	body := joinBody(m, b)
	schema.check("the body of a join", "microsoft.graph.call", body)

	created := s.do("POST", "/v1.0/communications/calls", body)
	id := created.Body["id"].(string)
	path := "/v1.0/communications/calls/" + id
	schema.check("a created call", "microsoft.graph.call", created.Body)
	b.waitFor("updated roster in lobby")
	s.must(s.admin.Admit(t.Context(), m.ID, s.participants(m)[1].ID))
	b.waitFor("updated roster 2")
	schema.check("a call", "microsoft.graph.call", s.do("GET", path, nil).Body)
	list := s.do("GET", path+"/participants", nil)
	schema.check("the participants", "participantCollection", list.Body)
	schema.check("a participant", "microsoft.graph.participant", list.Body["value"].([]any)[0])
	for action, operation := range map[string]string{"mute": "muteParticipantOperation", "unmute": "unmuteParticipantOperation"} {
		body := s.do("POST", path+"/"+action, doc{}).Body
		if body["status"] != "completed" {
			t.Errorf("%s: status %v", action, body["status"])
		}
		body["status"] = "Completed" // the CSDL's spelling; payloads have it in lower case (reference section 1.6)
		schema.check(action, "microsoft.graph."+operation, body)
	}
	s.do("DELETE", path, nil)
	b.waitFor("deleted terminated 200/7000")
	schema.check("an error", "ODataError", s.do("GET", path, nil).Body)

	s.must(s.admin.PutApp(t.Context(), admin.App{ID: appID, TenantID: tenantID, Secret: secret, Roles: allRoles, WebhookURL: b.callbackURI()}))
	_, err := s.admin.Ring(t.Context(), admin.IncomingCall{AppID: appID, TenantID: tenantID})
	s.must(err)
	b.waitFor("created incoming")
	for i, n := range b.notes() {
		schema.check(b.story()[i], "microsoft.graph.commsNotifications", json.RawMessage(n.Raw))
		for _, p := range n.Roster {
			schema.check(b.story()[i], "microsoft.graph.participant", p)
		}
		if n.Call != nil {
			schema.check(b.story()[i], "microsoft.graph.call", n.Call)
		}
	}
}
