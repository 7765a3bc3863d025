// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Policies are what a tenant's administrators have decided about bots.
type Policies struct {
	// AllowRemove are the apps that may remove participants.
	AllowRemove []string `json:"allowRemove,omitempty"`
	// Access are application access policies, which looking up meetings needs.
	Access []AccessPolicy `json:"access,omitempty"`
	// Recording are compliance recording policies.
	Recording []RecordingPolicy `json:"recording,omitempty"`
}

// AccessPolicy lets an app look up and create meetings on behalf of users; of all when Users is empty.
type AccessPolicy struct {
	AppID string   `json:"appID"`
	Users []string `json:"users,omitempty"`
}

// RecordingPolicy makes an app record users whenever they join a meeting (PolicyJoin).
type RecordingPolicy struct {
	ID             string   `json:"id,omitempty"` // made up when empty, as InstanceID is
	AppID          string   `json:"appID"`
	InstanceID     string   `json:"instanceID,omitempty"`
	Users          []string `json:"users"`
	RequiredBefore bool     `json:"requiredBefore,omitempty"` // no recorder, no joining
	RequiredDuring bool     `json:"requiredDuring,omitempty"` // the recorder goes, the user goes
}

// PolicyJoin is a user under recording policies who wants to join a meeting.
type PolicyJoin struct {
	UserID      string `json:"userID"`
	DisplayName string `json:"displayName,omitempty"`
	CountryCode string `json:"countryCode,omitempty"`
	Region      string `json:"region,omitempty"`
}

// PolicyJoined is what came of it.
type PolicyJoined struct {
	Person  Person     `json:"person"`
	Joined  bool       `json:"joined"`
	Reason  string     `json:"reason,omitempty"` // why not
	Records []Recorder `json:"records"`
}

// Recorder is one policy's bot and what it said.
type Recorder struct {
	PolicyID string `json:"policyID"`
	AppID    string `json:"appID"`
	CallID   string `json:"callID,omitempty"` // which records the user
	// Outcome is NewCall, Shared (the bot accepted the user in a call it has), Rejected, Unanswered or BadReply.
	Outcome string `json:"outcome"`
	Detail  string `json:"detail,omitempty"`
}

// Churn is people coming and going, muting, sharing screens and starting video.
type Churn struct {
	Seed       uint64 `json:"seed"`
	Steps      int    `json:"steps"`
	People     int    `json:"people"` // at most so many at once
	IntervalMs int    `json:"intervalMs,omitempty"`
}

// Persisted tells that frames of a call were kept, which arrived from one time to another; both are now when zero.
type Persisted struct {
	From   time.Time `json:"from,omitzero"`
	To     time.Time `json:"to,omitzero"`
	Frames int       `json:"frames"`
}

// Violation is media that was kept though the recording status did not allow it.
type Violation struct {
	CallID string    `json:"callID"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Frames int       `json:"frames"`
	Why    string    `json:"why"`
}

// Quota is the limits of an app; zero means Microsoft's.
type Quota struct {
	Concurrent        int `json:"concurrent,omitempty"`
	Monthly           int `json:"monthly,omitempty"`
	RetryAfterSeconds int `json:"retryAfterSeconds,omitempty"`
}

// PutPolicies replaces what a tenant's administrators have decided.
func (c *Client) PutPolicies(ctx context.Context, tenantID string, p Policies) error {
	return c.do(ctx, http.MethodPut, "/tenants/"+url.PathEscape(tenantID)+"/policies", p, nil)
}

// PolicyJoin brings a user under policies into a meeting and returns when all recorders have said something, or have not
// within 5 s.
func (c *Client) PolicyJoin(ctx context.Context, meetingID string, p PolicyJoin) (PolicyJoined, error) {
	var out PolicyJoined
	return out, c.do(ctx, http.MethodPost, "/meetings/"+meetingID+"/policy-join", p, &out)
}

// Churn moves people about in a meeting and returns when it is over; those who came are gone then.
func (c *Client) Churn(ctx context.Context, meetingID string, churn Churn) error {
	return c.do(ctx, http.MethodPost, "/meetings/"+meetingID+"/churn", churn, nil)
}

// ShareScreen makes a participant share a screen, or stop.
func (c *Client) ShareScreen(ctx context.Context, meetingID, participantID string, on bool) error {
	if on {
		return c.participant(ctx, meetingID, participantID, "share")
	}
	return c.participant(ctx, meetingID, participantID, "unshare")
}

// Unmute lets a participant who was muted be heard again, as only people can.
func (c *Client) Unmute(ctx context.Context, meetingID, participantID string) error {
	return c.participant(ctx, meetingID, participantID, "unmute")
}

// ReportPersisted tells that frames of a call were kept and returns whether the recording status allowed it.
func (c *Client) ReportPersisted(ctx context.Context, callID string, p Persisted) (allowed bool, err error) {
	var out struct {
		Allowed bool `json:"allowed"`
	}
	err = c.do(ctx, http.MethodPost, "/calls/"+callID+"/persisted", p, &out)
	return out.Allowed, err
}

// Violations lists what was kept though it might not have been. It should be empty at all times.
func (c *Client) Violations(ctx context.Context) ([]Violation, error) {
	return get[[]Violation](ctx, c, "/violations")
}

// SetQuota changes the limits of an app.
func (c *Client) SetQuota(ctx context.Context, appID string, q Quota) error {
	return c.do(ctx, http.MethodPut, "/apps/"+url.PathEscape(appID)+"/quota", q, nil)
}
