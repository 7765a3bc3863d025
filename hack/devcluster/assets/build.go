// SPDX-License-Identifier: Apache-2.0

package assets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// build builds the missing binaries into dir, one after the other: the Go
// compiler uses all cores by itself.
func build(ctx context.Context, progress io.Writer, dir string, missing []binary, found, total int) error {
	if len(missing) == 0 {
		return nil
	}
	modules, err := modulesDir()
	if err != nil {
		return err
	}
	fmt.Fprintf(progress, "Building what a cluster takes (Kubernetes %s, etcd %s) into %s.\n"+
		"This is done once on this machine. A control plane takes about 6 minutes on two cores, kubelet and kube-proxy 2 more.\n",
		KubernetesVersion, EtcdVersion, dir)
	// Left by a run that was killed; this one has the lock.
	if stale, err := filepath.Glob(filepath.Join(dir, ".*-*")); err == nil {
		for _, path := range stale {
			os.RemoveAll(path)
		}
	}
	for i, b := range missing {
		label := fmt.Sprintf("[%d/%d] %s", found+i+1, total, b.name)
		if err := buildOne(ctx, newTicker(progress, label), modules, dir, b); err != nil {
			return err
		}
	}
	return nil
}

func buildOne(ctx context.Context, t *ticker, modules, dir string, b binary) error {
	tmp, err := os.MkdirTemp(dir, "."+b.name+"-")
	if err != nil {
		return fmt.Errorf("building %s: %w", b.name, err)
	}
	defer os.RemoveAll(tmp)

	var stderr bytes.Buffer
	out := filepath.Join(tmp, b.name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", b.ldflags(), "-o", out, b.pkg)
	cmd.Dir = filepath.Join(modules, b.pinnedIn())
	// What a user has in GOFLAGS is meant for their own builds.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off",
		"GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	cmd.Stderr = &stderr

	t.start()
	err = cmd.Run()
	t.stop(err)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("building %s was interrupted; what was compiled so far is kept in Go's build cache: %w", b.name, ctx.Err())
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("building %s: the go command is not in PATH: %w", b.name, err)
	case err != nil:
		return fmt.Errorf("building %s: %w\n%s", b.name, err, tail(stderr.String(), 20))
	}
	// Renaming within one folder is atomic: others see no binary or a whole one.
	if err := os.Rename(out, filepath.Join(dir, b.name)); err != nil {
		return fmt.Errorf("building %s: %w", b.name, err)
	}
	return nil
}

// pinnedIn is the module of ours, a folder of hack/devcluster, that pins what
// the binary is built from: kwok wants other versions of Kubernetes' modules.
func (b binary) pinnedIn() string {
	if b.name == Kwok {
		return "kwok"
	}
	return "kube"
}

// ldflags stamps the version as Kubernetes' own build does
// (hack/lib/version.sh); unstamped components refuse features or call
// themselves v0.0.0. kwok's version is in its source.
func (b binary) ldflags() string {
	if b.name == Kwok {
		return "-s -w"
	}
	major, minor, _ := strings.Cut(strings.TrimPrefix(KubernetesVersion, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	flags := []string{"-s", "-w"}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags = append(flags,
			"-X", pkg+".gitVersion="+KubernetesVersion,
			"-X", pkg+".gitMajor="+major,
			"-X", pkg+".gitMinor="+minor)
	}
	return strings.Join(flags, " ")
}

// modulesDir finds the folder of the modules that pin what is built. It is
// part of the repository, so it is looked for upwards from the working directory.
func modulesDir() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding hack/devcluster/kube: %w", err)
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		modules := filepath.Join(dir, "hack", "devcluster")
		if _, err := os.Stat(filepath.Join(modules, "kube", "go.mod")); err == nil {
			return modules, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("cannot find hack/devcluster/kube/go.mod at or above %s, and the control plane is not built yet; run this inside a clone of Callfleet", wd)
		}
	}
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return strings.Join(all, "\n")
}

// ticker shows that something long is going on: a line that counts up on a
// terminal, a plain line now and then elsewhere.
type ticker struct {
	out      io.Writer
	label    string
	terminal bool
	began    time.Time
	quit     chan struct{}
	done     chan struct{}
}

// plainEvery is how often a log without a terminal gets a line.
const plainEvery = 30 * time.Second

func newTicker(out io.Writer, label string) *ticker {
	return &ticker{out: out, label: label, terminal: isTerminal(out), quit: make(chan struct{}), done: make(chan struct{})}
}

func (t *ticker) start() {
	t.began = time.Now()
	every := plainEvery
	if t.terminal {
		every = time.Second
		fmt.Fprintf(t.out, "\r%s ...", t.label)
	} else {
		fmt.Fprintf(t.out, "%s ...\n", t.label)
	}
	go func() {
		defer close(t.done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-t.quit:
				return
			case <-tick.C:
				if t.terminal {
					fmt.Fprintf(t.out, "\r%s ... %s\x1b[K", t.label, t.elapsed())
				} else {
					fmt.Fprintf(t.out, "%s ... %s\n", t.label, t.elapsed())
				}
			}
		}
	}()
}

func (t *ticker) stop(err error) {
	close(t.quit)
	<-t.done
	verdict := "done"
	if err != nil {
		verdict = "failed"
	}
	if t.terminal {
		fmt.Fprintf(t.out, "\r%s %s in %s\x1b[K\n", t.label, verdict, t.elapsed())
		return
	}
	fmt.Fprintf(t.out, "%s %s in %s\n", t.label, verdict, t.elapsed())
}

func (t *ticker) elapsed() time.Duration {
	return time.Since(t.began).Round(time.Second)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
