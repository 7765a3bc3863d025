// SPDX-License-Identifier: Apache-2.0

package meeting

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
)

// LinkKey is where the Secret of a meeting that was made holds its join link.
const LinkKey = "joinURL"

// SecretName is the Secret with the join link of the meeting a session made.
func SecretName(session string) string { return session + "-meeting" }

// create makes the meeting, once however often it is tried: the session's UID is its external id. People join by the link,
// so it is put where they find it; the bot need not wait for that.
func (f *Finder) create(ctx context.Context, s *v1alpha1.MeetingSession, wanted v1alpha1.NewMeeting) (graph.Meeting, *v1alpha1.CallEnd) {
	return f.lookUp(ctx, func(asking context.Context) (*graph.OnlineMeeting, error) {
		made, err := f.Graph(f.tenantOf(s.Spec.Meeting)).CreateOrGetOnlineMeeting(asking, string(wanted.Organizer), string(s.UID), wanted.Subject)
		if err == nil && made.JoinWebURL != "" {
			go f.tellLink(ctx, s, made.JoinWebURL)
		}
		return made, err
	})
}

// tellLink writes the Secret, trying as long as the call lasts.
func (f *Finder) tellLink(ctx context.Context, s *v1alpha1.MeetingSession, link string) {
	log := f.Log.WithValues("session", s.Name)
	for retry := time.Second; ; retry = min(2*retry, 30*time.Second) {
		err := f.Secrets.CreateSecret(ctx, linkSecret(s, link))
		switch {
		case err == nil || apierrors.IsAlreadyExists(err): // of an attempt before
			return
		case apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsNotFound(err):
			log.Error(err, "the Secret with the join link of the meeting was refused", "secret", SecretName(s.Name))
			return
		}
		log.V(1).Info("the Secret with the join link of the meeting is not written yet", "retryIn", retry.String(), "cause", err.Error())
		select {
		case <-ctx.Done():
			return
		case <-f.Clock.After(retry):
		}
	}
}

// linkSecret goes when its session goes.
func linkSecret(s *v1alpha1.MeetingSession, link string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Namespace, Name: SecretName(s.Name),
			Labels: map[string]string{v1alpha1.LabelBot: s.Spec.BotRef.Name},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: "MeetingSession", Name: s.Name, UID: s.UID,
			}},
		},
		Type: corev1.SecretTypeOpaque,
		Data: map[string][]byte{LinkKey: []byte(link)},
	}
}
