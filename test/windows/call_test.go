// SPDX-License-Identifier: Apache-2.0

package windows

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/audio/measure"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/hack/devcluster/forward"
	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/test/rig"
)

// patience is generous: wine starts a process in seconds, on a machine that has other things to do in more.
const patience = 2 * time.Minute

// tries is how often the voice is listened to until it has come through as it should: a machine that stalls drops some of it.
const tries = 5

// TestTheWindowsMediaPodHoldsACall: it is made ready, joins a meeting, gives back what it hears of its peer on Linux, leaves, and says
// all of that in its status.
func TestTheWindowsMediaPodHoldsACall(t *testing.T) {
	paths, missing := find()
	if len(missing) > 0 {
		t.Skipf("not tried: %s not found; on Debian: apt-get install --no-install-recommends wine wine64 libwine gcc-mingw-w64-x86-64-win32", strings.Join(missing, ", "))
	}
	world := start(t, &wine{dir: t.TempDir(), tools: paths})
	bot, err := world.Bot()
	must(t, err)
	must(t, world.StartBot(t.Context(), bot))
	handOn(t, world)

	meeting, err := world.Teams.CreateMeeting(t.Context(), admin.NewMeeting{Subject: t.Name(), TenantID: rig.TenantID})
	must(t, err)
	ada, err := world.Teams.AddPerson(t.Context(), meeting.ID, "Ada")
	must(t, err)
	session, err := world.Session("from-windows", meeting.JoinURL)
	must(t, err)
	must(t, world.Client.Create(t.Context(), session))
	phase := func(want callfleetv1.CallPhase) {
		t.Helper()
		must(t, world.Await(t.Context(), session, patience, "the session to be "+string(want), func() error {
			if got := session.Status.Phase; got != want {
				return fmt.Errorf("phase %s, %s", got, session.Status.EndReason)
			}
			return nil
		}))
	}
	phase(callfleetv1.PhaseEstablished)

	spoken, err := os.ReadFile(filepath.Join(world.Root, "audio", "testdata", "standup.wav"))
	must(t, err)
	through := false
	for range tries {
		must(t, world.Teams.ResetHeard(t.Context(), ada))
		_, err = world.Teams.Speak(t.Context(), ada, spoken, admin.SpeakOptions{Wait: true})
		must(t, err)
		<-time.After(time.Second) // the last words are on their way back
		heard, err := world.Teams.Heard(t.Context(), ada)
		must(t, err)
		m := compare(t, spoken, heard)
		t.Logf("what came back from Windows: delay %s, correlation %.3f, level %+.1f dB, longest gap %s", m.Delay, m.Correlation, m.LevelDB, m.LongestGap)
		if through = m.Correlation >= 0.9 && m.LevelDB > -3 && m.LevelDB < 3; through {
			break
		}
	}
	if !through {
		t.Error("the voice never came through")
	}
	must(t, world.Await(t.Context(), session, patience, "the status to tell of the sound", func() error {
		if m := session.Status.Media; m == nil || m.Audio == nil || m.Audio.PacketsReceived == 0 {
			return errors.New("no packets are told of")
		}
		return nil
	}))

	_, err = world.Kubectl(t.Context(), "-n", session.Namespace, "patch", "ms", session.Name, "--type=merge", "-p", `{"spec":{"desiredState":"Ended"}}`)
	must(t, err)
	phase(callfleetv1.PhaseCompleted)
	if session.Status.EndReason != callfleetv1.EndedByBot {
		t.Errorf("endReason %s", session.Status.EndReason)
	}
}

// start sets everything up, with the Windows binary as the media pod's image.
func start(t *testing.T, w *wine) *rig.Rig {
	t.Helper()
	root, err := filepath.Abs("../..")
	must(t, err)
	began := time.Now()
	exe, err := w.build(t.Context(), root)
	must(t, err)
	t.Logf("built for Windows in %s", time.Since(began).Round(time.Second))
	began = time.Now()
	t.Cleanup(func() { _ = w.stop() }) // it complains when nothing runs any more
	must(t, w.start(t.Context(), filepath.Join("testdata", "bcryptprimitives.c")))
	script, err := w.script(exe)
	must(t, err)
	t.Logf("wine is ready after %s", time.Since(began).Round(time.Second))
	world, err := rig.Start(context.WithoutCancel(t.Context()), rig.Options{Dir: filepath.Join(w.dir, "rig"), Progress: os.Stderr, Images: map[string]string{"mediapod": script}})
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			logs, _ := world.Kubectl(context.Background(), "-n", rig.Namespace, "logs", "-l", callfleetv1.LabelBot, "--tail=50")
			t.Logf("log of the media pod:\n%s", logs)
		}
		if err := world.Close(); err != nil {
			t.Error(err)
		}
	})
	return world
}

// handOn takes what comes to the media port of the pod, UDP, to where the process is; see changes.
func handOn(t *testing.T, world *rig.Rig) {
	t.Helper()
	pod := &callfleetv1.MediaPod{}
	must(t, world.Client.Get(t.Context(), client.ObjectKey{Namespace: rig.Namespace, Name: rig.BotName + "-0"}, pod))
	ip, err := netip.ParseAddr(pod.Status.PodIP)
	must(t, err)
	port := uint16(pod.Status.Endpoint.Port)
	relay := forward.New(forward.Config{Log: logr.Discard()})
	t.Cleanup(relay.Close)
	must(t, relay.Apply([]forward.Rule{{
		Frontend: forward.Frontend{Network: forward.UDP, Addr: netip.AddrPortFrom(ip, port)},
		Backends: []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)}, For: "the media pod under wine",
	}}))
}

func compare(t *testing.T, spoken, heard []byte) measure.Report {
	t.Helper()
	said, err := wav.Decode(bytes.NewReader(spoken), 16<<20)
	must(t, err)
	came, err := wav.Decode(bytes.NewReader(heard), 64<<20)
	must(t, err)
	report, err := measure.Compare(said.Samples, came.Resample(said.SampleRate).Samples, said.SampleRate)
	must(t, err)
	return report
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
