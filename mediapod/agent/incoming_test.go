// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/prompts"
	"github.com/callfleet/callfleet/mediapod/signaling"
	"github.com/callfleet/callfleet/mediapod/story"
)

const jane = "550fae72-d251-43ec-868c-373732c2704f"

// ring is jane calling.
func ring(id string) signaling.Incoming {
	return signaling.Incoming{
		CallID: id, ChainID: "chain-" + id, TenantID: controllertest.TenantID,
		From: graph.IdentitySet{User: &graph.Identity{ID: jane, DisplayName: "Jane", TenantID: controllertest.TenantID}},
		To:   graph.IdentitySet{Application: &graph.Identity{ID: controllertest.AppID}},
	}
}

// withRules gives the pod rules for incoming calls.
func withRules(rules ...callfleetv1.IncomingRule) func(*callfleetv1.MediaPod) {
	return func(p *callfleetv1.MediaPod) { p.Spec.Incoming = rules }
}

func withSeats(n int32) func(*callfleetv1.MediaPod) {
	return func(p *callfleetv1.MediaPod) { p.Spec.Capacity.Seats = n }
}

func serviceHosted(p *callfleetv1.MediaPod) { p.Spec.Media.Hosting = callfleetv1.HostingService }

var answerAll = callfleetv1.IncomingRule{Action: callfleetv1.IncomingAnswer}

// pickUp has signalling act on the decision to answer.
func pickUp(t *testing.T, a *Agent, calls *service, in signaling.Incoming) *fakeCall {
	t.Helper()
	d := a.incoming(in)
	if d.Answer == nil {
		t.Fatalf("decision %+v, want an answer", d)
	}
	c := calls.answer(in, d)
	a.mu.Lock()
	r := a.runners[d.Answer.UID]
	a.mu.Unlock()
	r.starts <- c
	return c
}

// establish is what the service does with an answer.
func (c *fakeCall) establishAnswered() {
	c.change(func(s *signaling.Snapshot) {
		s.Phase, s.State, s.Established, s.Unanswered = signaling.PhaseEstablished, graph.StateEstablished, time.Now(), false
		s.Events = append(s.Events, signaling.Event{Time: time.Now(), Event: "Established"})
	})
}

func TestAnIncomingCallIsAnsweredAndTold(t *testing.T) {
	m := &memory{}
	a, calls := seat(t, m, withRules(callfleetv1.IncomingRule{
		Action: callfleetv1.IncomingAnswer, Behavior: &callfleetv1.Behavior{Echo: &callfleetv1.Echo{}}, ParticipantCapacity: 100,
		Call: &callfleetv1.IncomingTemplate{
			Muted: true, RecordingStatus: callfleetv1.Recording, Leave: callfleetv1.LeaveRules{MaxDuration: "1h"}, TTLSecondsAfterFinished: ptr.To[int32](60),
		},
	}))
	a.pod.Spec.Media.Modalities = callfleetv1.Modalities{callfleetv1.ModalityAudio, callfleetv1.ModalityVideo}
	sound := a.sound.(*ears)
	sound.set(media.StateConnected, media.AudioStats{PacketsReceived: 5, Flowing: true})
	in := ring("call-7")
	in.PolicyRecording = true
	in.OnBehalfOf = &graph.IdentitySet{User: &graph.Identity{ID: "bob", DisplayName: strings.Repeat("B", 300)}}
	in.Transferor = &graph.IdentitySet{Phone: &graph.Identity{ID: "+12065550100"}}
	d := a.incoming(in)
	if d.Answer == nil || d.Answer.UID != incomingUID("call-7") || d.Answer.ParticipantCapacity != 100 || !strings.Contains(d.Answer.Blob, "whip") {
		t.Fatalf("decision %+v", d.Answer)
	}
	if want := []graph.Modality{graph.ModalityAudio, graph.ModalityVideo}; !slices.Equal(d.Answer.Modalities, want) {
		t.Errorf("answers with %v, want those of the bot: %v", d.Answer.Modalities, want)
	}
	if before, after := a.reportNow(); after.Status.Seats.Used != 2 {
		t.Errorf("a call with video takes two seats: %+v, before %+v", after.Status.Seats, before.Status.Seats)
	}
	call := calls.answer(in, d)
	a.runners[d.Answer.UID].starts <- call
	call.establishAnswered()

	await(t, "the status", func() bool { return m.status().Phase == callfleetv1.PhaseEstablished })
	made := m.newest().call
	want := callfleetv1.OneCallSpec{
		CallSpec: callfleetv1.CallSpec{
			BotRef: callfleetv1.BotReference{Name: "reception"}, DesiredState: callfleetv1.DesiredConnected,
			Behavior: &callfleetv1.Behavior{Echo: &callfleetv1.Echo{}}, Rejoin: callfleetv1.Rejoin{Policy: callfleetv1.RejoinNever, MaxAttempts: 1},
			Muted: true, RecordingStatus: callfleetv1.Recording, Leave: callfleetv1.LeaveRules{MaxDuration: "1h"}, TTLSecondsAfterFinished: ptr.To[int32](60),
		},
		Incoming: &callfleetv1.IncomingCall{
			ID: "call-7", TenantID: controllertest.TenantID, PolicyRecording: true,
			From: &callfleetv1.Caller{Kind: callfleetv1.CallerUser, ID: jane, DisplayName: "Jane", TenantID: controllertest.TenantID},
			To:   &callfleetv1.Caller{Kind: callfleetv1.CallerApplication, ID: controllertest.AppID},

			OnBehalfOf: &callfleetv1.Caller{Kind: callfleetv1.CallerUser, ID: "bob", DisplayName: story.Clip(strings.Repeat("B", 300), 256)},
			Transferor: &callfleetv1.Caller{Kind: callfleetv1.CallerPhone, ID: "+12065550100"},
			AnsweredBy: &callfleetv1.AnsweringProcess{MediaPod: "reception-0", Instance: a.instance},
		},
	}
	if diff := cmp.Diff(want, made.Spec); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	if made.Name != incomingName("reception", "call-7") || made.Labels[callfleetv1.LabelBot] != "reception" {
		t.Errorf("name %q, labels %v", made.Name, made.Labels)
	}
	st := made.Status
	if st.MediaPod != "reception-0" || st.Direction != callfleetv1.CallIncoming || st.Attempts != 1 || st.Call.ClaimedBy != a.instance ||
		st.Call.ID != "call-7" || st.Call.Hosting != callfleetv1.HostingApplication || st.Call.ScenarioID != "chain-call-7" || st.Call.TenantID != "" {
		t.Errorf("status %+v, call %+v", st, st.Call)
	}
	if w := call.wanted(); !w.Muted || w.Recording != graph.Recording {
		t.Errorf("wants %+v", w)
	}
	await(t, "the pod to keep silent in a call of two", sound.isMuted)

	call.end(signaling.End{Reason: signaling.EndRemoteHungUp, Message: "Jane hung up."})
	await(t, "the end", func() bool { c := m.status().Call; return c.End != nil })
	if end := m.status().Call.End; end.Reason != callfleetv1.EndRemoteHungUp || end.Failed {
		t.Errorf("end %+v", end)
	}
	await(t, "the seat", func() bool { _, after := a.reportNow(); return after.Status.Seats.Used == 0 })
	if sound.left() != 0 {
		t.Error("the media was left open")
	}
	creates, patches := m.writes()
	t.Logf("writes to the API server for one incoming call: %d create, %d of status", creates, patches)
	if creates != 1 || patches != 2 {
		t.Errorf("%d creates and %d patches, want one create, one patch once it is established and one for its end", creates, patches)
	}
}

// TestACallThatIsOverBeforeItsObject: the API server is away while somebody calls, and the call is told of all the same.
func TestACallThatIsOverBeforeItsObject(t *testing.T) {
	m := &memory{away: true}
	a, calls := seat(t, m, withRules(answerAll), withSeats(1))
	call := pickUp(t, a, calls, ring("call-7"))
	call.establishAnswered()
	a.mu.Lock()
	r := a.runners[incomingUID("call-7")]
	a.mu.Unlock()
	if !a.full() {
		t.Error("a pod of one seat with a call is not full")
	}
	call.end(signaling.End{Reason: signaling.EndRemoteHungUp, Message: "Jane hung up."})
	await(t, "the seat to be free though nothing is written", func() bool { return !a.full() })
	if _, after := a.reportNow(); after.Status.Calls != 1 {
		t.Error("the pod may be deleted before the call is told of")
	}
	m.goAway(false)
	await(t, "the runner to end", func() bool { a.mu.Lock(); defer a.mu.Unlock(); return a.runners[r.uid] == nil })
	if c := m.status().Call; c == nil || c.End == nil || c.End.Reason != callfleetv1.EndRemoteHungUp || c.EstablishedTime == nil || c.ID != "call-7" {
		t.Errorf("record %+v", c)
	}
	if creates, patches := m.writes(); creates != 1 || patches != 1 {
		t.Errorf("%d creates and %d patches", creates, patches)
	}
}

func TestAnObjectWhoseMakingWasNotConfirmedIsOurs(t *testing.T) {
	m := &memory{loseAnswer: true}
	a, calls := seat(t, m, withRules(answerAll))
	pickUp(t, a, calls, ring("call-7")).establishAnswered()
	await(t, "the status", func() bool { return m.status().Phase == callfleetv1.PhaseEstablished })
	if creates, _ := m.writes(); creates != 1 {
		t.Errorf("%d objects", creates)
	}
}

// TestAnotherPodsCallIsNotWrittenOver: the service told two pods of a call, and the other one has it.
func TestAnotherPodsCallIsNotWrittenOver(t *testing.T) {
	m := &memory{}
	a, calls := seat(t, m, withRules(answerAll))
	call := pickUp(t, a, calls, ring("call-7"))
	call.change(func(*signaling.Snapshot) {})
	call.end(signaling.End{Reason: signaling.EndCallLost, Elsewhere: true})
	await(t, "the runner to end", func() bool { a.mu.Lock(); defer a.mu.Unlock(); return len(a.runners) == 0 })
	if creates, patches := m.writes(); creates != 0 || patches != 0 {
		t.Errorf("%d creates and %d patches of a call that is another pod's", creates, patches)
	}
}

// TestACallThatTwoPodsWereToldOf is written of by the one that answers it, however long the other takes to learn that.
func TestACallThatTwoPodsWereToldOf(t *testing.T) {
	m := &memory{}
	one, oneCalls := seat(t, m, withRules(answerAll))
	two, twoCalls := seat(t, m, withRules(answerAll))
	two.name = "reception-1"
	slow, quick := pickUp(t, two, twoCalls, ring("call-7")), pickUp(t, one, oneCalls, ring("call-7"))

	late := runner{story: story.Story{Created: time.Now().Add(-time.Minute), Taken: &story.Taken{}, Signal: slow.Snapshot()}}
	if late.worthTelling(time.Now()) {
		t.Error("told of before it is answered")
	}
	// The first to answer has made the object, and not told yet that it holds the call, when the other one gives up.
	r := one.runners[incomingUID("call-7")]
	if _, err := m.create(t.Context(), r.writer.maker); err != nil {
		t.Fatal(err)
	}
	slow.end(signaling.End{Reason: signaling.EndServiceError, Failed: true})
	await(t, "the second to forget it", func() bool { two.mu.Lock(); defer two.mu.Unlock(); return len(two.runners) == 0 })
	if _, patches := m.writes(); patches != 0 {
		t.Error("somebody else's call was written of")
	}
	quick.establishAnswered()
	await(t, "the status", func() bool { return m.status().Phase == callfleetv1.PhaseEstablished })
	if st := m.status(); st.MediaPod != "reception-0" || st.Call.ClaimedBy != one.instance || quick.leaving() {
		t.Errorf("held by %s (%s), left: %v", st.MediaPod, st.Call.ClaimedBy, quick.leaving())
	}
}

func TestWhatHappensToCallsThatAreNotAnswered(t *testing.T) {
	elsewhere := func(p *callfleetv1.MediaPod) {
		p.Spec.Signaling.Redirects = []callfleetv1.RegionRedirect{{Countries: []string{"US"}, URL: "https://us.contoso.com/voice/reception/calls"}}
	}
	fromUS := func(in *signaling.Incoming) { in.Country = "US" }
	tests := map[string]struct {
		pod    []func(*callfleetv1.MediaPod)
		agent  func(*Agent)
		change func(*signaling.Incoming)
		want   signaling.Decision
	}{
		"no rule":             {want: signaling.Decision{Reject: graph.RejectForbidden}},
		"a rule that rejects": {pod: []func(*callfleetv1.MediaPod){withRules(callfleetv1.IncomingRule{Action: callfleetv1.IncomingReject, Reason: callfleetv1.RejectBusy})}, want: signaling.Decision{Reject: graph.RejectBusy}},
		"a rule that redirects": {
			pod: []func(*callfleetv1.MediaPod){withRules(callfleetv1.IncomingRule{
				Action: callfleetv1.IncomingRedirect, Redirect: &callfleetv1.RedirectTo{Targets: []callfleetv1.Identity{{User: jane}, {Phone: "+12065550100"}}, RingSeconds: 30},
			})},
			want: signaling.Decision{Redirect: &graph.Redirect{TimeoutSeconds: 30, Targets: []graph.InvitationParticipantInfo{
				{Identity: graph.IdentitySet{User: &graph.Identity{ID: jane}}}, {Identity: graph.IdentitySet{Phone: &graph.Identity{ID: "+12065550100"}}},
			}}},
		},
		"another region":                  {pod: []func(*callfleetv1.MediaPod){withRules(answerAll), elsewhere}, change: fromUS, want: signaling.Decision{Location: "https://us.contoso.com/voice/reception/calls"}},
		"another region, from a full pod": {pod: []func(*callfleetv1.MediaPod){withRules(answerAll), elsewhere, withSeats(0)}, change: fromUS, want: signaling.Decision{Location: "https://us.contoso.com/voice/reception/calls"}},
		"no seat":                         {pod: []func(*callfleetv1.MediaPod){withRules(answerAll), withSeats(0)}, want: signaling.Decision{Full: true}},
		"no seat, and no rule":            {pod: []func(*callfleetv1.MediaPod){withSeats(0)}, want: signaling.Decision{Reject: graph.RejectForbidden}},
		"draining":                        {pod: []func(*callfleetv1.MediaPod){withRules(answerAll), func(p *callfleetv1.MediaPod) { p.Spec.Drain = &callfleetv1.Drain{Reason: callfleetv1.DrainScaleIn} }}, want: signaling.Decision{Full: true}},
		"stopping":                        {pod: []func(*callfleetv1.MediaPod){withRules(answerAll)}, agent: (*Agent).stop, want: signaling.Decision{Full: true}},
		"no token":                        {pod: []func(*callfleetv1.MediaPod){withRules(answerAll)}, agent: func(a *Agent) { a.setHealth(health{reason: "LoginUnreachable"}) }, want: signaling.Decision{Full: true}},
		"rules not prepared":              {pod: []func(*callfleetv1.MediaPod){withRules(answerAll)}, agent: func(a *Agent) { a.book = nil }, want: signaling.Decision{Full: true}},
		"calls bound here not known yet":  {pod: []func(*callfleetv1.MediaPod){withRules(answerAll)}, agent: func(a *Agent) { a.listed = map[*kind]bool{calls: true} }, want: signaling.Decision{Full: true}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			a, _ := seat(t, &memory{}, tc.pod...)
			if tc.agent != nil {
				tc.agent(a)
			}
			in := ring("call-7")
			if tc.change != nil {
				tc.change(&in)
			}
			if diff := cmp.Diff(tc.want, a.incoming(in)); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
			if len(a.runners) != 0 {
				t.Error("a seat is taken")
			}
			if tc.want.Full != a.full() && tc.want.Location == "" && name != "no seat, and no rule" {
				t.Errorf("full %v", a.full())
			}
		})
	}
}

// TestASeatOfACallThatCameToNothingIsFreeAgain, and nothing is told of it.
func TestASeatOfACallThatCameToNothingIsFreeAgain(t *testing.T) {
	m := &memory{}
	a, _ := seat(t, m, withRules(answerAll), withSeats(1))
	d := a.incoming(ring("call-7"))
	if again := a.incoming(ring("call-8")); !again.Full {
		t.Errorf("a second call for one seat: %+v", again)
	}
	d.Answer.Started(nil)
	await(t, "the seat", func() bool { return !a.full() })
	if creates, _ := m.writes(); creates != 0 || a.sound.(*ears).left() != 0 {
		t.Errorf("%d objects, %d sounds left open", creates, a.sound.(*ears).left())
	}
}

func TestSeatsAreNeverOversoldByCallsThatComeAtOnce(t *testing.T) {
	const seats = 7
	a, _ := seat(t, &memory{}, withRules(answerAll), withSeats(seats))
	answers := make(chan bool)
	for i := range 50 {
		go func() { answers <- a.incoming(ring(fmt.Sprint("call-", i))).Answer != nil }()
	}
	taken := 0
	for range 50 {
		if <-answers {
			taken++
		}
	}
	if taken != seats {
		t.Errorf("%d calls in %d seats", taken, seats)
	}
}

// TestARuleThatCannotBeCarriedOutIsTold where its calls are looked for; whoever calls is not left in silence.
func TestARuleThatCannotBeCarriedOutIsTold(t *testing.T) {
	m := &memory{}
	a, _ := seat(t, m, serviceHosted, withRules(callfleetv1.IncomingRule{Action: callfleetv1.IncomingAnswer, Behavior: &callfleetv1.Behavior{Echo: &callfleetv1.Echo{}}}))
	if d := a.incoming(ring("call-7")); d.Reject != graph.RejectNone || d.Answer != nil {
		t.Fatalf("decision %+v", d)
	}
	await(t, "the end", func() bool { c := m.status().Call; return c != nil && c.End != nil })
	end := m.status().Call.End
	if end.Reason != callfleetv1.EndInvalidBehavior || end.Retryable || !strings.Contains(end.Message, "media.hosting: Service") {
		t.Errorf("end %+v", end)
	}
	if creates, patches := m.writes(); creates != 1 || patches != 1 {
		t.Errorf("%d creates and %d patches", creates, patches)
	}
}

// TestPromptsAreAtHandBeforeSomebodyCalls, and stay so while their server is away.
func TestPromptsAreAtHandBeforeSomebodyCalls(t *testing.T) {
	play := callfleetv1.IncomingRule{Action: callfleetv1.IncomingAnswer, Behavior: &callfleetv1.Behavior{Play: &callfleetv1.Play{URL: "https://files.contoso.com/hello.wav"}}}
	a, calls := seat(t, &memory{}, withRules(play))
	library := a.prompts.(*files)
	pickUp(t, a, calls, ring("call-1"))
	if opened := a.sound.(*ears).opened; library.asked != 1 || opened[0].Behavior.Play == nil {
		t.Fatalf("asked %d times, behaviour %+v", library.asked, opened)
	}
	again := func() prepared { return a.prepareRules(t.Context(), a.mediaPod()).behaviors[0] }
	away := errAwayForNow(t)
	library.fail(away)
	if p := again(); p.err != nil || p.behavior.media.Play == nil {
		t.Errorf("while the server is away: %v", p.err)
	}
	library.fail(errors.New("the file is no sound"))
	if p := again(); p.err == nil {
		t.Error("a file that turned bad is played as it was")
	}
}

// errAwayForNow is what the library says of an API server that is away.
func errAwayForNow(t *testing.T) error {
	t.Helper()
	library, err := prompts.New(prompts.Config{ConfigMaps: configMaps{apierrors.NewServiceUnavailable("starting")}, HTTP: http.DefaultClient, BaseURL: "https://bots.contoso.com/a/b", Clock: clock.RealClock{}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = library.Fetch(t.Context(), &callfleetv1.Play{ConfigMap: &callfleetv1.KeyReference{Name: "prompts", Key: "hello.wav"}})
	if !prompts.Temporary(err) {
		t.Fatalf("error %v", err)
	}
	return err
}

func TestNewRulesHoldWithoutARestart(t *testing.T) {
	a, _ := seat(t, &memory{}, withRules(answerAll))
	done := make(chan struct{})
	go func() { defer close(done); a.runRules(a.life) }()
	p := a.pod.DeepCopy()
	p.ResourceVersion, p.Spec.Incoming = "6", []callfleetv1.IncomingRule{{Action: callfleetv1.IncomingReject, Reason: callfleetv1.RejectBusy}}
	a.podChanged(p)
	await(t, "the new rule", func() bool { return a.incoming(signaling.Incoming{CallID: "x"}).Reject == graph.RejectBusy })
}

func TestTheObjectsOfACallAreFoundFromItsIDHoweverWritten(t *testing.T) {
	if incomingUID("AB-CD") != incomingUID("abcd") || incomingName("b", "AB-CD") != incomingName("b", "abcd") || incomingUID("a") == incomingUID("b") {
		t.Error("ids differ")
	}
	s := calls.subject(&callfleetv1.Call{Spec: callfleetv1.OneCallSpec{Incoming: &callfleetv1.IncomingCall{ID: "abcd"}}})
	if s.uid != incomingUID("AB-CD") {
		t.Error("the object does not lead back to its call")
	}
}
