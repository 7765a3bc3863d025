// SPDX-License-Identifier: Apache-2.0

package node

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestAddresses(t *testing.T) {
	a := newAddresses(netip.MustParsePrefix("127.64.0.0/16"))
	get := func(pod types.UID) string {
		t.Helper()
		ip, err := a.get(pod)
		if err != nil {
			t.Fatal(err)
		}
		return ip.String()
	}
	if got := get("a"); got != "127.64.0.2" {
		t.Errorf("first address = %s", got)
	}
	if got := get("a"); got != "127.64.0.2" {
		t.Errorf("the same pod got another address: %s", got)
	}
	if got := get("b"); got != "127.64.0.3" {
		t.Errorf("second address = %s", got)
	}
	a.release("a")
	if got := get("c"); got != "127.64.0.4" {
		t.Errorf("third address = %s; one just given back is not to be used at once", got)
	}
	a.reserve("d", "127.64.0.9")
	if got := get("d"); got != "127.64.0.9" {
		t.Errorf("reserved address = %s", got)
	}
	a.reserve("e", "127.64.0.9") // taken
	a.reserve("f", "10.0.0.1")   // not ours
	a.reserve("g", "")
	for _, pod := range []types.UID{"e", "f", "g"} {
		if got := get(pod); got == "127.64.0.9" || !strings.HasPrefix(got, "127.64.0.1") {
			t.Errorf("%s got %s", pod, got)
		}
	}
}

func TestAddressesRunOut(t *testing.T) {
	a := newAddresses(netip.MustParsePrefix("127.64.0.0/29")) // .2 to .7
	for i := range 6 {
		if ip, err := a.get(types.UID(fmt.Sprint(i))); err != nil {
			t.Fatalf("address %d: %v, %v", i, ip, err)
		}
	}
	if ip, err := a.get("one too many"); err == nil {
		t.Errorf("got %s from a full range", ip)
	}
	a.release("3")
	if ip, err := a.get("after a release"); err != nil || ip.String() != "127.64.0.5" {
		t.Errorf("got %s, %v; want the one address that is free", ip, err)
	}
}

func TestCommandLine(t *testing.T) {
	env := &environment{values: map[string]string{"POD_IP": "127.64.0.2"}}
	const image = "/work/bin/manager"
	for name, c := range map[string]struct {
		command, args []string
		want          []string
	}{
		"the image's own":          {nil, []string{"--bind=$(POD_IP)"}, []string{image, "--bind=127.64.0.2"}},
		"entry point of the image": {[]string{"/manager", "--x"}, []string{"y"}, []string{image, "--x", "y"}},
		"program of the host":      {[]string{"sh", "-c"}, []string{"echo $(POD_IP) $$(POD_IP)"}, []string{"sh", "-c", "echo 127.64.0.2 $(POD_IP)"}},
	} {
		path, args := commandLine(&corev1.Container{Command: c.command, Args: c.args}, image, env)
		if diff := cmp.Diff(c.want, append([]string{path}, args...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestSeekTail(t *testing.T) {
	long := strings.Repeat(strings.Repeat("x", 99)+"\n", 1000) // several blocks
	for name, c := range map[string]struct {
		content string
		lines   int64
		want    string
	}{
		"two of three":     {"a\nb\nc\n", 2, "b\nc\n"},
		"all of them":      {"a\nb\n", 2, "a\nb\n"},
		"more than all":    {"a\nb\n", 9, "a\nb\n"},
		"unfinished line":  {"a\nb\nc", 2, "b\nc"},
		"none":             {"a\nb\n", 0, ""},
		"nothing there":    {"", 3, ""},
		"empty lines":      {"a\n\n\n", 2, "\n\n"},
		"over many blocks": {long, 500, long[:500*100]},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "0.log")
			if err := os.WriteFile(path, []byte(c.content), 0o644); err != nil {
				t.Fatal(err)
			}
			recorder := httptest.NewRecorder()
			if err := (logRequest{tail: c.lines, limit: -1}).copy(t.Context(), recorder, path, func() bool { return false }); err != nil {
				t.Fatal(err)
			}
			if got := recorder.Body.String(); got != c.want {
				t.Errorf("got %d bytes %.40q, want %d bytes %.40q", len(got), got, len(c.want), c.want)
			}
		})
	}
}

func TestParseLogRequest(t *testing.T) {
	got, err := parseLogRequest(url.Values{"follow": {"true"}, "tailLines": {"5"}, "limitBytes": {"10"}, "timestamps": {"false"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := (logRequest{follow: true, tail: 5, limit: 10}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, bad := range []url.Values{{"follow": {"maybe"}}, {"tailLines": {"-1"}}, {"limitBytes": {"x"}}} {
		if _, err := parseLogRequest(bad); err == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
}

func TestOnlyMastersMayAskTheNode(t *testing.T) {
	handler := mastersOnly(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/containerLogs/a/b/c", nil))
	if recorder.Code != http.StatusForbidden {
		t.Errorf("without a certificate: %d", recorder.Code)
	}
}

func TestStatusPatchClearsReasons(t *testing.T) {
	patch, err := statusPatch("u1", corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{
		{Type: corev1.PodReady, Status: corev1.ConditionTrue},
		{Type: corev1.ContainersReady, Status: corev1.ConditionFalse, Reason: "ContainersNotReady"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Metadata struct{ UID string }
		Status   struct{ Conditions []map[string]any }
	}
	if err := json.Unmarshal(patch, &got); err != nil {
		t.Fatal(err)
	}
	if got.Metadata.UID != "u1" {
		t.Errorf("uid = %q: the patch may hit another pod of that name", got.Metadata.UID)
	}
	ready, containers := got.Status.Conditions[0], got.Status.Conditions[1]
	if reason, there := ready["reason"]; !there || reason != nil {
		t.Errorf("the reason of a true condition is not cleared: %v", ready)
	}
	if containers["reason"] != "ContainersNotReady" {
		t.Errorf("the reason of a false one is lost: %v", containers)
	}
}

func TestNodeOutdated(t *testing.T) {
	now := time.Now()
	a := &Agent{cfg: Config{Name: "local", IP: netip.MustParseAddr("127.0.0.1"), Version: "v1.37.1", KubeletPort: 20005}}
	have := a.nodeStatus(now)
	if nodeOutdated(have, a.nodeStatus(now), now) {
		t.Error("a status just written is called outdated")
	}
	if !nodeOutdated(have, a.nodeStatus(now), now.Add(statusEvery+time.Second)) {
		t.Error("an old heartbeat is not renewed")
	}
	given := have.DeepCopy()
	given.Conditions[3].Status = corev1.ConditionUnknown // the node controller gave the node up
	if !nodeOutdated(*given, have, now) {
		t.Error("a node that was given up is not reported ready again")
	}
	if !nodeOutdated(corev1.NodeStatus{}, have, now) {
		t.Error("an empty status is kept")
	}
	a.cfg.KubeletPort++
	if !nodeOutdated(have, a.nodeStatus(now), now) {
		t.Error("a new port is not reported")
	}
}

func TestWhatAnEarlierAgentRanIsKnown(t *testing.T) {
	started := metav1.Now()
	w := &worker{}
	running := corev1.ContainerStatus{Name: "c", RestartCount: 2, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}}}
	ended := corev1.ContainerStatus{Name: "c", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 0}}}
	looping := corev1.ContainerStatus{Name: "c", RestartCount: 4,
		State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
		LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3}},
	}
	for name, c := range map[string]struct {
		known    []corev1.ContainerStatus
		restarts int32
		exit     int32 // -1: has not ended
	}{
		"new":                 {nil, 0, -1},
		"another container":   {[]corev1.ContainerStatus{{Name: "other", RestartCount: 9}}, 0, -1},
		"was running":         {[]corev1.ContainerStatus{running}, 2, 137},
		"had ended":           {[]corev1.ContainerStatus{ended}, 0, 0},
		"was in a crash loop": {[]corev1.ContainerStatus{looping}, 4, 3},
	} {
		got := w.newContainer(&corev1.Container{Name: "c"}, c.known, false)
		exit := int32(-1)
		if got.terminated != nil {
			exit = got.terminated.ExitCode
		}
		if got.restarts != c.restarts || exit != c.exit {
			t.Errorf("%s: %d restarts, exit %d; want %d, %d", name, got.restarts, exit, c.restarts, c.exit)
		}
	}
}
