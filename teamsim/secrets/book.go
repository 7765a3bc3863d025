// SPDX-License-Identifier: Apache-2.0

// Package secrets writes down what the local Teams gave out, or was given, that nobody else may ever read: whoever tests a
// bot looks for it in all that the bot printed. The real service has nothing like it.
package secrets

import (
	"maps"
	"strings"
	"sync"
)

// Kinds of secrets.
const (
	ClientSecret   = "client secret"
	AccessToken    = "access token" // its signature, which is enough to find it by
	Passcode       = "passcode"
	Thread         = "join link's thread" // the part that is the same however the link is escaped
	JoinToken      = "join token"         // of an invitation
	MediaToken     = "media token"        // of WHIP, which the bot gave
	Recording      = "recording's location"
	RecordingToken = "recording's token"
)

// Book is the list. A nil one takes nothing; any other is safe for concurrent use.
type Book struct {
	mu  sync.Mutex
	all map[string]string // what it is, by the secret
}

// Add writes a secret down. What is empty is none.
func (b *Book) Add(kind, secret string) {
	if b == nil || secret == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all == nil {
		b.all = map[string]string{}
	}
	b.all[secret] = kind
}

// AddThread writes down what a thread's id is known by: 19:meeting_X@thread.v2 of a meeting, 19:X@thread.tacv2 of a channel.
func (b *Book) AddThread(id string) {
	id, _, _ = strings.Cut(strings.TrimPrefix(id, "19:"), "@")
	b.Add(Thread, strings.TrimPrefix(id, "meeting_"))
}

// All gives the kind of each secret.
func (b *Book) All() map[string]string {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.all)
}
