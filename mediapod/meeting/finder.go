// SPDX-License-Identifier: Apache-2.0

package meeting

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/signaling"
	"github.com/callfleet/callfleet/mediapod/story"
)

// Graph knows the meetings of users.
type Graph interface {
	FindOnlineMeetingByJoinURL(ctx context.Context, userID, joinURL string) (*graph.OnlineMeeting, error)
	FindOnlineMeetingByVTCID(ctx context.Context, vtcID string) (*graph.OnlineMeeting, error)
	CreateOrGetOnlineMeeting(ctx context.Context, userID, externalID, subject string) (*graph.OnlineMeeting, error)
}

var _ Graph = (*graph.Client)(nil)

// Secrets are those of the pod's namespace.
type Secrets interface {
	Secret(ctx context.Context, name string) (*corev1.Secret, error)
	CreateSecret(ctx context.Context, secret *corev1.Secret) error
}

// lookupTimeout is what Graph gets for a look-up, with the retries of its client.
const lookupTimeout = 30 * time.Second

// Finder finds meetings.
type Finder struct {
	// Graph is the client with the tokens of a tenant.
	Graph   func(tenantID string) Graph
	Secrets Secrets
	// Account is the service account of the pods of the bot, for messages.
	Account string
	// Tenants are those the bot serves, its own first: it is that of meetings which name none.
	Tenants []string
	Clock   clock.Clock
	Log     logr.Logger
}

// Find gives the meeting of a session, or how the attempt ends that has none. ctx is the life of the call: what is to be
// written about a meeting that was made may come after.
func (f *Finder) Find(ctx context.Context, s *v1alpha1.MeetingSession) (graph.Meeting, *v1alpha1.CallEnd) {
	m := s.Spec.Meeting
	if end := f.foreign(string(m.TenantID)); end != nil {
		return graph.Meeting{}, end
	}
	found, end := f.find(ctx, s)
	switch wanted := string(m.TenantID); {
	case end != nil || wanted == "":
	case found.TenantID == "": // a number or a token says nothing of it
		found.TenantID = wanted
	case !graph.SameID(found.TenantID, wanted):
		return graph.Meeting{}, invalid(fmt.Sprintf("the join link leads to a meeting of tenant %s, and spec.meeting.tenantID says %s; "+
			"leave tenantID out, as such a link tells it", found.TenantID, wanted))
	}
	return found, end
}

// foreign is the end of a session in a tenant the bot does not serve: it has no token that could be asked with.
func (f *Finder) foreign(tenant string) *v1alpha1.CallEnd {
	if tenant == "" || slices.ContainsFunc(f.Tenants, func(served string) bool { return graph.SameID(served, tenant) }) {
		return nil
	}
	return story.EndOfSignal(signaling.ForeignTenant("spec.meeting names", tenant))
}

// tenantOf a meeting as it is asked for.
func (f *Finder) tenantOf(m v1alpha1.Meeting) string {
	if m.TenantID == "" && len(f.Tenants) > 0 {
		return f.Tenants[0]
	}
	return string(m.TenantID)
}

func (f *Finder) find(ctx context.Context, s *v1alpha1.MeetingSession) (graph.Meeting, *v1alpha1.CallEnd) {
	m := s.Spec.Meeting
	switch {
	case m.JoinMeetingID != nil:
		id, err := graph.NormalizeJoinMeetingID(m.JoinMeetingID.ID)
		return checked(graph.Meeting{JoinMeetingID: id, Passcode: m.JoinMeetingID.Passcode}, err)
	case m.JoinURL != "":
		return f.byLink(ctx, m)
	case m.Coordinates != nil:
		found := f.byCoordinates(*m.Coordinates)
		return checked(found, found.Validate())
	case m.Token != nil:
		return f.byToken(ctx, *m.Token)
	case m.VideoTeleconferenceID != "":
		return f.lookUp(ctx, func(ctx context.Context) (*graph.OnlineMeeting, error) {
			return f.Graph(f.tenantOf(m)).FindOnlineMeetingByVTCID(ctx, m.VideoTeleconferenceID)
		})
	case m.Create != nil:
		return f.create(ctx, s, *m.Create)
	default:
		return graph.Meeting{}, invalid("spec.meeting names no meeting that this version knows; set joinURL or joinMeetingID")
	}
}

// byLink reads the link. One that does not tell which meeting it leads to is looked up, if it is known in whose calendar.
func (f *Finder) byLink(ctx context.Context, m v1alpha1.Meeting) (graph.Meeting, *v1alpha1.CallEnd) {
	found, err := graph.ParseJoinURL(string(m.JoinURL))
	switch {
	case err == nil:
		return found, nil
	case m.Organizer == "":
		return graph.Meeting{}, invalid(err.Error() + ". If it is right, name the user in whose calendar the meeting is in spec.meeting.organizer of a new session: " +
			"the link is then looked up among that user's meetings (permission OnlineMeetings.Read.All, application access policy)")
	}
	return f.lookUp(ctx, func(ctx context.Context) (*graph.OnlineMeeting, error) {
		return f.Graph(f.tenantOf(m)).FindOnlineMeetingByJoinURL(ctx, string(m.Organizer), string(m.JoinURL))
	})
}

func (f *Finder) byCoordinates(c v1alpha1.MeetingCoordinates) graph.Meeting {
	m := graph.Meeting{
		ThreadID: c.ThreadID, MessageID: c.MessageID, ReplyChainMessageID: c.ReplyChainMessageID,
		OrganizerID: string(c.OrganizerID), TenantID: string(c.TenantID),
	}
	if m.MessageID == "" {
		m.MessageID = "0"
	}
	if m.TenantID == "" {
		m.TenantID = f.tenantOf(v1alpha1.Meeting{})
	}
	return m
}

// byToken reads the join token. Pods may read no Secrets of themselves; the user grants this one.
func (f *Finder) byToken(ctx context.Context, ref v1alpha1.KeyReference) (graph.Meeting, *v1alpha1.CallEnd) {
	secret, err := f.Secrets.Secret(ctx, ref.Name)
	switch {
	case apierrors.IsForbidden(err):
		return graph.Meeting{}, invalid(fmt.Sprintf("Secret %q with the join token may not be read; grant the verb get on that Secret to the service account %q "+
			"(kubectl create role, kubectl create rolebinding), then make the session again", ref.Name, f.Account))
	case apierrors.IsNotFound(err):
		return graph.Meeting{}, invalid(fmt.Sprintf("Secret %q with the join token does not exist in the session's namespace; create it, then make the session again", ref.Name))
	case err != nil:
		return graph.Meeting{}, &v1alpha1.CallEnd{Reason: v1alpha1.EndInvalidMeeting, Failed: true, Retryable: true,
			Message: fmt.Sprintf("Secret %q with the join token could not be read: %v", ref.Name, err)}
	}
	token := string(secret.Data[ref.Key])
	if token == "" {
		return graph.Meeting{}, invalid(fmt.Sprintf("Secret %q has nothing under the key %q; put the join token there, then make the session again", ref.Name, ref.Key))
	}
	return graph.Meeting{Token: token}, nil
}

// lookUp asks Graph for a meeting.
func (f *Finder) lookUp(ctx context.Context, ask func(context.Context) (*graph.OnlineMeeting, error)) (graph.Meeting, *v1alpha1.CallEnd) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found, err := ask(ctx)
	if err != nil {
		return graph.Meeting{}, endOfLookUp(err)
	}
	m, err := found.Meeting()
	return checked(m, err)
}

func checked(m graph.Meeting, err error) (graph.Meeting, *v1alpha1.CallEnd) {
	if err != nil {
		return graph.Meeting{}, invalid(err.Error())
	}
	return m, nil
}
