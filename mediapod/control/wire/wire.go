// SPDX-License-Identifier: Apache-2.0

// Package wire is what goes between kubectl callfleet and a media pod's control endpoint: addresses, headers and JSON.
package wire

import (
	"net/url"
	"time"
)

// Port is where media pods serve control, by TLS. Nothing but the API server's pod proxy is meant to call there.
const Port = 9442

// The API server's proxy takes Authorization and Impersonate-* for itself. What it lets through are these: the same for
// the pod, which asks the API server with them who calls and whether they may.
const (
	HeaderAuthorization    = "Callfleet-Authorization"
	HeaderImpersonateUser  = "Callfleet-Impersonate-User"
	HeaderImpersonateUID   = "Callfleet-Impersonate-Uid"
	HeaderImpersonateGroup = "Callfleet-Impersonate-Group" // once for each
)

// Verb is what somebody must be allowed to do with a session or call to act in it.
const Verb = "control"

// ParamCall is the query parameter that names the Call object. An incoming call exists before its object does, and then
// has an id of its own.
const ParamCall = "call"

// Addresses below the root of the endpoint.
const CallsPath = "/v1/calls"

// ActionPath is where an action is posted to.
func ActionPath(uid string, action Action) string {
	return CallsPath + "/" + url.PathEscape(uid) + "/" + string(action)
}

// RecordingPath is where a recording is.
func RecordingPath(uid, id string) string {
	return CallsPath + "/" + url.PathEscape(uid) + "/recordings/" + url.PathEscape(id)
}

// TonesPath is where the keys pressed in a call are.
func TonesPath(uid string) string {
	return CallsPath + "/" + url.PathEscape(uid) + "/tones"
}

// ParamPosition is the query parameter that says from which key on, as Next of the answer before. Without it, the answer
// comes at once, with no keys and the position of the next one.
const ParamPosition = "position"

// TonesWait is how long an answer waits for a key. Proxies and load balancers on the way cut what is silent for longer than
// a minute, some after half of one.
const TonesWait = 20 * time.Second

// Action is something to be done in a call.
type Action string

// The actions.
const (
	ActionTransfer          Action = "transfer"
	ActionPlay              Action = "play"
	ActionStop              Action = "stop"
	ActionRecord            Action = "record"
	ActionSendTones         Action = "dtmf"
	ActionSubscribeTones    Action = "subscribe-tones"
	ActionMuteParticipant   Action = "mute-participant"
	ActionRemoveParticipant Action = "remove-participant"
	ActionStartHold         Action = "hold-start"
	ActionStopHold          Action = "hold-stop"
	ActionLargeGallery      Action = "large-gallery"
)

// Outcome is the answer to an action that was carried out.
type Outcome struct {
	Action Action `json:"action"`
	// By is who acted, as the API server knows them.
	By string `json:"by"`
	// Operation of the service, for actions that are one.
	Operation *Operation `json:"operation,omitempty"`
	// Recording that was made; it can be fetched for a while, by those who may control the call.
	Recording string `json:"recording,omitempty"`
	// Message says in words how it ended.
	Message string `json:"message,omitempty"`
}

// Operation is how the service carried an action out.
type Operation struct {
	ID     string `json:"id,omitempty"`
	Status string `json:"status,omitempty"`
	// Reason it ended for, such as stopToneDetected.
	Reason string `json:"reason,omitempty"`
}

// Tone is a key that somebody pressed.
type Tone struct {
	// Position in the order in which keys were pressed, from 0, since the pod holds the call.
	Position int `json:"position"`
	// Key is 0 to 9, *, #, A to D, or flash.
	Key string `json:"key"`
}

// Tones are the keys from a position on, none if nobody pressed one in time. Whoever gets them must not keep them.
type Tones struct {
	Tones []Tone `json:"tones"`
	// Next is the position to ask for next.
	Next int `json:"next"`
	// Over: the call has ended, or is not held here any more, and there are no more keys.
	Over bool `json:"over,omitempty"`
}

// Held is a call that a pod holds.
type Held struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
}

// HeldList are the calls of a pod.
type HeldList struct {
	MediaPod string `json:"mediaPod"`
	Calls    []Held `json:"calls"`
}

// Refusal is the answer to what was not done, with a code of 400 or more.
type Refusal struct {
	Reason Reason `json:"reason"`
	// Message says what happened, why, and what to do.
	Message string `json:"message"`
}

// Reason is why something was not done, in a word for scripts.
type Reason string

// The reasons.
const (
	// ReasonInvalid: it was asked for in a way that makes no sense.
	ReasonInvalid Reason = "Invalid"
	// ReasonUnauthenticated: the API server does not know the caller.
	ReasonUnauthenticated Reason = "Unauthenticated"
	// ReasonForbidden: the caller may not control this call.
	ReasonForbidden Reason = "Forbidden"
	// ReasonNotFound: the pod has no such call, or the call no such recording or participant.
	ReasonNotFound Reason = "NotFound"
	// ReasonNotPossible: not in a call of this kind.
	ReasonNotPossible Reason = "NotPossible"
	// ReasonNotEstablished: the call is not established, or not any more.
	ReasonNotEstablished Reason = "NotEstablished"
	// ReasonRefused: the service refused it, or it failed there.
	ReasonRefused Reason = "Refused"
	// ReasonUncertain: it was begun, and nobody said in time how it ended.
	ReasonUncertain Reason = "Uncertain"
	// ReasonUnavailable: the pod cannot say who the caller is, or has too much to do. Try again.
	ReasonUnavailable Reason = "Unavailable"
)
