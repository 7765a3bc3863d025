// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/podspec"
)

// What the Secret for flows holds.
const (
	// stateKey seals what another pod goes on from, with AES-256.
	stateKey = "stateKey"
	// webhookKey signs what webhooks are sent, in the form that Standard Webhooks gives its secrets.
	webhookKey    = "webhookKey"
	webhookPrefix = "whsec_"

	flowKeyBytes = 32
)

// keepFlowKeys makes the Secret with the keys that flows need, and adds what is missing in one that is there. What is in it stays as it
// is, whoever made it: calls go on from what was sealed with it, and the other side of webhooks knows it.
func (r *Reconciler) keepFlowKeys(ctx context.Context, bot *v1alpha1.CallingBot) error {
	name := types.NamespacedName{Namespace: bot.Namespace, Name: podspec.FlowsSecretName(bot.Name)}
	complete := true
	for _, key := range []string{stateKey, webhookKey} {
		found, err := r.keys.find(ctx, secretKind, name, key)
		if err != nil {
			return err
		}
		complete = complete && found == present
	}
	if complete {
		return nil
	}
	secret := &corev1.Secret{}
	switch err := r.APIReader.Get(ctx, name, secret); {
	case apierrors.IsNotFound(err):
		secret.ObjectMeta = metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name, Labels: map[string]string{v1alpha1.LabelBot: bot.Name}}
		secret.Type = corev1.SecretTypeOpaque
		addFlowKeys(secret)
		if err := r.Client.Create(ctx, secret, fieldOwner); err != nil && !apierrors.IsAlreadyExists(err) { // which will be seen
			return fmt.Errorf("creating Secret %s: %w", name.Name, err)
		}
		return nil
	case err != nil:
		return fmt.Errorf("reading Secret %s: %w", name.Name, err)
	}
	if !addFlowKeys(secret) {
		return nil // the cache has yet to show it
	}
	if err := r.Client.Update(ctx, secret, fieldOwner); err != nil {
		return fmt.Errorf("adding to Secret %s: %w", name.Name, err)
	}
	return nil
}

// addFlowKeys adds the keys that are missing, and says whether any was.
func addFlowKeys(secret *corev1.Secret) (added bool) {
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	if len(secret.Data[stateKey]) == 0 {
		secret.Data[stateKey], added = randomKey(), true
	}
	if len(secret.Data[webhookKey]) == 0 {
		secret.Data[webhookKey], added = []byte(webhookPrefix+base64.StdEncoding.EncodeToString(randomKey())), true
	}
	return added
}

func randomKey() []byte {
	key := make([]byte, flowKeyBytes)
	_, _ = rand.Read(key) // it never fails (crypto/rand)
	return key
}

// botOfFlowKeys finds the bot whose Secret for flows was changed or taken away. Anybody may have made it, so its name tells.
func (r *Reconciler) botOfFlowKeys(ctx context.Context, o client.Object) []reconcile.Request {
	bot, is := strings.CutSuffix(o.GetName(), podspec.FlowsSecretName(""))
	if !is || bot == "" {
		return nil
	}
	name := types.NamespacedName{Namespace: o.GetNamespace(), Name: bot}
	if err := r.Client.Get(ctx, name, &v1alpha1.CallingBot{}); err != nil {
		return nil // no such bot, or it is about to be looked at
	}
	return []reconcile.Request{{NamespacedName: name}}
}
