// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	testclock "k8s.io/utils/clock/testing"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/control/wire"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

func TestMain(m *testing.M) { controllertest.Main(m) }

// account makes a service account with these rights and gives its token.
func account(t *testing.T, namespace, name string, rules ...rbacv1.PolicyRule) (user, token string) {
	t.Helper()
	c := controllertest.Start(t).Client
	meta := metav1.ObjectMeta{Namespace: namespace, Name: name}
	sa := controllertest.Create(t, c, &corev1.ServiceAccount{ObjectMeta: meta})
	// Impersonation is granted for the whole cluster.
	meta.Name = namespace + "-" + name
	controllertest.Create(t, c, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: meta.Name}, Rules: rules})
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name}
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}}
	for _, r := range rules {
		if r.Verbs[0] == "impersonate" {
			controllertest.Create(t, c, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: meta.Name}, RoleRef: ref, Subjects: subjects})
		}
	}
	controllertest.Create(t, c, &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects})
	request := &authenticationv1.TokenRequest{}
	if err := c.SubResource("token").Create(context.Background(), sa, request); err != nil {
		t.Fatal(err)
	}
	return "system:serviceaccount:" + namespace + ":" + name, request.Status.Token
}

// mayControl is the right to control sessions and calls of these names, or all of them.
func mayControl(names ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{
		Verbs: []string{wire.Verb}, APIGroups: []string{callfleetv1.GroupVersion.Group},
		Resources: []string{"meetingsessions", "calls"}, ResourceNames: names,
	}
}

// calls are those of a pod.
type calls []*held

func (c calls) Find(uid string) (Held, bool) {
	for _, h := range c {
		if h.uid == uid {
			return h, true
		}
	}
	return nil, false
}

func (c calls) List() []Held {
	var list []Held
	for _, h := range c {
		list = append(list, h)
	}
	return list
}

// held is a call that remembers what was asked of it.
type held struct {
	kind, namespace, name, uid string
	keys                       pressed

	mu     sync.Mutex
	by     string
	asked  signaling.Action
	result signaling.Result
	err    error

	waiting, gaveUp chan struct{} // set: Act waits until the context is done
}

func (h *held) Object() (kind, namespace, name string) { return h.kind, h.namespace, h.name }
func (h *held) UID() string                            { return h.uid }

func (h *held) Act(ctx context.Context, by string, a signaling.Action) (signaling.Result, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.by, h.asked = by, a
	if h.waiting != nil {
		close(h.waiting)
		<-ctx.Done()
		close(h.gaveUp)
		return signaling.Result{}, ctx.Err()
	}
	return h.result, h.err
}

func (h *held) Tones() (Tones, error) { return &h.keys, nil }

func (h *held) last() (string, signaling.Action) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.by, h.asked
}

// library knows every prompt but one.
type library struct{}

func (library) MediaInfo(_ context.Context, p *callfleetv1.Play) (graph.MediaInfo, error) {
	if p.ConfigMap != nil && p.ConfigMap.Key == "cd.wav" {
		return graph.MediaInfo{}, errors.New("it is WAV with 44,100 Hz")
	}
	if p.ConfigMap != nil {
		return graph.MediaInfo{URI: "https://bots.contoso.com/" + p.ConfigMap.Name + "/" + p.ConfigMap.Key, ResourceID: "digest"}, nil
	}
	return graph.MediaInfo{URI: string(p.URL), ResourceID: "digest"}, nil
}

// endpoint is a control endpoint that serves TLS, and a client for it.
type endpoint struct {
	t      *testing.T
	server *Server
	clock  *testclock.FakeClock
	url    string
	client *http.Client
}

func serve(t *testing.T, namespace string, all calls, change func(*Config)) *endpoint {
	t.Helper()
	clk := testclock.NewFakeClock(time.Unix(1_700_000_000, 0))
	cfg := Config{
		Namespace: namespace, MediaPod: "reception-0", Calls: all, Prompts: library{}, Kube: controllertest.Start(t).Config,
		Clock: clk, Log: logr.Discard(), Registerer: prometheus.NewRegistry(),
	}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	client := &http.Client{Timeout: controllertest.Patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return &endpoint{t: t, server: s, clock: clk, url: "https://" + l.Addr().String(), client: client}
}

// call sends a request and decodes a JSON answer into out.
func (e *endpoint) call(method, path, token, body string, out any, change ...func(*http.Request)) int {
	e.t.Helper()
	req, err := http.NewRequest(method, e.url+path, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set(wire.HeaderAuthorization, "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, c := range change {
		c(req)
	}
	resp, err := e.client.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	if strings.Contains(string(raw), token) && token != "" {
		e.t.Errorf("the answer holds the token: %s", raw)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		e.t.Fatalf("%d %q: %v", resp.StatusCode, raw, err)
	}
	return resp.StatusCode
}

// nowhere is an API server that is away.
func nowhere(t *testing.T) *rest.Config {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return &rest.Config{Host: "https://" + l.Addr().String()}
}
