// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// revisionLength in hex digits: 40 bits, of which two configurations of one bot will not share a value.
const revisionLength = 10

// revisionOf hashes a configuration. The same configuration has the same hash however its template was spelled, and what
// follows the bot without new pods is left out.
func revisionOf(config *v1alpha1.FleetConfig) (string, error) {
	fixed := config.DeepCopy()
	fixed.Signaling.Redirects = nil
	if fixed.Media.Hosting == v1alpha1.HostingApplication {
		// The default, and all there was before the field: naming it must not replace pods.
		fixed.Media.Hosting = ""
	}
	if fixed.Media.Platform == v1alpha1.PlatformWebRTC {
		fixed.Media.Platform = "" // what it means to leave it out
	}
	raw, err := json.Marshal(fixed)
	if err != nil {
		return "", fmt.Errorf("encoding the configuration: %w", err)
	}
	// Through a map once, because the template keeps the order of keys it came with.
	var ordered any
	if err := json.Unmarshal(raw, &ordered); err != nil {
		return "", fmt.Errorf("decoding the configuration: %w", err)
	}
	if raw, err = json.Marshal(ordered); err != nil {
		return "", fmt.Errorf("encoding the configuration: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])[:revisionLength], nil
}
