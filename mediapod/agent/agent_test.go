// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/meeting"
	"github.com/callfleet/callfleet/mediapod/prompts"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

func TestMain(m *testing.M) { controllertest.Main(m) }

// bench is one agent against a real API server, with signalling and media played.
type bench struct {
	t       *testing.T
	api     client.Client
	ns      string
	pod     *callfleetv1.MediaPod
	agent   *Agent
	service *service
	ears    *ears
	die     context.CancelFunc // ends the process as SIGKILL would
}

func newBench(t *testing.T, seats int32) *bench { t.Helper(); return newBenchOf(t, seats) }

// newBenchOf has a pod that differs from the usual.
func newBenchOf(t *testing.T, seats int32, change ...func(*callfleetv1.MediaPod)) *bench {
	t.Helper()
	cluster := controllertest.Start(t)
	b := &bench{t: t, api: cluster.Client, ns: cluster.Namespace(t)}
	b.pod = controllertest.MediaPod(b.ns, "reception", 0).Object()
	b.pod.Spec.Capacity.Seats = seats
	for _, c := range change {
		c(b.pod)
	}
	controllertest.Create(t, b.api, b.pod)
	b.startProcess(cluster)
	return b
}

func (b *bench) startProcess(cluster *controllertest.Cluster) {
	b.t.Helper()
	life, die := context.WithCancel(context.Background())
	cl, err := newCluster(cluster.Config, b.ns)
	if err != nil {
		b.t.Fatal(err)
	}
	b.service, b.ears, b.die = newService(), &ears{state: media.StateConnected}, die
	a := newAgent(life, b.pod.Name, "pod-uid", clock.RealClock{}, testr.New(b.t).V(1), newMetrics(prometheus.NewRegistry()))
	library, err := prompts.New(prompts.Config{ConfigMaps: cl, HTTP: http.DefaultClient, BaseURL: "https://bots.contoso.com/voice/reception", Clock: clock.RealClock{}})
	if err != nil {
		b.t.Fatal(err)
	}
	a.objects, a.pods, a.calls, a.sound, a.prompts = cl, cl, b.service, b.ears, library
	a.meetings = &meeting.Finder{Secrets: cl}
	b.agent = a
	p := &parts{agent: a}
	done := make(chan struct{}, 6)
	go func() { cl.followMediaPod(life, b.pod.Name, p.podChanged); done <- struct{}{} }()
	go func() {
		a.runReports(life, func() {
			for _, k := range kinds {
				go func() { cl.follow(life, k, b.pod.Name, a); done <- struct{}{} }()
			}
		})
		done <- struct{}{}
	}()
	go func() { a.runRules(life); done <- struct{}{} }()
	go func() { a.watchDeadline(life); done <- struct{}{} }()
	a.setHealth(health{ready: true, reason: callfleetv1.ReasonReady})
	b.t.Cleanup(func() {
		die()
		for range 6 {
			<-done
		}
		await(b.t, "calls to stop with the process", func() bool {
			a.mu.Lock()
			defer a.mu.Unlock()
			return len(a.runners)+len(a.pending) == 0
		})
	})
	b.awaitPod("the first report", func(mp *callfleetv1.MediaPod) bool {
		return mp.Status.Agent != nil && mp.Status.Agent.Ready && mp.Status.Agent.Instance == a.instance
	})
}

func (b *bench) awaitPod(what string, ok func(*callfleetv1.MediaPod) bool) {
	b.t.Helper()
	mp := &callfleetv1.MediaPod{}
	await(b.t, what, func() bool {
		return b.api.Get(b.t.Context(), client.ObjectKeyFromObject(b.pod), mp) == nil && ok(mp)
	})
}

// session makes a session; bind is the controller's write.
func (b *bench) session(name string, change ...func(*callfleetv1.MeetingSession)) *callfleetv1.MeetingSession {
	b.t.Helper()
	s := controllertest.Session(b.ns, name, "reception").Object()
	for _, c := range change {
		c(s)
	}
	controllertest.Create(b.t, b.api, s)
	return s
}

func (b *bench) bind(s *callfleetv1.MeetingSession) *callfleetv1.MeetingSession {
	b.t.Helper()
	b.patch(s, func(st *callfleetv1.CallStatus) {
		st.MediaPod, st.Phase, st.Attempts = b.pod.Name, callfleetv1.PhaseAssigned, 1
		meta.SetStatusCondition(&st.Conditions, metav1.Condition{Type: callfleetv1.ConditionAssigned, Status: metav1.ConditionTrue, Reason: callfleetv1.ReasonBound})
	})
	return s
}

func (b *bench) patch(s *callfleetv1.MeetingSession, change func(*callfleetv1.CallStatus)) {
	b.t.Helper()
	if err := b.api.Get(b.t.Context(), client.ObjectKeyFromObject(s), s); err != nil {
		b.t.Fatal(err)
	}
	before := s.DeepCopy()
	change(&s.Status.CallStatus)
	if err := b.api.Status().Patch(b.t.Context(), s, client.MergeFrom(before)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) awaitSession(s *callfleetv1.MeetingSession, what string, ok func(callfleetv1.CallStatus) bool) callfleetv1.CallStatus {
	b.t.Helper()
	got := &callfleetv1.MeetingSession{}
	defer func() {
		if b.t.Failed() {
			b.t.Logf("session at the end: %+v", got.Status)
		}
	}()
	await(b.t, what, func() bool {
		return b.api.Get(b.t.Context(), client.ObjectKeyFromObject(s), got) == nil && ok(got.Status.CallStatus)
	})
	return got.Status.CallStatus
}

func endedWith(reason callfleetv1.EndReason) func(callfleetv1.CallStatus) bool {
	return func(st callfleetv1.CallStatus) bool {
		return st.Call != nil && st.Call.End != nil && st.Call.End.Reason == reason
	}
}

func established(st callfleetv1.CallStatus) bool { return st.Phase == callfleetv1.PhaseEstablished }

func TestACallIsClaimedToldAndEnded(t *testing.T) {
	b := newBench(t, 20)
	b.ears.set(media.StateConnected, media.AudioStats{Codec: "G722", PacketsReceived: 500, PacketsSent: 400, Flowing: true, EnergyDB: -23.4, LossPercent: 0.25, MOS: 4.3})
	s := b.bind(b.session("standup"))
	st := b.awaitSession(s, "Established with media", func(st callfleetv1.CallStatus) bool {
		return established(st) && meta.IsStatusConditionTrue(st.Conditions, callfleetv1.ConditionMediaFlowing)
	})
	if st.Call.ID != "call-1" || st.Call.ChainID != "chain-1" || st.Call.ClaimedBy != b.agent.instance || st.Call.ScenarioID == "" {
		t.Errorf("call record %+v", st.Call)
	}
	if st.Participants == nil || st.Participants.Count != 2 || !st.Participants.List[1].Muted {
		t.Errorf("participants %+v", st.Participants)
	}
	if a := st.Media.Audio; a.PacketsReceived != 500 || a.PacketsSent != 400 || a.Energy != -23 || a.LossPercent != "0.2" && a.LossPercent != "0.3" {
		t.Errorf("audio %+v", a)
	}
	b.awaitPod("a seat in use", func(mp *callfleetv1.MediaPod) bool {
		return mp.Status.Seats == callfleetv1.Seats{Capacity: 20, Used: 1, Free: 19} && mp.Status.Calls == 1
	})

	b.service.call(t, string(s.UID)).end(signaling.End{Reason: signaling.EndMeetingEnded, Message: "the organizer ended it"})
	st = b.awaitSession(s, "the end", endedWith(callfleetv1.EndMeetingEnded))
	if st.Call.End.Failed || st.Call.EndedTime == nil || st.Call.Result.Subcode != 4097 {
		t.Errorf("end %+v, result %+v", st.Call.End, st.Call.Result)
	}
	if meta.IsStatusConditionTrue(st.Conditions, callfleetv1.ConditionConnected) {
		t.Error("Connected is still True")
	}
	if st.Phase.Finished() {
		t.Error("the agent finished the session, which is the controller's to do")
	}
	b.awaitPod("the seat free again", func(mp *callfleetv1.MediaPod) bool { return mp.Status.Seats.Free == 20 && mp.Status.Calls == 0 })
	if left := b.ears.left(); left != 0 {
		t.Errorf("%d media calls were left open", left)
	}
	var story []string
	for _, e := range st.Timeline {
		story = append(story, e.Event)
	}
	if got := strings.Join(story, " "); got != "Claimed Established MediaFlowing" {
		t.Errorf("timeline %q", got)
	}
}

func TestWhyTheBotLeaves(t *testing.T) {
	tests := map[string]struct {
		make  func(*callfleetv1.MeetingSession)
		leave func(*bench, *callfleetv1.MeetingSession)
		want  callfleetv1.EndReason
	}{
		"the user sets Ended": {
			leave: func(b *bench, s *callfleetv1.MeetingSession) {
				b.update(s, func(s *callfleetv1.MeetingSession) { s.Spec.DesiredState = callfleetv1.DesiredEnded })
			}, want: callfleetv1.EndedByBot,
		},
		"the session is deleted": {
			make: func(s *callfleetv1.MeetingSession) { s.Finalizers = []string{"callfleet.dev/hang-up"} },
			leave: func(b *bench, s *callfleetv1.MeetingSession) {
				if err := b.api.Delete(b.t.Context(), s); err != nil {
					b.t.Fatal(err)
				}
			}, want: callfleetv1.EndSessionDeleted,
		},
		"endTime comes": {
			make: func(s *callfleetv1.MeetingSession) {
				s.Spec.EndTime = &metav1.Time{Time: time.Now().Add(2 * time.Second)}
			},
			leave: func(*bench, *callfleetv1.MeetingSession) {}, want: callfleetv1.EndTimeReached,
		},
		"the pod has drained for as long as it may": {
			leave: func(b *bench, _ *callfleetv1.MeetingSession) { b.drainUntil(time.Now().Add(2 * time.Second)) }, want: callfleetv1.EndDrainDeadlineReached,
		},
		"the pod has to stop": {
			leave: func(b *bench, _ *callfleetv1.MeetingSession) { b.agent.stop(); b.agent.stopCalls() }, want: callfleetv1.EndPodStopped,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 1)
			var changes []func(*callfleetv1.MeetingSession)
			if tc.make != nil {
				changes = append(changes, tc.make)
			}
			s := b.bind(b.session("standup", changes...))
			b.awaitSession(s, "Established", established)
			tc.leave(b, s)
			st := b.awaitSession(s, string(tc.want), endedWith(tc.want))
			if st.Call.End.Message == "" {
				t.Error("no message for people")
			}
			b.agent.stop()
			if !b.agent.waitIdle(t.Context()) {
				t.Error("not idle")
			}
		})
	}
}

func (b *bench) update(s *callfleetv1.MeetingSession, change func(*callfleetv1.MeetingSession)) {
	b.t.Helper()
	if err := b.api.Get(b.t.Context(), client.ObjectKeyFromObject(s), s); err != nil {
		b.t.Fatal(err)
	}
	before := s.DeepCopy()
	change(s)
	if err := b.api.Patch(b.t.Context(), s, client.MergeFrom(before)); err != nil {
		b.t.Fatal(err)
	}
}

func TestBindingsAreRefused(t *testing.T) {
	refusedWith := func(text string) func(callfleetv1.CallStatus) bool {
		return func(st callfleetv1.CallStatus) bool {
			c := meta.FindStatusCondition(st.Conditions, callfleetv1.ConditionAssigned)
			return c.Status == metav1.ConditionFalse && c.Reason == callfleetv1.ReasonPodRefused && strings.Contains(c.Message, text)
		}
	}
	t.Run("when every seat is taken", func(t *testing.T) {
		b := newBench(t, 2)
		for i := range 2 {
			b.awaitSession(b.bind(b.session(fmt.Sprint("s-", i))), "Established", established)
		}
		third := b.bind(b.session("third"))
		st := b.awaitSession(third, "a refusal", refusedWith("all 2 seats are taken"))
		if st.Call != nil || b.service.joined() != 2 {
			t.Errorf("a refused session was called: %+v", st.Call)
		}
	})
	t.Run("when the pod drains, after which the mark is acknowledged and calls go on", func(t *testing.T) {
		b := newBench(t, 20)
		live := b.bind(b.session("live"))
		b.awaitSession(live, "Established", established)
		before := b.pod.DeepCopy()
		b.pod.Spec.Drain = &callfleetv1.Drain{Reason: callfleetv1.DrainScaleIn, Since: metav1.Now()}
		if err := b.api.Patch(t.Context(), b.pod, client.MergeFrom(before)); err != nil {
			t.Fatal(err)
		}
		b.awaitPod("the acknowledgement", func(mp *callfleetv1.MediaPod) bool { return mp.Status.Agent.ObservedGeneration == mp.Generation })
		b.awaitSession(b.bind(b.session("late")), "a refusal", refusedWith("draining"))
		if st := b.awaitSession(live, "the live call", established); st.Call.End != nil {
			t.Error("draining ended a call")
		}
	})
}

func TestASessionThatIsToEndIsNeverCalled(t *testing.T) {
	b := newBench(t, 20)
	s := b.session("late", func(s *callfleetv1.MeetingSession) { s.Spec.DesiredState = callfleetv1.DesiredEnded })
	b.awaitSession(b.bind(s), "its end", endedWith(callfleetv1.EndedByBot))
	if n := b.service.joined(); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

func TestBadMeetingsAndBehavioursEndWithoutACall(t *testing.T) {
	b := newBench(t, 20)
	link := b.session("link", func(s *callfleetv1.MeetingSession) {
		s.Spec.Meeting = callfleetv1.Meeting{JoinURL: "https://teams.microsoft.com/l/not-a-meeting/secret-thread"}
	})
	st := b.awaitSession(b.bind(link), "its end", endedWith(callfleetv1.EndInvalidMeeting))
	if !st.Call.End.Failed || st.Call.End.Retryable || strings.Contains(fmt.Sprint(st), "secret-thread") {
		t.Errorf("end %+v; a link must be called bad for good and never be quoted", st.Call.End)
	}
	play := b.session("play", func(s *callfleetv1.MeetingSession) {
		s.Spec.Behavior = &callfleetv1.Behavior{Play: &callfleetv1.Play{ConfigMap: &callfleetv1.KeyReference{Name: "prompts", Key: "hello.wav"}}}
	})
	st = b.awaitSession(b.bind(play), "its end", endedWith(callfleetv1.EndInvalidBehavior))
	if !strings.Contains(st.Call.End.Message, `ConfigMap "prompts" does not exist`) {
		t.Errorf("message %q", st.Call.End.Message)
	}
	if n := b.service.joined(); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

func TestANewProcessBuriesTheCallsOfTheOld(t *testing.T) {
	b := newBench(t, 20)
	s := b.bind(b.session("standup"))
	b.awaitSession(s, "Established", established)
	old := b.agent.instance
	b.die()
	await(t, "the process to die", func() bool {
		b.agent.mu.Lock()
		defer b.agent.mu.Unlock()
		return len(b.agent.runners) == 0
	})
	b.startProcess(controllertest.Start(t))
	st := b.awaitSession(s, "PodLost", endedWith(callfleetv1.EndPodLost))
	if !st.Call.End.Retryable || st.Call.ClaimedBy != old || st.Call.EndedTime == nil {
		t.Errorf("record %+v", st.Call)
	}
	b.service.mu.Lock()
	defer b.service.mu.Unlock()
	if len(b.service.hungUp) != 1 || b.service.hungUp[0] != "call-1" || len(b.service.joins) != 0 {
		t.Errorf("hung up %v, joined %d; want the ghost hung up once and no new call", b.service.hungUp, len(b.service.joins))
	}
	if st.Participants == nil || st.Participants.Count != 2 {
		t.Error("what was seen of the call was forgotten")
	}
}

func TestASessionTakenAwayLeavesItsMeeting(t *testing.T) {
	b := newBench(t, 20)
	s := b.bind(b.session("standup"))
	b.awaitSession(s, "Established", established)
	b.patch(s, func(st *callfleetv1.CallStatus) { st.MediaPod, st.Call = "", nil })
	call := b.service.call(t, string(s.UID))
	await(t, "the bot to leave", func() bool { call.mu.Lock(); defer call.mu.Unlock(); return call.asked != "" })
	await(t, "the seat to be free", func() bool { b.agent.mu.Lock(); defer b.agent.mu.Unlock(); return len(b.agent.runners) == 0 })
	got := &callfleetv1.MeetingSession{}
	if err := b.api.Get(t.Context(), client.ObjectKeyFromObject(s), got); err != nil {
		t.Fatal(err)
	}
	if got.Status.Call != nil {
		t.Errorf("a status was written on a session of somebody else: %+v", got.Status.Call)
	}
}

func TestLostMediaEndsTheCall(t *testing.T) {
	b := newBench(t, 20)
	s := b.bind(b.session("standup", func(s *callfleetv1.MeetingSession) {
		s.Spec.Leave.MediaLostTimeout = ptr.To[callfleetv1.Duration]("3s")
	}))
	b.awaitSession(s, "Established", established)
	flowing := func(status metav1.ConditionStatus, reason string) func(callfleetv1.CallStatus) bool {
		return func(st callfleetv1.CallStatus) bool {
			c := meta.FindStatusCondition(st.Conditions, callfleetv1.ConditionMediaFlowing)
			return c != nil && c.Status == status && c.Reason == reason
		}
	}
	flows := media.AudioStats{PacketsReceived: 10, Flowing: true, LastReceived: time.Now()}
	b.ears.set(media.StateConnected, flows)
	b.awaitSession(s, "flow", flowing(metav1.ConditionTrue, callfleetv1.ReasonFlowing))
	// It comes back once, in time.
	b.ears.set(media.StateInterrupted, media.AudioStats{PacketsReceived: 10})
	b.awaitSession(s, "the wait", flowing(metav1.ConditionFalse, callfleetv1.ReasonWaitingForRestart))
	b.ears.set(media.StateConnected, flows)
	b.awaitSession(s, "flow again", flowing(metav1.ConditionTrue, callfleetv1.ReasonFlowing))

	b.ears.set(media.StateLost, media.AudioStats{PacketsReceived: 10})
	b.awaitSession(s, "the loss", flowing(metav1.ConditionFalse, callfleetv1.ReasonConnectionLost))
	st := b.awaitSession(s, "MediaLost", endedWith(callfleetv1.EndMediaLost))
	if !st.Call.End.Failed || !st.Call.End.Retryable {
		t.Errorf("end %+v", st.Call.End)
	}
	var story []string
	for _, e := range st.Timeline {
		if strings.HasPrefix(e.Event, "Media") {
			story = append(story, e.Event)
		}
	}
	if want := []string{"MediaFlowing", "MediaWaitingForRestart", "MediaFlowing", "MediaConnectionLost"}; !slices.Equal(story, want) {
		t.Errorf("the timeline has %v, want %v", story, want)
	}
}
