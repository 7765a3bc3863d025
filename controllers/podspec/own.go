// SPDX-License-Identifier: Apache-2.0

package podspec

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

const (
	// ContainerName is the container that holds the calls.
	ContainerName = "mediapod"
	// BridgeName is the container that hosts Microsoft's media platform, with media.platform: Microsoft. It is the template's.
	BridgeName = "bridge"

	// BridgePort is where it listens, on 127.0.0.1 of the Pod.
	BridgePort int32 = 9450

	// SignalingPort is plain HTTP inside the cluster; only the router talks to it.
	SignalingPort int32 = 9441
	// ControlPort is HTTPS, reached through the API server's pod proxy: what people have done in a call.
	ControlPort int32 = 9442
	// HealthPort serves /healthz, /readyz and /metrics.
	HealthPort int32 = 8080

	// Directories the process reads. Whole directories, because Windows cannot mount single files of a Secret, and because
	// single files would not follow a renewal.
	CredentialsDirectory = "/var/run/callfleet/credentials"
	TLSDirectory         = "/var/run/callfleet/tls"
	CADirectory          = "/var/run/callfleet/ca"
	StorageDirectory     = "/var/run/callfleet/storage"
	FlowsDirectory       = "/var/run/callfleet/flows"

	// MediaTCP and MediaUDP name the two sides of the media port, except behind a shared Service.
	MediaTCP = "media-tcp"
	MediaUDP = "media-udp"

	podIndex = "apps.kubernetes.io/pod-index"
	// labelPrefix is what the labels of the operator start with; selectors are built from them.
	labelPrefix = "callfleet.dev/"

	// gracePeriodSeconds is how long a process that was told to stop may wait for its calls to end.
	gracePeriodSeconds = 3600
	// startupSeconds bounds the start: a Windows node may need minutes to pull and unpack.
	startupSeconds = 600
	// unreachableSeconds is how long the Pod stays bound to a node that does not answer. Its calls may well be alive
	// behind a cut-off kubelet, and no call lasts longer than a day.
	unreachableSeconds = 24 * 60 * 60
)

// ownPart is the operator's part of the Pod, before the fleet's template is merged onto it.
func ownPart(in Input, os corev1.OSName) *corev1.PodTemplateSpec {
	mp := in.MediaPod
	t := &corev1.PodTemplateSpec{
		// No call can be on it yet; see Marks.
		ObjectMeta: metav1.ObjectMeta{Labels: Labels(mp)},
		Spec: corev1.PodSpec{
			ServiceAccountName:            ServiceAccountName(mp.Spec.BotRef.Name),
			RestartPolicy:                 corev1.RestartPolicyAlways,
			TerminationGracePeriodSeconds: ptr.To[int64](gracePeriodSeconds),
			// One Service per media pod would otherwise become seven environment variables each.
			EnableServiceLinks:        ptr.To(false),
			PriorityClassName:         PriorityClass,
			TopologySpreadConstraints: spread(mp.Spec.BotRef.Name),
			Containers: []corev1.Container{{
				Name:         ContainerName,
				Image:        in.Image,
				Env:          environment(in),
				Ports:        ports(in),
				VolumeMounts: mounts(mp),
				// No liveness probe: its kill would end every call of the pod.
				StartupProbe:   probe("/healthz", startupSeconds),
				ReadinessProbe: probe("/readyz", 3),
			}},
			Volumes: volumes(mp),
		},
	}
	forOS(&t.Spec, os)
	return t
}

// Labels are the operator's labels of a Pod that has no calls. Of a Pod that runs, they are kept up to date, as Marks has them.
func Labels(mp *v1alpha1.MediaPod) map[string]string {
	slot := strconv.Itoa(int(mp.Spec.Slot))
	return map[string]string{
		v1alpha1.LabelBot:      mp.Spec.BotRef.Name,
		v1alpha1.LabelMediaPod: mp.Name,
		v1alpha1.LabelSlot:     slot,
		v1alpha1.LabelState:    State(mp),
		v1alpha1.LabelCalls:    v1alpha1.LabelCallsNone,
		podIndex:               slot,
	}
}

func environment(in Input) []corev1.EnvVar {
	fieldRef := func(name, path string) corev1.EnvVar {
		return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{
			FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path},
		}}
	}
	number := func(name string, value int32) corev1.EnvVar {
		return corev1.EnvVar{Name: name, Value: strconv.Itoa(int(value))}
	}
	list := []corev1.EnvVar{
		fieldRef("POD_NAMESPACE", "metadata.namespace"),
		fieldRef("POD_UID", "metadata.uid"),
		fieldRef("POD_IP", "status.podIP"),
		{Name: "MEDIAPOD_NAME", Value: in.MediaPod.Name},
	}
	if !ServiceHosted(in.MediaPod) {
		list = append(list, number("MEDIA_PORT", in.MediaPort))
	}
	list = append(list,
		number("SIGNALING_PORT", SignalingPort),
		number("CONTROL_PORT", ControlPort),
		number("HEALTH_PORT", HealthPort),
	)
	if OnMicrosoft(in.MediaPod) {
		list = append(list, number(bridgePortVariable, BridgePort))
	}
	return list
}

func ports(in Input) []corev1.ContainerPort {
	var hostPort int32
	if in.MediaPod.Spec.Media.Endpoint.Type == v1alpha1.EndpointHostPort {
		// The same number outside and inside: ICE candidates cannot carry a port mapping.
		hostPort = in.MediaPort
	}
	var list []corev1.ContainerPort
	if !ServiceHosted(in.MediaPod) {
		tcp, udp := MediaTCP, MediaUDP
		if in.MediaPod.Spec.Media.Endpoint.Type == v1alpha1.EndpointLoadBalancer {
			tcp, udp = MediaPortName(in.MediaPort, corev1.ProtocolTCP), MediaPortName(in.MediaPort, corev1.ProtocolUDP)
		}
		list = append(list,
			corev1.ContainerPort{Name: tcp, ContainerPort: in.MediaPort, HostPort: hostPort, Protocol: corev1.ProtocolTCP},
			corev1.ContainerPort{Name: udp, ContainerPort: in.MediaPort, HostPort: hostPort, Protocol: corev1.ProtocolUDP},
		)
	}
	return append(list,
		corev1.ContainerPort{Name: "signaling", ContainerPort: SignalingPort, Protocol: corev1.ProtocolTCP},
		corev1.ContainerPort{Name: "control", ContainerPort: ControlPort, Protocol: corev1.ProtocolTCP},
		corev1.ContainerPort{Name: "health", ContainerPort: HealthPort, Protocol: corev1.ProtocolTCP},
	)
}

// MediaPortName names the media port of a pod behind a Service that is the whole fleet's: by the name, each port of the
// Service leads to the one pod that has it. A port's name has at most 15 characters.
func MediaPortName(port int32, protocol corev1.Protocol) string {
	return fmt.Sprintf("media-%d-%s", port, strings.ToLower(string(protocol)))
}

func volumes(mp *v1alpha1.MediaPod) []corev1.Volume {
	credential := mp.Spec.Identity.Credential.ClientSecret
	list := []corev1.Volume{
		{Name: "credentials", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: credential.Name,
			Items:      []corev1.KeyToPath{{Key: credential.Key, Path: "clientSecret"}},
		}}},
	}
	if !ServiceHosted(mp) {
		// Not optional: on HostPort endpoints the certificate is made only when the node is known, and the missing Secret
		// holds the container until then.
		list = append(list, corev1.Volume{Name: "tls", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: CertificateSecretName(mp),
		}}})
	}
	if bundle := mp.Spec.Identity.CABundle(); bundle != nil {
		list = append(list, corev1.Volume{Name: "ca", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: bundle.Name},
			Items:                []corev1.KeyToPath{{Key: bundle.Key, Path: "ca.crt"}},
		}}})
	}
	if ref := storageSecret(mp); ref != nil {
		// Optional: a bucket that says no is told of, and tried again. It is no reason not to take calls.
		list = append(list, corev1.Volume{Name: "storage", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: ref.Name, Optional: ptr.To(true),
		}}})
	}
	// Optional: a fleet whose bot runs no flow does without, and one whose Secret was taken away is to take calls all the same.
	return append(list, corev1.Volume{Name: "flows", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
		SecretName: FlowsSecretName(mp.Spec.BotRef.Name), Optional: ptr.To(true),
	}}})
}

func mounts(mp *v1alpha1.MediaPod) []corev1.VolumeMount {
	list := []corev1.VolumeMount{{Name: "credentials", MountPath: CredentialsDirectory, ReadOnly: true}}
	if !ServiceHosted(mp) {
		list = append(list, corev1.VolumeMount{Name: "tls", MountPath: TLSDirectory, ReadOnly: true})
	}
	if mp.Spec.Identity.CABundle() != nil {
		list = append(list, corev1.VolumeMount{Name: "ca", MountPath: CADirectory, ReadOnly: true})
	}
	if storageSecret(mp) != nil {
		list = append(list, corev1.VolumeMount{Name: "storage", MountPath: StorageDirectory, ReadOnly: true})
	}
	return append(list, corev1.VolumeMount{Name: "flows", MountPath: FlowsDirectory, ReadOnly: true})
}

// probe asks once a second: a pod is Ready within a second of its process, and a bad one is noticed in three.
func probe(path string, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
			Path: path, Port: intstr.FromString("health"), Scheme: corev1.URISchemeHTTP,
		}},
		PeriodSeconds:    1,
		TimeoutSeconds:   1,
		SuccessThreshold: 1,
		FailureThreshold: failures,
	}
}

// withOwnTolerations adds the operator's to the template's. They cannot be part of the merge: a strategic merge replaces
// the list of tolerations as a whole. A template that speaks of the same taint has the last word.
func withOwnTolerations(list []corev1.Toleration) []corev1.Toleration {
	for _, taint := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		if !tolerates(list, taint) {
			list = append(list, corev1.Toleration{
				Key: taint, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute,
				TolerationSeconds: ptr.To[int64](unreachableSeconds),
			})
		}
	}
	return list
}

func tolerates(list []corev1.Toleration, taint string) bool {
	for _, t := range list {
		if t.Key == taint {
			return true
		}
	}
	return false
}
