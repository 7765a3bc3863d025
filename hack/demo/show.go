// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/audio/measure"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/test/rig"
)

// show is the demo itself.
func show(ctx context.Context, r *rig.Rig) error {
	heading("A bot")
	bot, err := r.Bot()
	if err != nil {
		return err
	}
	if err := printApplied(bot); err != nil {
		return err
	}
	start := time.Now()
	if err := r.StartBot(ctx, bot); err != nil {
		return err
	}
	fmt.Printf("Ready after %.1f s.\n", time.Since(start).Seconds())

	heading("A meeting, with Ada in it")
	meeting, err := r.Teams.CreateMeeting(ctx, admin.NewMeeting{Subject: "Stand-up", TenantID: rig.TenantID})
	if err != nil {
		return err
	}
	ada, err := r.Teams.AddPerson(ctx, meeting.ID, "Ada")
	if err != nil {
		return err
	}
	session, err := r.Session("standup", meeting.JoinURL)
	if err != nil {
		return err
	}
	if err := printApplied(session); err != nil {
		return err
	}
	if err := r.Apply(ctx, session); err != nil {
		return err
	}
	if err := follow(ctx, r, session); err != nil {
		return err
	}

	heading("Ada speaks, and hears")
	report, err := speak(ctx, r, ada)
	if err != nil {
		return err
	}
	fmt.Printf("  her own words came back after %d ms\n", report.Delay.Milliseconds())
	fmt.Printf("  correlation %.3f   (at least 0.9)\n", report.Correlation)
	fmt.Printf("  level %+.1f dB       (within 3 dB)\n", report.LevelDB)
	fmt.Printf("  longest gap %d ms   (at most 60 ms)\n", report.LongestGap.Milliseconds())
	verdict := heard(report)

	heading("The pod's own figures")
	if err := printMetrics(ctx, r, session); err != nil {
		return err
	}
	return errors.Join(verdict, finish(ctx, r, session))
}

// follow prints kubectl's view until media flows.
func follow(ctx context.Context, r *rig.Rig, s *callfleetv1.MeetingSession) error {
	heading("kubectl -n voice get ms,mp, until the bot is in the meeting")
	screen := newScreen(os.Stdout)
	return r.Await(ctx, s, patience, "the bot to be in the meeting", func() error {
		out, err := r.Kubectl(ctx, "-n", rig.Namespace, "get", "ms,mp")
		if err != nil {
			return err
		}
		screen.show(out)
		st := s.Status
		switch {
		case st.Phase.Finished():
			return fmt.Errorf("the session is over already: %s", finishedMessage(s))
		case st.Phase != callfleetv1.PhaseEstablished:
			return fmt.Errorf("phase is %q", st.Phase)
		}
		return nil
	})
}

// speak lets a person speak and compares what she hears with what she said.
func speak(ctx context.Context, r *rig.Rig, who admin.Person) (measure.Report, error) {
	spoken, err := os.ReadFile(filepath.Join(r.Root, "audio", "testdata", "standup.wav"))
	if err != nil {
		return measure.Report{}, err
	}
	if err := r.Teams.ResetHeard(ctx, who); err != nil {
		return measure.Report{}, err
	}
	if _, err := r.Teams.Speak(ctx, who, spoken, admin.SpeakOptions{Wait: true}); err != nil {
		return measure.Report{}, err
	}
	// The last words are still on their way back.
	select {
	case <-ctx.Done():
		return measure.Report{}, ctx.Err()
	case <-time.After(time.Second):
	}
	recorded, err := r.Teams.Heard(ctx, who)
	if err != nil {
		return measure.Report{}, err
	}
	kept := filepath.Join(r.Dir, "heard.wav")
	if err := os.WriteFile(kept, recorded, 0o644); err != nil {
		return measure.Report{}, err
	}
	said, err := wav.Decode(bytes.NewReader(spoken), 16<<20)
	if err != nil {
		return measure.Report{}, err
	}
	came, err := wav.Decode(bytes.NewReader(recorded), 64<<20)
	if err != nil {
		return measure.Report{}, err
	}
	return measure.Compare(said.Samples, came.Resample(said.SampleRate).Samples, said.SampleRate)
}

// heard is the demo's verdict.
func heard(m measure.Report) error {
	switch {
	case m.Correlation < 0.9:
		return fmt.Errorf("her voice was not heard: correlation %.3f is below 0.9", m.Correlation)
	case m.LevelDB < -3 || m.LevelDB > 3:
		return fmt.Errorf("her voice came back %+.1f dB off; at most 3 dB are allowed", m.LevelDB)
	case m.LongestGap > 60*time.Millisecond:
		return fmt.Errorf("her voice had a gap of %s; at most 60 ms are allowed", m.LongestGap)
	}
	return nil
}

// finish ends the session and prints its story.
func finish(ctx context.Context, r *rig.Rig, s *callfleetv1.MeetingSession) error {
	// What the status says of the media ends with the call, so it is read before.
	err := r.Await(ctx, s, patience, "MediaFlowing to be True", func() error {
		if !meta.IsStatusConditionTrue(s.Status.Conditions, callfleetv1.ConditionMediaFlowing) {
			return fmt.Errorf("phase is %q", s.Status.Phase)
		}
		return nil
	})
	if err != nil {
		return err
	}
	heading("Leaving: desiredState Ended")
	before := s.DeepCopy()
	s.Spec.DesiredState = callfleetv1.DesiredEnded
	if err := r.Client.Patch(ctx, s, client.MergeFrom(before)); err != nil {
		return err
	}
	err = r.Await(ctx, s, patience, "the session to be finished", func() error {
		if !s.Status.Phase.Finished() {
			return fmt.Errorf("phase is %q", s.Status.Phase)
		}
		return nil
	})
	if err != nil {
		return err
	}
	printStory(s)
	if s.Status.Phase != callfleetv1.PhaseCompleted || s.Status.EndReason != callfleetv1.EndedByBot {
		return fmt.Errorf("the session ended as %s/%s: %s", s.Status.Phase, s.Status.EndReason, finishedMessage(s))
	}
	ghosts, err := r.Teams.Ghosts(ctx)
	if err != nil {
		return err
	}
	if len(ghosts) > 0 {
		return fmt.Errorf("%d ghosts are left in the meeting", len(ghosts))
	}
	fmt.Println("\nHer voice was heard.")
	return nil
}

func finishedMessage(s *callfleetv1.MeetingSession) string {
	if c := meta.FindStatusCondition(s.Status.Conditions, callfleetv1.ConditionFinished); c != nil {
		return c.Message
	}
	return ""
}
