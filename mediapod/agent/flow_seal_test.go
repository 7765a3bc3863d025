// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestWhatIsSealedIsReadByThePodsOfTheBotAlone(t *testing.T) {
	s, other := flowKey(t), flowKey(t)
	if err := os.WriteFile(other.file, bytes.Repeat([]byte{7}, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	state := []byte(`{"variables":{"pin":"7391"}}`)
	sealed, err := s.seal("call-1", state)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := s.seal("call-1", state); again == sealed {
		t.Error("the same twice: who watches sees that nothing has changed")
	}
	if strings.Contains(sealed, "pin") {
		t.Error("it can be read")
	}
	if got, err := s.open("call-1", sealed); err != nil || !bytes.Equal(got, state) {
		t.Errorf("%s, %v", got, err)
	}
	changed := []byte(sealed)
	changed[20] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"another call's":    func() ([]byte, error) { return s.open("call-2", sealed) },
		"another bot's":     func() ([]byte, error) { return other.open("call-1", sealed) },
		"changed":           func() ([]byte, error) { return s.open("call-1", string(changed)) },
		"cut off":           func() ([]byte, error) { return s.open("call-1", sealed[:10]) },
		"nothing":           func() ([]byte, error) { return s.open("call-1", "") },
		"without a key":     func() ([]byte, error) { return sealer{file: "/nowhere"}.open("call-1", sealed) },
		"no base64 at all?": func() ([]byte, error) { return s.open("call-1", "?") },
	} {
		if got, err := open(); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestWhatCannotBeSealedSaysWhy(t *testing.T) {
	s := flowKey(t)
	if _, err := s.seal("call-1", make([]byte, maxSealed)); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("too much: %v", err)
	}
	if sealed, err := s.seal("call-1", make([]byte, maxSealed*3/4-28)); err != nil || len(sealed) != maxSealed {
		t.Errorf("as much as there is room for: %d bytes, %v", len(sealed), err)
	}
	if err := os.WriteFile(s.file, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.seal("call-1", nil); err == nil || !strings.Contains(err.Error(), "5 bytes") || strings.Contains(err.Error(), "short") {
		t.Errorf("a key that is none: %v", err)
	}
}
