// SPDX-License-Identifier: Apache-2.0

package flow

import callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"

// Call is what a flow may know of the call it runs in.
type Call struct {
	// ID is the service's, as ${call.id} has it.
	ID string
	// UID of the object that stands for the call: it stays the same from process to process, and so do the keys made of it.
	UID string
	// Caller and Called are the ends of the call; of an outgoing call the bot is the caller.
	Caller, Called callfleetv1.Caller
	// Incoming: the call came in. Only such a call can be redirected.
	Incoming bool
	// Answered: it was answered already, or established. Until then a flow sets and branches, and no more.
	Answered bool
	// Group: more than two can be in it. Stages and askers may care; what a flow does is the same.
	Group bool
}
