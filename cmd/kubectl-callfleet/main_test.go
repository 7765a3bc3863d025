// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/clock"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/control"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

func TestMain(m *testing.M) { controllertest.Main(m) }

// world is a namespace with a media pod, whose control endpoint is the real one and is reached through the real API
// server, and an operator who may use it.
type world struct {
	t         *testing.T
	cluster   *controllertest.Cluster
	namespace string
	port      int
	held      *held
	config    string // the operator's kubeconfig
}

// held is the call in the pod.
type held struct {
	namespace, name, uid string

	mu     sync.Mutex
	by     string
	asked  signaling.Action
	result signaling.Result
	err    error

	keys keys
}

func (h *held) Object() (kind, namespace, name string) { return "MeetingSession", h.namespace, h.name }
func (h *held) UID() string                            { return h.uid }

func (h *held) Act(_ context.Context, by string, a signaling.Action) (signaling.Result, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.by, h.asked = by, a
	return h.result, h.err
}

func (h *held) Tones() (control.Tones, error) { return &h.keys, nil }

// will sets what comes of the next action, and forgets the last.
func (h *held) will(result signaling.Result, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.by, h.asked, h.result, h.err = "", nil, result, err
}

func (h *held) last() (string, signaling.Action) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.by, h.asked
}

func (h *held) Find(uid string) (control.Held, bool) { return h, uid == h.uid }
func (h *held) List() []control.Held                 { return []control.Held{h} }

func (h *held) MediaInfo(_ context.Context, p *callfleetv1.Play) (graph.MediaInfo, error) {
	if p.ConfigMap != nil {
		return graph.MediaInfo{URI: p.ConfigMap.Name + "/" + p.ConfigMap.Key}, nil
	}
	return graph.MediaInfo{URI: string(p.URL)}, nil
}

// reachable is an address of this machine that the API server's proxy dials: it refuses loopback addresses.
func reachable(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && ip.IP.IsGlobalUnicast() {
			return ip.IP.String()
		}
	}
	t.Skip("this machine has no address but loopback, and the API server's proxy dials none of those")
	return ""
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := controllertest.Start(t)
	w := &world{t: t, cluster: c, namespace: c.Namespace(t)}
	address := reachable(t)
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	w.port = l.Addr().(*net.TCPAddr).Port
	w.pod("reception-0", address)
	session := controllertest.Create(t, c.Client, controllertest.Session(w.namespace, "standup", "reception").
		BoundTo("reception-0").Phase(callfleetv1.PhaseEstablished).With(func(s *callfleetv1.MeetingSession) {
		s.Status.Participants = &callfleetv1.Participants{Count: 4, InLobby: 1, List: []callfleetv1.Participant{
			{ID: "p1", DisplayName: "Jane Doe"}, {ID: "p2", DisplayName: "Joe"}, {ID: "p3", DisplayName: "Joe"},
		}}
		s.Status.Call = &callfleetv1.CallRecord{ClaimedBy: "i", ID: "graph-call", ChainID: "chain"}
	}).Object())
	w.held = &held{namespace: w.namespace, name: "standup", uid: string(session.UID)}
	server, err := control.New(control.Config{
		Namespace: w.namespace, MediaPod: "reception-0", Calls: w.held, Prompts: w.held, Kube: c.Config,
		Clock: clock.RealClock{}, Log: logr.Discard(), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	w.config = w.account("operator", "meetingsessions", "calls", "control", "proxy")
	return w
}

// pod makes a pod with an address, as if a node ran it.
func (w *world) pod(name, address string) {
	w.t.Helper()
	p := controllertest.Create(w.t, w.cluster.Client, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "mediapod", Image: "mediapod"}}},
	})
	p.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: address, PodIPs: []corev1.PodIP{{IP: address}}}
	if err := w.cluster.Client.Status().Update(context.Background(), p); err != nil {
		w.t.Fatal(err)
	}
}

// account makes a service account with these rights, and a kubeconfig with its token.
func (w *world) account(name string, rights ...string) (kubeconfig string) {
	w.t.Helper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: w.namespace + "-" + name}}
	for _, right := range rights {
		rule := rbacv1.PolicyRule{Verbs: []string{"get", "list", "patch"}, APIGroups: []string{"callfleet.dev"}, Resources: []string{right}}
		switch right {
		case "control":
			rule = rbacv1.PolicyRule{Verbs: []string{"control"}, APIGroups: []string{"callfleet.dev"}, Resources: []string{"meetingsessions", "calls"}}
		case "proxy":
			rule = rbacv1.PolicyRule{Verbs: []string{"create", "get"}, APIGroups: []string{""}, Resources: []string{"pods/proxy"}}
		case "impersonate":
			rule = rbacv1.PolicyRule{Verbs: []string{"impersonate"}, APIGroups: []string{""}, Resources: []string{"users", "groups"}}
		}
		role.Rules = append(role.Rules, rule)
	}
	controllertest.Create(w.t, w.cluster.Client, role)
	sa := controllertest.Create(w.t, w.cluster.Client, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}})
	controllertest.Create(w.t, w.cluster.Client, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: w.namespace, Name: name}}})
	request := &authenticationv1.TokenRequest{}
	if err := w.cluster.Client.SubResource("token").Create(context.Background(), sa, request); err != nil {
		w.t.Fatal(err)
	}
	return w.kubeconfig(&clientcmdapi.AuthInfo{Token: request.Status.Token})
}

func (w *world) user(name string) string {
	return "system:serviceaccount:" + w.namespace + ":" + name
}

// kubeconfig writes one for somebody.
func (w *world) kubeconfig(who *clientcmdapi.AuthInfo) string {
	w.t.Helper()
	file := clientcmdapi.NewConfig()
	file.Clusters["test"] = &clientcmdapi.Cluster{Server: w.cluster.Config.Host, CertificateAuthorityData: w.cluster.Config.CAData}
	file.AuthInfos["test"] = who
	file.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "test", Namespace: w.namespace}
	file.CurrentContext = "test"
	path := filepath.Join(w.t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*file, path); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// run runs a command line as the operator.
func (w *world) run(args ...string) (out, errOut string, code int) {
	w.t.Helper()
	return w.runAs(w.config, args...)
}

func (w *world) runAs(kubeconfig string, args ...string) (out, errOut string, code int) {
	w.t.Helper()
	w.t.Setenv("KUBECONFIG", kubeconfig)
	ctx, cancel := context.WithTimeout(w.t.Context(), controllertest.Patience)
	defer cancel()
	streams, _, stdout, stderr := genericiooptions.NewTestIOStreams()
	code = executeAt(ctx, args, streams, w.port)
	return stdout.String(), stderr.String(), code
}

// words splits a command line where nothing has blanks.
func words(line string) []string { return strings.Fields(line) }
