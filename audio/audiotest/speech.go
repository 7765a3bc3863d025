// SPDX-License-Identifier: Apache-2.0

// Package audiotest has the samples of speech that tests are about.
package audiotest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/wav"
)

// Speech reads a file of audio/testdata: mono, 16 kHz. Tests run in the folder of their package, somewhere below the one that has audio.
func Speech(t testing.TB, name string) []int16 {
	t.Helper()
	path := filepath.Join("audio", "testdata", name)
	f, err := os.Open(path)
	for range 6 { // folders deep
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		path = filepath.Join("..", path)
		f, err = os.Open(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	clip, err := wav.Decode(f, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if clip.SampleRate != audio.SampleRate {
		t.Fatalf("%s has %d Hz, want %d", name, clip.SampleRate, audio.SampleRate)
	}
	return clip.Samples
}
