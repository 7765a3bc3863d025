// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

const systemNamespace = "callfleet-system"

// The whole manager, installed from config/default, with the rights of its own account and no more.
func TestRun(t *testing.T) {
	cluster := controllertest.Start(t)
	root, err := controllertest.RepositoryRoot()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := cluster.Kubectl(t, "apply", "--server-side", "-k", filepath.Join(root, "config", "default")); err != nil {
		t.Fatalf("installing config/default: %v\n%s", err, out)
	}
	// The lease of an earlier process of this very pod, which ended without giving it back.
	controllertest.Create(t, cluster.Client, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: leaseName},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: ptr.To("manager-0_uid"), LeaseDurationSeconds: ptr.To[int32](3600),
			AcquireTime: ptr.To(metav1.NowMicro()), RenewTime: ptr.To(metav1.NowMicro()),
		},
	})
	t.Setenv("KUBECONFIG", cluster.UserKubeconfig(t, "system:serviceaccount:"+systemNamespace+":callfleet-manager",
		"system:serviceaccounts", "system:serviceaccounts:"+systemNamespace))
	metrics, health, webhook := freeAddress(t), freeAddress(t), freeAddress(t)
	o := options{
		mediaPodImage: "callfleet/mediapod:dev", mediaPodRole: "callfleet-mediapod", identity: "manager-0_uid",
		metricsAddress: metrics, metricsSecure: true, healthAddress: health,
		webhookAddress: webhook, webhookSelfSigned: true, namespace: systemNamespace,
		leaderElect: true, leaderElectionNamespace: systemNamespace,
		leaseDuration: 15 * time.Second, renewDeadline: 10 * time.Second, retryPeriod: 2 * time.Second,
	}
	var log logBuffer
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, o, newLog(&log, level{})) }()

	t.Run("is ready", func(t *testing.T) {
		for _, path := range []string{"/healthz", "/readyz"} {
			controllertest.Eventually(t, path, func() error { return get("http://"+health+path, "", http.StatusOK, "") })
		}
	})
	t.Run("takes up the lease of its pod and works", func(t *testing.T) {
		ns := cluster.Namespace(t)
		controllertest.Create(t, cluster.Client, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "reception"}, StringData: map[string]string{"clientSecret": "s3cr3t"},
		})
		bot := controllertest.Create(t, cluster.Client, controllertest.Bot(ns, "reception").With(nobodyElses).Object())
		pod := controllertest.Await(t, cluster.Client, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "reception-0"}},
			"be made", func(*corev1.Pod) error { return nil })
		if image := pod.Spec.Containers[0].Image; image != o.mediaPodImage {
			t.Errorf("the pod runs %s, want %s", image, o.mediaPodImage)
		}
		// A call that came in, from its pod's report to its end.
		call := controllertest.Create(t, cluster.Client, controllertest.IncomingCall(ns, "caller", "reception").
			Held("reception-0", "i", v1alpha1.HostingApplication).Ended(v1alpha1.EndRemoteHungUp, false, false).TTL(0).Object())
		controllertest.AwaitGone(t, cluster.Client, call)
		// Scaled away and deleted, through all finalizers.
		controllertest.Create(t, cluster.Client, controllertest.Session(ns, "standup", "reception").Object())
		if err := cluster.Client.Delete(ctx, bot); err != nil {
			t.Fatal(err)
		}
		controllertest.Eventually(t, "the media pod is drained", func() error {
			mp := &v1alpha1.MediaPod{}
			err := cluster.Client.Get(ctx, client.ObjectKey{Namespace: ns, Name: "reception-0"}, mp)
			if err == nil && mp.Spec.Drain == nil {
				return errors.New("not marked")
			}
			return client.IgnoreNotFound(err)
		})
	})
	t.Run("judges flows", func(t *testing.T) {
		flow := controllertest.Create(t, cluster.Client, &v1alpha1.CallFlow{
			ObjectMeta: metav1.ObjectMeta{Namespace: cluster.Namespace(t), Name: "menu"},
			Spec:       v1alpha1.CallFlowSpec{Start: "bye", Steps: []v1alpha1.FlowStep{{Name: "bye", Hangup: &v1alpha1.HangupStep{}}}},
		})
		controllertest.Await(t, cluster.Client, flow, "be valid", func(f *v1alpha1.CallFlow) error {
			return controllertest.HasCondition(f.Status.Conditions, v1alpha1.ConditionValid, metav1.ConditionTrue, "")
		})
		config := &admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "callfleet-validating"}}
		controllertest.Await(t, cluster.Client, config, "say whom to trust", func(c *admissionv1.ValidatingWebhookConfiguration) error {
			roots := x509.NewCertPool()
			if !roots.AppendCertsFromPEM(c.Webhooks[0].ClientConfig.CABundle) {
				return errors.New("nobody")
			}
			conn, err := tls.Dial("tcp", webhook, &tls.Config{RootCAs: roots, ServerName: "callfleet-webhook.callfleet-system.svc"})
			if err != nil {
				return err
			}
			return conn.Close()
		})
	})
	t.Run("shows metrics to those who may see them", func(t *testing.T) {
		url := "https://" + metrics + "/metrics"
		controllertest.Eventually(t, "refused without token", func() error { return get(url, "", http.StatusUnauthorized, "") })
		if err := get(url, accountToken(t, cluster, "nobody"), http.StatusForbidden, ""); err != nil {
			t.Errorf("an account without the role: %v", err)
		}
		token := accountToken(t, cluster, "prometheus")
		controllertest.Create(t, cluster.Client, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "prometheus"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "callfleet-metrics-reader"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: systemNamespace, Name: "prometheus"}},
		})
		// The API server's own view of roles may lag for a moment, and a refusal is remembered: so it is asked first.
		controllertest.Eventually(t, "the role is known", func() error {
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User:                  "system:serviceaccount:" + systemNamespace + ":prometheus",
				NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: "/metrics", Verb: "get"},
			}}
			if err := cluster.Client.Create(ctx, review); err != nil || !review.Status.Allowed {
				return errors.Join(errors.New("not allowed"), err)
			}
			return nil
		})
		if err := get(url, token, http.StatusOK, "controller_runtime_reconcile_total"); err != nil {
			t.Error(err)
		}
	})

	stop()
	if err := <-ended; err != nil {
		t.Errorf("the manager ended with: %v", err)
	}
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: leaseName}}
	controllertest.Await(t, cluster.Client, lease, "be given back", func(l *coordinationv1.Lease) error {
		if holder := ptr.Deref(l.Spec.HolderIdentity, ""); holder != "" {
			return fmt.Errorf("held by %s", holder)
		}
		return nil
	})
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "forbidden") {
			t.Errorf("its role lacks something: %s", line)
		}
		if strings.Contains(line, "s3cr3t") {
			t.Errorf("a secret is logged: %s", line)
		}
	}
}

// nobodyElses keeps the preflight of a bot from asking Microsoft's login service.
func nobodyElses(bot *v1alpha1.CallingBot) {
	nowhere := v1alpha1.HTTPSURL("https://login.invalid")
	bot.Spec.Identity.Cloud = v1alpha1.CloudCustom
	bot.Spec.Identity.Custom = &v1alpha1.CustomCloud{GraphURL: nowhere, LoginURL: nowhere, OpenIDConfigurationURL: nowhere, Issuers: []string{"nobody"}}
	bot.Spec.Signaling.Host = "bots.invalid"
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// get complains unless the URL answers with the status and a body that holds the text.
func get(url, token string, status int, text string) error {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	// The manager makes its certificate itself.
	http := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	response, err := http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != status || !strings.Contains(string(body), text) {
		return fmt.Errorf("GET %s: %s, want %d and %q", url, response.Status, status, text)
	}
	return nil
}

func accountToken(t *testing.T, cluster *controllertest.Cluster, name string) string {
	t.Helper()
	account := controllertest.Create(t, cluster.Client, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: name}})
	request := &authenticationv1.TokenRequest{}
	if err := cluster.Client.SubResource("token").Create(context.Background(), account, request); err != nil {
		t.Fatalf("asking for a token: %v", err)
	}
	return request.Status.Token
}

// logBuffer may be written and read at the same time.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
