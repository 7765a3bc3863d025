// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"net/url"
	"strings"
)

// ResourceKind is what a notification is about.
type ResourceKind int

const (
	KindUnknown ResourceKind = iota
	KindCall
	KindParticipants // the roster; a single participant when ID is set
	KindOperation
	KindContentSharing
	KindAudioRoutingGroup
	// Of a call that records by policy: somebody else under a policy is about to join it, or has left. The notification's Call is the
	// one in which that participant is, and Resource.ID the participant who left.
	KindParticipantJoining
	KindParticipantLeft
)

func (k ResourceKind) String() string {
	switch k {
	case KindCall:
		return "call"
	case KindParticipants:
		return "participants"
	case KindOperation:
		return "operation"
	case KindContentSharing:
		return "contentSharingSession"
	case KindAudioRoutingGroup:
		return "audioRoutingGroup"
	case KindParticipantJoining:
		return "participantJoining"
	case KindParticipantLeft:
		return "participantLeft"
	}
	return "unknown"
}

// Resource is a parsed resource URL.
type Resource struct {
	Kind   ResourceKind
	CallID string // exactly as sent; compare with SameID
	ID     string // of the participant, operation or session below the call
}

// ParseResource reads "/communications/calls/{id}" and what may stand below it, in any casing, with or without a leading slash, an
// API version or a host, and under the old alias "/app/calls".
func ParseResource(raw string) Resource {
	path := raw
	if i := strings.Index(path, "://"); i >= 0 {
		_, path, _ = strings.Cut(path[i+3:], "/")
	}
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	path = strings.Trim(path, "/")

	// Skip what may come before "calls".
	head, rest, _ := strings.Cut(path, "/")
	for strings.EqualFold(head, "v1.0") || strings.EqualFold(head, "beta") ||
		strings.EqualFold(head, "communications") || strings.EqualFold(head, "app") {
		head, rest, _ = strings.Cut(rest, "/")
	}
	var r Resource
	switch {
	case strings.EqualFold(head, "calls"):
		head, rest, _ = strings.Cut(rest, "/")
		r.CallID = segment(head)
	case len(head) > len("calls()") && strings.EqualFold(head[:len("calls(")], "calls("): // OData's key form, calls('id')
		r.CallID = segment(strings.Trim(head[len("calls("):], "')"))
	}
	if r.CallID == "" {
		return Resource{}
	}
	child, rest, _ := strings.Cut(rest, "/")
	id, _, _ := strings.Cut(rest, "/")
	r.ID = segment(id)
	switch {
	case child == "":
		r.Kind = KindCall
	case strings.EqualFold(child, "participants"):
		r.Kind = KindParticipants
	case strings.EqualFold(child, "operations"):
		r.Kind = KindOperation
	case strings.EqualFold(child, "contentSharingSessions"):
		r.Kind = KindContentSharing
	case strings.EqualFold(child, "audioRoutingGroups"):
		r.Kind = KindAudioRoutingGroup
	}
	return r
}

func segment(s string) string {
	if decoded, err := url.PathUnescape(s); err == nil {
		return decoded
	}
	return s
}

// SameID compares ids as they appear on the wire: one and the same id comes with and without dashes, in upper and
// in lower case. Two missing ids are not the same.
func SameID(a, b string) bool {
	i, j := 0, 0
	for {
		for i < len(a) && a[i] == '-' {
			i++
		}
		for j < len(b) && b[j] == '-' {
			j++
		}
		if i == len(a) || j == len(b) {
			return i == len(a) && j == len(b) && i > 0 && j > 0
		}
		if lower(a[i]) != lower(b[j]) {
			return false
		}
		i, j = i+1, j+1
	}
}

// NormalID is the form of an id to use as a map key: ids that are SameID have equal normal forms.
func NormalID(id string) string {
	normal := make([]byte, 0, len(id))
	for i := range len(id) {
		if id[i] != '-' {
			normal = append(normal, lower(id[i]))
		}
	}
	return string(normal)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}
