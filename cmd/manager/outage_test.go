// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// asManager makes the test binary be the manager, so that a test can end it and start it again as a kubelet does.
const asManager = "CALLFLEET_TEST_RUN_MANAGER"

func TestMain(m *testing.M) {
	if os.Getenv(asManager) != "" {
		main()
		return
	}
	controllertest.Main(m)
}

// An outage that outlasts the renewal of the lease ends the process. The next one waits for the API server instead of
// failing again, and takes up the lease of its pod although it has long to run.
func TestOutage(t *testing.T) {
	cluster := controllertest.Start(t)
	lifeline := newLine(t, cluster.Config.Host)
	kubeconfig := cluster.UserKubeconfig(t, "outage-admin", "system:masters")
	access, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range access.Clusters {
		server.Server = "https://" + lifeline.address
	}
	if err := clientcmd.WriteToFile(*access, kubeconfig); err != nil {
		t.Fatal(err)
	}
	leaseNamespace := cluster.Namespace(t)
	start := func() *process {
		return startManager(t, kubeconfig,
			"--mediapod-image=callfleet/mediapod:dev", "--metrics-bind-address=0", "--health-probe-bind-address=0", "--namespaces="+leaseNamespace,
			"--leader-elect", "--leader-election-namespace="+leaseNamespace, "--leader-election-lease-duration=10m",
			"--leader-election-renew-deadline=2s", "--leader-election-retry-period=500ms")
	}
	works := func(bot string) {
		t.Helper()
		controllertest.Create(t, cluster.Client, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: leaseNamespace, Name: bot}, StringData: map[string]string{"clientSecret": "s3cr3t"},
		})
		controllertest.Create(t, cluster.Client, controllertest.Bot(leaseNamespace, bot).With(nobodyElses).Object())
		controllertest.Await(t, cluster.Client, &v1alpha1.MediaPod{ObjectMeta: metav1.ObjectMeta{Namespace: leaseNamespace, Name: bot + "-0"}},
			"be made", func(*v1alpha1.MediaPod) error { return nil })
	}

	first := start()
	works("before")
	lifeline.cut()
	select {
	case err := <-first.ended:
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 {
			t.Errorf("the manager that lost its lease ended with %v, want exit code 1", err)
		}
	case <-time.After(controllertest.Patience):
		t.Fatal("the manager goes on without its lease")
	}

	second := start()
	select {
	case err := <-second.ended:
		t.Fatalf("the manager ended while it should wait for the API server: %v\n%s", err, second.log.String())
	case <-time.After(3 * time.Second):
	}
	lifeline.mend()
	began := time.Now()
	works("after")
	t.Logf("at work %s after the end of the outage", time.Since(began).Round(100*time.Millisecond))
}

// process is a manager of its own.
type process struct {
	ended chan error
	log   *logBuffer
}

func startManager(t *testing.T, kubeconfig string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{ended: make(chan error, 1), log: &logBuffer{}}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Dir = filepath.Dir(self)
	cmd.Env = append(os.Environ(), asManager+"=yes", "KUBECONFIG="+kubeconfig, "POD_NAME=manager-0", "POD_UID=uid")
	cmd.Stdout, cmd.Stderr = p.log, p.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		p.ended <- cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-waited
		if t.Failed() {
			t.Logf("manager:\n%s", p.log.String())
		}
	})
	return p
}

// line is a way to the API server that can be cut.
type line struct {
	t       *testing.T
	address string
	target  string

	mu       sync.Mutex
	listener net.Listener
	open     []net.Conn
}

func newLine(t *testing.T, host string) *line {
	t.Helper()
	target, err := url.Parse(host)
	if err != nil || target.Host == "" {
		t.Fatalf("%q is not a URL (%v)", host, err)
	}
	l := &line{t: t, target: target.Host, address: freeAddress(t)}
	l.mend()
	t.Cleanup(l.cut)
	return l
}

func (l *line) mend() {
	listener, err := net.Listen("tcp", l.address)
	if err != nil {
		l.t.Fatal(err)
	}
	l.mu.Lock()
	l.listener = listener
	l.mu.Unlock()
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", l.target)
			if err != nil {
				_ = near.Close()
				continue
			}
			l.mu.Lock()
			l.open = append(l.open, near, far)
			l.mu.Unlock()
			go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
			go func() { _, _ = io.Copy(near, far); _ = near.Close() }()
		}
	}()
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.listener.Close()
	for _, c := range l.open {
		_ = c.Close()
	}
	l.open = nil
}
