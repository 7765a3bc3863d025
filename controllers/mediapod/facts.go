// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/drain"
	"github.com/callfleet/callfleet/controllers/podspec"
)

// facts are everything one pass is decided by.
type facts struct {
	mediaPod *v1alpha1.MediaPod
	now      time.Time
	// pod of the MediaPod; nil if there is none.
	pod *corev1.Pod
	// foreignPod has the MediaPod's name and is not its Pod.
	foreignPod *corev1.Pod
	// service the MediaPod is reached through, whoever made it; only for endpoints that have one.
	service *corev1.Service
	// node the Pod runs on; only for endpoints that need it.
	node *corev1.Node
	// others are who else has ports and addresses, as far as the endpoint has to keep clear of them.
	others others
	// leaf is the Secret the media port's certificate is read from.
	leaf secretFacts
	// authority is the Secret of the bot's authority; only with selfSigned.
	authority secretFacts
	// issuance is the Certificate that cert-manager is asked for; only with issuerRef.
	issuance issuance
	// sessions are the sessions and calls that are bound and not finished. They are not asked for while the MediaPod takes calls
	// and its agent reports some: that is enough to protect the Pod.
	sessions []string
}

func (f *facts) selfSigned() bool { return f.mediaPod.Spec.Media.Certificate.SelfSigned != nil }

// authoritySecretName is the Secret of a bot's authority.
func authoritySecretName(bot string) string { return bot + "-media-ca" }

func (r *Reconciler) observe(ctx context.Context, mp *v1alpha1.MediaPod) (facts, error) {
	f := facts{mediaPod: mp, now: r.Clock.Now()}
	for _, read := range []func(context.Context, *facts) error{
		r.observePod, r.observeService, r.observeNode, r.observeOthers, r.observeSecrets, r.observeIssuance, r.observeSessions,
	} {
		if err := read(ctx, &f); err != nil {
			return facts{}, err
		}
	}
	return f, nil
}

// observePod reads the Pod from the cache, and past it whenever the cache contradicts what is already in the status:
// taking a Pod for gone that is only not seen yet would throw away its agent's report.
func (r *Reconciler) observePod(ctx context.Context, f *facts) error {
	pod, err := getPod(ctx, r.Client, f.mediaPod)
	if err != nil {
		return err
	}
	if contradicts(&f.mediaPod.Status, pod) {
		if pod, err = getPod(ctx, r.APIReader, f.mediaPod); err != nil {
			return err
		}
	}
	f.setPod(pod)
	return nil
}

func (f *facts) setPod(pod *corev1.Pod) {
	f.pod, f.foreignPod = nil, nil
	switch {
	case pod == nil:
	case metav1.IsControlledBy(pod, f.mediaPod):
		f.pod = pod
	default:
		f.foreignPod = pod
	}
}

func contradicts(status *v1alpha1.MediaPodStatus, pod *corev1.Pod) bool {
	uid := ""
	if pod != nil {
		uid = string(pod.UID)
	}
	return (status.PodUID != "" && status.PodUID != uid) || (status.Agent != nil && status.Agent.PodUID != uid)
}

func getPod(ctx context.Context, reader client.Reader, mp *v1alpha1.MediaPod) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	if err := reader.Get(ctx, client.ObjectKeyFromObject(mp), pod); apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("reading the Pod: %w", err)
	}
	return pod, nil
}

func (r *Reconciler) observeSecrets(ctx context.Context, f *facts) (err error) {
	mp := f.mediaPod
	if podspec.ServiceHosted(mp) {
		return nil
	}
	if f.leaf, err = r.secrets.read(ctx, r.Metadata, r.APIReader, mp.Namespace, podspec.CertificateSecretName(mp)); err != nil {
		return err
	}
	if f.selfSigned() {
		f.authority, err = r.secrets.read(ctx, r.Metadata, r.APIReader, mp.Namespace, authoritySecretName(mp.Spec.BotRef.Name))
	}
	return err
}

func (r *Reconciler) observeSessions(ctx context.Context, f *facts) error {
	if !drain.Marked(f.mediaPod) && (f.pod == nil || reportsCalls(*f)) {
		return nil
	}
	bound := []client.ListOption{client.InNamespace(f.mediaPod.Namespace), client.MatchingFields{indexMediaPod: f.mediaPod.Name}}
	sessions := &v1alpha1.MeetingSessionList{}
	if err := r.Client.List(ctx, sessions, bound...); err != nil {
		return fmt.Errorf("listing sessions: %w", err)
	}
	for i := range sessions.Items {
		f.noteBound(&sessions.Items[i])
	}
	calls := &v1alpha1.CallList{}
	if err := r.Client.List(ctx, calls, bound...); err != nil {
		return fmt.Errorf("listing calls: %w", err)
	}
	for i := range calls.Items {
		f.noteBound(&calls.Items[i])
	}
	return nil
}

func (f *facts) noteBound(call v1alpha1.AnyCall) {
	if drain.BoundTo(call) == f.mediaPod.Name {
		f.sessions = append(f.sessions, call.GetName())
	}
}
