// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"context"
	"errors"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// CreateCall places a call or joins a meeting and returns the call as the service sees it. It is sent again only
// when it cannot have been done: after 429, and when no connection came about. After any other failure the call may exist all
// the same; its notifications then tell.
//
// scenarioID, a GUID, is one per call and goes with every request about it.
func (c *Client) CreateCall(ctx context.Context, scenarioID string, call *Call) (*Call, error) {
	op, err := opCreateCall.at()
	if err != nil {
		return nil, err
	}
	created := new(Call)
	answered, err := c.do(ctx, op, scenarioID, call, created, secretsOf(call)...)
	if err != nil {
		var refused *Error
		if errors.As(err, &refused) && refused.StatusCode == http.StatusForbidden {
			refused.MissingRoles = c.missingRoles(ctx, FeaturesOf(call)...)
		}
		return nil, calling(err, call.Targets...)
	}
	if created.ID == "" {
		created.ID = ParseResource(answered.header.Get("Location")).CallID
	}
	if created.ID == "" {
		return nil, errors.New("create call: the answer names no call id")
	}
	return created, nil
}

// missingRoles tells what the token lacks. The credential has the token in its cache.
func (c *Client) missingRoles(ctx context.Context, features ...Feature) []string {
	token, err := c.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{c.scope}, EnableCAE: true})
	if err != nil {
		return nil
	}
	have, err := RolesOf(token.Token)
	if err != nil {
		return nil
	}
	var missing []string
	for _, feature := range features {
		for _, roles := range feature.Missing(have) {
			missing = append(missing, roles.String())
		}
	}
	return missing
}

// GetCall reads a call.
func (c *Client) GetCall(ctx context.Context, scenarioID, callID string) (*Call, error) {
	call := new(Call)
	if err := c.ask(ctx, opGetCall, scenarioID, nil, call, callID); err != nil {
		return nil, err
	}
	return call, nil
}

// DeleteCall hangs up: the bot leaves, a meeting goes on without it. IsNotFound tells that the call was gone already.
func (c *Client) DeleteCall(ctx context.Context, scenarioID, callID string) error {
	return c.ask(ctx, opDeleteCall, scenarioID, nil, nil, callID)
}

// KeepAlive keeps the service from ending a call it has not heard about for 45 minutes. IsNotFound tells that the call is gone.
func (c *Client) KeepAlive(ctx context.Context, scenarioID, callID string) error {
	return c.ask(ctx, opKeepAlive, scenarioID, nil, nil, callID)
}

// Answer is how an incoming call is taken.
type Answer struct {
	// CallbackURI is where the notifications of this call go from now on.
	CallbackURI        string       `json:"callbackUri"`
	AcceptedModalities []Modality   `json:"acceptedModalities,omitempty"`
	MediaConfig        *MediaConfig `json:"mediaConfig"`
	// ParticipantCapacity is how many people under a recording policy may share this call. 0 and 1: none but the first.
	ParticipantCapacity int          `json:"participantCapacity,omitempty"`
	CallOptions         *CallOptions `json:"callOptions,omitempty"`
}

// AnswerCall takes an incoming call, for which the service waits 15 seconds, and 5 where a policy records. It is sent again after
// any passing failure, since an answer that did not arrive is a lost call; if an earlier try had arrived after all, the
// service finds no such incoming call any more and says 404 or 409: the call's notifications then tell.
func (c *Client) AnswerCall(ctx context.Context, scenarioID, callID string, answer Answer) error {
	if answer.CallOptions != nil && !answer.CallOptions.Incoming {
		options := *answer.CallOptions
		options.Incoming = true
		answer.CallOptions = &options
	}
	var secrets []string
	if answer.MediaConfig != nil {
		secrets = answer.MediaConfig.secrets()
	}
	return c.ask(ctx, opAnswerCall, scenarioID, answer, nil, callID, secrets...)
}

// RejectCall turns an incoming call away. It is safe to repeat: a second one finds no call.
func (c *Client) RejectCall(ctx context.Context, scenarioID, callID string, reason RejectReason) error {
	return c.ask(ctx, opRejectCall, scenarioID, rejectBody{reason}, nil, callID)
}

type rejectBody struct {
	Reason RejectReason `json:"reason"`
}

// Redirect is where an incoming call goes on to.
type Redirect struct {
	// Targets is one to forward to, or up to 25 that ring at the same time: who answers first gets the call.
	Targets []InvitationParticipantInfo `json:"targets"`
	// TimeoutSeconds is how long it rings, 15 to 90. 0: 55 seconds for one target, 60 for several.
	TimeoutSeconds int    `json:"timeout,omitempty"`
	CallbackURI    string `json:"callbackUri,omitempty"`
}

// RedirectCall hands an incoming call on without answering it.
func (c *Client) RedirectCall(ctx context.Context, scenarioID, callID string, redirect Redirect) error {
	return c.ask(ctx, opRedirectCall, scenarioID, redirect, nil, callID)
}

// Transfer is whom a call is given to.
type Transfer struct {
	// Target with a ReplacesCallID is a consultative transfer: the caller takes the place of the bot in that call.
	Target InvitationParticipantInfo `json:"transferTarget"`
	// Transferee is who is transferred out of a group call; in a peer-to-peer call that is clear.
	Transferee    *ParticipantInfo `json:"transferee,omitempty"`
	ClientContext string           `json:"clientContext,omitempty"`
}

// TransferCall begins a transfer. The call's states tell how it goes: transferring, transferAccepted and terminated, or established
// again with a resultInfo when it failed.
func (c *Client) TransferCall(ctx context.Context, scenarioID, callID string, transfer Transfer) error {
	return calling(c.ask(ctx, opTransferCall, scenarioID, transfer, nil, callID), transfer.Target)
}

// UpdateRecordingStatus tells everybody in the call whether the bot records. Nothing may be kept of the media before it has
// succeeded with Recording (terms of the calls API), nor after it was asked with another status.
func (c *Client) UpdateRecordingStatus(ctx context.Context, scenarioID, callID string, status RecordingStatus, clientContext string) (*Operation, error) {
	return c.operate(ctx, opRecordStatus, scenarioID, struct {
		Status        RecordingStatus `json:"status"`
		ClientContext string          `json:"clientContext,omitempty"`
	}{status, clientContext}, callID)
}

// ask sends a request about what ids name, the call mostly, and decodes the answer into out if out is not nil.
func (c *Client) ask(ctx context.Context, spec OperationSpec, scenarioID string, in, out any, id string, secrets ...string) error {
	op, err := spec.at(id)
	if err != nil {
		return err
	}
	_, err = c.do(ctx, op, scenarioID, in, out, secrets...)
	return err
}
