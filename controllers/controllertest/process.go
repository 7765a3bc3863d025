// SPDX-License-Identifier: Apache-2.0

package controllertest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Process runs a program until the test ends, and shows what it wrote if the test has failed.
func Process(t *testing.T, name, binary string, args ...string) {
	t.Helper()
	command := exec.CommandContext(context.Background(), binary, args...)
	log, err := os.Create(filepath.Join(t.TempDir(), name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		_ = log.Close()
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("%s: %s", name, text)
		}
	})
}
