// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/callfleet/callfleet/hack/devcluster/assets"
	"github.com/callfleet/callfleet/hack/devcluster/proc"
)

// TestAClusterThatCannotStartLeavesNothingRunning is about one that was to outlive the command that starts it: nobody
// else would end what is left. What ran before goes on.
func TestAClusterThatCannotStartLeavesNothingRunning(t *testing.T) {
	if runtime.GOOS == "darwin" {
		t.Skip("os.UserCacheDir does not heed XDG_CACHE_HOME there")
	}
	binaries := t.TempDir()
	for _, name := range assets.All() {
		script := "#!/bin/sh\nexec sleep 1000\n"
		if name == assets.APIServer {
			script = "#!/bin/sh\nsleep 0.3\nexit 1\n" // late enough for the other one to run
		}
		if err := os.WriteFile(filepath.Join(binaries, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(assets.EnvVar, binaries)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir := t.TempDir()
	started := make(chan error, 1)
	up := func() {
		_, err := Start(t.Context(), Options{Dir: dir, Detach: true, NodeCommand: []string{"/bin/false"}})
		started <- err
	}

	go up()
	etcd := filepath.Join(dir, "run", assets.Etcd+".pid")
	for deadline := time.Now().Add(20 * time.Second); !running(dir); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing was started")
		}
	}
	if err := <-started; err == nil || !strings.Contains(err.Error(), assets.APIServer) {
		t.Errorf("error = %v, want one about the API server", err)
	}
	if process, alive := proc.Find(etcd); alive {
		t.Errorf("etcd still runs as process %d", process.PID)
		process.Kill()
	}

	before, err := proc.Start(proc.Spec{Path: filepath.Join(binaries, assets.Etcd), LogPath: filepath.Join(dir, "log", "x"), PIDPath: etcd})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = before.Stop(context.Background(), 0) })
	go up()
	if err := <-started; err == nil {
		t.Error("it started")
	}
	if !before.Alive() {
		t.Error("what ran before was ended")
	}
}
