// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/test/rig"
)

// rules puts rules for calls that come in on the bot of the rig, and takes them off when the test is over.
func rules(t *testing.T, rules ...callfleetv1.IncomingRule) {
	t.Helper()
	bot := &callfleetv1.CallingBot{}
	bot.Namespace, bot.Name = rig.Namespace, rig.BotName
	must(t, world.Client.Get(t.Context(), client.ObjectKeyFromObject(bot), bot))
	must(t, world.Register(t.Context(), bot))
	setRules(t, bot, rules)
	t.Cleanup(func() { setRules(t, bot, nil) })
}

// setRules writes rules and waits until every media pod has them.
func setRules(t *testing.T, bot *callfleetv1.CallingBot, rules []callfleetv1.IncomingRule) {
	t.Helper()
	ctx := t.Context()
	if ctx.Err() != nil { // a clean-up
		ctx = cleaning(t)
	}
	must(t, world.Client.Get(ctx, client.ObjectKeyFromObject(bot), bot))
	before := bot.DeepCopy()
	bot.Spec.Incoming = rules
	must(t, world.Client.Patch(ctx, bot, client.MergeFrom(before)))
	must(t, world.Await(ctx, bot, patience, "the media pods to have the rules", func() error {
		pods := &callfleetv1.MediaPodList{}
		if err := world.Client.List(ctx, pods, client.InNamespace(bot.Namespace), client.MatchingLabels{callfleetv1.LabelBot: bot.Name}); err != nil {
			return err
		}
		for _, p := range pods.Items {
			if len(p.Spec.Incoming) != len(rules) || p.Status.Agent == nil || p.Status.Agent.ObservedGeneration < p.Generation {
				return fmt.Errorf("%s does not have them yet", p.Name)
			}
		}
		return nil
	}))
}

func answering(b *callfleetv1.Behavior) callfleetv1.IncomingRule {
	return callfleetv1.IncomingRule{Action: callfleetv1.IncomingAnswer, Behavior: b}
}

var echoing = &callfleetv1.Behavior{Echo: &callfleetv1.Echo{}}

// ring lets somebody call the bot of the rig.
func ring(t *testing.T, change ...func(*admin.IncomingCall)) string {
	t.Helper()
	in := admin.IncomingCall{AppID: rig.AppID, TenantID: rig.TenantID, UserID: uuid.NewString(), DisplayName: "Grace"}
	for _, c := range change {
		c(&in)
	}
	id := value[string](t)(world.Teams.Ring(t.Context(), in))
	t.Cleanup(func() { _ = world.Teams.HangUp(cleaning(t), id, "") })
	return id
}

// sim is a call as the local Teams sees it.
func sim(t *testing.T, id string) admin.Call {
	t.Helper()
	for _, c := range value[[]admin.Call](t)(world.Teams.Calls(t.Context())) {
		if c.ID == id {
			return c
		}
	}
	t.Fatalf("the local Teams knows no call %s", id)
	return admin.Call{}
}

// awaitSim waits for something to be so with a call in the local Teams.
func awaitSim(t *testing.T, id, what string, so func(admin.Call) bool) admin.Call {
	t.Helper()
	var c admin.Call
	eventually(t, what, func() error {
		if c = sim(t, id); !so(c) {
			return fmt.Errorf("the call is %s", inJSON(c))
		}
		return nil
	})
	return c
}

// incomingCall waits for the Call that a media pod makes for a call that came in; it is gone when the test is over.
func incomingCall(t *testing.T, id string) *callfleetv1.Call {
	t.Helper()
	var found *callfleetv1.Call
	eventually(t, "a Call for the call that came in", func() error {
		list := &callfleetv1.CallList{}
		if err := world.Client.List(t.Context(), list, client.InNamespace(rig.Namespace)); err != nil {
			return err
		}
		for i := range list.Items {
			if in := list.Items[i].Spec.Incoming; in != nil && in.ID == id {
				found = &list.Items[i]
				return nil
			}
		}
		return fmt.Errorf("none of %d Calls is it", len(list.Items))
	})
	goneAtEnd(t, found)
	return found
}

// outgoing applies a Call of the bot of the rig; it is gone when the test is over.
func outgoing(t *testing.T, change func(*callfleetv1.OneCallSpec)) *callfleetv1.Call {
	t.Helper()
	c := &callfleetv1.Call{ObjectMeta: metav1.ObjectMeta{Namespace: rig.Namespace, Name: objectName(t)}}
	c.Spec.BotRef.Name = rig.BotName
	c.Spec.Behavior = echoing
	change(&c.Spec)
	create(t, c)
	return c
}

// user makes somebody whom bots may call.
func user(t *testing.T, name, reaction string) admin.User {
	t.Helper()
	u := admin.User{ID: uuid.NewString(), DisplayName: name, TenantID: rig.TenantID, Reaction: reaction, AfterSeconds: 0.2}
	must(t, world.Teams.PutUser(t.Context(), u))
	return u
}

func TestACallerIsAnsweredAndHeard(t *testing.T) {
	rules(t, answering(echoing))
	id := ring(t)
	c := incomingCall(t, id)
	awaitPhase(t, c, callfleetv1.PhaseEstablished)
	if from := c.Spec.Incoming.From; from == nil || from.Kind != callfleetv1.CallerUser || from.DisplayName != "Grace" {
		t.Errorf("from is %+v, want the user Grace", from)
	}
	if c.Status.Direction != callfleetv1.CallIncoming || c.Status.Call.ID != id {
		t.Errorf("direction %q, call %+v", c.Status.Direction, c.Status.Call)
	}
	grace := awaitSim(t, id, "somebody in the call", func(c admin.Call) bool { return len(c.People) > 0 && c.MediaActive }).People[0]
	clearVoice(t, "echo to a caller", speakAndListen(t, grace))
	awaitCondition(t, c, callfleetv1.ConditionMediaFlowing, metav1.ConditionTrue, callfleetv1.ReasonFlowing)

	table := value[string](t)(world.Kubectl(t.Context(), "-n", rig.Namespace, "get", "calls"))
	for _, word := range []string{"BOT", "DIRECTION", "PHASE", "POD", c.Name, "Incoming", "Established"} {
		if !strings.Contains(table, word) {
			t.Errorf("kubectl get calls does not say %s:\n%s", word, table)
		}
	}
	must(t, world.Teams.HangUp(t.Context(), id, ""))
	awaitEnd(t, c, callfleetv1.PhaseCompleted, callfleetv1.EndRemoteHungUp)
	must(t, world.Await(t.Context(), c, patience, "the bot to own the Call", func() error {
		if owners := c.OwnerReferences; len(owners) != 1 || owners[0].Kind != "CallingBot" || owners[0].Name != rig.BotName {
			return fmt.Errorf("owners %+v", owners)
		}
		return nil
	}))
	if ttl := c.Spec.TTLSecondsAfterFinished; ttl == nil || *ttl != 3600 {
		t.Errorf("ttlSecondsAfterFinished is %v, want an hour", ttl)
	}
}

func TestDeletingACallHangsUpFirst(t *testing.T) {
	rules(t, answering(nil))
	id := ring(t)
	c := incomingCall(t, id)
	awaitPhase(t, c, callfleetv1.PhaseEstablished)
	_, err := world.Kubectl(t.Context(), "-n", rig.Namespace, "delete", "call", c.Name, "--timeout=20s")
	must(t, err)
	if sim(t, id).Live() {
		t.Error("the call is still live although its object is gone")
	}
}

func TestRulesDecideAboutCallers(t *testing.T) {
	friend, lost, stranger := uuid.NewString(), uuid.NewString(), uuid.NewString()
	colleague, other := user(t, "Colleague", admin.Answers), user(t, "Other", admin.Ignores)
	rules(t,
		callfleetv1.IncomingRule{
			From: &callfleetv1.CallerMatch{Users: []callfleetv1.GUID{callfleetv1.GUID(friend)}}, Action: callfleetv1.IncomingRedirect,
			Redirect: &callfleetv1.RedirectTo{
				Targets: []callfleetv1.Identity{{User: callfleetv1.GUID(colleague.ID)}, {User: callfleetv1.GUID(other.ID)}}, RingSeconds: 20,
			},
		},
		callfleetv1.IncomingRule{
			From: &callfleetv1.CallerMatch{Users: []callfleetv1.GUID{callfleetv1.GUID(lost)}}, Action: callfleetv1.IncomingRedirect,
			Redirect: &callfleetv1.RedirectTo{Targets: []callfleetv1.Identity{{Phone: "+12065550100"}}, RingSeconds: 20}, // a bot without a number may not
		},
		callfleetv1.IncomingRule{
			From:   &callfleetv1.CallerMatch{Kinds: []callfleetv1.CallerKind{callfleetv1.CallerUser}},
			Action: callfleetv1.IncomingReject, Reason: callfleetv1.RejectBusy,
		},
	)
	redirected := ring(t, func(in *admin.IncomingCall) { in.UserID = friend })
	nowhere := ring(t, func(in *admin.IncomingCall) { in.UserID = lost })
	busy := ring(t, func(in *admin.IncomingCall) { in.UserID = stranger })
	awaitSim(t, busy, "the stranger to be turned away", func(c admin.Call) bool { return !c.Live() && strings.Contains(c.EndDetail, "busy") })
	// A call that nobody does anything about ends, too.
	awaitSim(t, redirected, "the friend to be passed on", func(c admin.Call) bool { return !c.Live() })
	if c := sim(t, redirected); !strings.Contains(c.EndDetail, "redirected to "+colleague.DisplayName) {
		t.Errorf("the friend's call ended with %q, want it answered by %s", c.EndDetail, colleague.DisplayName)
	}
	awaitSim(t, nowhere, "who cannot be passed on to be turned away", func(c admin.Call) bool { return !c.Live() })
	if c := sim(t, nowhere); !strings.Contains(c.EndDetail, "busy") {
		t.Errorf("a call that could not be passed on ended with %q, want it turned away as busy", c.EndDetail)
	}
	list := &callfleetv1.CallList{}
	must(t, world.Client.List(t.Context(), list, client.InNamespace(rig.Namespace)))
	for _, c := range list.Items {
		if in := c.Spec.Incoming; in != nil && slices.Contains([]string{redirected, nowhere, busy}, in.ID) {
			t.Errorf("Call %s was made for a call that was not answered", c.Name)
		}
	}
}

func TestACallThatNoRuleMatchesIsRejected(t *testing.T) {
	rules(t)
	id := ring(t)
	awaitSim(t, id, "the caller to be turned away", func(c admin.Call) bool { return !c.Live() && strings.Contains(c.EndDetail, "forbidden") })
}

func TestAFullFleetIsBusyAtOnce(t *testing.T) {
	bot := value[*callfleetv1.CallingBot](t)(world.ServiceBot("narrow", "33333333-41c3-47a4-8775-7259bfef4241"))
	bot.Spec.Capacity.Seats = 1
	bot.Spec.Incoming = []callfleetv1.IncomingRule{answering(nil)}
	must(t, world.Register(t.Context(), bot))
	startBot(t, bot)
	toNarrow := func(in *admin.IncomingCall) { in.AppID = string(bot.Spec.Identity.AppID) }
	first := incomingCall(t, ring(t, toNarrow))
	awaitPhase(t, first, callfleetv1.PhaseEstablished)
	second := ring(t, toNarrow)
	awaitSim(t, second, "the second caller to hear busy", func(c admin.Call) bool { return !c.Live() && strings.Contains(c.EndDetail, "busy") })
}

func TestCallersFromElsewhereAreSentToTheFleetThere(t *testing.T) {
	near := &callfleetv1.CallingBot{}
	near.Namespace, near.Name = rig.Namespace, rig.BotName
	must(t, world.Client.Get(t.Context(), client.ObjectKeyFromObject(near), near))
	must(t, world.Register(t.Context(), near))

	far := value[*callfleetv1.CallingBot](t)(world.ServiceBot("faraway", rig.AppID))
	far.Spec.Incoming = []callfleetv1.IncomingRule{answering(nil)}
	startBot(t, far)
	revision := revisions(t, near)
	redirect := func(redirects []callfleetv1.RegionRedirect) {
		before := near.DeepCopy()
		near.Spec.Signaling.Redirects = redirects
		must(t, world.Client.Patch(cleaning(t), near, client.MergeFrom(before)))
	}
	redirect([]callfleetv1.RegionRedirect{{Countries: []string{"NZ"}, URL: callfleetv1.HTTPSURL(world.Webhook(far))}})
	t.Cleanup(func() { redirect(nil) })
	eventually(t, "a caller from New Zealand to be answered by the fleet there", func() error {
		id := ring(t, func(in *admin.IncomingCall) { in.CountryCode = "NZ" })
		awaitSim(t, id, "an answer or a refusal", func(c admin.Call) bool { return c.State != "incoming" })
		if c := sim(t, id); !strings.Contains(c.CallbackURI, "/faraway/") {
			return fmt.Errorf("the call is with %s: %s", c.CallbackURI, c.EndDetail)
		}
		awaitPhase(t, incomingCall(t, id), callfleetv1.PhaseEstablished)
		return nil
	})
	if now := revisions(t, near); now != revision {
		t.Errorf("a redirect replaced pods: revisions %s, before %s", now, revision)
	}
}

func revisions(t *testing.T, bot *callfleetv1.CallingBot) string {
	t.Helper()
	pods := &callfleetv1.MediaPodList{}
	must(t, world.Client.List(t.Context(), pods, client.InNamespace(bot.Namespace), client.MatchingLabels{callfleetv1.LabelBot: bot.Name}))
	var all []string
	for _, p := range pods.Items {
		all = append(all, p.Name+"/"+p.Spec.Revision)
	}
	return strings.Join(all, ",")
}

func TestABotCallsSomebody(t *testing.T) {
	grace := user(t, "Grace", admin.Answers)
	c := outgoing(t, func(s *callfleetv1.OneCallSpec) { s.To = []callfleetv1.Identity{{User: callfleetv1.GUID(grace.ID)}} })
	awaitPhase(t, c, callfleetv1.PhaseEstablished)
	who := awaitSim(t, c.Status.Call.ID, "her in the call", func(c admin.Call) bool { return len(c.People) > 0 && c.MediaActive }).People[0]
	clearVoice(t, "echo to somebody called", speakAndListen(t, who))
	end(t, c)
}

func TestWhoIsCalledMayNotWantTo(t *testing.T) {
	for name, tc := range map[string]struct {
		reaction string
		ringing  callfleetv1.Duration
		want     callfleetv1.EndReason
	}{
		"she declines":       {admin.Declines, "", callfleetv1.EndCallDeclined},
		"she is not there":   {admin.IsUnreachable, "", callfleetv1.EndCalleeUnreachable},
		"it rings and rings": {admin.Ignores, "2s", callfleetv1.EndNoAnswer},
		"she is in a call":   {admin.IsBusy, "", callfleetv1.EndCallDeclined},
	} {
		t.Run(name, func(t *testing.T) {
			grace := user(t, "Grace", tc.reaction)
			c := outgoing(t, func(s *callfleetv1.OneCallSpec) {
				s.To = []callfleetv1.Identity{{User: callfleetv1.GUID(grace.ID)}}
				s.RingingTimeout = tc.ringing
			})
			awaitEnd(t, c, callfleetv1.PhaseFailed, tc.want)
			if c.Status.Attempts > 1 {
				t.Errorf("she was called %d times", c.Status.Attempts)
			}
			quiet(t, c)
		})
	}
}

func TestAGroupCallGrowsByInvitation(t *testing.T) {
	ada, grace, alan := user(t, "Ada", admin.Answers), user(t, "Grace", admin.Answers), user(t, "Alan", admin.Answers)
	mary := user(t, "Mary", admin.Declines)
	c := outgoing(t, func(s *callfleetv1.OneCallSpec) {
		s.To = []callfleetv1.Identity{{User: callfleetv1.GUID(ada.ID)}, {User: callfleetv1.GUID(grace.ID)}}
	})
	awaitPhase(t, c, callfleetv1.PhaseEstablished)
	change(t, c, func(s *callfleetv1.CallSpec) {
		for _, u := range []admin.User{alan, mary} {
			s.Invite = append(s.Invite, callfleetv1.Invitee{Identity: callfleetv1.Identity{User: callfleetv1.GUID(u.ID)}})
		}
	})
	awaitStatus(t, c, "one to come and one to decline", func(st *callfleetv1.CallStatus) bool {
		return len(st.Invites) == 2 && st.Invites[0].State == callfleetv1.InviteJoined && st.Invites[1].State == callfleetv1.InviteFailed &&
			st.Participants != nil && st.Participants.Count == 4
	})
	awaitCondition(t, c, callfleetv1.ConditionNeedsAttention, metav1.ConditionTrue, callfleetv1.ReasonInviteFailed)
	end(t, c)
}

func TestSettingsOfACallAreKept(t *testing.T) {
	m, _ := meeting(t)
	s := inMeeting(t, m, func(s *callfleetv1.MeetingSession) {
		s.Spec.Muted, s.Spec.RecordingStatus, s.Spec.ScreenSharing = true, callfleetv1.Recording, callfleetv1.ScreenSharingViewer
	})
	awaitStatus(t, s, "all to be taken in", func(st *callfleetv1.CallStatus) bool {
		return st.Muted && st.RecordingStatus == callfleetv1.Recording && st.ScreenSharing == callfleetv1.ScreenSharingViewer
	})
	awaitCondition(t, s, callfleetv1.ConditionRecording, metav1.ConditionTrue, callfleetv1.ReasonAnnounced)
	change(t, s, func(s *callfleetv1.CallSpec) { s.Muted, s.RecordingStatus = false, callfleetv1.NotRecording })
	awaitStatus(t, s, "the changes to be taken in", func(st *callfleetv1.CallStatus) bool {
		return !st.Muted && st.RecordingStatus == callfleetv1.NotRecording
	})
	end(t, s)
}

func TestTheBotLeavesByItself(t *testing.T) {
	for name, tc := range map[string]struct {
		leave callfleetv1.LeaveRules
		do    func(*testing.T, admin.Meeting, admin.Person)
		lobby bool
		phase callfleetv1.CallPhase
		want  callfleetv1.EndReason
	}{
		"when it is alone": {
			leave: callfleetv1.LeaveRules{AloneTimeout: "1s"}, phase: callfleetv1.PhaseCompleted, want: callfleetv1.EndAloneTimeout,
			do: func(t *testing.T, _ admin.Meeting, ada admin.Person) {
				must(t, world.Teams.PersonLeaves(t.Context(), ada))
			},
		},
		"after a time": {
			leave: callfleetv1.LeaveRules{MaxDuration: "2s"}, phase: callfleetv1.PhaseCompleted, want: callfleetv1.EndMaxDurationReached,
		},
		"in silence": {
			leave: callfleetv1.LeaveRules{SilenceTimeout: "2s", MaxDuration: "1h"}, phase: callfleetv1.PhaseCompleted, want: callfleetv1.EndSilenceTimeout,
		},
		"when nobody lets it in": {
			leave: callfleetv1.LeaveRules{LobbyTimeout: "2s"}, lobby: true, phase: callfleetv1.PhaseFailed, want: callfleetv1.EndLobbyTimeout,
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, ada := meeting(t, func(m *admin.NewMeeting) { m.Lobby = tc.lobby })
			s := session(t, m, func(s *callfleetv1.MeetingSession) { s.Spec.Leave, s.Spec.Behavior = tc.leave, nil })
			if tc.do != nil {
				awaitPhase(t, s, callfleetv1.PhaseEstablished)
				tc.do(t, m, ada)
			}
			awaitEnd(t, s, tc.phase, tc.want)
			noGhosts(t, m)
		})
	}
}

func TestTheBotLeavesWhenOnlyBotsAreLeft(t *testing.T) {
	m, ada := meeting(t)
	first := inMeeting(t, m)
	second := session(t, m, func(s *callfleetv1.MeetingSession) {
		s.Name += "-2"
		s.Spec.AllowDuplicates = true
		s.Spec.Leave = callfleetv1.LeaveRules{OnlyBots: true, AloneTimeout: "1s"}
	})
	awaitPhase(t, second, callfleetv1.PhaseEstablished)
	must(t, world.Teams.PersonLeaves(t.Context(), ada))
	awaitEnd(t, second, callfleetv1.PhaseCompleted, callfleetv1.EndOnlyBotsLeft)
	end(t, first)
}

// eventually repeats until there is nothing to complain about.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	if err := poll(t.Context(), patience, check); err != nil {
		t.Fatalf("waited %s for %s: %v", patience, what, err)
	}
}
