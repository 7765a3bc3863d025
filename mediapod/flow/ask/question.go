// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"encoding/json"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/flow"
)

const (
	// eventType of the CloudEvents.
	eventType = "dev.callfleet.flow.webhook"
	// contentType of the structured mode (CloudEvents 1.0, HTTP protocol binding, 3.2).
	contentType = "application/cloudevents+json"
)

// event is a CloudEvent (CloudEvents 1.0, "Context Attributes").
type event struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            string    `json:"type"`
	Subject         string    `json:"subject"`
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	Data            question  `json:"data"`
}

type question struct {
	Flow string `json:"flow"`
	// Step as status.flow.step has it: that of a subflow is flow/step.
	Step      string            `json:"step"`
	Call      call              `json:"call"`
	Caller    party             `json:"caller"`
	Called    party             `json:"called"`
	Variables map[string]string `json:"variables"`
}

type call struct {
	ID        string `json:"id"` // Graph's
	Direction string `json:"direction"`
}

type party struct {
	Kind        string `json:"kind,omitempty"`
	ID          string `json:"id,omitempty"`
	DisplayName string `json:"displayName,omitempty"`
	TenantID    string `json:"tenantID,omitempty"`
}

func partyOf(c callfleetv1.Caller) party {
	return party{Kind: string(c.Kind), ID: c.ID, DisplayName: c.DisplayName, TenantID: c.TenantID}
}

func (a asker) event(q flow.Ask, c flow.Call) ([]byte, error) {
	direction := callfleetv1.CallOutgoing
	if c.Incoming {
		direction = callfleetv1.CallIncoming
	}
	variables := q.Data
	if variables == nil {
		variables = map[string]string{}
	}
	return json.Marshal(event{
		SpecVersion: "1.0", ID: q.Key, Type: eventType, Subject: c.UID, Time: a.cfg.Clock.Now().UTC(),
		Source:          "/namespaces/" + a.cfg.Namespace + "/bots/" + a.cfg.Bot,
		DataContentType: "application/json",
		Data: question{
			Flow: a.flow, Step: q.Step, Call: call{ID: c.ID, Direction: string(direction)},
			Caller: partyOf(c.Caller), Called: partyOf(c.Called), Variables: variables,
		},
	})
}
