// SPDX-License-Identifier: Apache-2.0

package controllertest

import (
	"io"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// quietLogs silences the global loggers of controller-runtime and client-go, which no test reads.
func quietLogs() {
	log.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
}

// Log writes to the test's own output while the test runs, and nowhere after it: goroutines that end late would
// otherwise make the test binary panic.
func Log(t testing.TB) logr.Logger {
	var mu sync.Mutex
	over := false
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		over = true
	})
	return funcr.New(func(prefix, args string) {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			t.Log(prefix, args)
		}
	}, funcr.Options{LogTimestamp: true, TimestampFormat: "15:04:05.000"})
}

func readAll(r io.Reader) string {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}
