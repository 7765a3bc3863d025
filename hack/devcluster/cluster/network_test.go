// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

var errNotYet = errors.New("not yet")

func testLogs(t *testing.T, f *fixture) {
	pod := f.run(t, serverPod("logs"))
	for _, text := range []string{"one", "two", "three"} {
		mustGet(t, addressOf(pod), "/say", "text", text)
	}
	if got, want := f.logs(t, "logs", &corev1.PodLogOptions{}), "hello from logs\nlistening\none\ntwo\nthree\n"; got != want {
		t.Errorf("log = %q, want %q", got, want)
	}
	if got, want := f.logs(t, "logs", &corev1.PodLogOptions{TailLines: ptr.To[int64](2)}), "two\nthree\n"; got != want {
		t.Errorf("tail = %q, want %q", got, want)
	}
	if got, want := f.logs(t, "logs", &corev1.PodLogOptions{LimitBytes: ptr.To[int64](5)}), "hello"; got != want {
		t.Errorf("limited = %q, want %q", got, want)
	}
	followed := f.follow(t, "logs")
	mustGet(t, addressOf(pod), "/say", "text", "last words")
	_, _ = get(addressOf(pod), "/exit", "code", "1")
	if text := <-followed; !strings.HasSuffix(text, "last words\n") {
		t.Errorf("followed log = %q", text)
	}
	f.await(t, "logs", "was restarted", func(p *corev1.Pod) bool { return p.Status.ContainerStatuses[0].RestartCount == 1 && isReady(p) })
	if got := f.logs(t, "logs", &corev1.PodLogOptions{Previous: true}); !strings.HasSuffix(got, "last words\n") {
		t.Errorf("log of the previous run = %q", got)
	}
	if got, want := f.logs(t, "logs", &corev1.PodLogOptions{}), "hello from logs\nlistening\n"; got != want {
		t.Errorf("log of the new run = %q, want %q", got, want)
	}
}

func (f *fixture) logs(t *testing.T, pod string, o *corev1.PodLogOptions) string {
	t.Helper()
	data, err := f.client.CoreV1().Pods(ns).GetLogs(pod, o).DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// follow delivers the whole log of a pod's container when it has ended.
func (f *fixture) follow(t *testing.T, pod string) <-chan string {
	t.Helper()
	stream, err := f.client.CoreV1().Pods(ns).GetLogs(pod, &corev1.PodLogOptions{Follow: true}).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text := make(chan string, 1)
	go func() {
		defer stream.Close()
		data, _ := io.ReadAll(stream)
		text <- string(data)
	}()
	return text
}

func testClusterIP(t *testing.T, f *fixture) {
	svc, err := f.client.CoreV1().Services(ns).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "cluster-ip"},
		Spec: corev1.ServiceSpec{Selector: map[string]string{"part-of": "cluster-ip"}, Ports: []corev1.ServicePort{
			{Name: "http", Port: 8000, TargetPort: intstr.FromString("http")},
			{Name: "echo", Port: 8000, TargetPort: intstr.FromString("echo"), Protocol: corev1.ProtocolUDP},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort(svc.Spec.ClusterIP, "8000")
	member := func(p *corev1.Pod) { p.Labels["part-of"] = "cluster-ip" }
	one := f.run(t, serverPod("behind-one", member))
	eventually(t, "the service reaches its pod", func() error {
		name, err := get(address, "/name")
		if err == nil && name != "behind-one" {
			err = fmt.Errorf("%q answered", name)
		}
		return err
	})
	eventually(t, "datagrams reach the pod", func() error {
		answer, err := udpEcho(address, "ping")
		if err == nil && answer != "behind-one ping" {
			err = fmt.Errorf("the answer is %q", answer)
		}
		return err
	})

	f.run(t, serverPod("behind-two", member))
	eventually(t, "the second pod gets its share", func() error {
		name, err := get(address, "/name")
		if err == nil && name != "behind-two" {
			err = errNotYet
		}
		return err
	})
	mustGet(t, addressOf(one), "/unready")
	f.await(t, "behind-one", "is not ready", func(p *corev1.Pod) bool { return !isReady(p) })
	streak := 0
	eventually(t, "a pod that is not ready gets nothing", func() error {
		name, err := get(address, "/name")
		if streak++; err != nil || name != "behind-two" {
			streak = 0
		}
		if streak < 20 {
			return errNotYet
		}
		return nil
	})
}

func testLoadBalancer(t *testing.T, f *fixture) {
	_, err := f.client.CoreV1().Services(ns).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "balanced"},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Selector: map[string]string{"part-of": "balanced"}, Ports: []corev1.ServicePort{
			{Name: "http", Port: 8000, TargetPort: intstr.FromString("http")},
			{Name: "echo", Port: 8000, TargetPort: intstr.FromString("echo"), Protocol: corev1.ProtocolUDP},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f.run(t, serverPod("behind-balancer", func(p *corev1.Pod) { p.Labels["part-of"] = "balanced" }))
	address := ""
	eventually(t, "the service has a public address", func() error {
		svc, err := f.client.CoreV1().Services(ns).Get(t.Context(), "balanced", metav1.GetOptions{})
		if err != nil || len(svc.Status.LoadBalancer.Ingress) == 0 {
			return cmp.Or(err, errNotYet)
		}
		address = net.JoinHostPort(svc.Status.LoadBalancer.Ingress[0].IP, "8000")
		return nil
	})
	eventually(t, "the address leads to the pod", func() error {
		name, err := get(address, "/name")
		if err == nil && name != "behind-balancer" {
			err = fmt.Errorf("%q answered", name)
		}
		return err
	})
	eventually(t, "datagrams too", func() error {
		answer, err := udpEcho(address, "ping")
		if err == nil && answer != "behind-balancer ping" {
			err = fmt.Errorf("the answer is %q", answer)
		}
		return err
	})
}

func testHostPort(t *testing.T, f *fixture) {
	const hostPort = 21951
	pod := f.run(t, serverPod("host-port", func(p *corev1.Pod) {
		for i := range p.Spec.Containers[0].Ports {
			p.Spec.Containers[0].Ports[i].HostPort = hostPort
		}
	}))
	address := net.JoinHostPort(pod.Status.HostIP, fmt.Sprint(hostPort))
	eventually(t, "the host port works", func() error {
		name, err := get(address, "/name")
		if err == nil && name != "host-port" {
			err = fmt.Errorf("%q answered", name)
		}
		return err
	})
	eventually(t, "the host port works for datagrams", func() error {
		answer, err := udpEcho(address, "ping")
		if err == nil && answer != "host-port ping" {
			err = fmt.Errorf("the answer is %q", answer)
		}
		return err
	})
	if err := f.client.CoreV1().Pods(ns).Delete(t.Context(), "host-port", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	f.awaitGone(t, "host-port")
	eventually(t, "the host port is closed", func() error {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return errNotYet
		}
		return nil
	})
}

// testOutage stops the API server for a while. Pods must not notice; one that
// crashes meanwhile is restarted, and all of it is in the status afterwards.
func testOutage(t *testing.T, f *fixture) {
	steady, crashing := f.run(t, serverPod("steady")), f.run(t, serverPod("crashing"))
	pid, err := f.cluster.ContainerPID(t.Context(), ns, "steady", "server")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.cluster.Stop(t.Context(), "kube-apiserver"); err != nil {
		t.Fatal(err)
	}
	down := time.Now()
	_, _ = get(addressOf(crashing), "/exit", "code", "7")
	eventually(t, "a crashed container is restarted without the API server", func() error {
		_, err := get(addressOf(crashing), "/name")
		return err
	})
	for time.Since(down) < 3*time.Second {
		if _, err := get(addressOf(steady), "/name"); err != nil {
			t.Fatalf("a pod is disturbed by the outage: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := f.cluster.Start(t.Context(), "kube-apiserver"); err != nil {
		t.Fatal(err)
	}
	up := time.Now()
	t.Logf("the API server was away for %s", up.Sub(down).Round(time.Millisecond))
	pod := f.await(t, "crashing", "shows its restart", func(p *corev1.Pod) bool {
		return p.Status.ContainerStatuses[0].RestartCount == 1 && isReady(p)
	})
	t.Logf("status is right %s after the API server is back", time.Since(up).Round(time.Millisecond))
	if last := pod.Status.ContainerStatuses[0].LastTerminationState.Terminated; last == nil || last.ExitCode != 7 {
		t.Errorf("last state: %+v", last)
	}
	if now, err := f.cluster.ContainerPID(t.Context(), ns, "steady", "server"); err != nil || now != pid {
		t.Errorf("the steady pod's process is %d, %v; it was %d", now, err, pid)
	}
	f.run(t, serverPod("after-outage"))
	t.Logf("a new pod is ready %s after the API server is back", time.Since(up).Round(time.Millisecond))
}

// testNodeRestart ends the node agent and starts another one.
func testNodeRestart(t *testing.T, f *fixture) {
	before := f.run(t, serverPod("survivor"))
	f.run(t, serverPod("deleted-meanwhile"))
	if err := f.cluster.Stop(t.Context(), "node"); err != nil {
		t.Fatal(err)
	}
	if _, err := get(addressOf(before), "/name"); err == nil {
		t.Error("a pod outlives the node agent")
	}
	if err := f.client.CoreV1().Pods(ns).Delete(t.Context(), "deleted-meanwhile", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := f.cluster.Start(t.Context(), "node"); err != nil {
		t.Fatal(err)
	}
	after := f.await(t, "survivor", "was restarted", func(p *corev1.Pod) bool {
		return p.Status.ContainerStatuses[0].RestartCount == 1 && isReady(p)
	})
	if after.UID != before.UID || after.Status.PodIP != before.Status.PodIP {
		t.Errorf("another pod: %s %s, was %s %s", after.UID, after.Status.PodIP, before.UID, before.Status.PodIP)
	}
	f.awaitGone(t, "deleted-meanwhile")
}
