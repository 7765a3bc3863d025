// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// TestSampleFlowsPassTheirTests, as they tell people to test flows.
func TestSampleFlowsPassTheirTests(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	for _, name := range []string{"operator", "reminder", "voicemail", "doorman", "afterhours"} {
		streams, _, out, errOut := genericiooptions.NewTestIOStreams()
		file := filepath.Join("..", "..", "config", "samples", "flows", "base", name+".yaml")
		if code := execute(t.Context(), []string{"flow", "test", file}, streams); code != 0 || !strings.Contains(out.String(), "tests passed") {
			t.Errorf("%s ended with %d and printed\n%s\n%s", name, code, out, errOut)
		}
	}
}
