// SPDX-License-Identifier: Apache-2.0

// Package windows has the media pod's Windows binary hold a call, under wine. Everything around it is as in the end-to-end
// tests. What wine lacks is made up for here, and only here: the binary differs from the one that is shipped in two
// lines.
package windows

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tools are what the test needs besides Go. On Debian they are in wine, wine64, libwine and gcc-mingw-w64-x86-64-win32.
var tools = []string{"wine64", "wineserver", "x86_64-w64-mingw32-gcc"}

// debianDirectory is where Debian has the two of wine that are not in the PATH.
const debianDirectory = "/usr/lib/wine"

// find gives the path of each tool, or the names of those that are missing.
func find() (paths map[string]string, missing []string) {
	paths = map[string]string{}
	for _, tool := range tools {
		path, err := exec.LookPath(tool)
		if err != nil {
			path, err = exec.LookPath(filepath.Join(debianDirectory, tool))
		}
		if err != nil {
			missing = append(missing, tool)
		}
		paths[tool] = path
	}
	return paths, missing
}

// wine is a prefix, a Windows of our own, with what Go needs in it.
type wine struct {
	dir   string // holds everything
	tools map[string]string
}

func (w *wine) prefix() string { return filepath.Join(w.dir, "prefix") }

// environment of what runs in the prefix. There is no display, and nobody reads wine's own log.
func (w *wine) environment() []string {
	return []string{"WINEPREFIX=" + w.prefix(), "WINEARCH=win64", "WINEDEBUG=-all", "DISPLAY=", "HOME=" + w.dir}
}

// start makes the prefix, which takes a quarter of a minute, and puts the missing library there.
func (w *wine) start(ctx context.Context, source string) error {
	if err := os.MkdirAll(w.prefix(), 0o755); err != nil {
		return err
	}
	if err := w.run(ctx, w.environment(), w.tools["wine64"], "wineboot", "--init"); err != nil {
		return err
	}
	library := filepath.Join(w.prefix(), "drive_c", "windows", "system32", "bcryptprimitives.dll")
	return w.run(ctx, nil, w.tools["x86_64-w64-mingw32-gcc"], "-shared", "-nostdlib", "-Wl,-e,DllMain", "-o", library, source, "-ladvapi32", "-lkernel32")
}

// stop ends everything that runs in the prefix.
func (w *wine) stop() error {
	return w.run(context.Background(), w.environment(), w.tools["wineserver"], "-k")
}

// change is what a file says otherwise for wine 8.
type change struct{ file, before, after string }

// changes are those of the source of Go, and of ours.
func changes(goroot, root string) []change {
	return []change{
		// wine knows no ioctl SIO_UDP_NETRESET, for which Go would give the socket up; 10045 is WSAEOPNOTSUPP.
		{
			filepath.Join(goroot, "src", "net", "fd_windows.go"),
			"windows.SIO_UDP_NETRESET, (*byte)(unsafe.Pointer(&flag)), size, nil, 0, &ret, nil, 0)\n\t\tif err != nil {",
			"windows.SIO_UDP_NETRESET, (*byte)(unsafe.Pointer(&flag)), size, nil, 0, &ret, nil, 0)\n\t\tif err != nil && err != syscall.Errno(10045) {",
		},
		// wine takes a UDP address in 127.0.0.0/8 for all addresses, but for 127.0.0.1 itself, and then meets the node, which has this
		// port at the address of the pod's Service. So the process is at 127.0.0.1, and the test hands on what comes to the pod.
		{
			filepath.Join(root, "mediapod", "media", "sockets.go"),
			"net.ListenUDP(\"udp\", net.UDPAddrFromAddrPort(bound))",
			"net.ListenUDP(\"udp\", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(bound.Port())})",
		},
	}
}

// overlay writes the changed files, and gives the list of them that go build takes.
func (w *wine) overlay(list []change) (string, error) {
	replace := map[string]string{}
	for _, c := range list {
		text, err := os.ReadFile(c.file)
		if err != nil {
			return "", err
		}
		if strings.Count(string(text), c.before) != 1 {
			return "", fmt.Errorf("%s is not what it was: it has no single %q; correct the overlay", c.file, c.before)
		}
		replace[c.file] = filepath.Join(w.dir, filepath.Base(c.file))
		if err := os.WriteFile(replace[c.file], []byte(strings.Replace(string(text), c.before, c.after, 1)), 0o644); err != nil {
			return "", err
		}
	}
	raw, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(w.dir, "overlay.json")
	return path, os.WriteFile(path, raw, 0o644)
}

// build cross-builds the media pod for Windows, with the overlay.
func (w *wine) build(ctx context.Context, root string) (exe string, err error) {
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("asking go for its source: %w", err)
	}
	list, err := w.overlay(changes(strings.TrimSpace(string(goroot)), root))
	if err != nil {
		return "", err
	}
	exe = filepath.Join(w.dir, "mediapod.exe")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-overlay", list, "-o", exe, "./cmd/mediapod")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building for Windows: %w: %s", err, out)
	}
	return exe, nil
}

// script is what the node runs for the image: the binary in the prefix. Paths of this machine are those of drive Z there, and
// must say so, or they would be taken for relative ones.
func (w *wine) script(exe string) (string, error) {
	text := "#!/bin/sh\nset -e\n" +
		`sed -E 's#(certificate-authority|tokenFile): /#\1: Z:/#' "$KUBECONFIG" > "$KUBECONFIG.z"` + "\n" +
		`export KUBECONFIG="Z:$KUBECONFIG.z" CONTAINER_SANDBOX_MOUNT_POINT="Z:$CONTAINER_SANDBOX_MOUNT_POINT"` + "\n"
	for _, variable := range w.environment() {
		text += "export " + variable + "\n"
	}
	text += "exec " + w.tools["wine64"] + " " + exe + "\n"
	path := filepath.Join(w.dir, "mediapod")
	return path, os.WriteFile(path, []byte(text), 0o755)
}

func (w *wine) run(ctx context.Context, environment []string, command string, args ...string) error {
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.Env = append(os.Environ(), environment...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", filepath.Base(command), strings.Join(args, " "), err, out.String())
	}
	return nil
}
