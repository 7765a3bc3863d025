// SPDX-License-Identifier: Apache-2.0

// Package serving keeps what the manager's webhook server needs to be believed by the API server: a certificate, shared by all managers
// through a Secret and served from memory, so that nothing is mounted and no renewal needs a restart; and the authority that signed it,
// in the ValidatingWebhookConfiguration.
package serving

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/callfleet/callfleet/controllers/certificate"
)

// fieldOwner marks what is written here.
const fieldOwner = client.FieldOwner("callfleet-webhook")

const (
	// lookEvery is how soon a manager shows what another one, or cert-manager, has renewed. Renewals are a month ahead of the expiry.
	lookEvery = 30 * time.Second
	// lookSoon is how long it waits while it has none that is good.
	lookSoon = time.Second
)

// Keeper gives the webhook server its certificate.
type Keeper struct {
	// Namespace and Service are what the API server calls: the certificate is for <service>.<namespace>.svc. It is in the Secret
	// <service>-tls, its authority's key in <service>-ca.
	Namespace, Service string
	// Issue makes the certificate and its authority, and renews them. Else somebody else does, such as cert-manager, who also tells the
	// API server whom to trust.
	Issue bool
	// Clock; nil: the real one.
	Clock clock.Clock

	// client reads Secrets from the API server itself: none is held in the cache.
	client client.Client
	shown  atomic.Pointer[shown]
}

// shown is what is shown now.
type shown struct {
	version     string // of the Secret
	certificate *tls.Certificate
	authority   []byte // PEM
}

// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;create;update

// SetupWithManager adds it to the manager. Every manager serves, whoever leads; the leader tells the API server whom to trust.
func (k *Keeper) SetupWithManager(mgr ctrl.Manager) error {
	k.client = mgr.GetClient()
	if k.Clock == nil {
		k.Clock = clock.RealClock{}
	}
	if err := mgr.Add(k); err != nil {
		return fmt.Errorf("adding the keeper of the webhook's certificate: %w", err)
	}
	if !k.Issue {
		return nil
	}
	return (&trust{keeper: k}).setupWithManager(mgr)
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: any manager may make the certificate, as the API server lets only one
// of them create or change a version of a Secret.
func (k *Keeper) NeedLeaderElection() bool { return false }

// GetCertificate is for a tls.Config.
func (k *Keeper) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s := k.shown.Load(); s != nil {
		return s.certificate, nil
	}
	return nil, fmt.Errorf("there is no certificate in Secret %s/%s yet", k.Namespace, k.secretName())
}

// authority is who signed what is shown, as PEM; nil while there is nothing.
func (k *Keeper) authority() []byte {
	if s := k.shown.Load(); s != nil {
		return s.authority
	}
	return nil
}

func (k *Keeper) secretName() string    { return k.Service + "-tls" }
func (k *Keeper) authorityName() string { return k.Service + "-ca" }

// names the API server may call it by.
func (k *Keeper) names() []string {
	name := k.Service + "." + k.Namespace + ".svc"
	return []string{name, name + ".cluster.local"}
}

// Start keeps the certificate until ctx is done.
func (k *Keeper) Start(ctx context.Context) error {
	logger := log.FromContext(ctx).WithName("serving").WithValues("secret", k.secretName())
	var told string
	for {
		err := k.look(log.IntoContext(ctx, logger))
		wait := lookEvery
		if err != nil || k.shown.Load() == nil {
			wait = lookSoon
		}
		switch {
		case err == nil:
			told = ""
		case ctx.Err() == nil && err.Error() != told && !another(err):
			told = err.Error()
			logger.Error(err, "cannot keep the webhook's certificate; trying again")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-k.Clock.After(wait):
		}
	}
}

// another manager was faster.
func another(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }

// look makes what is missing or due, and shows what there is.
func (k *Keeper) look(ctx context.Context) error {
	secret := &corev1.Secret{}
	if err := k.client.Get(ctx, client.ObjectKey{Namespace: k.Namespace, Name: k.secretName()}, secret); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading Secret %s: %w", k.secretName(), err)
	}
	if k.Issue {
		if err := k.renew(ctx, secret); err != nil {
			return err
		}
	}
	return k.show(ctx, secret)
}

// renew replaces what is not good any more, or will not be a third of its life from now.
func (k *Keeper) renew(ctx context.Context, secret *corev1.Secret) error {
	authority, err := k.keepAuthority(ctx)
	if err != nil {
		return err
	}
	now := k.Clock.Now()
	if verdict := certificate.Fresh(certificate.Facts{
		Secret: k.secretName(), Pair: certificate.Read(secret.Data), Names: k.names(), Authority: authority.Certificate, Now: now,
	}); verdict.OK {
		return nil
	} else if secret.ResourceVersion != "" {
		log.FromContext(ctx).Info("renewing the webhook's certificate", "why", verdict.Message)
	}
	data, err := authority.Issue(k.Service, k.names(), now)
	if err != nil {
		return err
	}
	return k.write(ctx, secret, k.secretName(), data)
}

// keepAuthority reads the authority, or makes one. It is replaced once in ten years, or when somebody took it away: what the API server
// trusts follows within seconds, and flows that are applied in these are judged by the controller alone.
func (k *Keeper) keepAuthority(ctx context.Context) (*certificate.Authority, error) {
	secret := &corev1.Secret{}
	if err := k.client.Get(ctx, client.ObjectKey{Namespace: k.Namespace, Name: k.authorityName()}, secret); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", k.authorityName(), err)
	}
	now := k.Clock.Now()
	if authority, err := certificate.ReadAuthority(secret.Data); err == nil && certificate.Outlives(authority.Certificate, now) {
		return authority, nil
	}
	authority, data, err := certificate.NewAuthority(k.Service+" CA", now)
	if err != nil {
		return nil, err
	}
	return authority, k.write(ctx, secret, k.authorityName(), data)
}

// write creates a Secret, or replaces the very version of it that was read.
func (k *Keeper) write(ctx context.Context, secret *corev1.Secret, name string, data map[string][]byte) error {
	exists := secret.ResourceVersion != ""
	if !exists {
		secret.ObjectMeta = metav1.ObjectMeta{Namespace: k.Namespace, Name: name, Labels: map[string]string{
			"app.kubernetes.io/name": "callfleet-manager", "app.kubernetes.io/part-of": "callfleet",
		}}
		secret.Type = corev1.SecretTypeTLS
	}
	secret.Data = data
	var err error
	if exists {
		err = k.client.Update(ctx, secret, fieldOwner)
	} else {
		err = k.client.Create(ctx, secret, fieldOwner)
	}
	if err != nil {
		return fmt.Errorf("writing Secret %s: %w", name, err)
	}
	return nil
}

// show takes over what is in the Secret. What cannot be used leaves the last one in place.
func (k *Keeper) show(ctx context.Context, secret *corev1.Secret) error {
	if secret.ResourceVersion == "" {
		return fmt.Errorf("Secret %s/%s does not exist; have cert-manager make it, or let the manager issue the certificate itself", k.Namespace, k.secretName())
	}
	if s := k.shown.Load(); s != nil && s.version == secret.ResourceVersion {
		return nil
	}
	pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		// The error may quote what it could not read.
		return errors.New("Secret " + k.Namespace + "/" + k.secretName() + " holds no certificate with its key; delete it, and it is made anew")
	}
	k.shown.Store(&shown{version: secret.ResourceVersion, certificate: &pair, authority: bytes.Clone(secret.Data[certificate.CAKey])})
	log.FromContext(ctx).Info("showing a certificate to the API server", "until", pair.Leaf.NotAfter)
	return nil
}
