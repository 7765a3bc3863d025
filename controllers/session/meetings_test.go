// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func TestBotNotFound(t *testing.T) {
	w := emptyWorld(t)
	w.startManager()
	ms := w.create(w.session("standup"))
	w.awaitWaiting(ms, v1alpha1.ReasonBotNotFound, "there is no CallingBot reception in namespace "+w.ns)
	if err := controllertest.HasCondition(ms.Status.Conditions, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonBotNotFound); err != nil {
		t.Error(err)
	}
	w.manager.Writes.AwaitQuiet(t, 200*time.Millisecond)
	passes := w.reader.passes.Load()
	controllertest.Consistently(t, 500*time.Millisecond, "it is left alone", func() error {
		if n := w.reader.passes.Load() - passes; n > 0 {
			return fmt.Errorf("%d passes", n)
		}
		return nil
	})
	controllertest.Create(t, w.Client, controllertest.Bot(w.ns, bot).Object())
	w.awaitWaiting(ms, v1alpha1.ReasonNoSeat)
	if err := controllertest.LacksCondition(ms.Status.Conditions, v1alpha1.ConditionStalled); err != nil {
		t.Error(err)
	}
	w.addPod(0, 1)
	w.awaitBound(ms, "reception-0")
}

func TestTheBotIsInAnotherNamespace(t *testing.T) {
	w := emptyWorld(t)
	elsewhere := w.Namespace(t)
	here := w.ns
	w.ns = "" // the manager sees all
	w.startManager()
	w.ns = here
	const name = "far-away"
	controllertest.Create(t, w.Client, controllertest.Bot(elsewhere, name).Object())
	ms := w.create(controllertest.Session(here, "standup", name).JoinURL(link("standup")))
	w.awaitWaiting(ms, v1alpha1.ReasonBotNotFound, "there is one in "+elsewhere, "create the session there")
}

func TestOneBotIsInAMeetingOnce(t *testing.T) {
	meeting := map[string]func(*controllertest.SessionBuilder) *controllertest.SessionBuilder{
		"the link": func(b *controllertest.SessionBuilder) *controllertest.SessionBuilder { return b.JoinURL(link("x")) },
		"the number": func(b *controllertest.SessionBuilder) *controllertest.SessionBuilder {
			return b.JoinMeetingID("123456789012", "a")
		},
		"the number with gaps": func(b *controllertest.SessionBuilder) *controllertest.SessionBuilder {
			return b.JoinMeetingID("123 456 789 012", "b")
		},
		"the link of the other": func(b *controllertest.SessionBuilder) *controllertest.SessionBuilder { return b.JoinURL(link("y")) },
		"the link, told differently": func(b *controllertest.SessionBuilder) *controllertest.SessionBuilder {
			return b.JoinURL("https://teams.microsoft.com/l/meetup-join/19:meeting_x@thread.v2/0?tenantId=t")
		},
	}
	for _, tc := range []struct {
		first, second string
		same          bool
	}{
		{"the link", "the link, told differently", true},
		{"the number", "the number with gaps", true},
		{"the link", "the link of the other", false},
	} {
		t.Run(tc.first+" and "+tc.second, func(t *testing.T) {
			w := newWorld(t, 5)
			first := w.awaitBound(w.create(meeting[tc.first](w.session("first"))), "reception-0")
			second := w.create(meeting[tc.second](w.session("second")))
			if !tc.same {
				w.awaitBound(second, "reception-0")
				return
			}
			w.awaitWaiting(second, v1alpha1.ReasonAlreadyInMeeting, "session first", "allowDuplicates")
			if err := controllertest.HasCondition(second.Status.Conditions, v1alpha1.ConditionNeedsAttention, metav1.ConditionTrue, v1alpha1.ReasonAlreadyInMeeting); err != nil {
				t.Error(err)
			}
			w.awaitBound(w.create(meeting[tc.second](w.session("third")).With(func(ms *v1alpha1.MeetingSession) {
				ms.Spec.AllowDuplicates = true
			})), "reception-0")

			w.establish(first)
			w.end(first, v1alpha1.EndMeetingEnded, false, false)
			w.awaitFinished(first, v1alpha1.PhaseCompleted, v1alpha1.EndMeetingEnded)
			third := &v1alpha1.MeetingSession{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "third"}}
			w.delete(third)
			w.awaitBound(second, "reception-0")
			if err := controllertest.LacksCondition(second.Status.Conditions, v1alpha1.ConditionNeedsAttention); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSecretsStayInTheSpec looks for a join link and a passcode in all that the controller gives away.
func TestSecretsStayInTheSpec(t *testing.T) {
	w := newWorld(t, 1)
	const secret = "s3cretThread"
	first := w.awaitBound(w.create(w.session("first").JoinURL(link(secret))), "reception-0")
	second := w.awaitWaiting(w.create(w.session("second").JoinURL(link(secret))), v1alpha1.ReasonAlreadyInMeeting)
	third := w.awaitWaiting(w.create(w.session("third").JoinMeetingID("987654321", secret)), v1alpha1.ReasonNoSeat)
	for _, reason := range []string{v1alpha1.ReasonAlreadyInMeeting, v1alpha1.ReasonNoSeat} {
		if want := `callfleet_sessions_waiting{bot="reception",namespace="` + w.ns + `",reason="` + reason + `"} 1`; !strings.Contains(w.metrics(), want) {
			t.Errorf("the metrics lack %s:\n%s", want, w.metrics())
		}
	}
	w.establish(first)
	w.end(first, v1alpha1.EndMeetingEnded, false, false)
	w.awaitFinished(first, v1alpha1.PhaseCompleted, v1alpha1.EndMeetingEnded)

	var told strings.Builder
	for _, ms := range []*v1alpha1.MeetingSession{first, second, third} {
		ms.Spec.Meeting = v1alpha1.Meeting{}
		told.WriteString(controllertest.Dump(ms))
	}
	var list eventsv1.EventList
	controllertest.Eventually(t, "events of the life of a session", func() error {
		if err := w.Client.List(context.Background(), &list, client.InNamespace(w.ns)); err != nil {
			return err
		}
		seen := map[string]bool{}
		for _, e := range list.Items {
			seen[e.Reason] = true
		}
		if seen[v1alpha1.ReasonBound] {
			return errors.New("a binding, of which the session itself tells, is an event too")
		}
		for _, reason := range []string{v1alpha1.ReasonAlreadyInMeeting, v1alpha1.ReasonNoSeat, string(v1alpha1.EndMeetingEnded)} {
			if !seen[reason] {
				return fmt.Errorf("no event %s in %v", reason, seen)
			}
		}
		return nil
	})
	for _, e := range list.Items {
		told.WriteString(controllertest.Dump(&e))
	}
	metrics := w.metrics()
	for _, want := range []string{
		`callfleet_sessions_ended_total{bot="reception",namespace="` + w.ns + `",reason="MeetingEnded"} 1`,
		`callfleet_session_bind_seconds_count`, `callfleet_session_binds_total{bot="reception"`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s:\n%s", want, metrics)
		}
	}
	for _, name := range []string{"first", "second", "third", string(first.UID)} {
		if strings.Contains(metrics, `"`+name+`"`) {
			t.Errorf("the metrics name session %s", name)
		}
	}
	told.WriteString(metrics)
	if i := strings.Index(told.String(), secret); i >= 0 {
		t.Errorf("a secret was told: …%s…", told.String()[max(0, i-100):i+len(secret)])
	}
}

// metrics as Prometheus would read them.
func (w *world) metrics() string {
	w.t.Helper()
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(w.registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return answer.Body.String()
}
