// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/certificate"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/controllers/podspec"
)

// issued are an authority and a certificate for 10.0.0.7, made once: keys are dear.
var issued = sync.OnceValues(func() (authority, leaf *corev1.Secret) {
	a, data, err := certificate.NewAuthority("reception", noon)
	if err != nil {
		panic(err)
	}
	authority = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "reception-media-ca", UID: "s1"}, Data: data}
	if data, err = a.Issue("reception-0", []string{"10.0.0.7"}, noon); err != nil {
		panic(err)
	}
	leaf = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "reception-0-tls", UID: "s2"}, Data: data}
	return authority, leaf
})

func template(json string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(json)} }

// settled are the facts of a media pod at which nothing is left to do.
func settled(change ...func(*facts)) facts {
	mp := controllertest.MediaPod("voice", "reception", 0).UID("u1").Generation(2).Agent("i1", 2).
		With(func(mp *v1alpha1.MediaPod) {
			mp.Status.PodUID, mp.Status.Agent.PodUID = "p1", "p1"
			mp.Status.Agent.StartTime = at(1)
			mp.Finalizers = []string{v1alpha1.FinalizerDrain}
		}).Object()
	authority, leaf := issued()
	f := facts{
		mediaPod: mp, now: noon,
		pod: runs(0),
		service: &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{
				Name: mp.Name, Labels: map[string]string{"callfleet.dev/bot": "reception", "callfleet.dev/mediapod": mp.Name},
				OwnerReferences: []metav1.OwnerReference{podspec.OwnerReference(mp)},
			},
			Spec: corev1.ServiceSpec{
				Type: corev1.ServiceTypeClusterIP, ClusterIP: "10.0.0.7", PublishNotReadyAddresses: true,
				Selector: map[string]string{"callfleet.dev/mediapod": mp.Name},
				Ports: []corev1.ServicePort{
					{Name: "media-tcp", Protocol: corev1.ProtocolTCP, Port: 8445, TargetPort: intstr.FromInt32(8445)},
					{Name: "media-udp", Protocol: corev1.ProtocolUDP, Port: 8445, TargetPort: intstr.FromInt32(8445)},
				},
			},
		},
		leaf: secretFactsOf(leaf), authority: secretFactsOf(authority),
	}
	f.leaf.controller, f.authority.controller = podspec.OwnerReference(mp), metav1.OwnerReference{Kind: "CallingBot", UID: "bot"}
	mark(&f)
	for _, c := range change {
		c(&f)
	}
	return f
}

// mark gives the Pod the labels and annotations it should have.
func mark(f *facts) {
	labels, annotations := podspec.Marks(f.mediaPod, busy(*f))
	f.pod.Labels, f.pod.Annotations = labels, map[string]string{}
	for key, value := range annotations {
		if value != nil {
			f.pod.Annotations[key] = *value
		}
	}
}

// actions is the plan in words.
func actions(p plan) []string {
	var list []string
	add := func(is bool, what string) {
		if is {
			list = append(list, what)
		}
	}
	add(p.applyService != nil, "apply Service")
	add(p.issueAuthority, "issue authority")
	add(p.issueFor != nil, "issue certificate for "+strings.Join(p.issueFor, "+"))
	add(p.deletePod, "delete Pod")
	add(p.createPod != nil, "create Pod")
	add(p.relabel, "relabel Pod")
	add(p.agentLost != "", "drop report")
	add(p.release && p.lost == "", "release")
	add(p.release && p.lost != "", "release, and lose recordings")
	if p.again != 0 {
		list = append(list, fmt.Sprintf("again in %s", p.again.Round(time.Minute)))
	}
	return list
}

func TestDecide(t *testing.T) {
	_, leaf := issued()
	renewal := secretFactsOf(leaf).pair.Certificate
	untilRenewal := certificate.RenewalTime(renewal).Sub(noon).Round(time.Minute)
	again := "again in " + untilRenewal.String()
	noPod := func(f *facts) { f.pod = nil; f.mediaPod.Status.PodUID, f.mediaPod.Status.Agent = "", nil }
	onHostPort := func(f *facts) {
		f.service = nil
		f.mediaPod.Spec.Media.Endpoint = v1alpha1.MediaEndpoint{Type: v1alpha1.EndpointHostPort, Ports: &v1alpha1.PortRange{From: 28550, To: 28559}}
		f.pod.Spec.Containers = []corev1.Container{{Name: "mediapod", Ports: []corev1.ContainerPort{{Name: "media-tcp", ContainerPort: 28550}}}}
		f.node = &corev1.Node{Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeExternalIP, Address: "20.0.0.4"}}}}
	}
	fromSecret := func(f *facts) {
		f.mediaPod.Spec.Media.Certificate = v1alpha1.MediaCertificate{SecretName: "media"}
		f.leaf.name, f.authority = "media", secretFacts{}
	}
	draining := func(f *facts) { f.mediaPod.Spec.Drain = &v1alpha1.Drain{Reason: v1alpha1.DrainScaleIn, Since: at(0)} }
	deleted := func(f *facts) { f.mediaPod.DeletionTimestamp = ptr.To(at(0)) }
	unstored := func(f *facts) {
		f.mediaPod.Spec.Media.Recordings = &v1alpha1.Recordings{Storage: &v1alpha1.RecordingStorage{URL: "gs://tapes", UploadTimeout: "30m"}}
		f.mediaPod.Status.PendingUploads = &v1alpha1.PendingUploads{Recordings: 1, Since: at(0), Names: []string{"standup-1"}}
	}
	calls := func(n int32) func(*facts) { return func(f *facts) { f.mediaPod.Status.Calls = n } }
	bound := func(f *facts) { f.sessions = []string{"standup"} }
	allowed := func(f *facts) { f.pod.Annotations[v1alpha1.AnnotationAllowDisruption] = "true" }
	without := func(f *facts) { f.pod.Labels[v1alpha1.LabelCalls] = "none" }
	busySince := func(f *facts) { calls(1)(f); mark(f) }

	tests := map[string]struct {
		facts facts
		want  []string
		pod   string // the Pod's reason
		cert  string // the certificate's
	}{
		"settled": {settled(), []string{again}, "Ready", "Issued"},

		"nothing there": {
			settled(noPod, func(f *facts) { f.service, f.leaf, f.authority = nil, secretFacts{}, secretFacts{} }),
			[]string{"apply Service", "issue authority"}, "PodPending", "Issuing",
		},
		"authority, no address": {
			settled(noPod, func(f *facts) { f.service, f.leaf = nil, secretFacts{} }),
			[]string{"apply Service"}, "PodPending", "Issuing",
		},
		"address and authority": {
			settled(noPod, func(f *facts) { f.leaf = secretFacts{} }),
			[]string{"issue certificate for 10.0.0.7+10.0.0.7"}, "PodPending", "Issuing",
		},
		"address and certificate": {settled(noPod), []string{"create Pod", again}, "PodPending", "Issued"},
		"with a domain, the name is covered too": {
			settled(func(f *facts) { f.mediaPod.Spec.Media.Endpoint.Domain = "media.contoso.com" }),
			[]string{"issue certificate for 0.reception.media.contoso.com+10.0.0.7"}, "Ready", "Issuing",
		},
		"the address changed": {
			settled(func(f *facts) { f.service.Spec.ClusterIP = "10.0.0.8" }),
			[]string{"issue certificate for 10.0.0.8+10.0.0.8"}, "Ready", "Issuing",
		},
		"somebody changed the Service": {
			settled(func(f *facts) { f.service.Spec.PublishNotReadyAddresses = false }),
			[]string{"apply Service", again}, "Ready", "Issued",
		},
		"somebody else's Service": {
			settled(noPod, func(f *facts) { f.service.OwnerReferences = nil }),
			[]string{"again in 1m0s"}, "PodPending", "Issuing",
		},

		"due for renewal: the old certificate serves meanwhile": {
			settled(func(f *facts) { f.now = noon.Add(61 * 24 * time.Hour) }),
			[]string{"issue certificate for 10.0.0.7+10.0.0.7"}, "Ready", "Issued",
		},
		"expired": {
			settled(func(f *facts) { f.now = noon.Add(91 * 24 * time.Hour) }),
			[]string{"issue certificate for 10.0.0.7+10.0.0.7"}, "Ready", "Issuing",
		},
		"the authority runs out": {
			settled(func(f *facts) { f.now = f.authority.authority.NotAfter.Add(-24 * time.Hour) }),
			[]string{"issue authority"}, "Ready", "Issuing",
		},
		"the user's own authority runs out": {
			settled(func(f *facts) {
				f.authority.controller = metav1.OwnerReference{}
				f.now = f.authority.authority.NotAfter.Add(-24 * time.Hour)
			}),
			nil, "Ready", "Expired",
		},
		"the authority is damaged: it is not replaced unasked": {
			settled(func(f *facts) { f.authority = secretFactsOf(leaf) }), nil, "Ready", "CertificateInvalid",
		},
		"the authority is new: it signs anew, and the old certificate serves meanwhile": {
			settled(func(f *facts) {
				_, data, err := certificate.NewAuthority("reception", noon)
				if err != nil {
					t.Fatal(err)
				}
				f.authority = secretFactsOf(&corev1.Secret{Data: data})
			}),
			[]string{"issue certificate for 10.0.0.7+10.0.0.7"}, "Ready", "Issued",
		},
		"somebody else's Secret has the certificate's name": {
			settled(func(f *facts) { f.leaf.controller = metav1.OwnerReference{} }), []string{"again in 1m0s"}, "Ready", "CertificateInvalid",
		},
		"the Secret of an earlier media pod of the name is being removed": {
			settled(noPod, func(f *facts) { f.leaf.controller.UID = "u0" }), nil, "PodPending", "Issuing",
		},
		"a user's certificate is not valid yet: it is looked at when it is": {
			settled(fromSecret, func(f *facts) { f.now = renewal.NotBefore.Add(-time.Hour) }), []string{"again in 1h0m0s"}, "Ready", "CertificateInvalid",
		},

		"a user's certificate": {
			settled(fromSecret), []string{"again in " + renewal.NotAfter.Sub(noon).Round(time.Minute).String()}, "Ready", "Issued",
		},
		"a user's certificate is missing": {
			settled(noPod, fromSecret, func(f *facts) { f.leaf = secretFacts{name: "media"} }), nil, "PodPending", "SecretNotFound",
		},
		"a user's certificate does not fit: the Pod is not made": {
			settled(noPod, fromSecret, func(f *facts) { f.service.Spec.ClusterIP = "10.0.0.8" }), nil, "PodPending", "NameMismatch",
		},
		"a user's certificate does not fit: the Pod that runs goes on": {
			settled(fromSecret, func(f *facts) { f.service.Spec.ClusterIP = "10.0.0.8" }), nil, "Ready", "NameMismatch",
		},
		"a user's certificate expired": {
			settled(fromSecret, func(f *facts) { f.now = renewal.NotAfter }), nil, "Ready", "Expired",
		},
		"a user's certificate is not looked at before the node is known, but for what can be": {
			settled(onHostPort, noPod, fromSecret), []string{"create Pod", "again in " + renewal.NotAfter.Sub(noon).Round(time.Minute).String()}, "PodPending", "Issued",
		},
		"a user's certificate lacks the name that is known before the node is": {
			settled(onHostPort, noPod, fromSecret, func(f *facts) { f.mediaPod.Spec.Media.Endpoint.Domain = "media.contoso.com" }),
			nil, "PodPending", "NameMismatch",
		},

		"HostPort: the Pod comes first": {
			settled(onHostPort, noPod, func(f *facts) { f.leaf = secretFacts{} }), []string{"create Pod"}, "PodPending", "Issuing",
		},
		"HostPort: then the certificate": {
			settled(onHostPort, func(f *facts) { f.leaf = secretFacts{} }), []string{"issue certificate for 20.0.0.4+20.0.0.4"}, "Ready", "Issuing",
		},
		"no port is left": {
			settled(noPod, func(f *facts) {
				f.service = nil
				f.mediaPod.Spec.Media.Endpoint = v1alpha1.MediaEndpoint{
					Type: v1alpha1.EndpointNodePort, Ports: &v1alpha1.PortRange{From: 28550, To: 28550},
				}
				f.others.nodePorts = map[int32]string{28550: "web/shop"}
			}), []string{"again in 1m0s"}, "PodPending", "Issuing",
		},

		"a template that cannot be merged": {
			settled(noPod, func(f *facts) { f.mediaPod.Spec.Template = template(`{"spec":{"contaners":[]}}`) }),
			[]string{"again in 1m0s"}, "TemplateInvalid", "Issued",
		},
		"somebody else's Pod": {
			settled(noPod, func(f *facts) { f.foreignPod = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "reception-0"}} }),
			[]string{"again in 1m0s"}, "PodConflict", "Issued",
		},
		"the Pod is evicted": {
			settled(func(f *facts) { f.pod.Status.Phase = corev1.PodFailed }),
			[]string{"delete Pod", "drop report", again}, "PodCrashed", "Issued",
		},
		"the evicted Pod is being deleted": {
			settled(func(f *facts) { f.pod.Status.Phase = corev1.PodFailed; f.pod.DeletionTimestamp = ptr.To(at(0)) }),
			[]string{"drop report", again}, "PodPending", "Issued",
		},
		"the Pod is being deleted: its process may hold calls": {
			settled(func(f *facts) { f.pod.DeletionTimestamp = ptr.To(at(0)) }), []string{again}, "PodPending", "Issued",
		},
		"the Pod is gone": {
			settled(func(f *facts) { f.pod = nil }), []string{"create Pod", "drop report", again}, "PodPending", "Issued",
		},
		"labels were changed": {
			settled(func(f *facts) { delete(f.pod.Labels, v1alpha1.LabelMediaPod) }), []string{"relabel Pod", again}, "Ready", "Issued",
		},

		"the first call":                      {settled(calls(1)), []string{"relabel Pod", again}, "Ready", "Issued"},
		"calls go on":                         {settled(busySince, calls(7)), []string{again}, "Ready", "Issued"},
		"a seat is held":                      {settled(func(f *facts) { f.mediaPod.Status.Seats.Reserved = 1 }), []string{"relabel Pod", again}, "Ready", "Issued"},
		"a session is bound":                  {settled(bound), []string{"relabel Pod", again}, "Ready", "Issued"},
		"the last call is over":               {settled(busySince, calls(0)), []string{"relabel Pod", again}, "Ready", "Issued"},
		"over, but a session is bound":        {settled(busySince, calls(0), bound), []string{again}, "Ready", "Issued"},
		"over, but a recording is not stored": {settled(busySince, calls(0), unstored), []string{again}, "Ready", "Issued"},
		"its protection was taken away":       {settled(busySince, func(f *facts) { f.pod.Annotations = nil }), []string{"relabel Pod", again}, "Ready", "Issued"},
		"somebody gives the calls up":         {settled(busySince, allowed), []string{"relabel Pod", again}, "Ready", "Issued"},
		"somebody gave the calls up":          {settled(calls(1), allowed, without), []string{again}, "Ready", "Issued"},
		"the Pod of calls is being ended":     {settled(calls(1), func(f *facts) { f.pod.DeletionTimestamp = ptr.To(at(0)) }), []string{again}, "PodPending", "Issued"},
		"the process of the calls is gone": {
			settled(busySince, func(f *facts) { f.mediaPod.Status.Agent.PodUID = "p0" }), []string{"relabel Pod", "drop report", again}, "Ready", "Issued",
		},

		"drain begins": {settled(draining), []string{"relabel Pod", again}, "Ready", "Issued"},
		"drain goes on": {
			settled(draining, calls(2), mark), []string{again}, "Ready", "Issued",
		},
		"drained: it is the fleet that deletes": {settled(draining, mark), []string{again}, "Ready", "Issued"},
		"drained, and the Pod is gone":          {settled(draining, noPod), []string{again}, "PodPending", "Issued"},
		"draining, the Pod is gone, a session counts on it": {
			settled(draining, noPod, func(f *facts) { f.sessions = []string{"standup"} }), []string{"create Pod", again}, "PodPending", "Issued",
		},

		"deleted with a call": {
			settled(deleted, calls(1), mark), []string{again}, "Ready", "Issued",
		},
		"deleted, not acknowledged": {
			settled(deleted, mark, func(f *facts) { f.mediaPod.Generation = 3 }), []string{again}, "Ready", "Issued",
		},
		"deleted with a session": {
			settled(deleted, bound, mark), []string{again}, "Ready", "Issued",
		},
		"deleted and empty": {settled(deleted, mark), []string{"release"}, "", ""},
		"deleted, a recording is not stored": {
			settled(deleted, unstored, mark), []string{"again in 30m0s"}, "Ready", "Issued",
		},
		"deleted, a recording was waited for": {
			settled(deleted, unstored, mark, func(f *facts) { f.now = at(0).Add(30 * time.Minute) }), []string{"release, and lose recordings"}, "", "",
		},
		"draining, a recording is not stored": {
			settled(draining, unstored, mark), []string{"again in 30m0s"}, "Ready", "Issued",
		},
		"deleted, nothing was ever made": {
			settled(deleted, noPod, func(f *facts) { f.service, f.leaf, f.authority = nil, secretFacts{}, secretFacts{} }), []string{"release"}, "", "",
		},
		"deleted, crashed with calls: the process has to come back and tell": {
			settled(deleted, mark, func(f *facts) {
				f.mediaPod.Status.Calls, f.mediaPod.Status.Seats.Capacity = 1, 20
				f.pod.Status.ContainerStatuses[1].State = corev1.ContainerState{Terminated: ended(1, 5)}
			}), []string{"drop report", again}, "PodCrashed", "Issued",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			before := tc.facts.mediaPod.DeepCopy()
			p := decide(tc.facts, "callfleet/mediapod:v1")
			if diff := cmp.Diff(tc.want, actions(p)); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
			if p.pod.reason != tc.pod || p.certificate.reason != tc.cert {
				t.Errorf("Pod %q (%s), certificate %q (%s); want %q and %q", p.pod.reason, p.pod.message, p.certificate.reason, p.certificate.message, tc.pod, tc.cert)
			}
			if diff := cmp.Diff(before, tc.facts.mediaPod); diff != "" {
				t.Errorf("the MediaPod was changed: %s", diff)
			}
		})
	}
}
