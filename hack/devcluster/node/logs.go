// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// logRequest is what kubectl logs asks for. Times are not among it: the output
// of a process is kept as it is.
type logRequest struct {
	follow, previous bool
	tail             int64 // lines; negative: all
	limit            int64 // bytes; negative: all
}

func parseLogRequest(q url.Values) (logRequest, error) {
	r := logRequest{tail: -1, limit: -1}
	for name, target := range map[string]*int64{"tailLines": &r.tail, "limitBytes": &r.limit} {
		if s := q.Get(name); s != "" {
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil || n < 0 {
				return logRequest{}, fmt.Errorf("%s is not a number of lines or bytes: %q", name, s)
			}
			*target = n
		}
	}
	for name, target := range map[string]*bool{"follow": &r.follow, "previous": &r.previous} {
		if s := q.Get(name); s != "" {
			b, err := strconv.ParseBool(s)
			if err != nil {
				return logRequest{}, fmt.Errorf("%s is neither true nor false: %q", name, s)
			}
			*target = b
		}
	}
	return r, nil
}

// logFile returns the log of a container's last run, or of the one before,
// and a function that tells whether that run still goes on.
func (a *Agent) logFile(pod *corev1.Pod, container string, previous bool) (path string, running func() bool, err error) {
	paths, err := filepath.Glob(filepath.Join(logDir(a.cfg.Logs, pod), container, "*.log"))
	if err != nil {
		return "", nil, err
	}
	slices.SortFunc(paths, func(x, y string) int { return runOf(x) - runOf(y) })
	if previous && len(paths) > 0 {
		paths = paths[:len(paths)-1]
	}
	if len(paths) == 0 {
		what := "has not run yet"
		if previous {
			what = "has no previous run"
		}
		return "", nil, fmt.Errorf("container %q in pod %q %s", container, pod.Name, what)
	}
	path = paths[len(paths)-1]
	pid := filepath.Join(a.cfg.Dir, string(pod.UID), "containers", container, "pid")
	first, alive := findProcess(pid)
	return path, func() bool {
		if previous || !alive {
			return false
		}
		return first.Alive()
	}, nil
}

func runOf(path string) int {
	n, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(path), ".log"))
	if err != nil {
		return -1
	}
	return n
}

// followEvery is how often a log that is followed is looked at.
const followEvery = 100 * time.Millisecond

// copy sends the log, and goes on while the container runs if it is followed.
func (r logRequest) copy(ctx context.Context, w http.ResponseWriter, path string, running func() bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if r.tail >= 0 {
		if err := seekTail(f, r.tail); err != nil {
			return err
		}
	}
	var out io.Writer = w
	if r.limit >= 0 {
		out = &limitedWriter{w: w, left: r.limit}
	}
	for {
		ended := !running() // before the copy, so that nothing is missed after it
		if _, err := io.Copy(out, f); errors.Is(err, errLimit) {
			return nil
		} else if err != nil {
			return err
		}
		if !r.follow || ended {
			return nil
		}
		if flusher, ok := w.(http.Flusher); ok {
			flusher.Flush()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
	}
}

// seekTail moves to the start of the last lines. It reads backwards, so that
// a long log costs nothing.
func seekTail(f *os.File, lines int64) error {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || lines == 0 {
		return err
	}
	const block = 16 << 10
	buf := make([]byte, block)
	for pos := end; pos > 0; {
		n := min(int64(block), pos)
		pos -= n
		if _, err := f.ReadAt(buf[:n], pos); err != nil {
			return err
		}
		chunk := buf[:n]
		for i := bytes.LastIndexByte(chunk, '\n'); i >= 0; i = bytes.LastIndexByte(chunk[:i], '\n') {
			if pos+int64(i) == end-1 {
				continue // the end of the last line, not of the one before it
			}
			if lines--; lines == 0 {
				_, err := f.Seek(pos+int64(i)+1, io.SeekStart)
				return err
			}
		}
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// errLimit ends a copy that has sent as many bytes as were asked for.
var errLimit = errors.New("limit reached")

type limitedWriter struct {
	w    io.Writer
	left int64
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errLimit
	}
	cut := p[:min(int64(len(p)), l.left)]
	n, err := l.w.Write(cut)
	l.left -= int64(n)
	if err == nil && n < len(p) {
		err = errLimit
	}
	return n, err
}
