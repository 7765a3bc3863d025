// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// What people do when they are called.
const (
	Answers       = "Answer"
	Declines      = "Decline"
	IsBusy        = "Busy"
	IsUnreachable = "Unreachable"
	Ignores       = "Ignore" // until told to React
)

// User is somebody bots may call: a user by GUID, or a telephone by its E.164 number. Whoever was never put answers after
// a second.
type User struct {
	ID           string  `json:"id"`
	DisplayName  string  `json:"displayName,omitempty"`
	TenantID     string  `json:"tenantID,omitempty"`     // empty: whatever tenant a call is in
	Reaction     string  `json:"reaction,omitempty"`     // one of the constants; Answer when empty
	AfterSeconds float64 `json:"afterSeconds,omitempty"` // on the simulated clock
}

// Ringing is a phone that rings because of a bot's call.
type Ringing struct {
	UserID      string    `json:"userID"`
	DisplayName string    `json:"displayName,omitempty"`
	CallID      string    `json:"callID"`
	Why         string    `json:"why"` // Call, Redirect, Transfer, Invite
	Since       time.Time `json:"since"`
}

// HangUp says who hangs up; nobody in particular needs to be named in a call between two.
type HangUp struct {
	UserID string `json:"userID,omitempty"`
}

// PutUser says who somebody is and what they do when called.
func (c *Client) PutUser(ctx context.Context, u User) error {
	return c.do(ctx, http.MethodPut, "/users/"+url.PathEscape(u.ID), u, nil)
}

// Users lists those who were put.
func (c *Client) Users(ctx context.Context) ([]User, error) { return get[[]User](ctx, c, "/users") }

// Ringing lists the phones that ring now.
func (c *Client) Ringing(ctx context.Context) ([]Ringing, error) {
	return get[[]Ringing](ctx, c, "/ringing")
}

// React makes somebody answer, decline, be busy or be unreachable now, while their phone rings.
func (c *Client) React(ctx context.Context, userID, reaction string) error {
	return c.do(ctx, http.MethodPost, "/users/"+url.PathEscape(userID)+"/react", reaction, nil)
}

// HangUp ends a call from the other side: the caller gives up, the callee hangs up. In a group call userID leaves.
func (c *Client) HangUp(ctx context.Context, callID, userID string) error {
	return c.do(ctx, http.MethodPost, "/calls/"+callID+"/hangup", HangUp{UserID: userID}, nil)
}

// Press makes a person press keys: tone0 to tone9, star, pound, a to d, flash.
func (c *Client) Press(ctx context.Context, p Person, keys ...string) error {
	return c.do(ctx, http.MethodPost, personPath(p)+"/keys", keys, nil)
}

// Pressed lists the keys a person was let know of: those that bots and other people pressed.
func (c *Client) Pressed(ctx context.Context, p Person) ([]string, error) {
	return get[[]string](ctx, c, personPath(p)+"/keys")
}
