// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

func testReady(t *testing.T, f *fixture) {
	began := time.Now()
	pod := f.run(t, serverPod("ready"))
	t.Logf("ready after %s", time.Since(began).Round(time.Millisecond))

	if !strings.HasPrefix(pod.Status.PodIP, "127.") || pod.Status.PodIP == "127.0.0.1" {
		t.Errorf("pod address is %q, want one of its own", pod.Status.PodIP)
	}
	if pod.Status.HostIP != "127.0.0.1" || pod.Spec.NodeName != "local" || pod.Status.Phase != corev1.PodRunning {
		t.Errorf("host %s, node %s, phase %s", pod.Status.HostIP, pod.Spec.NodeName, pod.Status.Phase)
	}
	for _, c := range pod.Status.Conditions {
		if c.Status == corev1.ConditionTrue && (c.Reason != "" || c.Message != "") {
			t.Errorf("condition %s is true and still has reason %q, message %q", c.Type, c.Reason, c.Message)
		}
	}
	if s := pod.Status.ContainerStatuses[0]; s.State.Running == nil || s.Started == nil || !*s.Started || s.Image != image {
		t.Errorf("container status: %+v", s)
	}
	if name := mustGet(t, addressOf(pod), "/name"); name != "ready" {
		t.Errorf("the server calls itself %q", name)
	}
}

func testUnready(t *testing.T, f *fixture) {
	pod := f.run(t, serverPod("unready"))
	mustGet(t, addressOf(pod), "/unready")
	pod = f.await(t, pod.Name, "is not ready", func(p *corev1.Pod) bool { return readiness(p) == corev1.ConditionFalse })
	if s := pod.Status.ContainerStatuses[0]; s.RestartCount != 0 || s.State.Running == nil || s.Ready {
		t.Errorf("a container that is not ready goes on running: %+v", s)
	}
	if message := f.awaitEvent(t, pod.Name, "Unhealthy"); !strings.Contains(message, "503") {
		t.Errorf("the event does not say why: %q", message)
	}
}

func testLiveness(t *testing.T, f *fixture) {
	pod := f.run(t, serverPod("liveness", func(p *corev1.Pod) {
		p.Spec.Containers[0].StartupProbe = &corev1.Probe{PeriodSeconds: 1, FailureThreshold: 30, ProbeHandler: corev1.ProbeHandler{
			TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(port)},
		}}
		p.Spec.Containers[0].LivenessProbe = &corev1.Probe{PeriodSeconds: 1, FailureThreshold: 2, ProbeHandler: corev1.ProbeHandler{
			HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: intstr.FromInt32(port)},
		}}
	}))
	mustGet(t, addressOf(pod), "/unready")
	pod = f.await(t, pod.Name, "was restarted", func(p *corev1.Pod) bool {
		return p.Status.ContainerStatuses[0].RestartCount == 1 && isReady(p)
	})
	if last := pod.Status.ContainerStatuses[0].LastTerminationState.Terminated; last == nil || last.ExitCode != 0 {
		t.Errorf("it was asked to end and did: %+v", last)
	}
	f.awaitEvent(t, pod.Name, "Killing")
}

func testCrashLoop(t *testing.T, f *fixture) {
	f.create(t, serverPod("crash", func(p *corev1.Pod) { p.Spec.Containers[0].Args = []string{"--exit=3"} }))
	pod := f.await(t, "crash", "backs off", func(p *corev1.Pod) bool {
		if len(p.Status.ContainerStatuses) == 0 {
			return false
		}
		s := p.Status.ContainerStatuses[0]
		return s.State.Waiting != nil && s.State.Waiting.Reason == "CrashLoopBackOff"
	})
	s := pod.Status.ContainerStatuses[0]
	if s.RestartCount < 1 || s.Ready || pod.Status.Phase != corev1.PodRunning {
		t.Errorf("phase %s, status %+v", pod.Status.Phase, s)
	}
	if last := s.LastTerminationState.Terminated; last == nil || last.ExitCode != 3 || last.Reason != "Error" {
		t.Errorf("last state: %+v, want exit code 3", last)
	}
	began := time.Now()
	f.await(t, "crash", "was restarted more", func(p *corev1.Pod) bool { return p.Status.ContainerStatuses[0].RestartCount >= s.RestartCount+2 })
	if waited := time.Since(began); waited < backOff {
		t.Errorf("two more restarts within %s, though the back-off is at least %s", waited, backOff)
	}
	f.awaitEvent(t, "crash", "BackOff")
}

func testKill(t *testing.T, f *fixture) {
	pod := f.run(t, serverPod("kill"))
	before, err := f.cluster.ContainerPID(t.Context(), ns, "kill", "server")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.cluster.KillContainer(t.Context(), ns, "kill", "server"); err != nil {
		t.Fatal(err)
	}
	again := f.await(t, "kill", "was restarted", func(p *corev1.Pod) bool {
		return p.Status.ContainerStatuses[0].RestartCount == 1 && isReady(p)
	})
	if last := again.Status.ContainerStatuses[0].LastTerminationState.Terminated; last == nil || last.ExitCode != 137 {
		t.Errorf("last state: %+v, want exit code 137", last)
	}
	if again.Status.PodIP != pod.Status.PodIP {
		t.Errorf("the address changed from %s to %s", pod.Status.PodIP, again.Status.PodIP)
	}
	if after, err := f.cluster.ContainerPID(t.Context(), ns, "kill", "server"); err != nil || after == before {
		t.Errorf("process %d, %v; before it was %d", after, err, before)
	}
}

func testGrace(t *testing.T, f *fixture) {
	const grace = 2
	for name, c := range map[string]struct {
		args     []string
		min, max time.Duration
	}{
		"polite":   {nil, 0, grace * time.Second},
		"stubborn": {[]string{"--ignore-term"}, grace * time.Second, 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := f.run(t, serverPod(name, func(p *corev1.Pod) {
				p.Spec.TerminationGracePeriodSeconds = ptr.To[int64](grace)
				p.Spec.Containers[0].Args = append(p.Spec.Containers[0].Args, c.args...)
			}))
			logs := f.follow(t, name)
			began := time.Now()
			if err := f.client.CoreV1().Pods(ns).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			f.awaitGone(t, name)
			if took := time.Since(began); took < c.min || took > c.max {
				t.Errorf("gone after %s, want %s to %s", took, c.min, c.max)
			}
			if _, err := get(addressOf(pod), "/name"); err == nil {
				t.Error("the pod is gone and its process still answers")
			}
			if text := <-logs; !strings.Contains(text, "asked to end") {
				t.Errorf("there was no SIGTERM first; the log is %q", text)
			}
		})
	}
}

func testHooks(t *testing.T, f *fixture) {
	f.run(t, serverPod("hooks", func(p *corev1.Pod) {
		p.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{
			PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c", `echo hi > "$CONTAINER_SANDBOX_MOUNT_POINT/started"`}}},
			PreStop:   &corev1.LifecycleHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/say?text=draining", Port: intstr.FromString("http")}},
		}
	}))
	pod := f.awaitReady(t, "hooks")
	awaitFile(t, pod, "/started", "hi\n")
	logs := f.follow(t, "hooks")
	if err := f.client.CoreV1().Pods(ns).Delete(t.Context(), "hooks", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if text := <-logs; !strings.HasSuffix(text, "draining\nasked to end\n") {
		t.Errorf("the hook does not come before SIGTERM; the log is %q", text)
	}
	f.create(t, serverPod("bad-hook", func(p *corev1.Pod) {
		p.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{
			PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c", "exit 1"}}},
		}
	}))
	f.awaitEvent(t, "bad-hook", "FailedPostStartHook")
	f.await(t, "bad-hook", "was restarted", func(p *corev1.Pod) bool { return p.Status.ContainerStatuses[0].RestartCount >= 1 })
}

func testLastWords(t *testing.T, f *fixture) {
	for name, c := range map[string]struct {
		script string
		policy corev1.TerminationMessagePolicy
		want   string
	}{
		"words-file": {`echo noise; printf sorry > "$CONTAINER_SANDBOX_MOUNT_POINT/dev/termination-log"; exit 4`, corev1.TerminationMessageReadFile, "sorry"},
		"words-log":  {`printf "no disk"; exit 4`, corev1.TerminationMessageFallbackToLogsOnError, "no disk"},
		"words-none": {`printf "no disk"; exit 4`, corev1.TerminationMessageReadFile, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f.create(t, serverPod(name, func(p *corev1.Pod) {
				p.Spec.RestartPolicy = corev1.RestartPolicyNever
				p.Spec.Containers[0].Command, p.Spec.Containers[0].Args = []string{"sh", "-c", c.script}, nil
				p.Spec.Containers[0].TerminationMessagePolicy = c.policy
			}))
			pod := f.await(t, name, "has ended", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodFailed })
			if got := pod.Status.ContainerStatuses[0].State.Terminated.Message; got != c.want {
				t.Errorf("message = %q, want %q", got, c.want)
			}
		})
	}
}

func testInit(t *testing.T, f *fixture) {
	step := func(name string, args ...string) corev1.Container {
		return corev1.Container{Name: name, Image: image, Command: []string{"sh", "-c", args[0]},
			VolumeMounts: []corev1.VolumeMount{{Name: "work", MountPath: "/work"}}}
	}
	sidecar := step("sidecar", `echo two >> "$CONTAINER_SANDBOX_MOUNT_POINT/work/steps"; exec sleep 1000`)
	sidecar.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
	pod := f.run(t, serverPod("init", func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: "work", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
		p.Spec.InitContainers = []corev1.Container{
			step("first", `sleep 0.2; echo one >> "$CONTAINER_SANDBOX_MOUNT_POINT/work/steps"`),
			sidecar,
			step("third", `sleep 0.2; echo three >> "$CONTAINER_SANDBOX_MOUNT_POINT/work/steps"`),
		}
		p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "work", MountPath: "/in/here"}}
	}))
	steps := mustGet(t, addressOf(pod), "/file", "path", "/in/here/steps")
	// The side car and the next one start together: only its order is free.
	if steps != "one\ntwo\nthree\n" {
		t.Errorf("steps were %q", steps)
	}
	if s := pod.Status.InitContainerStatuses; len(s) != 3 || s[0].State.Terminated == nil || s[1].State.Running == nil || s[2].State.Terminated == nil {
		t.Errorf("init container statuses: %+v", s)
	}
	if err := f.client.CoreV1().Pods(ns).Delete(t.Context(), "init", metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](3)}); err != nil {
		t.Fatal(err)
	}
	f.awaitGone(t, "init")
}

func testCompletion(t *testing.T, f *fixture) {
	for name, c := range map[string]struct {
		policy corev1.RestartPolicy
		exit   string
		phase  corev1.PodPhase
		reason string
	}{
		"never-good":      {corev1.RestartPolicyNever, "--exit=0", corev1.PodSucceeded, "Completed"},
		"never-bad":       {corev1.RestartPolicyNever, "--exit=4", corev1.PodFailed, "Error"},
		"on-failure-good": {corev1.RestartPolicyOnFailure, "--exit=0", corev1.PodSucceeded, "Completed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f.create(t, serverPod(name, func(p *corev1.Pod) {
				p.Spec.RestartPolicy = c.policy
				p.Spec.Containers[0].Args = []string{c.exit}
			}))
			pod := f.await(t, name, "has ended", func(p *corev1.Pod) bool { return p.Status.Phase == c.phase })
			if s := pod.Status.ContainerStatuses[0]; s.State.Terminated == nil || s.State.Terminated.Reason != c.reason || s.RestartCount != 0 {
				t.Errorf("container status: %+v", s)
			}
		})
	}
}

func testUnknownImage(t *testing.T, f *fixture) {
	f.create(t, serverPod("no-image", func(p *corev1.Pod) { p.Spec.Containers[0].Image = "callfleet/added-later:dev" }))
	f.await(t, "no-image", "waits for its image", func(p *corev1.Pod) bool {
		s := p.Status.ContainerStatuses
		return len(s) == 1 && s[0].State.Waiting != nil && s[0].State.Waiting.Reason == "ImagePullBackOff"
	})
	if message := f.awaitEvent(t, "no-image", "Failed"); !strings.Contains(message, "--image callfleet/added-later:dev=") {
		t.Errorf("the event does not say what to do: %q", message)
	}
	path := f.awaitImage(t)
	if err := f.cluster.SetImage("callfleet/added-later:dev", path); err != nil {
		t.Fatal(err)
	}
	f.awaitReady(t, "no-image")
}

// awaitImage returns the binary of the test's image, from a container's status.
func (f *fixture) awaitImage(t *testing.T) string {
	t.Helper()
	pod := f.run(t, serverPod("image-donor"))
	return strings.TrimPrefix(pod.Status.ContainerStatuses[0].ImageID, "devcluster://")
}

func testReadinessGate(t *testing.T, f *fixture) {
	const gate corev1.PodConditionType = "callfleet.dev/test"
	f.create(t, serverPod("gated", func(p *corev1.Pod) {
		p.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: gate}}
	}))
	f.await(t, "gated", "waits for its gate", func(p *corev1.Pod) bool {
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && c.Reason == "ReadinessGatesNotReady" {
				return true
			}
		}
		return false
	})
	patch := func(body string) {
		t.Helper()
		_, err := f.client.CoreV1().Pods(ns).Patch(t.Context(), "gated", "application/strategic-merge-patch+json", []byte(body), metav1.PatchOptions{}, "status")
		if err != nil {
			t.Fatal(err)
		}
	}
	patch(`{"status":{"conditions":[{"type":"` + string(gate) + `","status":"True"}]}}`)
	pod := f.awaitReady(t, "gated")
	if len(pod.Status.Conditions) < 6 {
		t.Errorf("conditions of others are lost: %+v", pod.Status.Conditions)
	}
	// The node controller does this when a node is silent for too long.
	patch(`{"status":{"conditions":[{"type":"Ready","status":"False","reason":"NodeNotReady"}]}}`)
	f.awaitReady(t, "gated")
}
