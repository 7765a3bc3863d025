// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/certificate"
	"github.com/callfleet/callfleet/controllers/endpoint"
	"github.com/callfleet/callfleet/controllers/podspec"
)

// act carries the plan out. What the API server refuses for good is no error but a finding, for the status.
//
// What is ours to declare is applied (the Service). Pods and Secrets are created and updated instead: an apply would
// quietly merge into a Pod of somebody else's, change the image of a Pod with live calls, or let the second of two
// workers overwrite the authority that the first has just signed with.
func (r *Reconciler) act(ctx context.Context, f *facts, p *plan) error {
	if p.release {
		return r.release(ctx, f, p)
	}
	var problems []error
	for _, step := range []func(context.Context, *facts, *plan) error{
		r.applyService, r.issueAuthority, r.issueCertificate, r.requestCertificate, r.deletePod, r.createPod, r.relabel,
	} {
		problems = append(problems, step(ctx, f, p))
	}
	if namespaceGoes(problems) {
		p.lookAgain(later)
		return nil
	}
	return firstGrave(problems)
}

// firstGrave prefers an error that has to be told over one that the next pass puts right.
func firstGrave(problems []error) error {
	var stale error
	for _, err := range problems {
		if err != nil && !isStale(err) {
			return err
		}
		if stale == nil {
			stale = err
		}
	}
	return stale
}

func (r *Reconciler) release(ctx context.Context, f *facts, p *plan) error {
	after := f.mediaPod.DeepCopy()
	controllerutil.RemoveFinalizer(after, v1alpha1.FinalizerDrain)
	// The lock ties the removal to the report that was judged: a newer one makes it fail.
	patch := client.MergeFromWithOptions(f.mediaPod, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, after, patch, FieldOwner); err != nil {
		return fmt.Errorf("removing the finalizer: %w", err)
	}
	r.emit(f.mediaPod, drained())
	if p.lost != "" {
		r.emit(f.mediaPod, recordingsLost(p.lost))
	}
	return nil
}

// namespaceGoes: in a namespace that is being deleted nothing can be made any more. What the MediaPod waits for, its Pod
// and its sessions, goes away all the same, and each going is seen.
func namespaceGoes(problems []error) bool {
	return slices.ContainsFunc(problems, func(err error) bool {
		return apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
	})
}

func (r *Reconciler) applyService(ctx context.Context, f *facts, p *plan) error {
	if p.applyService == nil {
		return nil
	}
	options := []client.ApplyOption{FieldOwner}
	if f.service != nil {
		// It is ours, so whatever drifted is taken back. Without force the name may be somebody else's: that is a conflict.
		options = append(options, client.ForceOwnership)
	}
	err := r.Client.Apply(ctx, p.applyService, options...)
	switch {
	case err == nil:
		r.emit(f.mediaPod, serviceApplied())
		return nil
	case f.service == nil && (apierrors.IsConflict(err) || apierrors.IsInvalid(err)):
		live := &corev1.Service{}
		key := types.NamespacedName{Namespace: f.mediaPod.Namespace, Name: *p.applyService.Name}
		if err := r.APIReader.Get(ctx, key, live); err == nil && !endpoint.Owned(endpointFacts(*f), live) {
			p.endpoint = endpoint.ForeignService(endpointFacts(*f), live)
			p.lookAgain(later)
			return nil
		}
	}
	if reason, message := endpoint.WhyRefused(f.mediaPod, err); reason != "" {
		p.endpoint.Reason, p.endpoint.Message, p.endpoint.Stalled = reason, message, true
		p.lookAgain(later)
		return nil
	}
	if refused(err) {
		p.endpoint.Reason, p.endpoint.Stalled = v1alpha1.ReasonEndpointUnavailable, true
		p.endpoint.Message = fmt.Sprintf("the API server refuses the Service: %v; correct the CallingBot, or what forbids it", err)
		p.lookAgain(later)
		return nil
	}
	return fmt.Errorf("applying the Service: %w", err)
}

// refused says that the API server will give the same answer until somebody changes something.
func refused(err error) bool {
	return apierrors.IsInvalid(err) || (apierrors.IsForbidden(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause))
}

func (r *Reconciler) issueAuthority(ctx context.Context, f *facts, p *plan) error {
	if !p.issueAuthority {
		return nil
	}
	bot := &v1alpha1.CallingBot{}
	key := types.NamespacedName{Namespace: f.mediaPod.Namespace, Name: f.mediaPod.Spec.BotRef.Name}
	if err := r.APIReader.Get(ctx, key, bot); apierrors.IsNotFound(err) {
		p.certificate = finding{stalled: true, reason: v1alpha1.ReasonBotNotFound, message: fmt.Sprintf(
			"there is no CallingBot %q for the authority to belong to; delete this media pod, or create the bot again", key.Name)}
		p.lookAgain(later)
		return nil
	} else if err != nil {
		return fmt.Errorf("reading the bot of the authority: %w", err)
	}
	_, data, err := certificate.NewAuthority(bot.Name+" media CA", f.now) // a bot's name has at most 50 characters
	if err != nil {
		return err
	}
	secret := tlsSecret(f.mediaPod, f.authority.name, data)
	// The bot's, not the pod's: it outlives every pod, and goes with the bot.
	owner := metav1.NewControllerRef(bot, v1alpha1.GroupVersion.WithKind("CallingBot"))
	owner.BlockOwnerDeletion = nil
	secret.OwnerReferences = []metav1.OwnerReference{*owner}
	if err := r.writeSecret(ctx, f.authority, secret); err != nil {
		return secretProblem(p, secret, err)
	}
	r.emit(f.mediaPod, authorityIssued(secret.Name))
	return nil
}

func (r *Reconciler) issueCertificate(ctx context.Context, f *facts, p *plan) error {
	if p.issueFor == nil {
		return nil
	}
	stored := &corev1.Secret{}
	key := types.NamespacedName{Namespace: f.mediaPod.Namespace, Name: f.authority.name}
	if err := r.APIReader.Get(ctx, key, stored); err != nil {
		return fmt.Errorf("reading the authority: %w", err)
	}
	authority, err := certificate.ReadAuthority(stored.Data)
	if err != nil {
		return fmt.Errorf("reading the authority: %w", err)
	}
	if !bytes.Equal(authority.Certificate.Raw, f.authority.authority.Raw) {
		p.lookAgain(soon) // it was replaced since it was observed
		return nil
	}
	data, err := authority.Issue(f.mediaPod.Name, p.issueFor, f.now)
	if err != nil {
		return err
	}
	secret := tlsSecret(f.mediaPod, f.leaf.name, data)
	secret.Labels[v1alpha1.LabelMediaPod] = f.mediaPod.Name
	secret.OwnerReferences = []metav1.OwnerReference{podspec.OwnerReference(f.mediaPod)}
	if err := r.writeSecret(ctx, f.leaf, secret); err != nil {
		return secretProblem(p, secret, err)
	}
	names := slices.Compact(slices.Clone(p.issueFor))
	r.emit(f.mediaPod, certificateIssued(strings.Join(names, ", ")))
	return nil
}

func tlsSecret(mp *v1alpha1.MediaPod, name string, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: mp.Namespace, Labels: map[string]string{v1alpha1.LabelBot: mp.Spec.BotRef.Name},
		},
		Type: corev1.SecretTypeTLS,
		Data: data,
	}
}

// writeSecret creates the Secret, or replaces the very version of it that was observed.
func (r *Reconciler) writeSecret(ctx context.Context, observed secretFacts, secret *corev1.Secret) error {
	var err error
	if observed.exists {
		secret.UID, secret.ResourceVersion = observed.uid, observed.resourceVersion
		err = r.Client.Update(ctx, secret, FieldOwner)
	} else {
		err = r.Client.Create(ctx, secret, FieldOwner)
	}
	if err != nil {
		return err
	}
	r.secrets.remember(client.ObjectKeyFromObject(secret), secretFactsOf(secret))
	return nil
}

func secretProblem(p *plan, secret *corev1.Secret, err error) error {
	if refused(err) {
		p.certificate = finding{stalled: true, reason: v1alpha1.ReasonCertificateInvalid, message: fmt.Sprintf(
			"the API server refuses Secret %q: %v; see to it that it may be written", secret.Name, err)}
		p.lookAgain(later)
		return nil
	}
	return fmt.Errorf("writing Secret %s: %w", secret.Name, err)
}

func (r *Reconciler) deletePod(ctx context.Context, f *facts, p *plan) error {
	if !p.deletePod {
		return nil
	}
	preconditions := client.Preconditions{UID: &f.pod.UID, ResourceVersion: &f.pod.ResourceVersion}
	if err := r.Client.Delete(ctx, f.pod.DeepCopy(), preconditions); err != nil {
		return fmt.Errorf("deleting the finished Pod: %w", err)
	}
	r.emit(f.mediaPod, podRemoved(describePhase(f.pod)))
	return nil
}

func (r *Reconciler) createPod(ctx context.Context, f *facts, p *plan) error {
	if p.createPod == nil {
		return nil
	}
	err := r.Client.Create(ctx, p.createPod, FieldOwner)
	switch {
	case err == nil:
		f.setPod(p.createPod)
		p.pod = judgePod(f.pod)
		r.emit(f.mediaPod, podCreated())
		return nil
	case apierrors.IsAlreadyExists(err):
		return r.adoptFound(ctx, f, p)
	case refused(err):
		p.pod = finding{stalled: true, reason: v1alpha1.ReasonPodRejected, message: fmt.Sprintf(
			"the API server refuses the Pod: %v; correct the template of CallingBot %q, or what forbids it", err, f.mediaPod.Spec.BotRef.Name)}
		p.lookAgain(later)
		return nil
	}
	return fmt.Errorf("creating the Pod: %w", err)
}

// adoptFound looks at the Pod that has the name. It is ours and not yet in the cache, or somebody else's.
func (r *Reconciler) adoptFound(ctx context.Context, f *facts, p *plan) error {
	pod, err := getPod(ctx, r.APIReader, f.mediaPod)
	if err != nil {
		return err
	}
	f.setPod(pod)
	if f.foreignPod != nil {
		p.pod = conflict(f.foreignPod)
		p.lookAgain(later)
		return nil
	}
	p.lookAgain(soon)
	return nil
}
