// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"

	"github.com/callfleet/callfleet/graph"
)

// GraphAPI is what is needed of *graph.Client.
type GraphAPI interface {
	CreateCall(ctx context.Context, scenarioID string, call *graph.Call) (*graph.Call, error)
	GetCall(ctx context.Context, scenarioID, callID string) (*graph.Call, error)
	KeepAlive(ctx context.Context, scenarioID, callID string) error
	DeleteCall(ctx context.Context, scenarioID, callID string) error

	AnswerCall(ctx context.Context, scenarioID, callID string, answer graph.Answer) error
	RejectCall(ctx context.Context, scenarioID, callID string, reason graph.RejectReason) error
	RedirectCall(ctx context.Context, scenarioID, callID string, redirect graph.Redirect) error

	UpdateRecordingStatus(ctx context.Context, scenarioID, callID string, status graph.RecordingStatus, clientContext string) (*graph.Operation, error)
	Mute(ctx context.Context, scenarioID, callID, clientContext string) (*graph.Operation, error)
	Unmute(ctx context.Context, scenarioID, callID, clientContext string) (*graph.Operation, error)
	ChangeScreenSharingRole(ctx context.Context, scenarioID, callID string, role graph.ScreenSharingRole) error

	ListParticipants(ctx context.Context, scenarioID, callID string) ([]graph.Participant, error)
	Invite(ctx context.Context, scenarioID, callID string, who []graph.InvitationParticipantInfo, clientContext string) (*graph.Operation, error)

	ActionAPI
}

var _ GraphAPI = (*graph.Client)(nil)
