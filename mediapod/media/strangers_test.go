// SPDX-License-Identifier: Apache-2.0

package media

import (
	"bufio"
	"encoding/json"
	"encoding/pem"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/measure"
	"github.com/callfleet/callfleet/audio/wav"
)

// aiortcPython is a Python that has aiortc.
func aiortcPython(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"/usr/bin/python3", "python3"} { // the first has what Debian installed
		if exec.Command(name, "-c", "import aiortc").Run() == nil {
			return name
		}
	}
	t.Skip("needs a Python with aiortc; on Debian: apt-get install python3-aiortc")
	return ""
}

// stranger is a peer of which nothing but the HTTP requests is ours: see testdata/aiortc_peer.py.
type stranger struct {
	t     *testing.T
	input io.Closer
	lines *bufio.Scanner
	cmd   *exec.Cmd
	heard string
}

// report is what a stranger saw.
type report struct {
	State                                   string
	AudioFrames, VideoFrames, Width, Height int
}

func (u *engineUnderTest) stranger(t *testing.T, python, url, token string, args ...string) *stranger {
	t.Helper()
	dir := t.TempDir()
	s := &stranger{t: t, heard: filepath.Join(dir, "heard.wav")}
	ca := filepath.Join(dir, "ca.pem")
	raw := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: u.certificate.Load().Certificate[0]})
	if err := os.WriteFile(ca, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"testdata/aiortc_peer.py", "--url", url, "--token", token, "--ca", ca, "--heard", s.heard}, args...)
	s.cmd = exec.CommandContext(t.Context(), python, args...)
	var complaints strings.Builder
	s.cmd.Stderr = &complaints
	input, err := s.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.input, s.lines = input, bufio.NewScanner(output)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.input.Close()
		if err := s.cmd.Wait(); err != nil || t.Failed() {
			t.Logf("the peer on aiortc: %v\n%s", err, complaints.String())
		}
	})
	if r := s.next(); r.State != "connected" {
		t.Fatalf("the peer on aiortc is %+v, want it connected", r)
	}
	return s
}

func (s *stranger) next() (r report) {
	s.t.Helper()
	if !s.lines.Scan() {
		s.t.Fatalf("the peer on aiortc says nothing more: %v", s.lines.Err())
	}
	if err := json.Unmarshal(s.lines.Bytes(), &r); err != nil {
		s.t.Fatalf("the peer on aiortc says %q", s.lines.Text())
	}
	return r
}

// leave ends the session, and says what the stranger saw and heard.
func (s *stranger) leave() (report, []int16) {
	s.t.Helper()
	_ = s.input.Close()
	r := s.next()
	file, err := os.Open(s.heard)
	if err != nil {
		s.t.Fatal(err)
	}
	defer file.Close()
	clip, err := wav.Decode(file, 64<<20)
	if err != nil {
		s.t.Fatal(err)
	}
	return r, clip.Resample(audio.SampleRate).Samples
}

// hearsay is a tap that keeps what the far side says.
type hearsay struct {
	mu   sync.Mutex
	said []int16
}

func (h *hearsay) Tap(f *Frame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f.Heard == nil {
		h.said = append(h.said, silence[:]...)
		return
	}
	h.said = append(h.said, f.Heard...)
}

func (h *hearsay) all() []int16 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.said)
}

// A far side and a listener on a WebRTC stack that nobody here wrote, and that is not pion: both sides are heard by both,
// and what the one shows the other sees.
func TestPeersOnAnotherStackSpeakListenAndShow(t *testing.T) {
	python := aiortcPython(t)
	for _, video := range []string{"VP8", "H264"} {
		t.Run(video, func(t *testing.T) {
			u := serve(t)
			call := newCall(t, u, guarded("strange", Behavior{}, nil))
			tap := &hearsay{}
			call.AddTap(tap)
			url, token := call.Endpoint()
			theirs, ours := recordingOf(t, "standup.wav"), recordingOf(t, "prompt.wav")
			path := filepath.Join(t.TempDir(), "said.wav")
			file, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			// The silence before is for the listener to come in, that after for the bot to speak in.
			padded := append(append(make([]int16, 5*audio.SampleRate), theirs...), make([]int16, 7*audio.SampleRate)...)
			if err := wav.Encode(file, wav.Clip{SampleRate: audio.SampleRate, Samples: padded}); err != nil {
				t.Fatal(err)
			}
			_ = file.Close()

			speaker := u.stranger(t, python, url, token, "--say", path, "--video", video)
			eventually(t, 10*time.Second, "connected", func() bool { return call.State() == StateConnected })
			listener := u.stranger(t, python, listenURL(call), "grace", "--video", video)
			eventually(t, 10*time.Second, "a listener", func() bool { return call.Listeners() == 1 })
			// What they say has been said when the silence after it has gone on for two seconds.
			eventually(t, time.Minute, "all that they say", func() bool {
				all := tap.all()
				last := all[max(len(all)-2*audio.SampleRate, 0):]
				return len(all) > len(theirs)+7*audio.SampleRate && audio.DBov(audio.Energy(last), len(last)) < -60
			})
			<-call.Play(clipIn(t, ours), PlayOptions{}).Done()
			time.Sleep(time.Second) // the last words are on their way

			shown := call.Stats()
			t.Logf("%+v", shown.Audio)
			saw, overheard := listener.leave()
			did, heard := speaker.leave()
			t.Logf("the listener saw %+v, the far side %+v", saw, did)
			for what, side := range map[string]struct{ said, heard []int16 }{
				"the far side, by the bot":      {theirs, tap.all()},
				"the bot, by the far side":      {ours, heard},
				"the far side, by the listener": {theirs, overheard},
				"the bot, by the listener":      {ours, overheard},
			} {
				if whole, of := recognized(side.said, side.heard); whole*4 < of*3 {
					t.Errorf("%s: %d of %d pieces were heard", what, whole, of)
				} else {
					t.Logf("%s: %d of %d pieces were heard", what, whole, of)
				}
			}
			if saw.VideoFrames < 30 || saw.Width != 320 || saw.Height != 240 {
				t.Errorf("the listener saw %+v, want the far side's frames of 320x240", saw)
			}
			eventually(t, 5*time.Second, "the far side gone", func() bool { return call.State() == StateLost && call.Listeners() == 0 })
		})
	}
}

// recognized counts the pieces of 300 ms of speech that are somewhere in what was heard. A peer in Python speaks when its
// process gets the processor, and then all at once: playing out waits, and goes faster, which moves the pieces against each
// other, and leaves nothing else of them changed.
func recognized(said, heard []int16) (whole, of int) {
	const length = audio.SampleRate * 3 / 10
	for ; len(said) >= length; said = said[length:] {
		if audio.DBov(audio.Energy(said[:length]), length) < -35 { // a pause is everywhere
			continue
		}
		of++
		if r, err := measure.Compare(said[:length], heard, audio.SampleRate); err == nil && r.Correlation > 0.8 {
			whole++
		}
	}
	return whole, of
}
