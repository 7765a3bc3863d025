// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/callfleet/callfleet/api/client"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/hack/devcluster/cluster"
	"github.com/callfleet/callfleet/hack/devcluster/fakenodes"
	"github.com/callfleet/callfleet/hack/devcluster/proc"
)

// ground is what the measurements stand on.
type ground struct {
	options options
	dir     string
	cluster *cluster.Cluster
	kwok    *proc.Process
	client  ctrlclient.Client
	log     *bindings
	agents  *agents
	// managers by the identity under which they hold the lease.
	managers map[string]*manager

	// alone is how many sessions a second the API server takes, see baseline.
	alone float64

	stop func() // ends the agents
	made int    // sessions so far
	// wished is how often a user changed what a session should do.
	wished atomic.Int64
}

// setUp starts a control plane with fake nodes, installs the operator, and runs two managers.
func setUp(ctx context.Context, dir string, o options) (_ *ground, err error) {
	g := &ground{options: o, dir: dir, log: newBindings(), managers: map[string]*manager{}, stop: func() {}}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.close())
		}
	}()
	fmt.Fprintln(os.Stderr, "==> manager, control plane and nodes")
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, "manager"), "./cmd/manager")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	// The client library warns about a logger that was never set; nobody here needs its log.
	log.SetLogger(logr.Discard())
	if g.cluster, err = cluster.Start(ctx, cluster.Options{Dir: dir, Progress: os.Stderr, Log: logr.Discard()}); err != nil {
		return nil, err
	}
	config := g.cluster.RestConfig()
	if g.kwok, err = fakenodes.Start(ctx, fakenodes.Options{
		Dir: dir, Kubeconfig: g.cluster.Kubeconfig, Client: config, Count: o.nodes, Progress: os.Stderr,
	}); err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), callfleetv1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	if g.client, err = ctrlclient.New(config, ctrlclient.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	if err := g.install(ctx); err != nil {
		return nil, err
	}
	if err := g.prepareBots(ctx); err != nil {
		return nil, err
	}
	if g.alone, err = g.baseline(ctx); err != nil {
		return nil, err
	}
	for i := range 2 {
		m, err := startManager(g, i)
		if err != nil {
			return nil, err
		}
		g.managers[m.identity] = m
	}
	return g, g.startAgents()
}

func (g *ground) startAgents() error {
	config := g.cluster.RestConfig()
	api, err := client.ForCallfleet(config, agentOwner)
	if err != nil {
		return err
	}
	core, err := client.ForCore(config, agentOwner)
	if err != nil {
		return err
	}
	g.agents = newAgents(api, g.log, g.options.measure)
	running, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { g.agents.run(running, core) })
	g.stop = func() { cancel(); group.Wait() }
	return nil
}

// close ends everything.
func (g *ground) close() error {
	g.stop()
	for _, m := range g.managers {
		m.process.Kill()
		<-m.process.Done()
	}
	if g.kwok != nil {
		g.kwok.Kill()
		<-g.kwok.Done()
	}
	if g.cluster != nil {
		return g.cluster.Close()
	}
	return nil
}

// install does what an administrator does, but for the managers: they run here, to be measured and killed.
func (g *ground) install(ctx context.Context) error {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	overlay := filepath.Join(g.dir, "install")
	if err := os.MkdirAll(overlay, 0o755); err != nil {
		return err
	}
	base, err := filepath.Rel(overlay, filepath.Join(root, "config", "default"))
	if err != nil {
		return err
	}
	text := fmt.Sprintf(`apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [%q]
patches:
  - target: {kind: Deployment, name: callfleet-manager}
    patch: |
      - {op: replace, path: /spec/replicas, value: 0}
`, filepath.ToSlash(base))
	if err := os.WriteFile(filepath.Join(overlay, "kustomization.yaml"), []byte(text), 0o644); err != nil {
		return err
	}
	apply := exec.CommandContext(ctx, g.cluster.Binaries["kubectl"], "apply", "--server-side", "-k", overlay)
	apply.Env = append(os.Environ(), "KUBECONFIG="+g.cluster.Kubeconfig)
	if out, err := apply.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl apply: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

const domain = "media.contoso.com"

func botName(i int) string { return fmt.Sprintf("bot-%d", i) }

// prepareBots makes what bots need: a namespace, a credential, and a certificate for the names of all their pods.
func (g *ground) prepareBots(ctx context.Context) error {
	hosts := make([]string, g.options.bots)
	for i := range hosts {
		hosts[i] = "*." + botName(i) + "." + domain
	}
	certificate, key, err := certify(hosts)
	if err != nil {
		return err
	}
	for _, o := range []ctrlclient.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "credential"}, StringData: map[string]string{"clientSecret": "nobody asks"}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "media-tls"}, Type: corev1.SecretTypeTLS,
			Data: map[string][]byte{corev1.TLSCertKey: certificate, corev1.TLSPrivateKeyKey: key},
		},
	} {
		if err := g.client.Create(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// certify makes a certificate for names, with an RSA key as the real service wants it.
func certify(hosts []string) (certificate, key []byte, err error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: domain}, DNSNames: hosts,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), err
}

// bot number i. Its cloud is one that nobody answers for: no call is made here.
func (g *ground) bot(i int) *callfleetv1.CallingBot {
	return &callfleetv1.CallingBot{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: botName(i)},
		Spec: callfleetv1.CallingBotSpec{
			FleetConfig: callfleetv1.FleetConfig{
				Identity: callfleetv1.BotIdentity{
					AppID: "0efc74f7-41c3-47a4-8775-7259bfef4241", TenantID: tenant,
					Credential: callfleetv1.Credential{ClientSecret: callfleetv1.KeyReference{Name: "credential", Key: "clientSecret"}},
					Cloud:      callfleetv1.CloudCustom,
					Custom: &callfleetv1.CustomCloud{
						GraphURL: "https://127.0.0.1:1", LoginURL: "https://127.0.0.1:1", OpenIDConfigurationURL: "https://127.0.0.1:1", Issuers: []string{"nobody"},
					},
				},
				Signaling: callfleetv1.Signaling{Host: "127.0.0.1:1"},
				Media: callfleetv1.Media{
					Endpoint: callfleetv1.MediaEndpoint{
						Type: callfleetv1.EndpointHostPort, Domain: domain, Probe: callfleetv1.ProbeNone,
						Ports: &callfleetv1.PortRange{From: int32(20000 + 20*i), To: int32(20019 + 20*i)},
					},
					Certificate: callfleetv1.MediaCertificate{SecretName: "media-tls"},
				},
				Capacity: callfleetv1.Capacity{Seats: int32(g.options.seats())},
			},
			Replicas: ptr.To(int32(g.options.pods / g.options.bots)),
		},
	}
}

const tenant = "1fdd12d0-4620-44ed-baec-459b611f84b2"

// session that is to be in a meeting of its own, from now on.
func session(name, bot string) *callfleetv1.MeetingSession {
	return &callfleetv1.MeetingSession{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: callfleetv1.MeetingSessionSpec{
			CallSpec: callfleetv1.CallSpec{BotRef: callfleetv1.BotReference{Name: bot}},
			Meeting: callfleetv1.Meeting{JoinURL: callfleetv1.HTTPSURL("https://teams.microsoft.com/l/meetup-join/19%3ameeting_" + name +
				"%40thread.v2/0?context=%7b%22Tid%22%3a%22" + tenant + "%22%2c%22Oid%22%3a%22550fae72-d251-43ec-868c-373732c2704f%22%7d")},
		},
	}
}
