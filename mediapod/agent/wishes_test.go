// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// outgoing is a Call bound to reception-0.
func outgoing(spec callfleetv1.OneCallSpec) *subject {
	c := &callfleetv1.Call{ObjectMeta: metav1.ObjectMeta{Namespace: "voice", Name: "ring-jane", UID: "uid-1", ResourceVersion: "10"}, Spec: spec}
	c.Status.MediaPod, c.Status.Phase = "reception-0", callfleetv1.PhaseAssigned
	return calls.subject(c)
}

func TestWhomACallIsMadeTo(t *testing.T) {
	queue := callfleetv1.GUID("aa1122bb-0000-4000-8000-000000000001")
	userTarget := graph.InvitationParticipantInfo{Identity: graph.IdentitySet{User: &graph.Identity{ID: jane}}}
	tests := map[string]struct {
		spec callfleetv1.OneCallSpec
		want signaling.JoinRequest
	}{
		"a user": {callfleetv1.OneCallSpec{To: []callfleetv1.Identity{{User: jane}}, Subject: "tea"},
			signaling.JoinRequest{Targets: []graph.InvitationParticipantInfo{userTarget}, Subject: "tea"}},
		"a telephone, from a number of the tenant": {
			callfleetv1.OneCallSpec{
				To: []callfleetv1.Identity{{Phone: "+12065550100"}}, RingingTimeout: "20s",
				From: &callfleetv1.CallSource{Application: queue, DisplayName: "Reception"},
			},
			signaling.JoinRequest{
				Targets: []graph.InvitationParticipantInfo{{Identity: graph.IdentitySet{Phone: &graph.Identity{ID: "+12065550100"}}}}, RingingTimeout: 20 * time.Second,
				Source: &graph.ParticipantInfo{Identity: graph.IdentitySet{ApplicationInstance: &graph.Identity{ID: string(queue), DisplayName: "Reception"}}},
			},
		},
		"a user of an allowed tenant": {callfleetv1.OneCallSpec{To: []callfleetv1.Identity{{User: jane}}, TenantID: queue},
			signaling.JoinRequest{Targets: []graph.InvitationParticipantInfo{userTarget}, TenantID: string(queue)}},
		"under another name": {
			callfleetv1.OneCallSpec{To: []callfleetv1.Identity{{User: jane}}, From: &callfleetv1.CallSource{DisplayName: "Reception"}},
			signaling.JoinRequest{
				Targets: []graph.InvitationParticipantInfo{userTarget},
				Source:  &graph.ParticipantInfo{Identity: graph.IdentitySet{Application: &graph.Identity{ID: controllertest.AppID, DisplayName: "Reception"}}},
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			m := &memory{object: outgoing(tc.spec)}
			a, service := seat(t, m)
			a.changed(m.newest())
			m.awaitPhase(t, callfleetv1.PhaseEstablished)
			got := service.joins[0]
			if got.UID != "uid-1" || got.ScenarioID != m.status().Call.ScenarioID || got.Blob == "" {
				t.Errorf("request %+v", got)
			}
			got.UID, got.ScenarioID, got.Blob, got.OnChange = "", "", "", nil
			tc.want.Modalities = []graph.Modality{graph.ModalityAudio}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			if d := m.newest().call.Status.Direction; d != callfleetv1.CallOutgoing {
				t.Errorf("direction %q", d)
			}
		})
	}
}

// TestTheSpecIsFollowedWhileTheCallGoesOn, and the status tells what became of it.
func TestTheSpecIsFollowedWhileTheCallGoesOn(t *testing.T) {
	a, service, m := desk(t)
	a.changed(m.newest())
	m.awaitPhase(t, callfleetv1.PhaseEstablished)
	call := service.call(t, "uid-1")
	a.changed(m.specify(func(s *callfleetv1.CallSpec) {
		s.Muted, s.ScreenSharing, s.RecordingStatus = true, callfleetv1.ScreenSharingViewer, callfleetv1.Recording
		s.Invite = []callfleetv1.Invitee{{Identity: callfleetv1.Identity{User: jane}, Hidden: true}}
	}))
	who := graph.InvitationParticipantInfo{Identity: graph.IdentitySet{User: &graph.Identity{ID: jane}}, Hidden: true}
	want := signaling.Wants{Muted: true, ScreenSharing: graph.ScreenSharingViewer, Recording: graph.Recording, Invite: []graph.InvitationParticipantInfo{who}}
	await(t, "the wants", func() bool { return cmp.Equal(call.wanted(), want) })
	recording := func() *metav1.Condition {
		return meta.FindStatusCondition(m.status().Conditions, callfleetv1.ConditionRecording)
	}
	await(t, "the condition that nothing is announced yet", func() bool { c := recording(); return c != nil && c.Reason == callfleetv1.ReasonNotAnnounced })

	call.change(func(s *signaling.Snapshot) {
		s.Muted, s.ScreenSharing, s.Recording = true, graph.ScreenSharingViewer, graph.Recording
		s.Invites = []signaling.Invite{{Who: who, State: signaling.InviteFailed, Message: "Jane is away."}}
	})
	await(t, "the status", func() bool { return m.status().RecordingStatus == callfleetv1.Recording })
	st := m.status()
	if !st.Muted || st.ScreenSharing != callfleetv1.ScreenSharingViewer || recording().Status != metav1.ConditionTrue {
		t.Errorf("status %+v", st)
	}
	wantInvites := []callfleetv1.InviteStatus{{Identity: callfleetv1.Identity{User: jane}, State: callfleetv1.InviteFailed, Message: "Jane is away."}}
	if diff := cmp.Diff(wantInvites, st.Invites); diff != "" {
		t.Errorf("invites (-want +got):\n%s", diff)
	}
	attention := meta.FindStatusCondition(st.Conditions, callfleetv1.ConditionNeedsAttention)
	if attention == nil || attention.Reason != callfleetv1.ReasonInviteFailed {
		t.Errorf("attention %+v", attention)
	}
	if a.sound.(*ears).isMuted() {
		t.Error("the pod keeps silent where the service mutes")
	}
	a.changed(m.specify(func(s *callfleetv1.CallSpec) { s.Invite = nil }))
	await(t, "the attention to pass", func() bool {
		return meta.FindStatusCondition(m.status().Conditions, callfleetv1.ConditionNeedsAttention) == nil
	})
}

func TestACallAsksForTheModalitiesItNeeds(t *testing.T) {
	const audio, video, screen = graph.ModalityAudio, graph.ModalityVideo, graph.ModalityVideoScreenSharing
	for name, c := range map[string]struct {
		bot    callfleetv1.Modalities
		change func(*callfleetv1.CallSpec)
		want   []graph.Modality
	}{
		"audio":     {nil, func(*callfleetv1.CallSpec) {}, []graph.Modality{audio}},
		"the bot's": {callfleetv1.Modalities{callfleetv1.ModalityAudio, callfleetv1.ModalityVideo}, func(*callfleetv1.CallSpec) {}, []graph.Modality{audio, video}},
		"its own": {nil, func(s *callfleetv1.CallSpec) {
			s.Modalities = callfleetv1.Modalities{callfleetv1.ModalityAudio, callfleetv1.ModalityVideo}
		}, []graph.Modality{audio, video}},
		"screen sharing": {nil, func(s *callfleetv1.CallSpec) { s.ScreenSharing = callfleetv1.ScreenSharingSharer }, []graph.Modality{audio, screen}},
	} {
		t.Run(name, func(t *testing.T) {
			a, service, m := desk(t)
			a.pod.Spec.Media.Modalities = c.bot
			c.change(m.object.spec)
			a.changed(m.newest())
			m.awaitPhase(t, callfleetv1.PhaseEstablished)
			if got := service.joins[0].Modalities; !slices.Equal(got, c.want) {
				t.Errorf("asked for %v, want %v", got, c.want)
			}
		})
	}
}

func TestLeaveRulesEndTheCall(t *testing.T) {
	a, service, m := desk(t)
	m.object.spec.Leave = callfleetv1.LeaveRules{AloneTimeout: "500ms"}
	a.changed(m.newest())
	m.awaitPhase(t, callfleetv1.PhaseEstablished)
	call := service.call(t, "uid-1")
	call.change(func(s *signaling.Snapshot) { s.Participants, s.ParticipantCount = []graph.Participant{{ID: "bot"}}, 1 })
	await(t, "the end", func() bool { return m.status().Call.End != nil })
	if end := m.status().Call.End; end.Reason != callfleetv1.EndAloneTimeout || end.Failed {
		t.Errorf("end %+v", end)
	}
}

func TestPeopleAreCountedAndBotsAreNot(t *testing.T) {
	bot := graph.Participant{Info: graph.ParticipantInfo{Identity: graph.IdentitySet{Application: &graph.Identity{ID: "1"}}}}
	human := graph.Participant{Info: graph.ParticipantInfo{Identity: graph.IdentitySet{User: &graph.Identity{ID: "2"}}}}
	waiting := human
	waiting.IsInLobby = true
	for name, tc := range map[string]struct {
		s    signaling.Snapshot
		want int
	}{
		"one of each":                     {signaling.Snapshot{Participants: []graph.Participant{bot, human}, ParticipantCount: 2}, 1},
		"who waits is not there":          {signaling.Snapshot{Participants: []graph.Participant{bot, waiting}, ParticipantCount: 1, InLobby: 1}, 0},
		"only bots":                       {signaling.Snapshot{Participants: []graph.Participant{bot, bot}, ParticipantCount: 2}, 0},
		"more than are listed are people": {signaling.Snapshot{Participants: []graph.Participant{bot, human}, ParticipantCount: 60}, 59},
	} {
		if got := people(tc.s); got != tc.want {
			t.Errorf("%s: %d people, want %d", name, got, tc.want)
		}
	}
}

// TestServiceHostedCallsPlayTheirPrompt with nothing of the media engine.
func TestServiceHostedCallsPlayTheirPrompt(t *testing.T) {
	prompt := graph.MediaInfo{URI: "https://bots.contoso.com/voice/reception/prompts/1/p/hello.wav", ResourceID: "1"}
	begin := func(t *testing.T, loop bool, act func(signaling.Action) (signaling.Result, error)) (*Agent, *fakeCall, *memory) {
		t.Helper()
		spec := callfleetv1.OneCallSpec{To: []callfleetv1.Identity{{User: jane}}}
		spec.Behavior = &callfleetv1.Behavior{Play: &callfleetv1.Play{ConfigMap: &callfleetv1.KeyReference{Name: "p", Key: "hello.wav"}, Loop: loop}}
		m := &memory{object: outgoing(spec)}
		a, service := seat(t, m, serviceHosted)
		a.sound, a.prompts = nil, &files{prompt: prompt}
		service.holdJoin = true
		a.changed(m.newest())
		call := service.call(t, "uid-1")
		call.mu.Lock()
		call.act = act
		call.mu.Unlock()
		if req := service.joins[0]; req.Blob != "" || len(req.PreFetch) != 1 || req.PreFetch[0] != prompt {
			t.Errorf("request %+v", req)
		}
		call.establish()
		m.awaitPhase(t, callfleetv1.PhaseEstablished)
		return a, call, m
	}
	plays := func(c *fakeCall) (n int) {
		for _, a := range c.acted() {
			if _, ok := a.(signaling.PlayPrompt); ok {
				n++
			}
		}
		return n
	}
	flowing := func(m *memory) metav1.Condition {
		return *meta.FindStatusCondition(m.status().Conditions, callfleetv1.ConditionMediaFlowing)
	}

	t.Run("once", func(t *testing.T) {
		_, call, m := begin(t, false, nil)
		await(t, "the prompt", func() bool { return plays(call) == 1 })
		if c := flowing(m); c.Status != metav1.ConditionUnknown {
			t.Errorf("before the service says anything: %+v", c)
		}
		call.change(func(s *signaling.Snapshot) { s.MediaActive = true })
		await(t, "the service's word", func() bool { return flowing(m).Status == metav1.ConditionTrue })
		if c := flowing(m); !containsAll(c.Message, "service says", "not a measurement") || m.status().Media != nil {
			t.Errorf("condition %+v, media %+v", c, m.status().Media)
		}
		if n := plays(call); n != 1 {
			t.Errorf("played %d times", n)
		}
		await(t, "the timeline to tell", func() bool { return has(m.status().Timeline, eventPromptPlayed) })
	})
	t.Run("over and over, in few requests", func(t *testing.T) {
		end := make(chan struct{})
		_, call, m := begin(t, true, func(signaling.Action) (signaling.Result, error) { <-end; return signaling.Result{}, nil })
		await(t, "the prompt", func() bool { return plays(call) == 1 })
		if p := call.acted()[0].(signaling.PlayPrompt).Prompts; len(p) != signaling.MaxPrompts || p[0] != prompt || p[19] != prompt {
			t.Errorf("prompts %v", p)
		}
		end <- struct{}{}
		await(t, "it again", func() bool { return plays(call) == 2 })
		if has(m.status().Timeline, eventPromptPlayed) {
			t.Error("it is told as over though it goes on")
		}
		close(end)
	})
	t.Run("until somebody stops it", func(t *testing.T) {
		stopped := signaling.Result{Operation: &graph.Operation{ResultInfo: &graph.ResultInfo{Code: 400, Subcode: 8508}}}
		a, call, m := begin(t, true, func(signaling.Action) (signaling.Result, error) {
			return stopped, &signaling.ActionError{Failure: signaling.ActionRefused}
		})
		await(t, "the prompt", func() bool { return plays(call) == 1 })
		for range 3 {
			a.runners["uid-1"].poke()
			<-time.After(50 * time.Millisecond)
		}
		if n := plays(call); n != 1 {
			t.Errorf("played %d times", n)
		}
		await(t, "the timeline to tell", func() bool { return has(m.status().Timeline, eventPromptStopped) })
	})
	t.Run("muted it is silent, and speaks again after", func(t *testing.T) {
		end := make(chan struct{}, 4)
		a, call, m := begin(t, true, func(act signaling.Action) (signaling.Result, error) {
			if _, stop := act.(signaling.StopMedia); stop {
				end <- struct{}{}
				return signaling.Result{}, nil
			}
			<-end
			return signaling.Result{Operation: &graph.Operation{ResultInfo: &graph.ResultInfo{Code: 400, Subcode: 8508}}}, &signaling.ActionError{Failure: signaling.ActionRefused}
		})
		await(t, "the prompt", func() bool { return plays(call) == 1 })
		a.changed(m.specify(func(s *callfleetv1.CallSpec) { s.Muted = true }))
		await(t, "the status", func() bool { return m.status().Muted })
		a.changed(m.specify(func(s *callfleetv1.CallSpec) { s.Muted = false }))
		await(t, "it again", func() bool { return plays(call) == 2 })
		end <- struct{}{}
	})
	t.Run("muted it is silent, though the service would not stop at first", func(t *testing.T) {
		end, stops := make(chan struct{}), atomic.Int32{}
		a, call, m := begin(t, true, func(act signaling.Action) (signaling.Result, error) {
			if _, stop := act.(signaling.StopMedia); !stop {
				<-end
			} else if stops.Add(1) == 1 {
				return signaling.Result{}, errors.New("the service is busy")
			}
			return signaling.Result{}, nil
		})
		await(t, "the prompt", func() bool { return plays(call) == 1 })
		a.changed(m.specify(func(s *callfleetv1.CallSpec) { s.Muted = true }))
		await(t, "another try to stop it", func() bool { return stops.Load() == 2 })
		close(end)
	})
	t.Run("muted, though there is nothing to be said any more", func(t *testing.T) {
		a, call, m := begin(t, false, nil)
		await(t, "the prompt", func() bool { return plays(call) == 1 })
		for _, muted := range []bool{true, false} {
			a.changed(m.specify(func(s *callfleetv1.CallSpec) { s.Muted = muted }))
			await(t, "the status", func() bool { return m.status().Muted == muted })
		}
	})
	t.Run("what cannot be played is told", func(t *testing.T) {
		_, _, m := begin(t, true, func(signaling.Action) (signaling.Result, error) {
			return signaling.Result{}, errors.New("the service cannot fetch it")
		})
		await(t, "attention", func() bool {
			c := meta.FindStatusCondition(m.status().Conditions, callfleetv1.ConditionNeedsAttention)
			return c != nil && c.Reason == callfleetv1.ReasonRefused && containsAll(c.Message, "behavior.play", "cannot fetch")
		})
	})
}

func TestPeopleActInTheCallsThatAreHeld(t *testing.T) {
	m := &memory{}
	a, service := seat(t, m, withRules(answerAll))
	calls := heldCalls{a}
	if _, ok := calls.Find("uid-made"); ok || len(calls.List()) != 0 {
		t.Error("a call before there is one")
	}
	call := pickUp(t, a, service, ring("call-7"))
	call.establishAnswered()
	await(t, "the object", func() bool { _, ok := calls.Find("uid-made"); return ok })
	for _, uid := range []string{"uid-made", incomingUID("call-7")} {
		held, ok := calls.Find(uid)
		if !ok {
			t.Fatalf("not found by %s", uid)
		}
		kind, namespace, name := held.Object()
		if kind != "Call" || namespace != "voice" || name != incomingName("reception", "call-7") || held.UID() != incomingUID("call-7") {
			t.Errorf("%s %s/%s, %s", kind, namespace, name, held.UID())
		}
		await(t, "the call", func() bool {
			_, err := held.Act(t.Context(), "jane", signaling.StopMedia{})
			return err == nil
		})
		tones, err := held.Tones()
		if err != nil {
			t.Fatal(err)
		}
		calls.agent.runners[incomingUID("call-7")].call.(*fakeCall).press("#")
		if key, _, err := tones.NextTone(t.Context(), 0); key.Tone != graph.TonePound || err != nil {
			t.Errorf("the key is %q, %v", key.Tone, err)
		}
	}
	if n := len(calls.List()); n != 1 {
		t.Errorf("%d calls", n)
	}
}

// TestActionsThatComeBeforeTheCallAreInTheTimeline, as are those that come while there is one.
func TestActionsThatComeBeforeTheCallAreInTheTimeline(t *testing.T) {
	m := &memory{object: outgoing(callfleetv1.OneCallSpec{To: []callfleetv1.Identity{{User: jane}}})}
	m.object.status.Call = &callfleetv1.CallRecord{ScenarioID: "scenario-1"}
	a, _ := seat(t, m)
	r := newRunner(m.newest(), a)
	for range 2 * maxRefusals {
		if _, err := (held{r}).Act(t.Context(), "jane", signaling.StopMedia{}); err == nil {
			t.Fatal("something was done in a call that is not there")
		}
	}
	r.tellHappened()
	r.tellHappened()
	var refused []string
	for _, e := range r.story.Events() {
		if e.Event == signaling.EventActionRefused {
			refused = append(refused, e.Detail)
		}
	}
	if len(refused) != maxRefusals || !containsAll(refused[0], "stop by jane refused: There is no call yet") {
		t.Errorf("the timeline tells %q", refused)
	}
}

func containsAll(s string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}

// TestSilenceThatCannotBeHeardIsTold: a bot whose media the service hosts would stay for ever, and nobody would know why.
func TestSilenceThatCannotBeHeardIsTold(t *testing.T) {
	spec := callfleetv1.OneCallSpec{To: []callfleetv1.Identity{{User: jane}}}
	spec.Leave.SilenceTimeout = "5m"
	m := &memory{object: outgoing(spec)}
	a, _ := seat(t, m, serviceHosted)
	a.sound = nil
	a.changed(m.newest())
	attention := func() *metav1.Condition {
		return meta.FindStatusCondition(m.status().Conditions, callfleetv1.ConditionNeedsAttention)
	}
	await(t, "the attention", func() bool { return attention() != nil })
	if c := attention(); c.Reason != callfleetv1.ReasonNoEffect || !containsAll(c.Message, "leave.silenceTimeout", "leave.maxDuration") {
		t.Errorf("condition %+v", c)
	}
	a.changed(m.specify(func(s *callfleetv1.CallSpec) { s.Leave.SilenceTimeout = "" }))
	await(t, "the attention to pass", func() bool { return attention() == nil })
}
