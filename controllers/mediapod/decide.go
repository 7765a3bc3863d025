// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"fmt"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	corev1 "k8s.io/api/core/v1"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/certificate"
	"github.com/callfleet/callfleet/controllers/drain"
	"github.com/callfleet/callfleet/controllers/endpoint"
	"github.com/callfleet/callfleet/controllers/podspec"
)

// plan is what a pass will do, and what it has to say.
type plan struct {
	// noMedia: the pod has no media port, and needs neither address nor certificate.
	noMedia     bool
	endpoint    endpoint.State
	certificate finding
	pod         finding

	// applyService, if set, is written by server-side apply.
	applyService *applycorev1.ServiceApplyConfiguration
	// issueAuthority: the bot's authority is missing, or runs out.
	issueAuthority bool
	// issueFor, if set, are the names a new certificate is issued for.
	issueFor []string
	// requestCertificate, if set, is asked of cert-manager.
	requestCertificate *certmanagerv1.Certificate
	// createPod, if set, is created.
	createPod *corev1.Pod
	// deletePod: the Pod is over, and stands in the way of a new one.
	deletePod bool
	// relabel: the Pod's labels and annotations are not what they should be.
	relabel bool
	// release: nothing is left to wait for; the finalizer is removed, and nothing else is done.
	release bool
	// lost, if set with release, says which recordings are given up.
	lost string
	// agentLost, if set, says why the agent's report is dropped.
	agentLost string
	// renewed, if set, says that the platform in the Pod shows an older certificate than there is.
	renewed string
	// held, if set, says why a pod that is being emptied may stay for ever unless somebody does something.
	held string
	// again is when to look again without being told to; 0 for never.
	again time.Duration
}

// finding is what was found out about one of the things a media pod needs.
type finding struct {
	ready bool
	// stalled: somebody has to change something.
	stalled         bool
	reason, message string
}

func (p *plan) lookAgain(after time.Duration) {
	if p.again == 0 || after < p.again {
		p.again = max(after, time.Millisecond)
	}
}

// decide makes the plan. It reads nothing but the facts.
func decide(f facts, image string) plan {
	p := plan{agentLost: lost(f.mediaPod.Status.Agent, f.pod), noMedia: podspec.ServiceHosted(f.mediaPod)}
	switch {
	case p.noMedia:
	case f.selfSigned():
		decideEndpoint(f, &p)
		decideIssuing(f, &p)
	case f.mediaPod.Spec.Media.Certificate.IssuerRef != nil:
		decideEndpoint(f, &p)
		decideRequest(f, &p)
	default:
		decideEndpoint(f, &p)
		judgeSecret(f, &p)
	}
	judgeShown(f, &p)
	verdict := drain.MayDelete(drain.Facts{MediaPod: asPublished(f, p), Sessions: f.sessions, Now: f.now})
	if verdict.Allowed && f.mediaPod.DeletionTimestamp != nil {
		released := plan{release: true}
		if verdict.Reason == drain.ReasonRecordingsLost {
			released.lost = verdict.Message
		}
		return released
	}
	switch verdict.Reason {
	case drain.ReasonAgentSilent:
		p.held = verdict.Message
	case drain.ReasonUploadsPending:
		p.held = verdict.Message
		p.lookAgain(verdict.Until.Sub(f.now))
	}
	decidePod(f, &p, image, verdict)
	if p.endpoint.Stalled || p.pod.stalled {
		p.lookAgain(later)
	}
	return p
}

// certifiesAddress says whether the certificate waits for the address, so that the Pod, if that comes first, must not wait for it.
func (f *facts) certifiesAddress() bool {
	c := f.mediaPod.Spec.Media.Certificate
	return f.selfSigned() || c.IssuerRef != nil && endpoint.Host(f.mediaPod) == ""
}

func decideEndpoint(f facts, p *plan) {
	p.endpoint = endpoint.Observe(endpointFacts(f))
	p.applyService = p.endpoint.Service
}

func endpointFacts(f facts) endpoint.Facts {
	e := endpoint.Facts{
		MediaPod: f.mediaPod, Service: f.service, Node: f.node, PortUses: f.others.portUses,
		NodePorts: f.others.nodePorts, Endpoints: f.others.endpoints, Bot: f.others.bot, Fleet: f.others.fleet,
	}
	if f.pod != nil {
		e.PodPort, e.NodeName = podspec.MediaPort(f.pod), f.pod.Spec.NodeName
	}
	return e
}

// asPublished is the MediaPod with the Pod and agent this pass will say it has, which is what a deletion is judged by.
func asPublished(f facts, p plan) *v1alpha1.MediaPod {
	mp := f.mediaPod.DeepCopy()
	setPod(&mp.Status, f.pod)
	if p.agentLost != "" {
		mp.Status.Agent = nil
	}
	return mp
}

// judgeSecret looks at a certificate that the user provides.
func judgeSecret(f facts, p *plan) {
	if !f.leaf.exists {
		p.certificate = finding{stalled: true, reason: v1alpha1.ReasonSecretNotFound, message: fmt.Sprintf(
			"Secret %q does not exist; create it, type kubernetes.io/tls, with tls.crt and tls.key", f.leaf.name)}
		return
	}
	host := endpoint.Host(f.mediaPod)
	if p.endpoint.Endpoint != nil {
		host = p.endpoint.Endpoint.Host
	}
	p.certificate = judged(certificate.Usable(certificate.Facts{
		Secret: f.leaf.name, Pair: f.leaf.pair, Names: []string{host}, Now: f.now,
	}))
	p.certificate.stalled = !p.certificate.ready
	switch c := f.leaf.pair.Certificate; {
	case p.certificate.ready:
		p.lookAgain(c.NotAfter.Sub(f.now))
	case c != nil && f.now.Before(c.NotBefore):
		p.lookAgain(c.NotBefore.Sub(f.now))
	}
}

func judged(v certificate.Verdict) finding {
	return finding{ready: v.OK, reason: v.Reason, message: v.Message}
}

// decideIssuing keeps the bot's authority and the pod's certificate.
func decideIssuing(f facts, p *plan) {
	if !decideAuthority(f, p) {
		return
	}
	if f.leaf.exists && f.leaf.controller.UID != f.mediaPod.UID {
		if podspec.IsEarlier(f.leaf.controller, f.mediaPod.Name) {
			p.certificate = finding{reason: v1alpha1.ReasonIssuing, message: fmt.Sprintf(
				"Secret %q of an earlier media pod of this name is still being removed; it is waited for", f.leaf.name)}
			return
		}
		p.certificate = finding{stalled: true, reason: v1alpha1.ReasonCertificateInvalid, message: fmt.Sprintf(
			"a Secret %q exists that does not belong to this media pod; delete or rename it", f.leaf.name)}
		p.lookAgain(later)
		return
	}
	if p.endpoint.Endpoint == nil {
		p.certificate = finding{reason: v1alpha1.ReasonIssuing, message: "made as soon as the address is known"}
		return
	}
	facts := certificate.Facts{
		Secret: f.leaf.name, Pair: f.leaf.pair, Authority: f.authority.authority, Now: f.now,
		Names: []string{p.endpoint.Endpoint.Host, p.endpoint.Endpoint.Address},
	}
	if f.leaf.exists {
		if fresh := certificate.Fresh(facts); fresh.OK {
			p.certificate = judged(fresh)
			p.lookAgain(certificate.RenewalTime(f.leaf.pair.Certificate).Sub(f.now))
			return
		}
	}
	p.issueFor = facts.Names
	p.certificate = finding{reason: v1alpha1.ReasonIssuing, message: "the certificate is being made"}
	if f.leaf.exists {
		// One that is only due for renewal serves meanwhile.
		if usable := certificate.Usable(facts); usable.OK {
			p.certificate = judged(usable)
		}
	}
}

// decideAuthority says whether there is an authority to sign with.
func decideAuthority(f facts, p *plan) bool {
	a := f.authority
	switch {
	case !a.exists:
		p.issueAuthority = true
		p.certificate = finding{reason: v1alpha1.ReasonIssuing, message: "the bot's authority is being made"}
		return false
	case a.authority == nil:
		// Not replaced unasked: somebody may have put something of theirs there.
		p.certificate = finding{stalled: true, reason: v1alpha1.ReasonCertificateInvalid, message: fmt.Sprintf(
			"Secret %q holds no authority: %s; delete it, and a new one is made", a.name, a.problem)}
		return false
	case certificate.Outlives(a.authority, f.now):
		return true
	case a.controller.UID != "":
		p.issueAuthority = true
		p.certificate = finding{reason: v1alpha1.ReasonIssuing, message: "the bot's authority is being renewed"}
		return false
	default:
		p.certificate = finding{stalled: true, reason: v1alpha1.ReasonExpired, message: fmt.Sprintf(
			"the authority in Secret %q is valid only until %s; renew it, or delete the Secret, and a new one is made",
			a.name, a.authority.NotAfter.UTC().Format(time.RFC3339))}
		return false
	}
}

// decidePod says what becomes of the Pod.
func decidePod(f facts, p *plan, image string, verdict drain.Verdict) {
	switch {
	case f.foreignPod != nil:
		p.pod = conflict(f.foreignPod)
	case f.pod != nil:
		p.pod = judgePod(f.pod)
		p.deletePod = finished(f.pod) && f.pod.DeletionTimestamp.IsZero()
		p.relabel = f.pod.DeletionTimestamp.IsZero() && !p.deletePod && !marked(f)
	case verdict.Allowed:
		p.pod = finding{reason: v1alpha1.ReasonPodPending, message: "the Pod is gone and not made again: the media pod is drained"}
	case !p.noMedia && (p.endpoint.Port == 0 || !p.endpoint.PodFirst && p.endpoint.Endpoint == nil):
		p.pod = finding{reason: v1alpha1.ReasonPodPending, message: "the Pod is made when the address is known"}
	case !p.noMedia && !p.certificate.ready && !(p.endpoint.PodFirst && f.certifiesAddress()):
		p.pod = finding{reason: v1alpha1.ReasonPodPending, message: "the Pod is made when the certificate is there"}
	default:
		pod, err := podspec.Render(podspec.Input{MediaPod: f.mediaPod, Image: image, MediaPort: p.endpoint.Port, Certificate: f.leaf.pair.Certificate})
		if err != nil {
			p.pod = finding{stalled: true, reason: v1alpha1.ReasonTemplateInvalid, message: fmt.Sprintf(
				"%v; correct the template of CallingBot %q", err, f.mediaPod.Spec.BotRef.Name)}
			return
		}
		p.createPod = pod
		p.pod = finding{reason: v1alpha1.ReasonPodPending, message: "the Pod is being made"}
	}
}
