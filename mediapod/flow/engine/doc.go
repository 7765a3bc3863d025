// SPDX-License-Identifier: Apache-2.0

// Package engine carries the commands of a flow out in a call whose media is in this pod: prompts are clips that the media engine plays,
// keys come from its packets, and recordings are made of what it hears. What its media cannot do, the call's signalling does.
//
//	Do ─► clips ─► media.Call's queue ─► Ended ─► Played        media.Call.OnKey ─► Tone
//	Do ─► the service takes in that the call is recorded ─► beep ─► tap ─► files ─► Recorded
//	Do ─► Signals ─► Transferred, Invited
//
// Events are told from the goroutines on which they happen: those that receive packets and tick calls among them, which all calls share.
package engine
