// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

const callsPath = "/communications/calls"

// CreateCall places a call or joins a meeting and returns the call as the service sees it. It is sent again only
// when it cannot have been done: after 429, and when no connection came about. After any other failure the call may exist all
// the same; its notifications then tell.
//
// scenarioID, a GUID, is one per call and goes with every request about it.
func (c *Client) CreateCall(ctx context.Context, scenarioID string, call *Call) (*Call, error) {
	op := operation{
		name: "create call", method: http.MethodPost, path: callsPath, once: true,
		ok: []int{http.StatusCreated, http.StatusOK},
	}
	created := new(Call)
	resp, err := c.do(ctx, op, scenarioID, call, created, secretsOf(call)...)
	if err != nil {
		var refused *Error
		if errors.As(err, &refused) && refused.StatusCode == http.StatusForbidden {
			refused.MissingRoles = c.missingRoles(ctx, call)
		}
		return nil, err
	}
	if created.ID == "" {
		created.ID = ParseResource(resp.Header.Get("Location")).CallID
	}
	if created.ID == "" {
		return nil, errors.New("create call: the answer names no call id")
	}
	return created, nil
}

// missingRoles tells what the token lacks for the call. The credential has the token in its cache.
func (c *Client) missingRoles(ctx context.Context, call *Call) []string {
	token, err := c.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{c.scope}, EnableCAE: true})
	if err != nil {
		return nil
	}
	have, err := RolesOf(token.Token)
	if err != nil {
		return nil
	}
	return MissingRoles(RequiredRoles(call), have)
}

// GetCall reads a call.
func (c *Client) GetCall(ctx context.Context, scenarioID, callID string) (*Call, error) {
	call := new(Call)
	if err := c.onCall(ctx, "get call", http.MethodGet, scenarioID, callID, "", nil, call); err != nil {
		return nil, err
	}
	return call, nil
}

// DeleteCall hangs up: the bot leaves, a meeting goes on without it. IsNotFound tells that the call was gone already.
func (c *Client) DeleteCall(ctx context.Context, scenarioID, callID string) error {
	return c.onCall(ctx, "hang up", http.MethodDelete, scenarioID, callID, "", nil, nil)
}

// KeepAlive keeps the service from ending a call it has not heard about for 45 minutes. IsNotFound tells that the call is gone.
func (c *Client) KeepAlive(ctx context.Context, scenarioID, callID string) error {
	return c.onCall(ctx, "keep call alive", http.MethodPost, scenarioID, callID, "/keepAlive", nil, nil)
}

// RejectCall turns an incoming call away. It is safe to repeat: a second one finds no call.
func (c *Client) RejectCall(ctx context.Context, scenarioID, callID string, reason RejectReason) error {
	return c.onCall(ctx, "reject call", http.MethodPost, scenarioID, callID, "/reject", rejectBody{reason}, nil)
}

type rejectBody struct {
	Reason RejectReason `json:"reason"`
}

// maxRosterPages bounds how far ListParticipants follows the service.
const maxRosterPages = 50

// ListParticipants reads the roster of a group call or meeting. That of a peer-to-peer call is empty.
func (c *Client) ListParticipants(ctx context.Context, scenarioID, callID string) ([]Participant, error) {
	path, err := callPath("list participants", callID, "/participants")
	if err != nil {
		return nil, err
	}
	roster := []Participant{}
	for range maxRosterPages {
		var page struct {
			Value    []Participant `json:"value"`
			NextLink string        `json:"@odata.nextLink"`
		}
		op := operation{name: "list participants", method: http.MethodGet, path: path, ok: []int{http.StatusOK}}
		if _, err := c.do(ctx, op, scenarioID, nil, &page); err != nil {
			return nil, err
		}
		roster = append(roster, page.Value...)
		if page.NextLink == "" {
			return roster, nil
		}
		// The token goes with the request, so it must not go anywhere else.
		if !strings.HasPrefix(page.NextLink, c.base+"/") {
			return nil, errors.New("list participants: the service names another host for the next page")
		}
		path = page.NextLink
	}
	return nil, fmt.Errorf("list participants: more than %d pages", maxRosterPages)
}

// onCall sends a request about an existing call.
func (c *Client) onCall(ctx context.Context, name, method, scenarioID, callID, action string, in, out any) error {
	path, err := callPath(name, callID, action)
	if err != nil {
		return err
	}
	op := operation{name: name, method: method, path: path, ok: []int{http.StatusOK, http.StatusAccepted, http.StatusNoContent}}
	_, err = c.do(ctx, op, scenarioID, in, out)
	return err
}

func callPath(name, callID, action string) (string, error) {
	if callID == "" {
		return "", fmt.Errorf("%s: no call id", name)
	}
	return callsPath + "/" + url.PathEscape(callID) + action, nil
}
