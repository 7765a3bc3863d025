// SPDX-License-Identifier: Apache-2.0

package assets

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestVersionsAreThoseOfTheModule(t *testing.T) {
	pinned := map[string]string{}
	for _, b := range slices.Concat(all, onDemand) {
		data, err := os.ReadFile(filepath.Join("..", b.pinnedIn(), "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		pinned[b.pinnedIn()] = string(data)
		m := regexp.MustCompile(`(?m)^(?:require)?\s*` + regexp.QuoteMeta(b.module) + ` (v\S+)`).FindStringSubmatch(string(data))
		if m == nil || m[1] != b.version {
			t.Errorf("go.mod pins %s at %v, this package at %s", b.module, m, b.version)
		}
		if !regexp.MustCompile(`(?m)^(?:tool )?\s*` + regexp.QuoteMeta(b.pkg) + `$`).MatchString(string(data)) {
			t.Errorf("go.mod has no tool line for %s, so its dependencies are not pinned", b.pkg)
		}
	}
	staging := "v0" + strings.TrimPrefix(KubernetesVersion, "v1")
	for _, m := range regexp.MustCompile(`(?m)^\s*k8s.io/\S+ => k8s.io/\S+ (v\S+)`).FindAllStringSubmatch(pinned["kube"], -1) {
		if m[1] != staging {
			t.Errorf("staging module %q is not of release %s", strings.TrimSpace(m[0]), KubernetesVersion)
		}
	}
}

func TestFindPrefersTheGivenFolderAndChecksTheBuiltOnes(t *testing.T) {
	given, cache := t.TempDir(), t.TempDir()
	executable(t, filepath.Join(given, Etcd))
	executable(t, filepath.Join(cache, Etcd))
	executable(t, filepath.Join(cache, APIServer)) // not a Go binary of the right version

	found, missing := find(all[:3], given, cache)
	if diff := cmp.Diff(Set{Etcd: filepath.Join(given, Etcd)}, found); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	var names []string
	for _, b := range missing {
		names = append(names, b.name)
	}
	if diff := cmp.Diff([]string{APIServer, Kubectl}, names); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
}

func TestABuiltBinaryCountsOnlyInTheRightVersion(t *testing.T) {
	etcd := all[0]
	built := func(pkg, module, version string) *debug.BuildInfo {
		return &debug.BuildInfo{
			Path: pkg,
			Main: debug.Module{Path: module, Version: version},
			Deps: []*debug.Module{{Path: "example.com/other", Version: etcd.version}},
		}
	}
	for name, c := range map[string]struct {
		info *debug.BuildInfo
		want bool
	}{
		"right":         {built(etcd.pkg, etcd.module, etcd.version), true},
		"other version": {built(etcd.pkg, etcd.module, "v3.6.0"), false},
		"other program": {built("example.com/etcd", etcd.module, etcd.version), false},
		"not in it":     {built(etcd.pkg, "example.com/etcd", etcd.version), false},
	} {
		if got := etcd.isBuiltAs(c.info); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestEnsureNeedsNoRepositoryWhenEverythingIsThere(t *testing.T) {
	given := t.TempDir()
	for _, name := range All() {
		executable(t, filepath.Join(given, name))
	}
	t.Setenv(EnvVar, given)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Chdir(t.TempDir())
	var progress bytes.Buffer
	set, err := Ensure(context.Background(), &progress)
	if err != nil || len(set) != len(all) {
		t.Fatalf("Ensure: %v, %v", set, err)
	}
	if progress.Len() > 0 {
		t.Errorf("a run that builds nothing says %q", progress.String())
	}
	dir, err := Dir(context.Background(), &progress, Envtest()...)
	if err != nil || dir != given {
		t.Errorf("Dir = %q, %v; want the given folder", dir, err)
	}
	if _, err := Ensure(context.Background(), &progress, "kube-dns"); err == nil {
		t.Error("an unknown name is accepted")
	}
}

func TestMissingBinariesOutsideACloneAreAnError(t *testing.T) {
	if runtime.GOOS == "darwin" {
		t.Skip("os.UserCacheDir does not heed XDG_CACHE_HOME there")
	}
	t.Setenv(EnvVar, "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Chdir(t.TempDir())
	_, err := Ensure(context.Background(), &bytes.Buffer{}, Etcd)
	if err == nil || !strings.Contains(err.Error(), "inside a clone") {
		t.Errorf("error = %v", err)
	}
}

func TestOnlyOneRunHoldsTheLock(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lock(context.Background(), dir, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	var progress bytes.Buffer
	if _, err := lock(ctx, dir, &progress); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("second lock: %v, want the deadline", err)
	}
	if !strings.Contains(progress.String(), "Waiting for another run") {
		t.Errorf("the wait is not shown: %q", progress.String())
	}
	unlock()
	unlock, err = lock(context.Background(), dir, &progress)
	if err != nil {
		t.Fatalf("after unlock: %v", err)
	}
	unlock()
}

func TestLdflagsStampTheVersion(t *testing.T) {
	for _, want := range []string{
		"-X k8s.io/component-base/version.gitVersion=" + KubernetesVersion,
		"-X k8s.io/component-base/version.gitMinor=37",
		"-X k8s.io/client-go/pkg/version.gitMajor=1",
	} {
		if got := all[1].ldflags(); !strings.Contains(got, want) {
			t.Errorf("ldflags %q lack %q", got, want)
		}
	}
}

func TestProgressWithoutATerminalIsPlainLines(t *testing.T) {
	var out bytes.Buffer
	tk := newTicker(&out, "[1/5] etcd")
	tk.start()
	tk.stop(nil)
	if diff := cmp.Diff("[1/5] etcd ...\n[1/5] etcd done in 0s\n", out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func executable(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}
