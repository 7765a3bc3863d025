// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"
)

func testEnvironment(t *testing.T, f *fixture) {
	f.createSecret(t, "env-secret", map[string]string{"password": "s3cret"})
	_, err := f.client.CoreV1().ConfigMaps(ns).Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "env-config"}, Data: map[string]string{"region": "west", "size": "small"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	selector := func(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }
	pod := f.run(t, serverPod("environment", func(p *corev1.Pod) {
		p.Annotations = map[string]string{"callfleet.dev/endpoint": "pod.example.com:8445"}
		c := &p.Spec.Containers[0]
		c.Resources.Requests = corev1.ResourceList{"cpu": resource.MustParse("100m")}
		c.EnvFrom = []corev1.EnvFromSource{
			{Prefix: "CFG_", ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: selector("env-config")}},
			{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: selector("not-there"), Optional: ptr.To(true)}},
		}
		c.Env = append(c.Env,
			fieldEnv("ENDPOINT", "metadata.annotations['callfleet.dev/endpoint']"),
			fieldEnv("HOST_IP", "status.hostIP"),
			corev1.EnvVar{Name: "URL", Value: "https://$(ENDPOINT)/$(CFG_region)?$$(NOT)"},
			corev1.EnvVar{Name: "CFG_size", Value: "large"},
			corev1.EnvVar{Name: "PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: selector("env-secret"), Key: "password"}}},
			corev1.EnvVar{Name: "ABSENT", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: selector("env-config"), Key: "absent", Optional: ptr.To(true)}}},
			corev1.EnvVar{Name: "CPU_MILLI", ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "requests.cpu", Divisor: resource.MustParse("1m")}}},
		)
	}))
	got := map[string]string{}
	want := map[string]string{
		"POD_IP": pod.Status.PodIP, "HOST_IP": "127.0.0.1", "ENDPOINT": "pod.example.com:8445",
		"URL": "https://pod.example.com:8445/west?$(NOT)", "CFG_region": "west", "CFG_size": "large",
		"PASSWORD": "s3cret", "ABSENT": "", "CPU_MILLI": "100", "HOSTNAME": "environment", "GOFLAGS": "",
	}
	for name := range want {
		got[name] = mustGet(t, addressOf(pod), "/env", "name", name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

func testSecretVolume(t *testing.T, f *fixture) {
	f.create(t, serverPod("secret-volume", func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{
			{Name: "tls", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "late"}}},
			{Name: "about", VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{Items: []corev1.DownwardAPIVolumeFile{
				{Path: "note", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.annotations['note']"}},
			}}}},
			{Name: "maybe", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: "maybe"}, Optional: ptr.To(true),
			}}},
		}
		p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{
			{Name: "tls", MountPath: "/etc/tls"}, {Name: "about", MountPath: "/etc/about"}, {Name: "maybe", MountPath: "/etc/maybe"},
		}
	}))
	if message := f.awaitEvent(t, "secret-volume", "FailedMount"); !strings.Contains(message, `secret`) || !strings.Contains(message, `"late" not found`) {
		t.Errorf("the event does not name the secret: %q", message)
	}
	f.await(t, "secret-volume", "is being created", func(p *corev1.Pod) bool {
		s := p.Status.ContainerStatuses
		return len(s) == 1 && s[0].State.Waiting != nil && s[0].State.Waiting.Reason == "ContainerCreating"
	})
	f.createSecret(t, "late", map[string]string{"tls.crt": "one"})
	pod := f.awaitReady(t, "secret-volume")
	if got := mustGet(t, addressOf(pod), "/file", "path", "/etc/tls/tls.crt"); got != "one" {
		t.Errorf("the file holds %q", got)
	}

	_, err := f.client.CoreV1().Secrets(ns).Update(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "late"}, StringData: map[string]string{"tls.crt": "two"},
	}, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	awaitFile(t, pod, "/etc/tls/tls.crt", "two")
	_, err = f.client.CoreV1().Pods(ns).Patch(t.Context(), pod.Name, "application/merge-patch+json",
		[]byte(`{"metadata":{"annotations":{"note":"hello"}}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	awaitFile(t, pod, "/etc/about/note", "hello")
	_, err = f.client.CoreV1().ConfigMaps(ns).Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "maybe"}, Data: map[string]string{"k": "v"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	awaitFile(t, pod, "/etc/maybe/k", "v")
}

func awaitFile(t *testing.T, pod *corev1.Pod, path, want string) {
	t.Helper()
	eventually(t, path+" in "+pod.Name, func() error {
		got, err := get(addressOf(pod), "/file", "path", path)
		if err == nil && got != want {
			t.Logf("%s holds %q", path, got)
			err = errNotYet
		}
		return err
	})
}

func testMissingSecretInEnv(t *testing.T, f *fixture) {
	f.create(t, serverPod("env-late", func(p *corev1.Pod) {
		p.Spec.Containers[0].Env = append(p.Spec.Containers[0].Env, corev1.EnvVar{Name: "PASSWORD", ValueFrom: &corev1.EnvVarSource{
			SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "env-late"}, Key: "password"},
		}})
	}))
	pod := f.await(t, "env-late", "cannot be configured", func(p *corev1.Pod) bool {
		s := p.Status.ContainerStatuses
		return len(s) == 1 && s[0].State.Waiting != nil && s[0].State.Waiting.Reason == "CreateContainerConfigError"
	})
	if message := pod.Status.ContainerStatuses[0].State.Waiting.Message; message != `secret "env-late" not found` {
		t.Errorf("message = %q", message)
	}
	f.createSecret(t, "env-late", map[string]string{"password": "x"})
	f.awaitReady(t, "env-late")
}

func testToken(t *testing.T, f *fixture) {
	pod := f.run(t, serverPod("token"))
	const mount = "/var/run/secrets/kubernetes.io/serviceaccount"
	token := mustGet(t, addressOf(pod), "/file", "path", mount+"/token")
	review, err := f.client.AuthenticationV1().TokenReviews().Create(t.Context(), &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const user = "system:serviceaccount:default:default"
	if !review.Status.Authenticated || review.Status.User.Username != user {
		t.Errorf("the token is not accepted: %+v", review.Status)
	}
	if diff := cmp.Diff(authenticationv1.ExtraValue{"token"}, review.Status.User.Extra["authentication.kubernetes.io/pod-name"]); diff != "" {
		t.Errorf("the token is not bound to the pod (-want +got):\n%s", diff)
	}
	if got := mustGet(t, addressOf(pod), "/file", "path", mount+"/namespace"); got != ns {
		t.Errorf("namespace file holds %q", got)
	}
	if ca := mustGet(t, addressOf(pod), "/file", "path", mount+"/ca.crt"); ca != string(f.cluster.CA().CertPEM()) {
		t.Error("ca.crt is not that of the cluster")
	}

	// As a program in the pod would.
	config, err := clientcmd.BuildConfigFromFlags("", mustGet(t, addressOf(pod), "/env", "name", "KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	self, err := client.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil || self.Status.UserInfo.Username != user {
		t.Errorf("with the pod's kubeconfig: %+v, %v", self, err)
	}
}

func (f *fixture) createSecret(t *testing.T, name string, data map[string]string) {
	t.Helper()
	_, err := f.client.CoreV1().Secrets(ns).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: data}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}
