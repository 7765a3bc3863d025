// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"

	"github.com/callfleet/callfleet/mediapod/signaling"
)

// Calls are the calls that this pod holds.
type Calls interface {
	// Find gives the call held for the object with this metadata.uid, or for an incoming call under the UID that was
	// derived from the service's id before there was an object.
	Find(uid string) (Held, bool)
	// List gives all of them.
	List() []Held
}

// Held is one call that this pod holds.
type Held interface {
	// Object tells which object the call belongs to; kind is MeetingSession or Call.
	Object() (kind, namespace, name string)
	// UID is what Find finds it by.
	UID() string
	// Act does something in the call, in the name of by, and returns when the service has said how that ended.
	Act(ctx context.Context, by string, a signaling.Action) (signaling.Result, error)
	// Tones are the keys pressed in the call.
	Tones() (Tones, error)
}
