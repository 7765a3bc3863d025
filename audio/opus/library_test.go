// SPDX-License-Identifier: Apache-2.0

package opus

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/callfleet/callfleet/audio/audiotest"
)

// library skips a test where there is no libopus.
func library(t testing.TB) *Library {
	t.Helper()
	l, err := Default()
	if err != nil {
		t.Skipf("this test needs libopus: %v", err)
	}
	return l
}

var speech = audiotest.Speech

func TestALibraryTellsItsVersion(t *testing.T) {
	if v := library(t).Version(); !strings.HasPrefix(v, "libopus ") {
		t.Errorf("version %q", v)
	}
}

func TestALibraryThatCannotBeUsedSaysWhatToDo(t *testing.T) {
	notALibrary := filepath.Join(t.TempDir(), "libopus.so")
	if err := os.WriteFile(notALibrary, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{
		"absent":        filepath.Join(t.TempDir(), "libopus.so"),
		"not a library": notALibrary,
	}
	if runtime.GOOS == "linux" {
		tests["another library"] = "libc.so.6"
	}
	for name, path := range tests {
		t.Run(name, func(t *testing.T) {
			l, err := Load(path)
			if err == nil {
				t.Fatalf("loaded %v", l.Version())
			}
			for _, part := range []string{path, "G.722", remedy} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

func TestErrorsHaveNames(t *testing.T) {
	for e, want := range map[Error]string{4: "opus: invalid packet", 200: "opus: error 200"} {
		if e.Error() != want {
			t.Errorf("%d is %q, want %q", uint8(e), e, want)
		}
	}
}
