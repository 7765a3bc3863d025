// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/mediapod/control/wire"
)

// recordFlags are those of record.
type recordFlags struct {
	prompt, stopTones, file                 string
	bargeIn, noBeep, overwrite              bool
	initialSilence, maxSilence, maxDuration time.Duration
}

// recorded is what record prints.
type recorded struct {
	*wire.Outcome `json:",inline"`
	// File the recording was written to.
	File  string `json:"file,omitempty"`
	Bytes int64  `json:"bytes,omitempty"`
}

func (c *cli) newRecord() *cobra.Command {
	var f recordFlags
	cmd := &cobra.Command{
		Use:   "record CALL",
		Short: "Record what the other party says",
		Long: `Record what the other party says, two minutes at most, wait for the end, and write it to a WAV file. A recording ends with
silence, with a stop key, or when it is long enough.

Everybody in the call must have been told: it is refused until spec.recordingStatus is Recording and the condition Recording is
True. What was being recorded when that was taken back is dropped.

Ctrl-C ends the waiting, and the recording is not fetched.

` + promptHelp,
		Example: `  # A message after the beep, ended with #
  kubectl callfleet record call/reception-1f0c --prompt greetings/leave-a-message.wav --stop-tones '#' -f message.wav

  # To a player
  kubectl callfleet record call/reception-1f0c -f - | ffplay -`,
		Args: needs(1, 1, "a call"),
		RunE: running(func(ctx context.Context, args []string) error { return c.record(ctx, args[0], f) }),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.prompt, "prompt", "", "What is played first: CONFIGMAP/KEY or an https:// address")
	flags.BoolVar(&f.bargeIn, "barge-in", false, "Let speaking, or a key, end the prompt")
	flags.BoolVar(&f.noBeep, "no-beep", false, "Begin without a beep")
	flags.DurationVar(&f.initialSilence, "initial-silence", 0, "How long to wait for the first word, 1s to 120s; absent: 5s, the service's own")
	flags.DurationVar(&f.maxSilence, "max-silence", 0, "How long a pause ends it, 1s to 120s; absent: 5s, the service's own")
	flags.DurationVar(&f.maxDuration, "max-duration", 0, "How long it may be, 1s to 120s; absent: 5s, the service's own")
	flags.StringVar(&f.stopTones, "stop-tones", "", "Keys, each of which ends it, such as '#*'")
	flags.StringVarP(&f.file, "file", "f", "", "Where to write it; - is standard output; absent: NAME-TIME.wav")
	flags.BoolVar(&f.overwrite, "overwrite", false, "Write over a file that is there")
	c.completeFlag(cmd, "prompt", c.promptsAsFlag)
	return c.actionCommand(cmd)
}

func (f recordFlags) body() (*wire.Record, error) {
	body := &wire.Record{BargeIn: f.bargeIn, NoBeep: f.noBeep, StopTones: f.stopTones,
		InitialSilence: given(f.initialSilence), MaxSilence: given(f.maxSilence), MaxDuration: given(f.maxDuration)}
	if f.prompt != "" {
		prompt, err := parsePrompt(f.prompt)
		if err != nil {
			return nil, err
		}
		body.Prompt = &prompt
	}
	return body, nil
}

func given(d time.Duration) *metav1.Duration {
	if d == 0 {
		return nil
	}
	return &metav1.Duration{Duration: d}
}

func (c *cli) record(ctx context.Context, arg string, f recordFlags) error {
	body, err := f.body()
	if err != nil {
		return err
	}
	if f.file == "-" && c.output != "" {
		return misuse("-f - and -o both write to standard output; choose one")
	}
	if f.file == "-" && terminal(c.Out) {
		return misuse("-f - would write sound to the terminal; send it into a file or a player")
	}
	p, err := c.begin(ctx, arg)
	if err != nil {
		return err
	}
	if f.file == "" {
		f.file = p.target.name + "-" + time.Now().Format("20060102-150405") + ".wav"
	}
	if _, err := os.Stat(f.file); err == nil && f.file != "-" && !f.overwrite {
		return misuse("%s is there already; name another file, or say --overwrite", f.file)
	}
	c.note("Recording; Ctrl-C ends the waiting, and the recording is not fetched.")
	outcome, err := p.act(ctx, wire.ActionRecord, body)
	if err != nil {
		return err
	}
	if outcome.Recording == "" {
		return c.print(&recorded{Outcome: outcome}, fmt.Sprintf("%s: %s Nothing was recorded.", p.target, outcome.Message))
	}
	sound, err := p.recording(ctx, outcome.Recording)
	if err != nil {
		return err
	}
	defer sound.Close()
	if f.file == "-" {
		_, err := io.Copy(c.Out, sound)
		return err
	}
	n, err := write(f.file, sound)
	if err != nil {
		return err
	}
	return c.print(&recorded{Outcome: outcome, File: f.file, Bytes: n}, fmt.Sprintf("%s: %s Written to %s (%d bytes).", p.target, outcome.Message, f.file, n))
}

// write puts a recording into a file, which is there in whole or not at all.
func write(file string, sound io.Reader) (n int64, err error) {
	temp, err := os.CreateTemp(filepath.Dir(file), ".callfleet-*.wav")
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	n, err = io.Copy(temp, sound)
	if err = errors.Join(err, temp.Close()); err != nil {
		return n, fmt.Errorf("the recording did not arrive in whole: %w", err)
	}
	return n, os.Rename(temp.Name(), file)
}
