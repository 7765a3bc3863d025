// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/hack/devcluster/cluster"
)

const (
	image   = "callfleet/test-server:dev"
	port    = 8080
	backOff = 700 * time.Millisecond
	ns      = metav1.NamespaceDefault
)

// fixture is one cluster for all tests of this package.
type fixture struct {
	cluster *cluster.Cluster
	client  kubernetes.Interface
}

// TestCluster starts one cluster and lets every test of its behaviour run on
// it: first those that leave each other alone, then those that stop a part.
func TestCluster(t *testing.T) {
	f := start(t)
	t.Run("pods", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, *fixture){
			"becomes ready":                  testReady,
			"readiness follows the probe":    testUnready,
			"liveness restarts":              testLiveness,
			"crash loop":                     testCrashLoop,
			"killed process":                 testKill,
			"grace period":                   testGrace,
			"hooks":                          testHooks,
			"last words":                     testLastWords,
			"environment":                    testEnvironment,
			"secret volume":                  testSecretVolume,
			"missing secret in environment":  testMissingSecretInEnv,
			"service-account token":          testToken,
			"logs":                           testLogs,
			"cluster IP":                     testClusterIP,
			"load balancer":                  testLoadBalancer,
			"host port":                      testHostPort,
			"init containers and side cars":  testInit,
			"run to completion":              testCompletion,
			"unknown image":                  testUnknownImage,
			"status of somebody else's hand": testReadinessGate,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, f)
			})
		}
	})
	t.Run("API server outage", func(t *testing.T) { testOutage(t, f) })
	t.Run("node agent restart", func(t *testing.T) { testNodeRestart(t, f) })
}

func start(t *testing.T) *fixture {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "server")
	build := exec.Command("go", "build", "-o", binary, "./testdata/server")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the test's pod: %v\n%s", err, out)
	}
	began := time.Now()
	c, err := cluster.Start(t.Context(), cluster.Options{
		Dir: t.TempDir(), Images: map[string]string{image: binary}, BackOff: backOff, Log: testr.New(t), Progress: os.Stderr,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Logf("cluster ready after %s", time.Since(began).Round(time.Millisecond))
	client, err := kubernetes.NewForConfig(c.RestConfig())
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{cluster: c, client: client}
}

// serverPod is a pod whose one container serves on its pod address.
func serverPod(name string, change ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: ns, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: ptr.To[int64](5),
			Containers: []corev1.Container{{
				Name: "server", Image: image,
				Args:  []string{fmt.Sprintf("--bind=$(POD_IP):%d", port)},
				Env:   []corev1.EnvVar{fieldEnv("POD_IP", "status.podIP")},
				Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: port}, {Name: "echo", ContainerPort: port, Protocol: corev1.ProtocolUDP}},
				ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, FailureThreshold: 1, ProbeHandler: corev1.ProbeHandler{
					HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: intstr.FromString("http")},
				}},
			}},
		},
	}
	for _, f := range change {
		f(pod)
	}
	return pod
}

func fieldEnv(name, path string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}}
}

func (f *fixture) create(t *testing.T, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	created, err := f.client.CoreV1().Pods(ns).Create(t.Context(), pod, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = f.client.CoreV1().Pods(ns).Delete(context.Background(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)})
	})
	return created
}

// await waits until the pod is as it is to be, and returns it.
func (f *fixture) await(t *testing.T, name, what string, ok func(*corev1.Pod) bool) *corev1.Pod {
	t.Helper()
	var last *corev1.Pod
	eventually(t, name+" "+what, func() error {
		pod, err := f.client.CoreV1().Pods(ns).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		last = pod
		if !ok(pod) {
			return fmt.Errorf("status is %+v", pod.Status)
		}
		return nil
	})
	return last
}

func (f *fixture) awaitReady(t *testing.T, name string) *corev1.Pod {
	t.Helper()
	return f.await(t, name, "is ready", isReady)
}

func (f *fixture) awaitGone(t *testing.T, name string) {
	t.Helper()
	eventually(t, name+" is gone", func() error {
		pod, err := f.client.CoreV1().Pods(ns).Get(t.Context(), name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return fmt.Errorf("it is still there: %+v", pod.Status)
	})
}

func (f *fixture) run(t *testing.T, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	f.create(t, pod)
	return f.awaitReady(t, pod.Name)
}

func isReady(pod *corev1.Pod) bool { return readiness(pod) == corev1.ConditionTrue }

func readiness(pod *corev1.Pod) corev1.ConditionStatus {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status
		}
	}
	return corev1.ConditionUnknown
}

// awaitEvent waits for an event about a pod and returns its message.
func (f *fixture) awaitEvent(t *testing.T, pod, reason string) string {
	t.Helper()
	message := ""
	eventually(t, "event "+reason+" about "+pod, func() error {
		events, err := f.client.CoreV1().Events(ns).List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=" + pod})
		if err != nil {
			return err
		}
		for _, e := range events.Items {
			if e.Reason == reason {
				message = e.Message
				return nil
			}
		}
		return fmt.Errorf("none among %d", len(events.Items))
	})
	return message
}

// eventually tries until try has no error, with a deadline that a busy machine
// needs and an idle one does not.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(40 * time.Second)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in time: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// get asks the server in a pod.
func get(address, path string, query ...string) (string, error) {
	values := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + address + path + "?" + values.Encode())
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return string(body), err
}

func mustGet(t *testing.T, address, path string, query ...string) string {
	t.Helper()
	body, err := get(address, path, query...)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func addressOf(pod *corev1.Pod) string {
	return net.JoinHostPort(pod.Status.PodIP, fmt.Sprint(port))
}

// udpEcho sends a datagram and returns the answer.
func udpEcho(address, message string) (string, error) {
	conn, err := net.Dial("udp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, message); err != nil {
		return "", err
	}
	if err := conn.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return "", err
	}
	buf := make([]byte, 2048)
	n, err := conn.Read(buf)
	return string(buf[:n]), err
}
