// SPDX-License-Identifier: Apache-2.0

// Package admission_test holds config/admission to its word, on a real API server with roles and bound tokens as in a cluster.
package admission_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func TestMain(m *testing.M) { controllertest.Main(m) }

var installed sync.Once

// install applies the policies, once, and waits until they hold.
func install(t *testing.T) *controllertest.Cluster {
	t.Helper()
	cluster := controllertest.Start(t)
	installed.Do(func() {
		root, err := controllertest.RepositoryRoot()
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{
			{"apply", "-k", filepath.Join(root, "config", "admission")},
			{"apply", "-f", filepath.Join(root, "config", "rbac", "mediapod_role.yaml")},
		} {
			if _, err := cluster.Kubectl(t, args...); err != nil {
				t.Fatal(err)
			}
		}
		p := newPlace(t, cluster)
		pod := p.pod("reception", 0)
		p.report(pod, 1)
		controllertest.Eventually(t, "the policy on busy pods holds", func() error {
			if err := p.Client.Delete(t.Context(), pod.DeepCopy(), client.DryRunAll); !apierrors.IsForbidden(err) {
				return fmt.Errorf("deleting a busy pod: %v", err)
			}
			return nil
		})
		agent := p.agent(pod)
		foreign := p.pod("reception", 1)
		controllertest.Eventually(t, "the policy on agents holds", func() error {
			if err := report(agent, p.mediaPod(foreign), func(*v1alpha1.MediaPod) {}); !apierrors.IsForbidden(err) {
				return fmt.Errorf("reporting for another pod: %v", err)
			}
			return nil
		})
	})
	return cluster
}

// place is a namespace with the media pods of bots in it.
type place struct {
	*testing.T
	*controllertest.Cluster
	ns string
}

func newPlace(t *testing.T, cluster *controllertest.Cluster) *place {
	t.Helper()
	return &place{T: t, Cluster: cluster, ns: cluster.Namespace(t)}
}

// pod makes a MediaPod, its Pod, and the account and binding that the operator makes for its bot.
func (p *place) pod(bot string, slot int32) *corev1.Pod {
	p.Helper()
	account := metav1.ObjectMeta{Namespace: p.ns, Name: bot + "-mediapod"}
	for _, o := range []client.Object{
		&corev1.ServiceAccount{ObjectMeta: account},
		&rbacv1.RoleBinding{
			ObjectMeta: account, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "callfleet-mediapod"},
			Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: p.ns, Name: account.Name}},
		},
	} {
		if err := p.Client.Create(context.Background(), o); err != nil && !apierrors.IsAlreadyExists(err) {
			p.Fatal(err)
		}
	}
	mp := controllertest.MediaPod(p.ns, bot, slot).Object()
	mp.Generation = 0
	controllertest.Create(p.T, p.Client, mp)
	return controllertest.Create(p.T, p.Client, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: p.ns, Name: mp.Name,
			Labels: map[string]string{"callfleet.dev/bot": bot, "callfleet.dev/mediapod": mp.Name, "callfleet.dev/calls": "none"},
		},
		Spec: corev1.PodSpec{ServiceAccountName: account.Name, Containers: []corev1.Container{{Name: "mediapod", Image: "x"}}},
	})
}

func (p *place) mediaPod(pod *corev1.Pod) *v1alpha1.MediaPod {
	p.Helper()
	mp := &v1alpha1.MediaPod{}
	if err := p.Client.Get(context.Background(), client.ObjectKeyFromObject(pod), mp); err != nil {
		p.Fatal(err)
	}
	return mp
}

// report sets what the agent in a Pod says of its calls; change says more.
func (p *place) report(pod *corev1.Pod, calls int32, change ...func(*v1alpha1.MediaPodStatus)) {
	p.Helper()
	controllertest.UpdateStatus(p.T, p.Client, p.mediaPod(pod), func(mp *v1alpha1.MediaPod) {
		mp.Status.PodUID = string(pod.UID)
		mp.Status.Agent = &v1alpha1.AgentReport{Instance: "i1", PodUID: string(pod.UID), StartTime: metav1.Now(), Ready: true}
		mp.Status.Calls, mp.Status.Seats = calls, v1alpha1.Seats{Capacity: 20, Used: calls, Free: 20 - calls}
		for _, c := range change {
			c(&mp.Status)
		}
	})
}

// as is access as this user, with an administrator's rights besides: roles are not what is in question.
func (p *place) as(user string, groups ...string) client.Client {
	p.Helper()
	config := rest.CopyConfig(p.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: append(groups, "system:masters")}
	return p.access(config)
}

// agent is access with the token that the kubelet mounts into this Pod.
func (p *place) agent(pod *corev1.Pod) client.Client {
	return p.token(pod.Spec.ServiceAccountName, &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID})
}

func (p *place) token(account string, bound *authenticationv1.BoundObjectReference) client.Client {
	p.Helper()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{BoundObjectRef: bound}}
	of := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: p.ns, Name: account}}
	if err := p.Client.SubResource("token").Create(context.Background(), of, request); err != nil {
		p.Fatalf("asking for a token of %s: %v", account, err)
	}
	config := rest.AnonymousClientConfig(p.Config)
	config.BearerToken = request.Status.Token
	return p.access(config)
}

func (p *place) access(config *rest.Config) client.Client {
	p.Helper()
	c, err := client.New(config, client.Options{Scheme: controllertest.Scheme()})
	if err != nil {
		p.Fatal(err)
	}
	return c
}

// judge complains unless err is a refusal that says the message, or none at all if that is "".
func judge(t *testing.T, err error, message string) {
	t.Helper()
	switch {
	case message == "" && err != nil:
		t.Errorf("refused: %v", err)
	case message == "":
	case !apierrors.IsForbidden(err):
		t.Errorf("got %v; want a refusal that says %q", err, message)
	case !strings.Contains(err.Error(), message):
		t.Errorf("refused with %q, which does not say %q", err, message)
	}
}
