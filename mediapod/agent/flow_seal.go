// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
)

// maxSealed is the bound of the API's schema.
const maxSealed = 64 << 10

// sealer closes what another pod goes on from, so that nobody reads it who can read a status: variables and keys may be anybody's PIN.
// Every pod of a bot has the key.
type sealer struct {
	file string // read each time, as the key may come later than the pod
}

// seal closes the state of the flow of a call: AES-256 in GCM, with a random nonce in front. It is of no use in another call's status.
func (s sealer) seal(uid string, state []byte) (string, error) {
	aead, err := s.aead()
	if err != nil {
		return "", err
	}
	sealed := base64.RawStdEncoding.EncodeToString(aead.Seal(nil, nil, state, []byte(uid)))
	if len(sealed) > maxSealed {
		return "", fmt.Errorf("the variables of the flow are too large: sealed they take %d bytes, and a status has room for %d", len(sealed), maxSealed)
	}
	return sealed, nil
}

// open is the way back.
func (s sealer) open(uid, sealed string) ([]byte, error) {
	aead, err := s.aead()
	if err != nil {
		return nil, err
	}
	raw, err := base64.RawStdEncoding.DecodeString(sealed)
	if err != nil {
		return nil, fmt.Errorf("what the status has of the flow is not what a pod has written: %w", err)
	}
	state, err := aead.Open(nil, nil, raw, []byte(uid))
	if err != nil {
		return nil, errors.New("what the status has of the flow was not sealed with the bot's key, or is another call's")
	}
	return state, nil
}

func (s sealer) aead() (cipher.AEAD, error) {
	key, err := os.ReadFile(s.file)
	if err != nil {
		return nil, fmt.Errorf("reading the key that flows are sealed with: %w", err)
	}
	if len(key) != 32 {
		return nil, fmt.Errorf("the key that flows are sealed with has %d bytes and must have 32; delete stateKey from the bot's Secret for flows, and the operator makes one", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
