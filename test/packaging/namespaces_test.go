// SPDX-License-Identifier: Apache-2.0

package packaging

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What the chart gives the manager with namespaces is enough: the manager itself, with the token of its account, makes the fleet of a bot there.
func TestAManagerOfSomeNamespacesHasAllItNeeds(t *testing.T) {
	s, ctx := start(t), context.Background()
	for _, ns := range []string{systemNamespace, "voice", "elsewhere"} {
		s.namespace(t, ns)
	}
	objects := without(mustRender(t, "namespaces: [voice]"), "Deployment")
	s.apply(t, objects)
	s.awaitEstablished(t)
	defer s.removeKinds(t)
	defer s.remove(t, without(objects, "CustomResourceDefinition"))

	binary := filepath.Join(t.TempDir(), "manager")
	build := exec.Command("go", "build", "-o", binary, "./cmd/manager")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the manager: %v\n%s", err, out)
	}
	var log strings.Builder
	manager := exec.Command(binary, "--mediapod-image=callfleet/mediapod:dev", "--namespaces=voice", "--leader-elect", "--metrics-bind-address=0",
		"--health-probe-bind-address=0")
	manager.Env = append(os.Environ(), "KUBECONFIG="+s.kubeconfigOf(t, "callfleet-manager"), "POD_NAMESPACE="+systemNamespace)
	manager.Stdout, manager.Stderr = &log, &log
	if err := manager.Start(); err != nil {
		t.Fatal(err)
	}
	stop := func() {
		if manager.ProcessState == nil {
			_ = manager.Process.Kill()
			_ = manager.Wait()
		}
	}
	defer stop()

	for _, ns := range []string{"voice", "elsewhere"} {
		bot := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "callfleet.dev/v1alpha1", "kind": "CallingBot", "metadata": map[string]any{"name": "hotline", "namespace": ns},
			"spec": map[string]any{
				"identity": map[string]any{
					"appID": "3c1f6a52-6d0e-4c55-9b57-2f0f6a6a8f11", "tenantID": "1fdd12d0-4620-44ed-baec-459b611f84b2",
					"credential": map[string]any{"clientSecret": map[string]any{"name": "hotline", "key": "clientSecret"}},
				},
				"signaling": map[string]any{"host": "bots.example.com"}, "replicas": int64(1),
				"media":    map[string]any{"hosting": "Service"},
				"template": map[string]any{"spec": map[string]any{"os": map[string]any{"name": "linux"}}},
			},
		}}
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "hotline", Namespace: ns}, StringData: map[string]string{"clientSecret": "x"}}
		if err := s.Create(ctx, secret); err != nil {
			t.Fatal(err)
		}
		if err := s.Create(ctx, bot); err != nil {
			t.Fatal(err)
		}
		defer s.freed(t, "CallingBot", ns)
	}
	defer s.freed(t, "MediaPod", "voice")
	defer stop()

	var pods corev1.PodList
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if err := s.List(ctx, &pods, client.InNamespace("voice")); err != nil {
			t.Fatal(err)
		}
		if len(pods.Items) == 1 {
			break
		}
		if time.Now().After(end) {
			stop()
			made := &unstructured.UnstructuredList{}
			made.SetAPIVersion("callfleet.dev/v1alpha1")
			made.SetKind("MediaPodList")
			_ = s.List(ctx, made, client.InNamespace("voice"))
			t.Fatalf("there are %d media pods with %d pods: %v; the manager says\n%s", len(made.Items), len(pods.Items), made.Items, log.String())
		}
	}
	binding := &unstructured.Unstructured{}
	binding.SetAPIVersion("rbac.authorization.k8s.io/v1")
	binding.SetKind("RoleBinding")
	if err := s.Get(ctx, client.ObjectKey{Namespace: "voice", Name: "hotline-mediapod"}, binding); err != nil {
		t.Error(err)
	}
	stop()
	if said := log.String(); strings.Contains(said, "forbidden") {
		t.Errorf("the manager lacks a right:\n%s", said)
	}
	if err := s.List(ctx, &pods, client.InNamespace("elsewhere")); err != nil || len(pods.Items) > 0 {
		t.Errorf("a bot of another namespace has %d pods: %v", len(pods.Items), err)
	}
	if err := s.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace("voice"), client.GracePeriodSeconds(0)); err != nil {
		t.Error(err)
	}
}

// kubeconfigOf is the access of an account of the operator's namespace.
func (s *server) kubeconfigOf(t *testing.T, account string) string {
	t.Helper()
	request := &authenticationv1.TokenRequest{}
	of := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: account}}
	if err := s.SubResource("token").Create(context.Background(), of, request); err != nil {
		t.Fatalf("asking for a token of %s: %v", account, err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	err := clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"c": {Server: s.config.Host, CertificateAuthorityData: s.config.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"u": {Token: request.Status.Token}},
		Contexts:       map[string]*clientcmdapi.Context{"x": {Cluster: "c", AuthInfo: "u"}},
		CurrentContext: "x",
	}, path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// freed takes finalizers off objects of a kind, which nobody would, and deletes them.
func (s *server) freed(t *testing.T, kind, namespace string) {
	t.Helper()
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("callfleet.dev/v1alpha1")
	list.SetKind(kind + "List")
	if err := s.List(context.Background(), list, client.InNamespace(namespace)); err != nil {
		t.Error(fmt.Errorf("listing %s: %w", kind, err))
		return
	}
	for _, item := range list.Items {
		if err := s.Patch(context.Background(), &item, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))); err != nil {
			t.Error(err)
		}
		if err := client.IgnoreNotFound(s.Delete(context.Background(), &item)); err != nil {
			t.Error(err)
		}
	}
}
