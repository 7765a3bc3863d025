// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// The headers of Standard Webhooks.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

// Keys is a file of keys to sign with. It is read for each use, so that a change needs no restart.
type Keys string

const (
	// keyPrefix marks a key, so that nobody mistakes it for another kind of secret.
	keyPrefix = "whsec_"
	// A key has 24 to 64 bytes (Standard Webhooks, "Signature scheme").
	minKey, maxKey = 24, 64
)

// Sign puts the headers on a request with this body. A file of more than one key, with space between them, makes as many signatures:
// so receivers can change from one key to the next in their own time.
func (k Keys) Sign(h http.Header, id string, at time.Time, body []byte) error {
	raw, err := os.ReadFile(string(k))
	if err != nil {
		return fmt.Errorf("reading the key that webhooks are signed with: %w", err)
	}
	keys := strings.Fields(string(raw))
	if len(keys) == 0 {
		return errors.New("the file with the key that webhooks are signed with is empty")
	}
	timestamp := strconv.FormatInt(at.Unix(), 10)
	signatures := make([]string, len(keys))
	for i, text := range keys {
		key, err := parseKey(text)
		if err != nil {
			return err
		}
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(sum(key, id, timestamp, body))
	}
	h.Set(HeaderID, id)
	h.Set(HeaderTimestamp, timestamp)
	h.Set(HeaderSignature, strings.Join(signatures, " "))
	return nil
}

func parseKey(text string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(text, keyPrefix)
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(key) < minKey || len(key) > maxKey {
		// Not what was read: it may be most of a key.
		return nil, fmt.Errorf("a key that webhooks are signed with must be %s and base64 of %d to %d bytes", keyPrefix, minKey, maxKey)
	}
	return key, nil
}

func sum(key []byte, id, timestamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return mac.Sum(nil)
}
