// SPDX-License-Identifier: Apache-2.0

package console

import (
	"cmp"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/teamsim/calls"
	"github.com/callfleet/callfleet/teamsim/meeting"
	"github.com/callfleet/callfleet/teamsim/policy"
	"github.com/callfleet/callfleet/teamsim/quota"
)

func (c Config) putPolicies(r *http.Request) (any, error) {
	in, err := read[admin.Policies](r)
	if err != nil {
		return nil, err
	}
	t := policy.Tenant{AllowRemove: in.AllowRemove}
	for _, a := range in.Access {
		t.Access = append(t.Access, policy.Access(a))
	}
	for _, p := range in.Recording {
		t.Recording = append(t.Recording, policy.Recording(p))
	}
	return nil, c.Calls.Policies.Put(r.PathValue("tenant"), t)
}

func (c Config) policyJoin(r *http.Request, m *meeting.Meeting) (any, error) {
	in, err := read[admin.PolicyJoin](r)
	if err != nil {
		return nil, err
	}
	out, err := c.Calls.PolicyJoin(r.Context(), m, calls.PolicyUser{
		UserID: cmp.Or(in.UserID, uuid.NewString()), DisplayName: cmp.Or(in.DisplayName, "Somebody"), CountryCode: in.CountryCode, Region: in.Region,
	})
	if err != nil {
		return nil, err
	}
	wire := admin.PolicyJoined{
		Person: admin.Person{ID: out.Person.ID, MeetingID: m.ID, UserID: out.Person.UserID, DisplayName: out.Person.DisplayName, Here: out.Joined},
		Joined: out.Joined, Reason: out.Reason, Records: []admin.Recorder{},
	}
	for _, one := range out.Recorders {
		wire.Records = append(wire.Records, admin.Recorder(one))
	}
	return wire, nil
}

func churn(r *http.Request, m *meeting.Meeting) (any, error) {
	in, err := read[admin.Churn](r)
	if err != nil {
		return nil, err
	}
	return nil, m.Churn(r.Context(), meeting.Churn{Seed: in.Seed, Steps: in.Steps, People: in.People, Interval: millis(in.IntervalMs)})
}

func (c Config) persisted(r *http.Request) (any, error) {
	in, err := read[admin.Persisted](r)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if in.From.IsZero() {
		in.From = now
	}
	if in.To.IsZero() {
		in.To = now
	}
	allowed, err := c.Calls.Persisted(r.PathValue("call"), in.From, in.To, in.Frames)
	return map[string]bool{"allowed": allowed}, err
}

func (c Config) violations(*http.Request) (any, error) {
	out := []admin.Violation{}
	for _, v := range c.Calls.Violations() {
		out = append(out, admin.Violation(v))
	}
	return out, nil
}

func (c Config) setQuota(r *http.Request) (any, error) {
	in, err := read[admin.Quota](r)
	if err != nil {
		return nil, err
	}
	return nil, c.Calls.Quotas.Set(r.PathValue("app"), quota.Limits{
		Concurrent: in.Concurrent, Monthly: in.Monthly, RetryAfter: time.Duration(in.RetryAfterSeconds) * time.Second,
	})
}
