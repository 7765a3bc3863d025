// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/prf"
	"github.com/pion/dtls/v3/pkg/protocol/extension"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"
	"github.com/pion/srtp/v3"
)

// keys learns in a handshake what SRTP's keys are made of. pion/webrtc keeps the exporter of its DTLS connection to itself
// (RFC 5764 section 4.2); what it would export is made of the master secret and of what both sides made up, which pion tells
// a key log and the hook of a ServerHello. None of it leaves the process, or is kept once there are keys.
//
// The hook is there only for a server. A far side that wants to be the server itself has no shortcut.
type keys struct {
	mu      sync.Mutex // guards
	server  [handshake.RandomLength]byte
	suite   dtls.CipherSuiteID
	profile srtp.ProtectionProfile
	client  []byte // random
	master  []byte // secret
}

// hello notes what we say in a ServerHello, and changes nothing.
func (k *keys) hello(m handshake.MessageServerHello) handshake.Message {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.server = m.Random.MarshalFixed()
	k.suite, k.profile = 0, 0
	if m.CipherSuiteID != nil {
		k.suite = dtls.CipherSuiteID(*m.CipherSuiteID)
	}
	for _, e := range m.Extensions {
		if u, ok := e.(*extension.UseSRTP); ok && len(u.ProtectionProfiles) == 1 {
			k.profile = srtp.ProtectionProfile(u.ProtectionProfiles[0]) // both have IANA's numbers
		}
	}
	return &m
}

// Write takes a line of a key log: CLIENT_RANDOM, that, and the master secret, in hexadecimal.
func (k *keys) Write(line []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var label string
	if _, err := fmt.Sscanf(strings.TrimSpace(string(line)), "%s %x %x", &label, &k.client, &k.master); err != nil || label != "CLIENT_RANDOM" {
		k.client, k.master = nil, nil // another kind of secret
	}
	return len(line), nil
}

var errNoKeys = errors.New("the handshake did not tell what the keys are made of")

// incoming decrypts what the far side sends, if the handshake was of a kind that is known here. It forgets what it is made of.
func (k *keys) incoming() (*srtp.Context, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer func() { k.client, k.master = nil, nil }()
	switch k.suite {
	case dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, dtls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:
	default: // its exporter may have another hash
		return nil, errNoKeys
	}
	if k.profile == 0 || len(k.client) != handshake.RandomLength || len(k.master) == 0 {
		return nil, errNoKeys
	}
	exporter := exporter(func(label string, length int) ([]byte, error) {
		seed := append([]byte(label), k.client...)
		return prf.PHash(k.master, append(seed, k.server[:]...), length, sha256.New) // RFC 5705 section 4
	})
	c := srtp.Config{Profile: k.profile}
	if err := c.ExtractSessionKeysFromDTLS(exporter, false); err != nil {
		return nil, err
	}
	// With a window of 64 packets, as pion's sessions have it (RFC 3711 section 3.3.2).
	return srtp.CreateContext(c.Keys.RemoteMasterKey, c.Keys.RemoteMasterSalt, c.Profile, srtp.SRTPReplayProtection(64))
}

// exporter is srtp.KeyingMaterialExporter.
type exporter func(label string, length int) ([]byte, error)

// ExportKeyingMaterial implements srtp.KeyingMaterialExporter.
func (e exporter) ExportKeyingMaterial(label string, _ []byte, length int) ([]byte, error) {
	return e(label, length)
}

// wantsToServe says whether who offers insists on being DTLS's server (RFC 8842 section 5.2).
func wantsToServe(offer string) bool {
	for line := range strings.Lines(offer) {
		if strings.TrimSpace(line) == "a=setup:passive" {
			return true
		}
	}
	return false
}
