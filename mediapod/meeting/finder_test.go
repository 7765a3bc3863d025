// SPDX-License-Identifier: Apache-2.0

package meeting

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
)

const (
	tenant    = "1fdd12d0-4620-44ed-baec-459b611f84b2"
	partner   = "9a3b7c11-2f6e-4d0a-8f5b-0c1d2e3f4a5b"
	stranger  = "77777777-2f6e-4d0a-8f5b-0c1d2e3f4a5b"
	organizer = "550fae72-d251-43ec-868c-373732c2704f"
	thread    = "19:meeting_secretthread@thread.v2"
	longLink  = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_secretthread%40thread.v2/0?context=%7b%22Tid%22%3a%22" + tenant + "%22%2c%22Oid%22%3a%22" + organizer + "%22%7d"
	oddLink   = "https://aka.contoso.com/secret-meeting"
)

// calendar plays Graph, asked with the tokens of a tenant.
type calendar struct {
	err    error
	tenant string
	asked  []string
}

func (c *calendar) of(tenantID string) Graph {
	c.tenant = tenantID
	return c
}

func (c *calendar) answer(what ...string) (*graph.OnlineMeeting, error) {
	if c.tenant != tenant {
		what = append(what, "in", c.tenant)
	}
	c.asked = append(c.asked, strings.Join(what, " "))
	if c.err != nil {
		return nil, c.err
	}
	return &graph.OnlineMeeting{
		JoinWebURL: longLink, ChatInfo: &graph.ChatInfo{ThreadID: thread},
		Participants: graph.MeetingParticipants{Organizer: graph.MeetingParticipant{
			Identity: graph.IdentitySet{User: &graph.Identity{ID: organizer, TenantID: c.tenant}},
		}},
	}, nil
}

func (c *calendar) FindOnlineMeetingByJoinURL(_ context.Context, userID, joinURL string) (*graph.OnlineMeeting, error) {
	return c.answer("link", userID, joinURL)
}

func (c *calendar) FindOnlineMeetingByVTCID(_ context.Context, vtcID string) (*graph.OnlineMeeting, error) {
	return c.answer("vtc", vtcID)
}

func (c *calendar) CreateOrGetOnlineMeeting(_ context.Context, userID, externalID, subject string) (*graph.OnlineMeeting, error) {
	return c.answer("create", userID, externalID, subject)
}

// safe plays the Secrets of a namespace.
type safe struct {
	mu      sync.Mutex
	err     error
	data    map[string][]byte
	created []*corev1.Secret
	tries   int
}

func (s *safe) Secret(context.Context, string) (*corev1.Secret, error) {
	return &corev1.Secret{Data: s.data}, s.err
}

func (s *safe) CreateSecret(_ context.Context, secret *corev1.Secret) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tries++; s.err != nil {
		return s.err
	}
	s.created = append(s.created, secret)
	return nil
}

func session(m v1alpha1.Meeting) *v1alpha1.MeetingSession {
	return &v1alpha1.MeetingSession{
		ObjectMeta: metav1.ObjectMeta{Namespace: "voice", Name: "standup", UID: "uid-1"},
		Spec:       v1alpha1.MeetingSessionSpec{CallSpec: v1alpha1.CallSpec{BotRef: v1alpha1.BotReference{Name: "reception"}}, Meeting: m},
	}
}

func TestWhichMeetingASessionIsIn(t *testing.T) {
	scheduled := graph.Meeting{ThreadID: thread, MessageID: "0", OrganizerID: organizer, TenantID: tenant}
	abroad := graph.Meeting{ThreadID: thread, MessageID: "0", OrganizerID: organizer, TenantID: partner}
	secret := schema.GroupResource{Resource: "secrets"}
	// With the role Graph asks for the policy, as it does by any request for a user's meetings; without it, for the role.
	noPolicy := &graph.Error{Operation: "find meeting by join link", StatusCode: http.StatusForbidden, Code: "Forbidden", Message: "No application access policy found for this app."}
	noPolicyToMake := &graph.Error{Operation: "create or get meeting", StatusCode: http.StatusForbidden, Code: "Forbidden"}
	noRole := &graph.Error{Operation: "find meeting by join link", StatusCode: http.StatusForbidden, MissingRoles: []string{"OnlineMeetings.Read.All"}}
	tests := map[string]struct {
		meeting v1alpha1.Meeting
		graph   error
		secrets *safe
		want    graph.Meeting
		asked   string
		// why it ends without a meeting; the message has the words.
		why   v1alpha1.EndReason
		again bool
		words string
	}{
		"a long link":  {meeting: v1alpha1.Meeting{JoinURL: longLink}, want: scheduled},
		"a short link": {meeting: v1alpha1.Meeting{JoinURL: "https://teams.microsoft.com/meet/123456789012?p=abc"}, want: graph.Meeting{JoinMeetingID: "123456789012", Passcode: "abc"}},
		"a long link with its organizer needs no look-up": {meeting: v1alpha1.Meeting{JoinURL: longLink, Organizer: organizer}, want: scheduled},
		"a link that is none":                             {meeting: v1alpha1.Meeting{JoinURL: oddLink}, why: v1alpha1.EndInvalidMeeting, words: "spec.meeting.organizer"},
		"a link that is looked up":                        {meeting: v1alpha1.Meeting{JoinURL: oddLink, Organizer: organizer}, want: scheduled, asked: "link " + organizer + " " + oddLink},
		"a link nobody knows":                             {meeting: v1alpha1.Meeting{JoinURL: oddLink, Organizer: organizer}, graph: graph.ErrNoSuchMeeting, asked: "link " + organizer + " " + oddLink, why: v1alpha1.EndMeetingNotFound, words: "spec.meeting.organizer"},
		"no policy lets the meetings be read":             {meeting: v1alpha1.Meeting{JoinURL: oddLink, Organizer: organizer}, graph: noPolicy, asked: "link " + organizer + " " + oddLink, why: v1alpha1.EndPermissionMissing, words: "Grant-CsApplicationAccessPolicy"},
		"no policy lets meetings be made":                 {meeting: v1alpha1.Meeting{Create: &v1alpha1.NewMeeting{Organizer: organizer}}, graph: noPolicyToMake, asked: "create " + organizer + " uid-1 ", why: v1alpha1.EndPermissionMissing, words: "Grant-CsApplicationAccessPolicy"},
		"no role lets the meetings be read":               {meeting: v1alpha1.Meeting{JoinURL: oddLink, Organizer: organizer}, graph: noRole, asked: "link " + organizer + " " + oddLink, why: v1alpha1.EndPermissionMissing, words: "lacks OnlineMeetings.Read.All"},
		"Graph is away":                                   {meeting: v1alpha1.Meeting{VideoTeleconferenceID: "42"}, graph: context.DeadlineExceeded, asked: "vtc 42", why: v1alpha1.EndServiceError, again: true},
		"a number and a passcode":                         {meeting: v1alpha1.Meeting{JoinMeetingID: &v1alpha1.JoinMeetingID{ID: "123 456 789 012", Passcode: "abc"}}, want: graph.Meeting{JoinMeetingID: "123456789012", Passcode: "abc"}},
		"coordinates in the bot's tenant":                 {meeting: v1alpha1.Meeting{Coordinates: &v1alpha1.MeetingCoordinates{ThreadID: thread, OrganizerID: organizer}}, want: scheduled},
		"coordinates of a channel meeting": {
			meeting: v1alpha1.Meeting{Coordinates: &v1alpha1.MeetingCoordinates{ThreadID: "19:x@thread.tacv2", MessageID: "17", ReplyChainMessageID: "16", OrganizerID: organizer, TenantID: tenant}},
			want:    graph.Meeting{ThreadID: "19:x@thread.tacv2", MessageID: "17", ReplyChainMessageID: "16", OrganizerID: organizer, TenantID: tenant},
		},
		"coordinates that are none": {meeting: v1alpha1.Meeting{Coordinates: &v1alpha1.MeetingCoordinates{ThreadID: "secretthread", OrganizerID: organizer}}, why: v1alpha1.EndInvalidMeeting, words: "thread ID"},
		"a conference id":           {meeting: v1alpha1.Meeting{VideoTeleconferenceID: "42"}, want: scheduled, asked: "vtc 42"},
		"a meeting to be made":      {meeting: v1alpha1.Meeting{Create: &v1alpha1.NewMeeting{Organizer: organizer, Subject: "tea"}}, want: scheduled, asked: "create " + organizer + " uid-1 tea"},
		"a token":                   {meeting: v1alpha1.Meeting{Token: &v1alpha1.KeyReference{Name: "t", Key: "token"}}, secrets: &safe{data: map[string][]byte{"token": []byte("secret")}}, want: graph.Meeting{Token: "secret"}},
		"a token that is not there": {meeting: v1alpha1.Meeting{Token: &v1alpha1.KeyReference{Name: "t", Key: "token"}}, why: v1alpha1.EndInvalidMeeting, words: `key "token"`},
		"a token that may not be read": {
			meeting: v1alpha1.Meeting{Token: &v1alpha1.KeyReference{Name: "t", Key: "token"}}, secrets: &safe{err: apierrors.NewForbidden(secret, "t", errors.New("no"))},
			why: v1alpha1.EndInvalidMeeting, words: `grant the verb get on that Secret to the service account "reception-mediapod"`,
		},
		"a token nobody made": {
			meeting: v1alpha1.Meeting{Token: &v1alpha1.KeyReference{Name: "t", Key: "token"}}, secrets: &safe{err: apierrors.NewNotFound(secret, "t")},
			why: v1alpha1.EndInvalidMeeting, words: "does not exist",
		},
		"a token while the API server is away": {
			meeting: v1alpha1.Meeting{Token: &v1alpha1.KeyReference{Name: "t", Key: "token"}}, secrets: &safe{err: apierrors.NewServiceUnavailable("starting")},
			why: v1alpha1.EndInvalidMeeting, again: true,
		},
		"nothing": {why: v1alpha1.EndInvalidMeeting},
		"a number in an allowed tenant": {
			meeting: v1alpha1.Meeting{JoinMeetingID: &v1alpha1.JoinMeetingID{ID: "123456789012"}, TenantID: partner},
			want:    graph.Meeting{JoinMeetingID: "123456789012", TenantID: partner},
		},
		"a short link in an allowed tenant": {
			meeting: v1alpha1.Meeting{JoinURL: "https://teams.microsoft.com/meet/123456789012?p=abc", TenantID: partner},
			want:    graph.Meeting{JoinMeetingID: "123456789012", Passcode: "abc", TenantID: partner},
		},
		"a token in an allowed tenant": {
			meeting: v1alpha1.Meeting{Token: &v1alpha1.KeyReference{Name: "t", Key: "token"}, TenantID: partner}, secrets: &safe{data: map[string][]byte{"token": []byte("secret")}},
			want: graph.Meeting{Token: "secret", TenantID: partner},
		},
		"a conference id in an allowed tenant": {
			meeting: v1alpha1.Meeting{VideoTeleconferenceID: "42", TenantID: partner}, want: abroad, asked: "vtc 42 in " + partner,
		},
		"a link looked up in an allowed tenant": {
			meeting: v1alpha1.Meeting{JoinURL: oddLink, Organizer: organizer, TenantID: partner}, want: abroad, asked: "link " + organizer + " " + oddLink + " in " + partner,
		},
		"a meeting made in an allowed tenant": {
			meeting: v1alpha1.Meeting{Create: &v1alpha1.NewMeeting{Organizer: organizer, Subject: "tea"}, TenantID: partner}, want: abroad, asked: "create " + organizer + " uid-1 tea in " + partner,
		},
		"a number in the bot's tenant, named": {
			meeting: v1alpha1.Meeting{JoinMeetingID: &v1alpha1.JoinMeetingID{ID: "123456789012"}, TenantID: v1alpha1.GUID(strings.ToUpper(tenant))},
			want:    graph.Meeting{JoinMeetingID: "123456789012", TenantID: strings.ToUpper(tenant)},
		},
		"a long link of the tenant that is named": {meeting: v1alpha1.Meeting{JoinURL: longLink, TenantID: v1alpha1.GUID(strings.ToUpper(tenant))}, want: scheduled},
		"a long link of another tenant":           {meeting: v1alpha1.Meeting{JoinURL: longLink, TenantID: partner}, why: v1alpha1.EndInvalidMeeting, words: "leave tenantID out"},
		"a conference id in a tenant that is not served": {
			meeting: v1alpha1.Meeting{VideoTeleconferenceID: "42", TenantID: stranger}, why: v1alpha1.EndTenantNotConsented, words: "identity.allowedTenants",
		},
		"a number in a tenant that is not served": {
			meeting: v1alpha1.Meeting{JoinMeetingID: &v1alpha1.JoinMeetingID{ID: "123456789012"}, TenantID: stranger}, why: v1alpha1.EndTenantNotConsented, words: stranger,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			g := &calendar{err: tc.graph}
			if tc.secrets == nil {
				tc.secrets = &safe{}
			}
			f := &Finder{
				Graph: g.of, Secrets: tc.secrets, Account: "reception-mediapod", Tenants: []string{tenant, partner},
				Clock: clocktesting.NewFakeClock(time.Now()), Log: testr.New(t),
			}
			got, end := f.Find(t.Context(), session(tc.meeting))
			if asked := strings.Join(g.asked, ", "); asked != tc.asked {
				t.Errorf("asked Graph %q, want %q", asked, tc.asked)
			}
			if tc.why == "" {
				if diff := cmp.Diff(tc.want, got); diff != "" || end != nil {
					t.Errorf("end %+v, meeting (-want +got):\n%s", end, diff)
				}
				return
			}
			switch {
			case end == nil:
				t.Fatal("no end")
			case end.Reason != tc.why || !end.Failed || end.Retryable != tc.again || !strings.Contains(end.Message, tc.words) || end.Message == "":
				t.Errorf("end %+v", end)
			case strings.Contains(end.Message, "secret-meeting"), strings.Contains(end.Message, "secretthread"):
				t.Errorf("the message quotes the meeting: %s", end.Message)
			}
		})
	}
}

// TestTheLinkOfAMeetingThatWasMadeIsPutWherePeopleFindIt, however long the API server takes.
func TestTheLinkOfAMeetingThatWasMadeIsPutWherePeopleFindIt(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now())
	secrets := &safe{err: apierrors.NewServiceUnavailable("starting")}
	f := &Finder{Graph: (&calendar{}).of, Secrets: secrets, Clock: clock, Log: testr.New(t)}
	if _, end := f.Find(t.Context(), session(v1alpha1.Meeting{Create: &v1alpha1.NewMeeting{Organizer: organizer}})); end != nil {
		t.Fatalf("the bot waits for the Secret: %+v", end)
	}
	until(t, clock.HasWaiters)
	secrets.mu.Lock()
	secrets.err = nil
	secrets.mu.Unlock()
	clock.Step(time.Second)
	until(t, func() bool { secrets.mu.Lock(); defer secrets.mu.Unlock(); return len(secrets.created) == 1 })
	made := secrets.created[0]
	owner := metav1.OwnerReference{APIVersion: "callfleet.dev/v1alpha1", Kind: "MeetingSession", Name: "standup", UID: "uid-1"}
	if made.Name != "standup-meeting" || made.Namespace != "voice" || string(made.Data["joinURL"]) != longLink || made.Labels[v1alpha1.LabelBot] != "reception" {
		t.Errorf("secret %s/%s with %d keys, labels %v", made.Namespace, made.Name, len(made.Data), made.Labels)
	}
	if diff := cmp.Diff([]metav1.OwnerReference{owner}, made.OwnerReferences); diff != "" {
		t.Errorf("owner (-want +got):\n%s", diff)
	}
}

func TestASecretThatIsRefusedIsNotTriedForEver(t *testing.T) {
	for name, err := range map[string]error{
		"it is there from an attempt before": apierrors.NewAlreadyExists(schema.GroupResource{}, "standup-meeting"),
		"it is forbidden":                    apierrors.NewForbidden(schema.GroupResource{}, "standup-meeting", errors.New("quota")),
	} {
		t.Run(name, func(t *testing.T) {
			secrets := &safe{err: err}
			f := &Finder{Secrets: secrets, Clock: clocktesting.NewFakeClock(time.Now()), Log: testr.New(t)}
			f.tellLink(t.Context(), session(v1alpha1.Meeting{}), longLink) // returns
			if secrets.tries != 1 {
				t.Errorf("%d tries", secrets.tries)
			}
		})
	}
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatal("waited 10 s")
		}
		<-time.After(5 * time.Millisecond)
	}
}
