// SPDX-License-Identifier: Apache-2.0

// Package podspec renders the Pod of a MediaPod: the operator's own part, onto which the fleet's template is merged.
// Everything here is pure: the same input gives the same Pod, and nothing is read or written.
package podspec

import (
	"cmp"
	"crypto/x509"
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// Input is what a Pod is rendered from.
type Input struct {
	// MediaPod owns the Pod and carries the configuration it is made from.
	MediaPod *v1alpha1.MediaPod
	// Image of the container "mediapod".
	Image string
	// MediaPort is the port of the media socket, TCP and UDP; on HostPort endpoints also the node's. Pods of a fleet whose
	// media the service hosts have none.
	MediaPort int32
	// Certificate that the media port will show, if it is there. It is noted on Pods whose process does not follow a renewal.
	Certificate *x509.Certificate
}

// Render makes the Pod. An error means that the template cannot be merged, which the user has to correct; its text is
// for the user.
func Render(in Input) (*corev1.Pod, error) {
	mp := in.MediaPod
	template, err := decode(mp.Spec.Template)
	if err != nil {
		return nil, err
	}
	own := ownPart(in, osOf(template))
	merged, err := merge(own, mp.Spec.Template)
	if err != nil {
		return nil, err
	}
	if err := keepsOwnPart(own, merged); err != nil {
		return nil, err
	}
	// A merge puts the template's containers first, and the first is the one whose log is shown.
	slices.SortStableFunc(merged.Spec.Containers, func(a, b corev1.Container) int {
		return cmp.Compare(behind(a), behind(b))
	})
	merged.Spec.Tolerations = withOwnTolerations(merged.Spec.Tolerations)
	withRecordings(&merged.Spec, mp)
	if merged.Spec.OS != nil && merged.Spec.OS.Name == corev1.Windows {
		withLimits(&merged.Spec, mp.Spec.Capacity.Seats)
	}
	if OnMicrosoft(mp) {
		if err := withBridge(merged, in.Certificate); err != nil {
			return nil, err
		}
	}
	tellGracePeriod(&merged.Spec)
	return &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Name:            mp.Name,
			Namespace:       mp.Namespace,
			Labels:          maps.Clone(merged.Labels),
			Annotations:     maps.Clone(merged.Annotations),
			OwnerReferences: []metav1.OwnerReference{OwnerReference(mp)},
		},
		Spec: merged.Spec,
	}, nil
}

func behind(c corev1.Container) int {
	if c.Name == ContainerName {
		return 0
	}
	return 1
}

// tellGracePeriod lets the process know how long its calls may go on once it is told to stop; the template may have
// changed that.
func tellGracePeriod(spec *corev1.PodSpec) {
	seconds := corev1.EnvVar{Name: "GRACE_PERIOD", Value: strconv.FormatInt(ptr.Deref(spec.TerminationGracePeriodSeconds, gracePeriodSeconds), 10)}
	for i := range spec.Containers {
		if spec.Containers[i].Name == ContainerName {
			spec.Containers[i].Env = append(spec.Containers[i].Env, seconds)
		}
	}
}

// OwnerReference makes a MediaPod the controlling owner of a child. The child does not block its owner's deletion: blocking
// children are what a foreground deletion deletes first, and that would stop the Pod while the MediaPod is still held back
// for its calls.
func OwnerReference(mp *v1alpha1.MediaPod) metav1.OwnerReference {
	reference := metav1.NewControllerRef(mp, v1alpha1.GroupVersion.WithKind("MediaPod"))
	reference.BlockOwnerDeletion = nil
	return *reference
}

// IsEarlier says of the controlling owner of something that is not this MediaPod's whether it was a MediaPod of the same
// name. That one is gone, and the garbage collector is about to remove what it owned.
func IsEarlier(owner metav1.OwnerReference, mediaPod string) bool {
	return owner.Kind == "MediaPod" && owner.Name == mediaPod
}

// ServiceAccountName is the account the media pods of a bot run as.
func ServiceAccountName(bot string) string { return bot + "-mediapod" }

// FlowsSecretName is the Secret with the keys that the CallFlows of a bot need.
func FlowsSecretName(bot string) string { return bot + "-flows" }

// ServiceHosted reports whether Microsoft handles the media of the fleet's calls: its pods have no media port, and so no
// public address and no certificate.
func ServiceHosted(mp *v1alpha1.MediaPod) bool {
	return mp.Spec.Media.Hosting == v1alpha1.HostingService
}

// CertificateSecretName is the Secret the media port's certificate is read from.
func CertificateSecretName(mp *v1alpha1.MediaPod) string {
	switch c := mp.Spec.Media.Certificate; {
	case c.SecretName != "":
		return c.SecretName
	case c.IssuerRef != nil:
		// Not the name of the operator's own: cert-manager's Secrets belong to nobody, and stay.
		return IssuedName(mp) + "-tls"
	}
	return mp.Name + "-tls"
}

// IssuedName is the Certificate that cert-manager is asked for.
func IssuedName(mp *v1alpha1.MediaPod) string {
	if mp.Spec.Media.Certificate.Shared() {
		return mp.Spec.BotRef.Name + "-media"
	}
	return mp.Name + "-media"
}

// SharedOwners own what a bot's pods share: the bot, as long as it still wants it, so that it outlives every pod; then the pods
// that use it, and it goes with the last of them.
func SharedOwners(bot *v1alpha1.CallingBot, wants bool, users []*v1alpha1.MediaPod) []metav1.OwnerReference {
	if bot != nil && wants {
		owner := metav1.NewControllerRef(bot, v1alpha1.GroupVersion.WithKind("CallingBot"))
		owner.BlockOwnerDeletion = nil
		return []metav1.OwnerReference{*owner}
	}
	owners := make([]metav1.OwnerReference, 0, len(users))
	for _, mp := range users {
		owner := OwnerReference(mp)
		owner.Controller = nil
		owners = append(owners, owner)
	}
	slices.SortFunc(owners, func(a, b metav1.OwnerReference) int { return cmp.Compare(a.Name, b.Name) })
	return owners
}

// State is the value of the label that tells pods which take calls from pods which only finish theirs.
func State(mp *v1alpha1.MediaPod) string {
	if mp.Spec.Drain != nil || !mp.DeletionTimestamp.IsZero() {
		return v1alpha1.LabelStateDraining
	}
	return v1alpha1.LabelStateServing
}

// MediaPort is the media port a rendered Pod was given; 0 for a Pod that has none.
func MediaPort(pod *corev1.Pod) int32 {
	for _, c := range pod.Spec.Containers {
		if c.Name != ContainerName {
			continue
		}
		for _, p := range c.Ports {
			if p.Name == MediaTCP || p.Name == MediaPortName(p.ContainerPort, corev1.ProtocolTCP) {
				return p.ContainerPort
			}
		}
	}
	return 0
}

// HostPort is the port of its node that a rendered Pod was given; 0 for a Pod that has none.
func HostPort(pod *corev1.Pod) int32 {
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			if c.Name == ContainerName && p.Name == MediaTCP {
				return p.HostPort
			}
		}
	}
	return 0
}
