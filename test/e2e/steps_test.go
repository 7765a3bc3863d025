// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/audio/measure"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/test/rig"
)

const patience = 30 * time.Second

// must ends the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func value[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// meeting makes a meeting with one person in it.
func meeting(t *testing.T, change ...func(*admin.NewMeeting)) (admin.Meeting, admin.Person) {
	t.Helper()
	m := admin.NewMeeting{Subject: t.Name(), TenantID: rig.TenantID}
	for _, c := range change {
		c(&m)
	}
	made := value[admin.Meeting](t)(world.Teams.CreateMeeting(t.Context(), m))
	ada := value[admin.Person](t)(world.Teams.AddPerson(t.Context(), made.ID, "Ada"))
	t.Cleanup(func() { _ = world.Teams.EndMeeting(context.Background(), made.ID) })
	return made, ada
}

// session applies the sample session for a meeting; it is gone when the test is over.
func session(t *testing.T, m admin.Meeting, change ...func(*callfleetv1.MeetingSession)) *callfleetv1.MeetingSession {
	t.Helper()
	s := value[*callfleetv1.MeetingSession](t)(world.Session(objectName(t), m.JoinURL))
	for _, c := range change {
		c(s)
	}
	create(t, s)
	return s
}

// objectName is made from the name of the test.
func objectName(t *testing.T) string {
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-", ",", "", "'", "").Replace(strings.TrimPrefix(t.Name(), "Test")))
	return strings.TrimRight(name[:min(len(name), 60)], "-")
}

// startBot applies a bot and waits until it serves; it and its fleet are gone when the test is over.
func startBot(t *testing.T, bot *callfleetv1.CallingBot) {
	t.Helper()
	must(t, world.StartBot(t.Context(), bot))
	goneAtEnd(t, bot)
}

// create applies an object that is gone when the test is over.
func create(t *testing.T, o client.Object) {
	t.Helper()
	must(t, world.Client.Create(t.Context(), o))
	goneAtEnd(t, o)
}

func goneAtEnd(t *testing.T, o client.Object) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		must(t, client.IgnoreNotFound(world.Client.Delete(ctx, o)))
		must(t, awaitGone(ctx, o))
	})
}

func awaitGone(ctx context.Context, o client.Object) error {
	for {
		err := world.Client.Get(ctx, client.ObjectKeyFromObject(o), o)
		if apierrors.IsNotFound(err) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%T %s is still there: finalizers %v", o, o.GetName(), o.GetFinalizers())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// call is an object of either kind of call.
type call interface {
	client.Object
	CallParts() (*callfleetv1.CallSpec, *callfleetv1.CallStatus)
}

// awaitPhase waits for a phase of a session or call.
func awaitPhase(t *testing.T, c call, want callfleetv1.CallPhase) {
	t.Helper()
	awaitStatus(t, c, "phase "+string(want), func(st *callfleetv1.CallStatus) bool { return st.Phase == want })
}

// awaitStatus waits for something to be so in the status of a session or call.
func awaitStatus(t *testing.T, c call, what string, so func(*callfleetv1.CallStatus) bool) {
	t.Helper()
	must(t, world.Await(t.Context(), c, patience, what, func() error {
		_, st := c.CallParts()
		if !so(st) {
			return fmt.Errorf("phase is %q, endReason %q, conditions %s, status %s", st.Phase, st.EndReason, conditions(st.Conditions), inJSON(st))
		}
		return nil
	}))
}

// awaitEnd waits for a phase that is final and for the reason.
func awaitEnd(t *testing.T, c call, phase callfleetv1.CallPhase, why callfleetv1.EndReason) {
	t.Helper()
	awaitPhase(t, c, phase)
	if _, st := c.CallParts(); st.EndReason != why {
		t.Errorf("endReason %q, want %s; Finished: %s", st.EndReason, why, conditions(st.Conditions))
	}
}

func inJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// change patches the spec of a session or call.
func change(t *testing.T, c call, how func(*callfleetv1.CallSpec)) {
	t.Helper()
	before := c.DeepCopyObject().(client.Object)
	spec, _ := c.CallParts()
	how(spec)
	must(t, world.Client.Patch(t.Context(), c, client.MergeFrom(before)))
}

func awaitCondition(t *testing.T, s call, kind string, status metav1.ConditionStatus, reason string) metav1.Condition {
	t.Helper()
	var got metav1.Condition
	must(t, world.Await(t.Context(), s, patience, kind+"="+string(status)+"/"+reason, func() error {
		_, st := s.CallParts()
		c := meta.FindStatusCondition(st.Conditions, kind)
		if c == nil || c.Status != status || (reason != "" && c.Reason != reason) {
			return errors.New("conditions are " + conditions(st.Conditions))
		}
		got = *c
		return nil
	}))
	return got
}

func conditions(list []metav1.Condition) string {
	var out []string
	for _, c := range list {
		out = append(out, fmt.Sprintf("%s=%s/%s %q", c.Type, c.Status, c.Reason, c.Message))
	}
	return strings.Join(out, "; ")
}

// inMeeting applies a session and waits until media flows.
func inMeeting(t *testing.T, m admin.Meeting, change ...func(*callfleetv1.MeetingSession)) *callfleetv1.MeetingSession {
	t.Helper()
	s := session(t, m, change...)
	awaitPhase(t, s, callfleetv1.PhaseEstablished)
	return s
}

// end sets desiredState and waits for the end.
func end(t *testing.T, c call) {
	t.Helper()
	change(t, c, func(spec *callfleetv1.CallSpec) { spec.DesiredState = callfleetv1.DesiredEnded })
	awaitEnd(t, c, callfleetv1.PhaseCompleted, callfleetv1.EndedByBot)
}

func speech(t *testing.T, name string) ([]byte, wav.Clip) {
	t.Helper()
	raw := value[[]byte](t)(os.ReadFile(filepath.Join(world.Root, "audio", "testdata", name)))
	return raw, value[wav.Clip](t)(wav.Decode(bytes.NewReader(raw), 16<<20))
}

// speakAndListen lets a person speak for as long as the clip lasts and returns what came back.
func speakAndListen(t *testing.T, who admin.Person) measure.Report {
	t.Helper()
	raw, said := speech(t, "standup.wav")
	must(t, world.Teams.ResetHeard(t.Context(), who))
	value[admin.Utterance](t)(world.Teams.Speak(t.Context(), who, raw, admin.SpeakOptions{Wait: true}))
	<-time.After(time.Second) // the last words are on their way back
	return compare(t, who, said)
}

func compare(t *testing.T, who admin.Person, said wav.Clip) measure.Report {
	t.Helper()
	recorded := value[[]byte](t)(world.Teams.Heard(t.Context(), who))
	came := value[wav.Clip](t)(wav.Decode(bytes.NewReader(recorded), 64<<20))
	return value[measure.Report](t)(measure.Compare(said.Samples, came.Resample(said.SampleRate).Samples, said.SampleRate))
}

// clear asserts that a voice came through as it should.
func clearVoice(t *testing.T, what string, m measure.Report) {
	t.Helper()
	t.Logf("%s: delay %s, correlation %.3f, level %+.1f dB, longest gap %s", what, m.Delay, m.Correlation, m.LevelDB, m.LongestGap)
	if m.Correlation < 0.9 || m.LevelDB < -3 || m.LevelDB > 3 || m.LongestGap > 60*time.Millisecond {
		t.Errorf("%s: the voice did not come through: %+v", what, m)
	}
}

// noGhosts asserts that the local Teams holds nothing with nobody behind it.
func noGhosts(t *testing.T, m admin.Meeting) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for {
		now := value[admin.Meeting](t)(world.Teams.Meeting(t.Context(), m.ID))
		var bots []admin.Participant
		for _, p := range now.Participants {
			if p.Kind == "Bot" {
				bots = append(bots, p)
			}
		}
		ghosts := value[[]admin.Ghost](t)(world.Teams.Ghosts(t.Context()))
		if len(bots) == 0 && len(ghosts) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left in the meeting: bots %+v, ghosts %+v", bots, ghosts)
		}
		<-time.After(100 * time.Millisecond)
	}
}

// calls are the calls into a meeting, live or not.
func calls(t *testing.T, m admin.Meeting) []admin.Call {
	t.Helper()
	var out []admin.Call
	for _, c := range value[[]admin.Call](t)(world.Teams.Calls(t.Context())) {
		if c.MeetingID == m.ID {
			out = append(out, c)
		}
	}
	return out
}

// poll calls check until it has nothing to say; it returns the last thing said if that takes too long.
func poll(ctx context.Context, patience time.Duration, check func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil || time.Now().After(deadline) || ctx.Err() != nil {
			return err
		}
		<-time.After(50 * time.Millisecond)
	}
}

// cleaning is a context for what is done when a test is over and its own context has ended.
func cleaning(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
