// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

const (
	// lookEvery: consent is given and taken, certificates run out, names move.
	lookEvery = time.Hour
	// A look that found something wrong, or could not see to the end, is repeated after firstRetry, and then after twice as
	// long each time.
	firstRetry = 30 * time.Second
	lastRetry  = 15 * time.Minute
	// atLeast lies between two looks, whatever changes.
	atLeast = 5 * time.Second
)

// question is what the answer depends on: while it is the same, a look is good until its time is over.
type question [sha256.Size]byte

// questionOf is about who asks for tokens, with what, and where; not about what the spec asks for, which is judged on
// every pass.
func (r *Reconciler) questionOf(ctx context.Context, bot *v1alpha1.CallingBot) (question, error) {
	secret, err := r.versionOf(ctx, "Secret", bot.Namespace, bot.Spec.Identity.Credential.ClientSecret.Name)
	if err != nil {
		return question{}, err
	}
	bundle := ""
	if ref := bot.Spec.Identity.CABundle(); ref != nil {
		if bundle, err = r.versionOf(ctx, "ConfigMap", bot.Namespace, ref.Name); err != nil {
			return question{}, err
		}
	}
	raw, err := json.Marshal([]any{bot.UID, bot.Spec.Identity, bot.Spec.Signaling.Host, secret, bundle})
	if err != nil {
		return question{}, fmt.Errorf("summing up the identity: %w", err)
	}
	return sha256.Sum256(raw), nil
}

// versionOf an object whose metadata is cached; "" if it does not exist.
func (r *Reconciler) versionOf(ctx context.Context, kind, namespace, name string) (string, error) {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
	if err := r.metadata.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object); apierrors.IsNotFound(err) {
		return "", nil
	} else if err != nil {
		return "", fmt.Errorf("looking up %s %s: %w", kind, name, err)
	}
	return object.ResourceVersion, nil
}

// wait is how long this look is good for yet.
func (l look) wait(q question, now time.Time) time.Duration {
	pause := lookEvery
	switch {
	case l.at.IsZero():
		return 0
	case l.asked != q:
		pause = atLeast
	case l.failures > 0:
		pause = lastRetry
		if shift := l.failures - 1; shift < 10 {
			pause = min(lastRetry, firstRetry<<shift)
		}
	}
	return l.at.Add(pause).Sub(now)
}
