// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/test/rig"
)

const deskApp = "22222222-41c3-47a4-8775-7259bfef4241"

// desk is a bot whose media the service hosts, and which answers everybody.
func desk(t *testing.T, change ...func(*callfleetv1.CallingBot)) *callfleetv1.CallingBot {
	t.Helper()
	bot := value[*callfleetv1.CallingBot](t)(world.ServiceBot("desk", deskApp))
	bot.Spec.Incoming = []callfleetv1.IncomingRule{answering(nil)}
	for _, c := range change {
		c(bot)
	}
	must(t, world.Register(t.Context(), bot))
	startBot(t, bot)
	return bot
}

// prompt puts a WAV file into a ConfigMap and returns how to play it.
func prompt(t *testing.T) (*callfleetv1.Play, wav.Clip) {
	t.Helper()
	raw, clip := speech(t, "prompt.wav")
	name := objectName(t)
	create(t, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: rig.Namespace, Name: name}, BinaryData: map[string][]byte{"hello.wav": raw},
	})
	return &callfleetv1.Play{ConfigMap: &callfleetv1.KeyReference{Name: name, Key: "hello.wav"}}, clip
}

// callDesk lets somebody call the desk and waits until they are connected.
func callDesk(t *testing.T) (*callfleetv1.Call, admin.Person) {
	t.Helper()
	id := ring(t, func(in *admin.IncomingCall) { in.AppID = deskApp })
	c := incomingCall(t, id)
	awaitPhase(t, c, callfleetv1.PhaseEstablished)
	return c, awaitSim(t, id, "somebody in the call", func(c admin.Call) bool { return len(c.People) > 0 && c.MediaActive }).People[0]
}

// operator is an account that may act in calls, as people are who have no token in their kubeconfig.
func operator(t *testing.T) {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: rig.Namespace, Name: "operator"}
	create(t, &corev1.ServiceAccount{ObjectMeta: meta})
	create(t, &rbacv1.RoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "callfleet-edit"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: rig.Namespace, Name: "operator"}},
	})
}

// act runs kubectl callfleet as the operator.
func act(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return callfleet(t, append(args, "--as-service-account", "operator", "--direct")...)
}

func callfleet(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(world.Root, "bin", "kubectl-callfleet"),
		append(args, "-n", rig.Namespace)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+world.Cluster.Kubeconfig)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	seen.Add("the output of kubectl callfleet "+args[0], stdout.String()+"\n"+stderr.String())
	if err != nil {
		return stdout.String(), fmt.Errorf("kubectl callfleet %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

func TestAPromptIsPlayedByTheService(t *testing.T) {
	play, clip := prompt(t)
	play.Loop = true
	desk(t, func(b *callfleetv1.CallingBot) {
		b.Spec.Incoming = []callfleetv1.IncomingRule{answering(&callfleetv1.Behavior{Play: play})}
	})
	c, caller := callDesk(t)
	length := time.Duration(len(clip.Samples)) * time.Second / time.Duration(clip.SampleRate)
	<-time.After(2*length + time.Second)
	clearVoice(t, "prompt of the service", compare(t, caller, clip))
	awaitCondition(t, c, callfleetv1.ConditionMediaFlowing, metav1.ConditionTrue, "")
	if c.Status.Call.Hosting != callfleetv1.HostingService {
		t.Errorf("hosting is %q", c.Status.Call.Hosting)
	}
}

func TestEchoNeedsMediaOfOurOwn(t *testing.T) {
	desk(t)
	grace := user(t, "Grace", admin.Answers)
	c := outgoing(t, func(s *callfleetv1.OneCallSpec) {
		s.BotRef.Name = "desk"
		s.To = []callfleetv1.Identity{{User: callfleetv1.GUID(grace.ID)}}
	})
	awaitEnd(t, c, callfleetv1.PhaseFailed, callfleetv1.EndInvalidBehavior)
}

func TestPeopleActInCalls(t *testing.T) {
	desk(t)
	operator(t)
	play, clip := prompt(t)
	c, caller := callDesk(t)
	name := "call/" + c.Name

	must(t, world.Teams.ResetHeard(t.Context(), caller))
	_, err := act(t, "play", name, play.ConfigMap.Name+"/"+play.ConfigMap.Key)
	must(t, err)
	clearVoice(t, "prompt played by hand", compare(t, caller, clip))

	var listening sync.WaitGroup
	listening.Go(func() {
		keys, err := act(t, "subscribe-tones", name, "--count", "3")
		if err != nil || strings.Join(strings.Fields(keys), "") != "42#" {
			t.Errorf("heard the keys %q (%v), want 42#", keys, err)
		}
	})
	awaitStatus(t, c, "the subscription in the timeline", func(st *callfleetv1.CallStatus) bool {
		return strings.Contains(inJSON(st.Timeline), "tones")
	})
	must(t, world.Teams.Press(t.Context(), caller, "tone4", "tone2", "pound"))
	listening.Wait()

	_, err = act(t, "dtmf", name, "12#")
	must(t, err)
	eventually(t, "the keys to be heard", func() error {
		if got := value[[]string](t)(world.Teams.Pressed(t.Context(), caller)); !slices.Contains(got, "tone1") || !slices.Contains(got, "pound") {
			return fmt.Errorf("heard %v", got)
		}
		return nil
	})

	file := filepath.Join(t.TempDir(), "message.wav")
	if _, err := act(t, "record", name, "-f", file); err == nil {
		t.Error("a caller was recorded whom nobody told")
	}
	change(t, c, func(spec *callfleetv1.CallSpec) { spec.RecordingStatus = callfleetv1.Recording })
	awaitStatus(t, c, "everybody to be told of the recording", func(st *callfleetv1.CallStatus) bool {
		return st.RecordingStatus == callfleetv1.Recording
	})
	raw, said := speech(t, "standup.wav")
	var recording sync.WaitGroup
	recording.Go(func() {
		if _, err := act(t, "record", name, "--stop-tones", "#", "--max-duration", "30s", "-f", file); err != nil {
			t.Error(err)
		}
	})
	<-time.After(2 * time.Second) // the beep
	value[admin.Utterance](t)(world.Teams.Speak(t.Context(), caller, raw, admin.SpeakOptions{Wait: true}))
	must(t, world.Teams.Press(t.Context(), caller, "pound"))
	recording.Wait()
	recorded := value[wav.Clip](t)(wav.Decode(bytes.NewReader(value[[]byte](t)(os.ReadFile(file))), 16<<20))
	if len(recorded.Samples)*2 < len(said.Samples)*recorded.SampleRate/said.SampleRate {
		t.Errorf("the recording has %d samples at %d Hz, she spoke %d at %d", len(recorded.Samples), recorded.SampleRate, len(said.Samples), said.SampleRate)
	}

	colleague := user(t, "Colleague", admin.Answers)
	_, err = act(t, "transfer", name, colleague.ID)
	must(t, err)
	awaitEnd(t, c, callfleetv1.PhaseCompleted, callfleetv1.EndTransferred)
	story := inJSON(c.Status.Timeline)
	for _, what := range []string{"play", "transfer", "system:serviceaccount:voice:operator"} {
		if !strings.Contains(story, what) {
			t.Errorf("the timeline does not tell of %s: %s", what, story)
		}
	}
}

func TestWhoMayNotControlACallIsTurnedAway(t *testing.T) {
	desk(t)
	create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: rig.Namespace, Name: "operator"}})
	c, _ := callDesk(t)
	_, err := act(t, "stop", "call/"+c.Name)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 4 {
		t.Errorf("an account without any right: %v, want exit code 4", err)
	}
}

// Two hundred calls whose media the service hosts are in one pod when its process is killed, and its pod with it, for good:
// no node would have it again.
func TestServiceHostedCallsOutliveTheirPod(t *testing.T) {
	const count = 200
	bot := desk(t, func(b *callfleetv1.CallingBot) { b.Spec.Capacity.Seats = 250 })
	ids := make([]string, count)
	for i := range ids {
		ids[i] = ring(t, func(in *admin.IncomingCall) { in.AppID = deskApp })
	}
	calls := func() map[string]callfleetv1.Call {
		list := &callfleetv1.CallList{}
		must(t, world.Client.List(t.Context(), list, client.InNamespace(rig.Namespace), client.MatchingFields{"spec.botRef.name": bot.Name}))
		found := map[string]callfleetv1.Call{}
		for _, c := range list.Items {
			found[c.Spec.Incoming.ID] = c
		}
		return found
	}
	allAre := func(what string, so func(callfleetv1.Call) bool) {
		t.Helper()
		must(t, poll(t.Context(), 2*time.Minute, func() error {
			found, done := calls(), 0
			for _, id := range ids {
				if c, ok := found[id]; ok && so(c) {
					done++
				}
			}
			if done < count {
				return fmt.Errorf("%d of %d calls %s", done, count, what)
			}
			return nil
		}))
	}
	t.Cleanup(func() {
		ctx := cleaning(t)
		must(t, world.Client.DeleteAllOf(ctx, &callfleetv1.Call{}, client.InNamespace(rig.Namespace)))
		must(t, poll(ctx, 50*time.Second, func() error {
			list := &callfleetv1.CallList{}
			if err := world.Client.List(ctx, list, client.InNamespace(rig.Namespace)); err != nil || len(list.Items) == 0 {
				return err
			}
			return fmt.Errorf("%d calls are left", len(list.Items))
		}))
	})
	allAre("are established", func(c callfleetv1.Call) bool { return c.Status.Phase == callfleetv1.PhaseEstablished })
	holder := calls()[ids[0]].Status.MediaPod

	_, err := world.Kubectl(t.Context(), "-n", bot.Namespace, "scale", "cb/"+bot.Name, "--replicas=2")
	must(t, err)
	eventually(t, "a second pod", func() error {
		must(t, world.Client.Get(t.Context(), client.ObjectKeyFromObject(bot), bot))
		if bot.Status.ReadyReplicas < 2 {
			return fmt.Errorf("%d pods are ready", bot.Status.ReadyReplicas)
		}
		return nil
	})
	before := calls()
	for id, c := range before {
		if c.Status.MediaPod != holder {
			t.Fatalf("call %s is in pod %s, and not in %s like the others", id, c.Status.MediaPod, holder)
		}
	}
	killForGood(t, holder)
	killed := time.Now()
	allAre("go on in another pod, which tells that it adopted them", func(c callfleetv1.Call) bool {
		return c.Status.Phase == callfleetv1.PhaseEstablished && c.Status.MediaPod != holder && c.Status.MediaPod != "" &&
			c.Status.Call.ClaimedBy != "" && c.Status.Call.ClaimedBy != before[c.Spec.Incoming.ID].Status.Call.ClaimedBy &&
			slices.ContainsFunc(c.Status.Timeline, func(e callfleetv1.TimelineEvent) bool { return e.Event == "Adopted" })
	})
	t.Logf("all were adopted %.1f s after the pod was killed", time.Since(killed).Seconds())
	for id, c := range calls() {
		if was := before[id].Status; c.Status.Call.ID != was.Call.ID || c.Status.Attempts != was.Attempts {
			t.Errorf("call %s, attempt %d, became call %s, attempt %d; it was to go on", was.Call.ID, was.Attempts, c.Status.Call.ID, c.Status.Attempts)
		}
	}
	live := 0
	for _, c := range value[[]admin.Call](t)(world.Teams.Calls(t.Context())) {
		if slices.Contains(ids, c.ID) && c.Live() {
			live++
		}
	}
	if live != count {
		t.Errorf("%d of %d calls live in the local Teams", live, count)
	}
	// They are in somebody's hands: what happens to them is known.
	for _, id := range ids[:20] {
		must(t, world.Teams.HangUp(t.Context(), id, ""))
	}
	eventually(t, "the ends of some to be told", func() error {
		found := calls()
		for _, id := range ids[:20] {
			if c := found[id]; c.Status.EndReason != callfleetv1.EndRemoteHungUp {
				return fmt.Errorf("%s is %s: %s", c.Name, c.Status.Phase, c.Status.EndReason)
			}
		}
		return nil
	})
}

// killForGood kills a media pod's process at once and takes its Pod away. The one that is made in its place finds no node
// until the test is over, as on a cluster that is full: a taint says so, since a fleet leaves nodes that are cordoned.
func killForGood(t *testing.T, pod string) {
	t.Helper()
	const full = "test.callfleet.dev/full"
	value[string](t)(world.Kubectl(t.Context(), "taint", "nodes", "--all", full+"=:NoSchedule"))
	t.Cleanup(func() { value[string](t)(world.Kubectl(cleaning(t), "taint", "nodes", "--all", full+"-")) })
	must(t, world.Cluster.KillContainer(t.Context(), rig.Namespace, pod, "mediapod"))
	at := int64(0)
	must(t, world.Client.Delete(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: rig.Namespace, Name: pod}},
		&client.DeleteOptions{GracePeriodSeconds: &at}))
}

func TestAPolicyRecordsWhoJoins(t *testing.T) {
	desk(t, func(b *callfleetv1.CallingBot) {
		yes := true
		b.Spec.Incoming = []callfleetv1.IncomingRule{{
			PolicyRecording: &yes, Action: callfleetv1.IncomingAnswer, ParticipantCapacity: 2,
			Call: &callfleetv1.IncomingTemplate{RecordingStatus: callfleetv1.Recording},
		}}
	})
	m, _ := meeting(t)
	users := []string{"6f2b0000-0000-4000-8000-000000000001", "6f2b0000-0000-4000-8000-000000000002", "6f2b0000-0000-4000-8000-000000000003"}
	must(t, world.Teams.PutPolicies(t.Context(), rig.TenantID, admin.Policies{
		Recording: []admin.RecordingPolicy{{AppID: deskApp, Users: users, RequiredBefore: true}},
	}))
	t.Cleanup(func() { must(t, world.Teams.PutPolicies(cleaning(t), rig.TenantID, admin.Policies{})) })
	outcomes := []string{}
	calls := map[string]bool{}
	for _, u := range users {
		joined := value[admin.PolicyJoined](t)(world.Teams.PolicyJoin(t.Context(), m.ID, admin.PolicyJoin{UserID: u, DisplayName: "User " + u[len(u)-1:]}))
		if !joined.Joined || len(joined.Records) != 1 {
			t.Fatalf("%s could not join: %s", u, inJSON(joined))
		}
		outcomes = append(outcomes, joined.Records[0].Outcome)
		calls[joined.Records[0].CallID] = true
		c := incomingCall(t, joined.Records[0].CallID)
		awaitPhase(t, c, callfleetv1.PhaseEstablished)
		awaitCondition(t, c, callfleetv1.ConditionRecording, metav1.ConditionTrue, callfleetv1.ReasonAnnounced)
		if !c.Spec.Incoming.PolicyRecording {
			t.Errorf("%s does not say that a policy asked for it", inJSON(c.Spec.Incoming))
		}
	}
	if want := []string{"NewCall", "Shared", "NewCall"}; !slices.Equal(outcomes, want) || len(calls) != 2 {
		t.Errorf("outcomes %v in %d calls, want %v in two: the first holds two", outcomes, len(calls), want)
	}
}

func TestThePreflightTellsWhatIsMissing(t *testing.T) {
	bot := value[*callfleetv1.CallingBot](t)(world.ServiceBot("unready", "44444444-41c3-47a4-8775-7259bfef4241"))
	bot.Spec.Incoming = []callfleetv1.IncomingRule{{Action: callfleetv1.IncomingRedirect, Redirect: &callfleetv1.RedirectTo{
		Targets: []callfleetv1.Identity{{User: "6f2b0000-0000-4000-8000-000000000009"}},
	}}}
	must(t, world.Register(t.Context(), bot, func(a *admin.App) { a.Roles = []string{"Calls.JoinGroupCall.All"} }))
	startBot(t, bot)
	preflight(t, bot, callfleetv1.ConditionCredentialsValid, metav1.ConditionTrue, callfleetv1.ReasonTokenIssued)
	c := preflight(t, bot, callfleetv1.ConditionPermissionsGranted, metav1.ConditionFalse, callfleetv1.ReasonRolesMissing)
	for _, word := range []string{"Calls.Initiate.All", "adminconsent"} {
		if !strings.Contains(c.Message, word) {
			t.Errorf("PermissionsGranted does not say %s: %s", word, c.Message)
		}
	}
	preflight(t, bot, callfleetv1.ConditionWebhookReachable, metav1.ConditionTrue, callfleetv1.ReasonAnswered)
	quiet(t, bot)
}

func preflight(t *testing.T, bot *callfleetv1.CallingBot, kind string, status metav1.ConditionStatus, reason string) metav1.Condition {
	t.Helper()
	var got metav1.Condition
	must(t, world.Await(t.Context(), bot, patience, kind+"="+string(status)+"/"+reason, func() error {
		for _, c := range bot.Status.Conditions {
			if c.Type == kind && c.Status == status && c.Reason == reason {
				got = c
				return nil
			}
		}
		return errors.New("conditions are " + conditions(bot.Status.Conditions))
	}))
	return got
}
