// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/router"
)

func TestMain(m *testing.M) { controllertest.Main(m) }

// place is a namespace with a bot, a login service and a router under the bot's public name.
type place struct {
	*controllertest.Cluster
	t     *testing.T
	ns    string
	mgr   *controllertest.Manager
	login *fakeLogin
	table *router.Table
	door  *httptest.Server
}

func newPlace(t *testing.T) *place {
	t.Helper()
	return newPlaceAt(t, clock.RealClock{})
}

func newPlaceAt(t *testing.T, c clock.PassiveClock) *place {
	t.Helper()
	p := &place{Cluster: controllertest.Start(t), t: t, login: newFakeLogin(t), table: router.NewTable()}
	p.ns = p.Namespace(t)
	r := router.New(p.table, logr.Discard(), prometheus.NewRegistry())
	r.Synced()
	p.door = httptest.NewTLSServer(r)
	t.Cleanup(p.door.Close)
	controllertest.Create(t, p.Client, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.ns, Name: "reception"}, StringData: map[string]string{"clientSecret": p.login.secret},
	})
	controllertest.Create(t, p.Client, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.ns, Name: "ca"}, Data: map[string]string{"ca.crt": p.login.root()},
	})
	p.mgr = p.StartManager(t, p.ns, (&Reconciler{Clock: c}).SetupWithManager)
	return p
}

// bot creates the bot; its host is where the router listens.
func (p *place) bot(change func(*v1alpha1.CallingBot)) *v1alpha1.CallingBot {
	p.t.Helper()
	bot := botAt(p.login)
	bot.Namespace = p.ns
	bot.Spec.Identity.Custom.CABundle = &v1alpha1.KeyReference{Name: "ca", Key: "ca.crt"}
	bot.Spec.Signaling.Host = strings.TrimPrefix(p.door.URL, "https://")
	if change != nil {
		change(bot)
	}
	return controllertest.Create(p.t, p.Client, bot)
}

// await waits for conditions such as "CredentialsValid=True/TokenIssued".
func (p *place) await(bot *v1alpha1.CallingBot, wants ...string) {
	p.t.Helper()
	controllertest.Await(p.t, p.Client, bot, strings.Join(wants, ", "), func(b *v1alpha1.CallingBot) error {
		var missing []error
		for _, want := range wants {
			conditionType, verdict, _ := strings.Cut(want, "=")
			c := meta.FindStatusCondition(b.Status.Conditions, conditionType)
			if c == nil || string(c.Status)+"/"+c.Reason != verdict {
				missing = append(missing, fmt.Errorf("%s is %+v", conditionType, c))
			}
		}
		return errors.Join(missing...)
	})
}

func TestABotThatIsFine(t *testing.T) {
	p := newPlace(t)
	p.login.roles[controllertest.TenantID] = []string{graph.RoleAccessMedia}
	bot := p.bot(func(b *v1alpha1.CallingBot) {
		b.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonServing, LastTransitionTime: metav1.Now()}}
	})
	p.await(bot, "CredentialsValid=True/TokenIssued", "PermissionsGranted=True/RolesGranted", "WebhookReachable=True/Answered", "Ready=True/Serving")
	for _, c := range bot.Status.Conditions {
		if c.Type != v1alpha1.ConditionReady && c.ObservedGeneration != bot.Generation {
			t.Errorf("%s speaks of generation %d", c.Type, c.ObservedGeneration)
		}
		if strings.Contains(c.Message, p.login.secret) {
			t.Errorf("%s tells the secret: %s", c.Type, c.Message)
		}
	}

	// Passes that find nothing new write nothing, and ask nobody.
	before, asked := p.mgr.Writes.AwaitQuiet(t, 300*time.Millisecond), p.login.times()
	controllertest.Update(t, p.Client, bot, func(b *v1alpha1.CallingBot) { b.Labels = map[string]string{"touched": "yes"} })
	controllertest.Create(t, p.Client, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: p.ns, Name: "another"}})
	controllertest.Consistently(t, 500*time.Millisecond, "the controller writes nothing", func() error {
		if list := p.mgr.Writes.List(); len(list) != before {
			return fmt.Errorf("it wrote %v", list[before:])
		}
		return nil
	})
	if now := p.login.times(); now != asked {
		t.Errorf("the login was asked %d more times", now-asked)
	}

	// A session asks for a role nobody granted: that is told at once, without another token.
	session := controllertest.Create(t, p.Client, controllertest.Session(p.ns, "standup", "reception").Object())
	p.await(bot, "PermissionsGranted=False/RolesMissing")
	message := meta.FindStatusCondition(bot.Status.Conditions, v1alpha1.ConditionPermissionsGranted).Message
	for _, says := range []string{"Calls.JoinGroupCall.All → JoinMeetings (MeetingSession standup)", p.login.URL + "/" + controllertest.TenantID + "/adminconsent?client_id=" + controllertest.AppID} {
		if !strings.Contains(message, says) {
			t.Errorf("the message %q says nothing of %q", message, says)
		}
	}
	if now := p.login.times(); now != asked {
		t.Errorf("the login was asked %d more times", now-asked)
	}
	// The session is over, and with it the need. A change of its status is no reason to look; the next pass sees it.
	controllertest.UpdateStatus(t, p.Client, session, func(s *v1alpha1.MeetingSession) { s.Status.Phase = v1alpha1.PhaseCompleted })
	controllertest.Update(t, p.Client, bot, func(b *v1alpha1.CallingBot) { *b.Spec.Replicas = 2 })
	p.await(bot, "PermissionsGranted=True/RolesGranted")
	if err := p.Client.Delete(context.Background(), bot); err != nil {
		t.Fatal(err)
	}
}

// What is asked for long after the look may have been granted long after it too: that takes a token of now, not of an hour
// ago.
func TestARoleGrantedBeforeItIsNeeded(t *testing.T) {
	now := clocktesting.NewFakePassiveClock(time.Now())
	p := newPlaceAt(t, now)
	p.login.roles[controllertest.TenantID] = []string{graph.RoleAccessMedia}
	bot := p.bot(nil)
	p.await(bot, "PermissionsGranted=True/RolesGranted", "WebhookReachable=True/Answered")
	now.SetTime(now.Now().Add(10 * time.Minute))
	p.login.change(func() {
		p.login.roles[controllertest.TenantID] = []string{graph.RoleAccessMedia, graph.RoleJoinGroupCall}
	})
	asked := p.login.times()
	controllertest.Create(t, p.Client, controllertest.Session(p.ns, "standup", "reception").Object())
	controllertest.Eventually(t, "the login is asked anew", func() error {
		if p.login.times() == asked {
			return errors.New("not yet")
		}
		return nil
	})
	p.await(bot, "PermissionsGranted=True/RolesGranted")
	controllertest.Consistently(t, 1500*time.Millisecond, "and then left alone", func() error {
		if more := p.login.times() - asked; more != 1 {
			return fmt.Errorf("it was asked %d times", more)
		}
		return nil
	})
}

// The first look mostly comes before the pods do, and says so; what is true is told soon after, not in an hour.
func TestTheDoorIsTriedAgainOnceThereArePods(t *testing.T) {
	now := clocktesting.NewFakePassiveClock(time.Now())
	p := newPlaceAt(t, now)
	p.login.roles[controllertest.TenantID] = []string{graph.RoleAccessMedia}
	bot := p.bot(nil)
	p.await(bot, "WebhookReachable=True/Answered", "PermissionsGranted=True/RolesGranted")
	controllertest.Create(t, p.Client, controllertest.MediaPod(p.ns, bot.Name, 0).Object()) // and this router does not see it
	now.SetTime(now.Now().Add(firstRetry))
	controllertest.Update(t, p.Client, bot, func(b *v1alpha1.CallingBot) { *b.Spec.Replicas = 2 }) // rather than wait
	p.await(bot, "WebhookReachable=False/WrongAnswer")
}

func TestASecretThatIsPutRight(t *testing.T) {
	p := newPlace(t)
	p.login.roles[controllertest.TenantID] = []string{graph.RoleAccessMedia}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: p.ns, Name: "reception"}}
	controllertest.Update(t, p.Client, secret, func(s *corev1.Secret) { s.Data["clientSecret"] = []byte("wrong") })
	bot := p.bot(nil)
	p.await(bot, "CredentialsValid=False/CredentialsRejected", "PermissionsGranted=Unknown/NotChecked")
	// It is asked again when the Secret changes, not as often as passes are made.
	asked := p.login.times()
	controllertest.Update(t, p.Client, bot, func(b *v1alpha1.CallingBot) { *b.Spec.Replicas = 3 })
	controllertest.Update(t, p.Client, secret, func(s *corev1.Secret) {
		s.Data["clientSecret"] = []byte(p.login.secret)
		s.Annotations = map[string]string{v1alpha1.AnnotationExpires: time.Now().Add(72 * time.Hour).Format(time.DateOnly)}
	})
	p.await(bot, "CredentialsValid=True/CredentialExpiring", "PermissionsGranted=True/RolesGranted")
	if more := p.login.times() - asked; more != 1 {
		t.Errorf("the login was asked %d times for one change", more)
	}
	if err := p.Client.Delete(context.Background(), secret); err != nil {
		t.Fatal(err)
	}
	p.await(bot, "CredentialsValid=False/SecretNotFound")
}

func TestTheDoor(t *testing.T) {
	p := newPlace(t)
	elsewhere := httptest.NewTLSServer(http.NotFoundHandler())
	defer elsewhere.Close()
	other := router.New(router.NewTable(), logr.Discard(), prometheus.NewRegistry())
	other.Synced()
	othersDoor := httptest.NewTLSServer(other)
	defer othersDoor.Close()
	gone := httptest.NewTLSServer(http.NotFoundHandler())
	gone.Close()
	pod := controllertest.Create(t, p.Client, controllertest.MediaPod(p.ns, "reception", 0).Object())
	p.table.Set(pod)
	for i, tc := range []struct{ host, want string }{
		{p.door.URL, "True/Answered"},
		{elsewhere.URL, "False/WrongAnswer"},
		{othersDoor.URL, "False/WrongAnswer"},
		{gone.URL, "False/NoAnswer"},
		{"https://nowhere.invalid", "Unknown/NameNotResolved"},
	} {
		bot := p.bot(func(b *v1alpha1.CallingBot) {
			if i > 0 { // the bot of the media pod is the first; the others must find theirs
				b.Name = fmt.Sprintf("reception%d", i)
				mp := controllertest.Create(t, p.Client, controllertest.MediaPod(p.ns, b.Name, 0).Object())
				p.table.Set(mp)
			}
			b.Spec.Signaling.Host = strings.TrimPrefix(tc.host, "https://")
		})
		p.await(bot, "WebhookReachable="+tc.want)
	}
	// Without the bundle nobody trusts the certificate.
	bot := p.bot(func(b *v1alpha1.CallingBot) { b.Name, b.Spec.Identity.Custom.CABundle = "untrusting", nil })
	p.await(bot, "WebhookReachable=False/UntrustedCertificate")
}

// What others say of the bot stays.
func TestOthersConditionsStay(t *testing.T) {
	p := newPlace(t)
	bot := p.bot(nil)
	p.await(bot, "CredentialsValid=True/TokenIssued")
	controllertest.UpdateStatus(t, p.Client, bot, func(b *v1alpha1.CallingBot) {
		meta.SetStatusCondition(&b.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonServing})
	})
	controllertest.Update(t, p.Client, bot, func(b *v1alpha1.CallingBot) { *b.Spec.Replicas = 5 })
	controllertest.Await(t, p.Client, bot, "speak of the new generation", func(b *v1alpha1.CallingBot) error {
		c := meta.FindStatusCondition(b.Status.Conditions, v1alpha1.ConditionCredentialsValid)
		if c.ObservedGeneration != b.Generation {
			return fmt.Errorf("it speaks of %d", c.ObservedGeneration)
		}
		return nil
	})
	if err := controllertest.HasCondition(bot.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonServing); err != nil {
		t.Error(err)
	}
}
