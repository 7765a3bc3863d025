// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/shorten"
)

// missing is the first thing without which a pod of this bot cannot run, or nil.
func (r *Reconciler) missing(ctx context.Context, bot *v1alpha1.CallingBot, config derived) (*problem, error) {
	if err := config.invalid; err != nil {
		return &problem{v1alpha1.ReasonTemplateInvalid, "spec.template cannot be used; correct it: " + shorten.Bytes(err.Error(), shorten.Note)}, nil
	}
	ref := bot.Spec.Identity.Credential.ClientSecret
	found, err := r.keys.find(ctx, secretKind, types.NamespacedName{Namespace: bot.Namespace, Name: ref.Name}, ref.Key)
	if err != nil {
		return nil, err
	}
	if p := secretProblem(bot, found); p != nil {
		return p, nil
	}
	if ref := bot.Spec.Identity.CABundle(); ref != nil {
		found, err := r.keys.find(ctx, configMapKind, types.NamespacedName{Namespace: bot.Namespace, Name: ref.Name}, ref.Key)
		if err != nil {
			return nil, err
		}
		if p := caBundleProblem(*ref, found); p != nil {
			return p, nil
		}
	}
	return nil, nil
}

// errInTheWay: the name of something the bot needs is taken.
var errInTheWay = errors.New("in the way")

// refusalOf is the problem behind a failure that only a person can put right, or nil. It is tried again all the same:
// nothing tells when it has been.
func refusalOf(err error) *problem {
	final := apierrors.IsInvalid(err) || (apierrors.IsForbidden(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause))
	if !final && !errors.Is(err, errInTheWay) {
		return nil
	}
	return &problem{v1alpha1.ReasonWriteRefused, shorten.Bytes(err.Error(), shorten.Note) + "; remove what forbids it or is in the way"}
}

func secretProblem(bot *v1alpha1.CallingBot, found presence) *problem {
	ref := bot.Spec.Identity.Credential.ClientSecret
	switch found {
	case noObject:
		return &problem{v1alpha1.ReasonSecretNotFound, fmt.Sprintf(
			"Secret %s of the credential does not exist; create it: kubectl create secret generic %s -n %s --from-literal=%s=<client secret>",
			ref.Name, ref.Name, bot.Namespace, ref.Key)}
	case noKey:
		return &problem{v1alpha1.ReasonSecretNotFound, fmt.Sprintf(
			"Secret %s of the credential has nothing under the key %s; add it, or correct spec.identity.credential.clientSecret", ref.Name, ref.Key)}
	default:
		return nil
	}
}

func caBundleProblem(ref v1alpha1.KeyReference, found presence) *problem {
	switch found {
	case noObject:
		return &problem{v1alpha1.ReasonCABundleNotFound, fmt.Sprintf(
			"ConfigMap %s of the CA bundle does not exist; create it, or correct spec.identity.custom.caBundle", ref.Name)}
	case noKey:
		return &problem{v1alpha1.ReasonCABundleNotFound, fmt.Sprintf(
			"ConfigMap %s of the CA bundle has nothing under the key %s; add it, or correct spec.identity.custom.caBundle", ref.Name, ref.Key)}
	default:
		return nil
	}
}
