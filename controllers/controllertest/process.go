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
	Run(t, name, exec.CommandContext(context.Background(), binary, args...))
}

// Run is Process for a command that has more to it, such as an environment. The test may kill it before.
func Run(t *testing.T, name string, command *exec.Cmd) {
	t.Helper()
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
