// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/test/rig"
)

func TestBadMeetingsEndInAClearCondition(t *testing.T) {
	real, _ := meeting(t)
	gone := strings.Replace(real.JoinURL, "meeting_", "meeting_bm9zdWNo", 1)
	tests := map[string]struct {
		meeting callfleetv1.Meeting
		want    callfleetv1.EndReason
	}{
		"a link that is none":           {callfleetv1.Meeting{JoinURL: "https://teams.microsoft.com/l/channel/abc"}, callfleetv1.EndInvalidMeeting},
		"a meeting that does not exist": {callfleetv1.Meeting{JoinURL: callfleetv1.HTTPSURL(gone)}, callfleetv1.EndMeetingNotFound},
		"a number that does not exist":  {callfleetv1.Meeting{JoinMeetingID: &callfleetv1.JoinMeetingID{ID: "000 000 000 000", Passcode: "x"}}, callfleetv1.EndMeetingNotFound},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := session(t, real, func(s *callfleetv1.MeetingSession) { s.Spec.Meeting = tc.meeting })
			awaitPhase(t, s, callfleetv1.PhaseFailed)
			c := meta.FindStatusCondition(s.Status.Conditions, callfleetv1.ConditionFinished)
			if s.Status.EndReason != tc.want || c == nil || len(c.Message) < 20 {
				t.Errorf("endReason %q, Finished %+v; want %s and a message", s.Status.EndReason, c, tc.want)
			}
			if s.Status.Attempts > 1 {
				t.Errorf("tried %d times what cannot succeed", s.Status.Attempts)
			}
			quiet(t, s)
		})
	}
}

// quiet asserts that nobody writes an object over and over: within ten seconds there are two without a write.
func quiet(t *testing.T, o client.Object) {
	t.Helper()
	for range 5 {
		must(t, world.Client.Get(t.Context(), client.ObjectKeyFromObject(o), o))
		before := o.GetResourceVersion()
		<-time.After(2 * time.Second)
		must(t, world.Client.Get(t.Context(), client.ObjectKeyFromObject(o), o))
		if o.GetResourceVersion() == before {
			return
		}
	}
	t.Errorf("%s is still being written", o.GetName())
}

func TestAMissingPermissionIsNamed(t *testing.T) {
	app := admin.App{ID: rig.AppID, TenantID: rig.TenantID, DisplayName: "Reception", Secret: rig.Secret}
	bot := value[*callfleetv1.CallingBot](t)(world.Bot())
	bot.Name = "powerless"
	bot.Spec.Identity.AppID = "11111111-41c3-47a4-8775-7259bfef4241"
	app.ID, app.Roles = string(bot.Spec.Identity.AppID), []string{"Calls.AccessMedia.All"}
	must(t, world.Teams.PutApp(t.Context(), app))
	startBot(t, bot)

	m, _ := meeting(t)
	s := session(t, m, func(s *callfleetv1.MeetingSession) { s.Spec.BotRef.Name = bot.Name })
	awaitPhase(t, s, callfleetv1.PhaseFailed)
	c := meta.FindStatusCondition(s.Status.Conditions, callfleetv1.ConditionFinished)
	if s.Status.EndReason != callfleetv1.EndPermissionMissing || !strings.Contains(c.Message, "Calls.JoinGroupCall.All") {
		t.Errorf("endReason %q, message %q; want the missing role named", s.Status.EndReason, c.Message)
	}
}

// awaitBot waits until the bot's Ready condition has a reason.
func awaitBot(t *testing.T, bot *callfleetv1.CallingBot, reason string) metav1.Condition {
	t.Helper()
	var got metav1.Condition
	must(t, world.Await(t.Context(), bot, patience, "Ready to say "+reason, func() error {
		c := meta.FindStatusCondition(bot.Status.Conditions, callfleetv1.ConditionReady)
		if c == nil || c.Reason != reason {
			return fmt.Errorf("conditions are %s", conditions(bot.Status.Conditions))
		}
		got = *c
		return nil
	}))
	return got
}

func TestAWrongSecretIsSaidAndItsCorrectionIsNoticed(t *testing.T) {
	bot := value[*callfleetv1.CallingBot](t)(world.Bot())
	bot.Name = "locked"
	bot.Spec.Identity.Credential.ClientSecret = callfleetv1.KeyReference{Name: "locked", Key: "clientSecret"}
	create(t, bot)
	missing := awaitBot(t, bot, callfleetv1.ReasonSecretNotFound)
	if !strings.Contains(missing.Message, "locked") {
		t.Errorf("message %q does not name the Secret", missing.Message)
	}
	quiet(t, bot)

	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: rig.Namespace, Name: "locked"}, StringData: map[string]string{"clientSecret": wrongSecret}}
	create(t, secret)
	rejected := awaitBot(t, bot, callfleetv1.ReasonCredentialsRejected)
	if strings.Contains(rejected.Message, wrongSecret) {
		t.Error("the secret is in the message")
	}
	m, _ := meeting(t)
	s := session(t, m, func(s *callfleetv1.MeetingSession) { s.Spec.BotRef.Name = bot.Name })
	awaitCondition(t, s, callfleetv1.ConditionAssigned, metav1.ConditionFalse, callfleetv1.ReasonNoSeat)

	before := secret.DeepCopy()
	secret.StringData = map[string]string{"clientSecret": rig.Secret}
	must(t, world.Client.Patch(t.Context(), secret, client.MergeFrom(before)))
	awaitBot(t, bot, callfleetv1.ReasonServing)
	must(t, world.TrustMediaOf(t.Context(), bot))
	awaitPhase(t, s, callfleetv1.PhaseEstablished)
	end(t, s)
}

func TestABotOfAnotherNamespaceIsNotFound(t *testing.T) {
	elsewhere := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "elsewhere"}}
	create(t, elsewhere)
	m, _ := meeting(t)
	s := value[*callfleetv1.MeetingSession](t)(world.Session("lost", m.JoinURL))
	s.Namespace = elsewhere.Name
	create(t, s)
	c := awaitCondition(t, s, callfleetv1.ConditionAssigned, metav1.ConditionFalse, callfleetv1.ReasonBotNotFound)
	if !strings.Contains(c.Message, rig.Namespace) {
		t.Errorf("message %q does not say where such a bot is", c.Message)
	}
	quiet(t, s)
}

func TestTheAPIServerRefusesWhatMakesNoSense(t *testing.T) {
	m, _ := meeting(t)
	s := value[*callfleetv1.MeetingSession](t)(world.Session("backwards", m.JoinURL))
	s.Spec.StartTime, s.Spec.EndTime = &metav1.Time{Time: time.Now().Add(time.Hour)}, &metav1.Time{Time: time.Now().Add(time.Minute)}
	if err := world.Client.Create(t.Context(), s); err == nil || !strings.Contains(err.Error(), "endTime must be after startTime") {
		t.Errorf("endTime before startTime: %v", err)
	}
	u := &unstructured.Unstructured{}
	must(t, world.Sample("meetingsession.yaml", &u.Object))
	must(t, unstructured.SetNestedField(u.Object, "x", "spec", "joinUrl"))
	strict := client.WithFieldValidation(world.Client, metav1.FieldValidationStrict)
	if err := strict.Create(t.Context(), u); err == nil || !strings.Contains(err.Error(), `unknown field "spec.joinUrl"`) {
		t.Errorf("an unknown field: %v", err)
	}
}

// TestForgedNotificationsAreTurnedAway: 401, the body untouched, the call as it was.
func TestForgedNotificationsAreTurnedAway(t *testing.T) {
	m, ada := meeting(t)
	s := inMeeting(t, m)
	call := calls(t, m)[0]
	ended := fmt.Sprintf(`{"@odata.type":"#microsoft.graph.commsNotifications","value":[{"@odata.type":"#microsoft.graph.commsNotification",
		"changeType":"deleted","resourceUrl":"/communications/calls/%s","resourceData":{"@odata.type":"#microsoft.graph.call","state":"terminated"}}]}`, call.ID)
	for _, fault := range []string{admin.Expired, admin.Garbled, admin.WrongAudience, admin.WrongIssuer, admin.WrongKey, admin.UnknownKey, admin.Missing, admin.Unsigned, admin.NoTenant} {
		reply := value[admin.Reply](t)(world.Teams.Notify(t.Context(), admin.Forgery{
			URL: call.CallbackURI, AppID: rig.AppID, TenantID: rig.TenantID, TokenFault: fault, RawBody: ended,
		}))
		if reply.Status != 401 {
			t.Errorf("%s: answered %d, want 401", fault, reply.Status)
		}
	}
	clearVoice(t, "echo after forged notifications", speakAndListen(t, ada))
	awaitPhase(t, s, callfleetv1.PhaseEstablished)

	// The same words from the service itself do end the call: it was the token that was refused, not the body.
	reply := value[admin.Reply](t)(world.Teams.Notify(t.Context(), admin.Forgery{
		URL: call.CallbackURI, AppID: rig.AppID, TenantID: rig.TenantID, RawBody: ended,
	}))
	if reply.Status != 202 {
		t.Errorf("with a good token: answered %d, want 202", reply.Status)
	}
	must(t, world.Await(t.Context(), s, patience, "the end of the call", func() error {
		if !s.Status.Phase.Finished() {
			return fmt.Errorf("phase %s", s.Status.Phase)
		}
		return nil
	}))
	noGhosts(t, m)
}
