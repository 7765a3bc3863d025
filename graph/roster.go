// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// maxPages bounds how far a list is followed.
const maxPages = 50

// ListParticipants reads the roster of a group call or meeting. That of a peer-to-peer call is empty.
func (c *Client) ListParticipants(ctx context.Context, scenarioID, callID string) ([]Participant, error) {
	return list[Participant](ctx, c, opListParticipants, scenarioID, callID)
}

// list follows the pages of a collection.
func list[T any](ctx context.Context, c *Client, spec OperationSpec, scenarioID string, ids ...string) ([]T, error) {
	op, err := spec.at(ids...)
	if err != nil {
		return nil, err
	}
	all := []T{}
	for range maxPages {
		var page struct {
			Value    []T    `json:"value"`
			NextLink string `json:"@odata.nextLink"`
		}
		if _, err := c.do(ctx, op, scenarioID, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Value...)
		if page.NextLink == "" {
			return all, nil
		}
		// The token goes with the request, so it must not go anywhere else.
		if !strings.HasPrefix(page.NextLink, c.base+"/") {
			return nil, errors.New(spec.Name + ": the service names another host for the next page")
		}
		op.path = page.NextLink
	}
	return nil, fmt.Errorf("%s: more than %d pages", spec.Name, maxPages)
}

// GetParticipant reads one member of the roster.
func (c *Client) GetParticipant(ctx context.Context, scenarioID, callID, participantID string) (*Participant, error) {
	p := new(Participant)
	if err := c.askBelow(ctx, opGetParticipant, scenarioID, nil, p, callID, participantID); err != nil {
		return nil, err
	}
	return p, nil
}

// RemoveParticipant takes somebody out of the call, or calls off an invitation. Besides the role it takes an administrator's
// Set-CsApplicationMeetingConfiguration -AllowRemoveParticipantAppIds.
func (c *Client) RemoveParticipant(ctx context.Context, scenarioID, callID, participantID string) error {
	return c.askBelow(ctx, opRemoveParticipant, scenarioID, nil, nil, callID, participantID)
}

// Invite calls up to five people into a group call; of a peer-to-peer call it makes one. With a ReplacesCallID only the first is
// read, and the call named is ended once it is replaced.
func (c *Client) Invite(ctx context.Context, scenarioID, callID string, who []InvitationParticipantInfo, clientContext string) (*Operation, error) {
	op, err := c.operate(ctx, opInvite, scenarioID, struct {
		Participants  []InvitationParticipantInfo `json:"participants"`
		ClientContext string                      `json:"clientContext,omitempty"`
	}{who, clientContext}, callID)
	return op, calling(err, who...)
}

// MuteParticipant mutes somebody. Nobody can be unmuted from outside.
func (c *Client) MuteParticipant(ctx context.Context, scenarioID, callID, participantID, clientContext string) (*Operation, error) {
	return c.operate(ctx, opMuteParticipant, scenarioID, contextBody{clientContext}, callID, participantID)
}

// StartHoldMusic puts a participant on hold; one at a time. Without a prompt the service plays its own music.
func (c *Client) StartHoldMusic(ctx context.Context, scenarioID, callID, participantID string, prompt *MediaInfo, clientContext string) (*Operation, error) {
	body := struct {
		CustomPrompt  *mediaPrompt `json:"customPrompt,omitempty"`
		ClientContext string       `json:"clientContext,omitempty"`
	}{ClientContext: clientContext}
	if prompt != nil {
		body.CustomPrompt = &mediaPrompt{*prompt}
	}
	return c.operate(ctx, opStartHold, scenarioID, body, callID, participantID)
}

// StopHoldMusic takes a participant off hold.
func (c *Client) StopHoldMusic(ctx context.Context, scenarioID, callID, participantID, clientContext string) (*Operation, error) {
	return c.operate(ctx, opStopHold, scenarioID, contextBody{clientContext}, callID, participantID)
}

// ContentSharingSession is somebody sharing a screen or a window in the call.
type ContentSharingSession struct {
	ID string `json:"id,omitempty"`
}

// ListContentSharingSessions reads what is being shared.
func (c *Client) ListContentSharingSessions(ctx context.Context, scenarioID, callID string) ([]ContentSharingSession, error) {
	return list[ContentSharingSession](ctx, c, opListSharing, scenarioID, callID)
}

// GetContentSharingSession reads one of them.
func (c *Client) GetContentSharingSession(ctx context.Context, scenarioID, callID, sessionID string) (*ContentSharingSession, error) {
	session := new(ContentSharingSession)
	if err := c.askBelow(ctx, opGetSharing, scenarioID, nil, session, callID, sessionID); err != nil {
		return nil, err
	}
	return session, nil
}

// askBelow is ask about something of a call.
func (c *Client) askBelow(ctx context.Context, spec OperationSpec, scenarioID string, in, out any, callID, id string) error {
	op, err := spec.at(callID, id)
	if err != nil {
		return err
	}
	_, err = c.do(ctx, op, scenarioID, in, out)
	return err
}
