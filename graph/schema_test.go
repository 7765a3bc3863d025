// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// The closed schema of the calls API, made from Microsoft's metadata. It is not part of the repository.
const schemaFile = "../../shared/graph-schema/calls.strict.openapi.json"

func loadSchema(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile(schemaFile)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no schema at " + schemaFile)
	}
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func validate(t *testing.T, doc *openapi3.T, schema string, v any) error {
	t.Helper()
	object, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(object, &value); err != nil {
		t.Fatal(err)
	}
	ref := doc.Components.Schemas[schema]
	if ref == nil {
		t.Fatalf("no schema %s", schema)
	}
	return ref.Value.VisitJSON(value)
}

func TestRequestsFollowTheSchema(t *testing.T) {
	doc := loadSchema(t)
	for name, c := range createBodies {
		t.Run(name, func(t *testing.T) {
			if err := validate(t, doc, "microsoft.graph.call", c.call); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("reject", func(t *testing.T) {
		if err := validate(t, doc, "RejectCallsBody", rejectBody{RejectForbidden}); err != nil {
			t.Error(err)
		}
	})
	for name, v := range map[string]any{
		"participant": Participant{
			ID: "p", Info: ParticipantInfo{Identity: IdentitySet{User: &Identity{ID: "u", TenantID: "t"}}}, RosterSequenceNumber: 1,
			MediaStreams:  []MediaStream{{MediaType: ModalityAudio, Label: "main-audio", SourceID: "1", Direction: MediaSendReceive}},
			RecordingInfo: &RecordingInfo{Status: Recording}, RemovedState: &RemovedState{Reason: "x"},
		},
		"resultInfo":      ResultInfo{Code: 200, Subcode: 7000, Message: "m"},
		"toneInfo":        ToneInfo{SequenceID: 1, Tone: "tone1"},
		"callMediaState":  CallMediaState{Audio: MediaActive},
		"incomingContext": IncomingContext{SourceParticipantID: "s", OnBehalfOf: &IdentitySet{User: &Identity{ID: "u"}}},
		"callRoute":       CallRoute{Original: &IdentitySet{User: &Identity{ID: "u"}}, Final: &IdentitySet{User: &Identity{ID: "u"}}, RoutingType: "forwarded"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := validate(t, doc, "microsoft.graph."+name, v); err != nil {
				t.Error(err)
			}
		})
	}
}

// A validator that accepts everything would prove nothing.
func TestTheSchemaIsStrict(t *testing.T) {
	doc := loadSchema(t)
	good, err := json.Marshal(createBodies["join by coordinates, media hosted by the bot"].call)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"wrong type of the call":   {"#microsoft.graph.call", "#microsoft.graph.Call"},
		"unknown media config":     {"appHostedMediaConfig", "appHostedMedia"},
		"misspelt member":          {`"threadId"`, `"threadID"`},
		"unknown modality":         {`["audio"]`, `["sound"]`},
		"string instead of object": {`{"@odata.type":"#microsoft.graph.chatInfo","threadId":"19:meeting_abc@thread.v2","messageId":"0"}`, `"chat"`},
	} {
		t.Run(name, func(t *testing.T) {
			bad := strings.Replace(string(good), change[0], change[1], 1)
			if bad == string(good) {
				t.Fatal("the change changed nothing")
			}
			if validate(t, doc, "microsoft.graph.call", json.RawMessage(bad)) == nil {
				t.Error("accepted")
			}
		})
	}
}
