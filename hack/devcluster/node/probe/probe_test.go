// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestDo(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
		case "/moved":
			http.Redirect(w, r, "http://example.invalid/", http.StatusFound)
		case "/query":
			if r.FormValue("verbose") != "1" || r.Host != "bots.example.com" || r.Header.Get("X-Test") != "yes" {
				http.Error(w, "wrong request", http.StatusBadRequest)
			}
		default:
			http.Error(w, "too busy", http.StatusServiceUnavailable)
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	port, securePort := portOf(t, plain.URL), portOf(t, secure.URL)
	target := Target{
		IP:    "127.0.0.1",
		Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: int32(port)}},
		Command: func(ctx context.Context, command []string) *exec.Cmd {
			return exec.CommandContext(ctx, command[0], command[1:]...)
		},
	}
	get := func(path string, port intstr.IntOrString, scheme corev1.URIScheme, headers ...corev1.HTTPHeader) corev1.ProbeHandler {
		return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: port, Scheme: scheme, HTTPHeaders: headers}}
	}
	tcp := func(port intstr.IntOrString) corev1.ProbeHandler {
		return corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: port}}
	}
	run := func(script string) corev1.ProbeHandler {
		return corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c", script}}}
	}
	number := intstr.FromInt(port)
	for name, c := range map[string]struct {
		handler corev1.ProbeHandler
		err     string // "": success
	}{
		"http":                    {get("/ok", number, "HTTP"), ""},
		"http by name":            {get("/ok", intstr.FromString("http"), ""), ""},
		"http, number as text":    {get("/ok", intstr.FromString(strconv.Itoa(port)), ""), ""},
		"https, any certificate":  {get("/ok", intstr.FromInt(securePort), "HTTPS"), ""},
		"redirect is an answer":   {get("/moved", number, "HTTP"), ""},
		"query and headers":       {get("/query?verbose=1", number, "HTTP", corev1.HTTPHeader{Name: "X-Test", Value: "yes"}, corev1.HTTPHeader{Name: "Host", Value: "bots.example.com"}), ""},
		"http failure says why":   {get("/busy", number, "HTTP"), "503: too busy"},
		"unknown port name":       {get("/ok", intstr.FromString("nope"), "HTTP"), `no port named "nope"`},
		"tcp":                     {tcp(number), ""},
		"tcp, nobody there":       {tcp(intstr.FromInt(closedPort(t))), "refused"},
		"command":                 {run("exit 0"), ""},
		"failing command":         {run("echo no disk; exit 1"), "no disk"},
		"grpc is not supported":   {corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 1}}, "not supported"},
		"no handler":              {corev1.ProbeHandler{}, "no handler"},
		"command beyond its time": {run("sleep 20"), "timed out"},
	} {
		t.Run(name, func(t *testing.T) {
			limit := 10 * time.Second
			if strings.Contains(c.err, "timed out") {
				limit = 20 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			err := Do(ctx, c.handler, target)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("error = %v, want %q in it", err, c.err)
			}
		})
	}
}

func TestCounterWaitsForTheThresholds(t *testing.T) {
	for name, c := range map[string]struct {
		success, failure int
		results          string // + and -
		want             string // verdict after each: + - or . for no change
	}{
		"at once":                   {1, 1, "+-+", "+-+"},
		"three failures":            {1, 3, "+--+---", "+.....-"},
		"two successes":             {2, 1, "+-++", ".-.+"},
		"fails before it was ready": {1, 3, "---+", "..-+"},
		"goes on failing":           {1, 1, "----", "-..."},
	} {
		t.Run(name, func(t *testing.T) {
			count := counter{success: c.success, failure: c.failure}
			got := ""
			for _, r := range c.results {
				switch verdict, changed := count.add(r == '+'); {
				case !changed:
					got += "."
				case verdict:
					got += "+"
				default:
					got += "-"
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAFastProcessIsReadyFast(t *testing.T) {
	// It begins to listen a little after its start; the period is long.
	var up atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !up.Load() {
			http.Error(w, "starting", http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	timer := time.AfterFunc(100*time.Millisecond, func() { up.Store(true) })
	defer timer.Stop()

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	began := time.Now()
	verdicts := make(chan bool, 1)
	failures := make(chan error, 10)
	go Run(ctx, Readiness, readinessProbe(t, server.URL, 30), Target{IP: "127.0.0.1"}, Observer{
		Verdict: func(ok bool) { verdicts <- ok },
		Failed:  func(err error) { failures <- err },
	})
	select {
	case ok := <-verdicts:
		if !ok {
			t.Error("a process that is starting is not ready yet, which is no failure")
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("ready after %s, long after it was", took)
		}
	case <-ctx.Done():
		t.Fatal("not found ready within 20 s")
	}
	if len(failures) > 0 {
		t.Errorf("warming up is reported as a failure: %v", <-failures)
	}
}

func TestLivenessFailuresCountFromTheStart(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	failed := make(chan error, 1)
	dead := "http://127.0.0.1:" + strconv.Itoa(closedPort(t))
	go Run(ctx, Liveness, readinessProbe(t, dead, 30), Target{IP: "127.0.0.1"}, Observer{
		Verdict: func(bool) {},
		Failed:  func(err error) { failed <- err },
	})
	select {
	case <-failed:
	case <-ctx.Done():
		t.Fatal("no failure reported")
	}
}

func TestStartupProbeEndsWithItsVerdict(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	var verdicts []bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Run(context.Background(), Startup, readinessProbe(t, server.URL, 1), Target{IP: "127.0.0.1"}, Observer{
			Verdict: func(ok bool) { verdicts = append(verdicts, ok) },
			Failed:  func(error) {},
		})
	}()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
	}
	if diff := cmp.Diff([]bool{true}, verdicts); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	Run(ctx, Readiness, &corev1.Probe{InitialDelaySeconds: 1000}, Target{}, Observer{
		Verdict: func(bool) { t.Error("a verdict without a probe") },
		Failed:  func(error) { t.Error("a failure without a probe") },
	})
}

func readinessProbe(t *testing.T, rawURL string, period int32) *corev1.Probe {
	t.Helper()
	return &corev1.Probe{PeriodSeconds: period, ProbeHandler: corev1.ProbeHandler{
		HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt(portOf(t, rawURL))},
	}}
}

func portOf(t *testing.T, rawURL string) int {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func closedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
