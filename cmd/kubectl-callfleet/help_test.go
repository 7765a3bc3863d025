// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// TestHelpSaysWhichCallsCanDoIt: what only the service does with media that it hosts, and no more than that.
func TestHelpSaysWhichCallsCanDoIt(t *testing.T) {
	for command, limited := range map[string]bool{"play": true, "record": true, "hold start": false, "mute-participant": false} {
		streams, _, out, _ := genericiooptions.NewTestIOStreams()
		if code := execute(t.Context(), append(words(command), "--help"), streams); code != 0 {
			t.Fatalf("%s --help ended with %d", command, code)
		}
		if got := strings.Contains(out.String(), "Only calls whose media the service hosts"); got != limited {
			t.Errorf("%s --help limits it to service-hosted calls: %t, want %t\n%s", command, got, limited, out)
		}
	}
}
