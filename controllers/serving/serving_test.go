// SPDX-License-Identifier: Apache-2.0

package serving

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/controllers/caching"
	"github.com/callfleet/callfleet/controllers/certificate"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func TestMain(m *testing.M) { controllertest.Main(m) }

// place is a namespace with a manager, or several, that share a certificate.
type place struct {
	*testing.T
	*controllertest.Cluster
	ns    string
	clock *testclock.FakeClock
}

func newPlace(t *testing.T) *place {
	t.Helper()
	cluster := controllertest.Start(t)
	return &place{t, cluster, cluster.Namespace(t), testclock.NewFakeClock(time.Now())}
}

func (p *place) manager(issue bool) *Keeper {
	p.Helper()
	k := &Keeper{Namespace: p.ns, Service: "hook", Issue: issue, Clock: p.clock}
	p.StartManager(p.T, p.ns, k.SetupWithManager)
	return k
}

// eventually lets time go by while it waits.
func (p *place) eventually(what string, check func() error) {
	p.Helper()
	controllertest.Eventually(p.T, what, func() error {
		p.clock.Step(lookSoon)
		return check()
	})
}

// shows is the certificate that the API server is shown, which has to be one that it believes.
func (p *place) shows(k *Keeper, authority []byte) *x509.Certificate {
	p.Helper()
	here, there := net.Pipe()
	defer here.Close()
	go func() {
		defer there.Close()
		_ = tls.Server(there, &tls.Config{GetCertificate: k.GetCertificate, MinVersion: tls.VersionTLS12}).Handshake()
	}()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	conn := tls.Client(here, &tls.Config{RootCAs: roots, ServerName: "hook." + p.ns + ".svc", Time: p.clock.Now, MinVersion: tls.VersionTLS12})
	if err := conn.Handshake(); err != nil {
		p.Fatalf("the API server would say: %v", err)
	}
	return conn.ConnectionState().PeerCertificates[0]
}

func ready(keepers ...*Keeper) func() error {
	return func() error {
		for i, k := range keepers {
			if _, err := k.GetCertificate(nil); err != nil {
				return fmt.Errorf("manager %d: %w", i, err)
			}
		}
		return nil
	}
}

func TestManagersShareACertificateThatIsRenewedInTime(t *testing.T) {
	p := newPlace(t)
	one, other := p.manager(true), p.manager(true)
	p.eventually("certificates", ready(one, other))
	authority := one.authority()
	first := p.shows(one, authority)
	if !first.Equal(p.shows(other, authority)) {
		t.Error("two managers show two certificates")
	}

	// Two thirds of its life later.
	p.clock.Step(61 * 24 * time.Hour)
	p.eventually("a renewal", func() error {
		for _, k := range []*Keeper{one, other} {
			if first.Equal(p.shows(k, authority)) {
				return errors.New("the first is shown")
			}
		}
		return nil
	})
	if !p.shows(one, authority).Equal(p.shows(other, authority)) {
		t.Error("two managers show two certificates after a renewal")
	}
	if !bytes.Equal(one.authority(), authority) {
		t.Error("a renewal changed whom to trust")
	}

	// Somebody clears away. The key of the authority is made anew, and with it all the rest.
	if err := p.Client.Delete(context.Background(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: p.ns, Name: "hook-ca"}}); err != nil {
		t.Fatal(err)
	}
	p.eventually("another authority", func() error {
		if bytes.Equal(one.authority(), authority) || !bytes.Equal(one.authority(), other.authority()) {
			return errors.New("it is the first")
		}
		return nil
	})
	p.shows(one, one.authority())
	p.shows(other, one.authority())
}

// configuration that asks two services; only the first is the manager's.
func configuration(namespace string) *admissionv1.ValidatingWebhookConfiguration {
	hook := func(name, service string) admissionv1.ValidatingWebhook {
		return admissionv1.ValidatingWebhook{
			Name: name, SideEffects: ptr.To(admissionv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
			ClientConfig:  admissionv1.WebhookClientConfig{Service: &admissionv1.ServiceReference{Namespace: namespace, Name: service}},
			FailurePolicy: ptr.To(admissionv1.Ignore),
			Rules: []admissionv1.RuleWithOperations{{
				Operations: []admissionv1.OperationType{admissionv1.Create},
				Rule:       admissionv1.Rule{APIGroups: []string{"example.com"}, APIVersions: []string{"v1"}, Resources: []string{"things"}},
			}},
		}
	}
	return &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: caching.WebhookConfiguration},
		Webhooks:   []admissionv1.ValidatingWebhook{hook("ours.example.com", "hook"), hook("theirs.example.com", "else")},
	}
}

func TestTheAPIServerIsToldWhomToTrustAndToldAgain(t *testing.T) {
	p := newPlace(t)
	k := p.manager(true)
	config := controllertest.Create(t, p.Client, configuration(p.ns))
	t.Cleanup(func() { _ = p.Client.Delete(context.Background(), config) })
	trusted := func() error {
		if err := p.Client.Get(context.Background(), client.ObjectKeyFromObject(config), config); err != nil {
			return err
		}
		if bundle := config.Webhooks[0].ClientConfig.CABundle; len(bundle) == 0 || !bytes.Equal(bundle, k.authority()) {
			return fmt.Errorf("it trusts %q", bundle)
		}
		return nil
	}
	p.eventually("trust", trusted)
	if bundle := config.Webhooks[1].ClientConfig.CABundle; len(bundle) > 0 {
		t.Errorf("somebody else's webhook was given %q", bundle)
	}
	controllertest.Update(t, p.Client, config, func(c *admissionv1.ValidatingWebhookConfiguration) { c.Webhooks[0].ClientConfig.CABundle = nil })
	p.eventually("trust again", trusted)
}

// With cert-manager, or whoever else makes the certificate, nothing is written.
func TestSomebodyElsesCertificateIsShown(t *testing.T) {
	p := newPlace(t)
	k := p.manager(false)
	if _, err := k.GetCertificate(nil); err == nil {
		t.Fatal("a certificate that nobody made")
	}
	authority, _, err := certificate.NewAuthority("theirs", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	issue := func() map[string][]byte {
		data, err := authority.Issue("hook", []string{"hook." + p.ns + ".svc"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	secret := controllertest.Create(t, p.Client, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.ns, Name: "hook-tls"}, Type: corev1.SecretTypeTLS, Data: issue(),
	})
	p.eventually("a certificate", ready(k))
	first := p.shows(k, secret.Data["ca.crt"])
	// Due for renewal or not: that is theirs.
	p.clock.Step(89 * 24 * time.Hour)
	controllertest.Update(t, p.Client, secret, func(s *corev1.Secret) { s.Data["tls.key"] = []byte("nonsense") })
	p.clock.Step(lookEvery)
	if !p.shows(k, secret.Data["ca.crt"]).Equal(first) {
		t.Error("what cannot be used is shown")
	}
	controllertest.Update(t, p.Client, secret, func(s *corev1.Secret) { s.Data = issue() })
	p.eventually("the next", func() error {
		p.clock.Step(lookEvery)
		if p.shows(k, secret.Data["ca.crt"]).Equal(first) {
			return errors.New("the first is shown")
		}
		return nil
	})
}
