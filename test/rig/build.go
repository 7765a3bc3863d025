// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// build compiles our binaries into bin/. The compiler's own cache makes this a matter of a second when nothing changed.
func (r *Rig) build(ctx context.Context, _ Options) error {
	args := []string{"build", "-trimpath", "-o", filepath.Join(r.Root, "bin") + string(filepath.Separator),
		"./cmd/manager", "./cmd/router", "./cmd/mediapod", "./cmd/teamsim", "./cmd/kubectl-callfleet", "./hack/devcluster"}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = r.Root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
