// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"context"
	"fmt"
	"sync"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/certificate"
	"github.com/callfleet/callfleet/controllers/endpoint"
	"github.com/callfleet/callfleet/controllers/podspec"
)

const (
	// issuanceStale is how old what is known of a Certificate may be while its Secret is fine, issuancePoll while it is not.
	// Certificates are not watched: a watch on a kind that the cluster may not have holds up the whole manager. The Secret's
	// metadata is watched, so what was issued is seen at once.
	issuanceStale = 5 * time.Minute
	issuancePoll  = 5 * time.Second
)

// issuance is what is known of the Certificate that cert-manager is asked for.
type issuance struct {
	// missing: the cluster has no cert-manager.
	missing bool
	// certificate of the name, whoever made it; nil if there is none.
	certificate *certmanagerv1.Certificate
	at          time.Time
}

// issuanceReader reads Certificates live, but not more often than it has to: a MediaPod's status changes far more often, and
// the pods of a bot share one.
type issuanceReader struct {
	mu   sync.Mutex
	seen map[types.NamespacedName]issuance
}

func (s *issuanceReader) read(ctx context.Context, live client.Reader, clk clock.PassiveClock, key types.NamespacedName, age time.Duration) (issuance, error) {
	s.mu.Lock()
	known, seen := s.seen[key]
	s.mu.Unlock()
	if seen && clk.Since(known.at) < age {
		return known, nil
	}
	read := issuance{at: clk.Now(), certificate: &certmanagerv1.Certificate{}}
	switch err := live.Get(ctx, key, read.certificate); {
	case meta.IsNoMatchError(err):
		read.missing, read.certificate = true, nil
	case apierrors.IsNotFound(err):
		read.certificate = nil
	case err != nil:
		return issuance{}, fmt.Errorf("reading Certificate %s: %w", key.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[types.NamespacedName]issuance{}
	}
	s.seen[key] = read
	return read, nil
}

func (s *issuanceReader) forget(key types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seen, key)
}

func issuanceKey(mp *v1alpha1.MediaPod) types.NamespacedName {
	return types.NamespacedName{Namespace: mp.Namespace, Name: podspec.IssuedName(mp)}
}

func (r *Reconciler) observeIssuance(ctx context.Context, f *facts) (err error) {
	mp := f.mediaPod
	if podspec.ServiceHosted(mp) || mp.Spec.Media.Certificate.IssuerRef == nil {
		return nil
	}
	age := issuanceStale
	if !f.leaf.exists || !certificate.Usable(leafFacts(*f, endpoint.Host(mp))).OK {
		age = issuancePoll
	}
	f.issuance, err = r.issuances.read(ctx, r.APIReader, r.Clock, issuanceKey(mp), age)
	return err
}

func leafFacts(f facts, host string) certificate.Facts {
	return certificate.Facts{Secret: f.leaf.name, Pair: f.leaf.pair, Names: []string{host}, Now: f.now}
}

// request is what cert-manager is asked for. Without names there is nothing to ask for yet.
func request(f facts, p plan) certificate.Request {
	mp := f.mediaPod
	wanted := certificate.Request{
		Namespace: mp.Namespace, Name: podspec.IssuedName(mp), SecretName: podspec.CertificateSecretName(mp),
		Bot: mp.Spec.BotRef.Name, Issuer: *mp.Spec.Media.Certificate.IssuerRef,
	}
	if !mp.Spec.Media.Certificate.Shared() {
		wanted.Owners = []metav1.OwnerReference{podspec.OwnerReference(mp)}
		wanted.Names = []string{endpoint.Host(mp)}
		if p.endpoint.Endpoint != nil {
			wanted.Names[0] = p.endpoint.Endpoint.Host
		}
		return wanted
	}
	// The pods of an earlier configuration, which may have had another domain, show it too.
	var users []*v1alpha1.MediaPod
	for _, other := range f.others.pods {
		if other.Spec.Media.Certificate.Shared() {
			users = append(users, other)
			wanted.Names = append(wanted.Names, endpoint.Wildcard(wanted.Bot, other.Spec.Media.Endpoint.Domain))
		}
	}
	bot := f.others.bot
	wants := bot != nil && bot.Spec.Media.Certificate.Shared()
	if wants {
		wanted.Issuer = *bot.Spec.Media.Certificate.IssuerRef
		wanted.Names = append(wanted.Names, endpoint.Wildcard(wanted.Bot, bot.Spec.Media.Endpoint.Domain))
	}
	wanted.Owners = podspec.SharedOwners(bot, wants, users)
	return wanted
}

// decideRequest keeps what cert-manager is asked for, and judges what it made.
func decideRequest(f facts, p *plan) {
	host := endpoint.Host(f.mediaPod)
	if p.endpoint.Endpoint != nil {
		host = p.endpoint.Endpoint.Host
	}
	verdict := certificate.Verdict{Reason: v1alpha1.ReasonIssuing}
	if f.leaf.exists {
		verdict = certificate.Usable(leafFacts(f, host))
	}
	if wanted := request(f, *p); !f.issuance.missing && len(wanted.Names) > 0 && wanted.Names[0] != "" {
		object := wanted.Certificate()
		switch is := f.issuance.certificate; {
		case is == nil:
			p.requestCertificate = object
		case !ownedByAny(f, is.OwnerReferences):
			p.certificate = finding{stalled: true, reason: v1alpha1.ReasonCertificateInvalid, message: fmt.Sprintf(
				"a Certificate %q exists that does not belong to this bot; delete or rename it", is.Name)}
			p.lookAgain(later)
			return
		case !certificate.Asks(is, object):
			p.requestCertificate = object
		}
	}
	if verdict.OK {
		// What is there serves, whatever becomes of the next one: cert-manager renews it a third of its life ahead.
		p.certificate = judged(verdict)
		p.lookAgain(min(issuanceStale, f.leaf.pair.Certificate.NotAfter.Sub(f.now)))
		return
	}
	p.certificate = whyNotIssued(f, verdict, host)
	p.lookAgain(issuancePoll)
}

func whyNotIssued(f facts, verdict certificate.Verdict, host string) finding {
	switch {
	case f.issuance.missing:
		return finding{stalled: true, reason: v1alpha1.ReasonCertManagerMissing, message: "media.certificate.issuerRef needs cert-manager, " +
			"and the cluster has no kind Certificate of cert-manager.io/v1; install cert-manager, or choose secretName or selfSigned"}
	case host == "" && !f.mediaPod.Spec.Media.Certificate.Shared():
		return finding{reason: v1alpha1.ReasonIssuing, message: "asked for as soon as the address is known"}
	case f.issuance.certificate == nil:
		return finding{reason: v1alpha1.ReasonIssuing, message: "cert-manager is being asked for the certificate"}
	}
	message, failed := certificate.Progress(f.issuance.certificate)
	switch {
	case failed:
		return finding{stalled: true, reason: v1alpha1.ReasonIssuanceFailed, message: message}
	case f.leaf.exists && meta.IsStatusConditionTrue(conditionsOf(f.issuance.certificate), string(certmanagerv1.CertificateConditionReady)):
		// cert-manager is content with something that will not do: the issuer did not do as it was asked.
		return finding{stalled: true, reason: verdict.Reason, message: verdict.Message}
	}
	return finding{reason: v1alpha1.ReasonIssuing, message: message}
}

func conditionsOf(c *certmanagerv1.Certificate) []metav1.Condition {
	var list []metav1.Condition
	for _, cond := range c.Status.Conditions {
		list = append(list, metav1.Condition{Type: string(cond.Type), Status: metav1.ConditionStatus(cond.Status)})
	}
	return list
}

// ownedByAny says whether something is the MediaPod's, its bot's, or another of the bot's pods'.
func ownedByAny(f facts, owners []metav1.OwnerReference) bool {
	for _, o := range owners {
		if o.UID == f.mediaPod.UID || f.others.bot != nil && o.UID == f.others.bot.UID || podspec.IsEarlier(o, f.mediaPod.Name) ||
			o.Kind == "CallingBot" && o.Name == f.mediaPod.Spec.BotRef.Name { // an earlier one's: it becomes this one's
			return true
		}
		for _, other := range f.others.pods {
			if o.UID == other.UID {
				return true
			}
		}
	}
	return false
}

// requestCertificate asks cert-manager for the certificate.
func (r *Reconciler) requestCertificate(ctx context.Context, f *facts, p *plan) error {
	if p.requestCertificate == nil {
		return nil
	}
	defer r.issuances.forget(issuanceKey(f.mediaPod))
	raw, err := runtime.DefaultUnstructuredConverter.ToUnstructured(p.requestCertificate)
	if err != nil {
		return fmt.Errorf("encoding the Certificate: %w", err)
	}
	delete(raw, "status")
	options := []client.ApplyOption{FieldOwner}
	if f.issuance.certificate != nil {
		options = append(options, client.ForceOwnership) // it is ours: what others changed of it is taken back
	}
	err = r.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: raw}), options...)
	switch {
	case err == nil:
		p.lookAgain(issuancePoll)
		r.emit(f.mediaPod, certificateRequested(p.requestCertificate.Name))
		return nil
	case meta.IsNoMatchError(err):
		p.certificate = whyNotIssued(facts{mediaPod: f.mediaPod, issuance: issuance{missing: true}}, certificate.Verdict{}, "")
		p.lookAgain(later)
		return nil
	case refused(err):
		p.certificate = finding{stalled: true, reason: v1alpha1.ReasonCertificateInvalid, message: fmt.Sprintf(
			"the API server refuses Certificate %q: %v; correct media.certificate, or what forbids it", p.requestCertificate.Name, err)}
		p.lookAgain(later)
		return nil
	}
	return fmt.Errorf("asking for the certificate: %w", err)
}
