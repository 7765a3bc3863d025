// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// TestAProcessHasWhatFlowsRunWith, also one that hears nothing of its calls: a place for what the service has recorded.
func TestAProcessHasWhatFlowsRunWith(t *testing.T) {
	kube := &rest.Config{Host: "http://127.0.0.1:1"}
	cl, err := newCluster(kube, "voice")
	if err != nil {
		t.Fatal(err)
	}
	pod := &callfleetv1.MediaPod{ObjectMeta: metav1.ObjectMeta{Namespace: "voice", Name: "reception-0"}}
	pod.Spec.BotRef.Name, pod.Spec.Signaling.Host = "reception", "bots.contoso.com"
	pod.Spec.Identity = callfleetv1.BotIdentity{AppID: controllertest.AppID, TenantID: controllertest.TenantID}
	pod.Spec.Media.Hosting = callfleetv1.HostingService
	root := t.TempDir()
	p, err := assemble(t.Context(), pod, surroundings{
		cfg:  Config{Namespace: "voice", MediaPod: pod.Name, PodIP: netip.MustParseAddr("127.0.0.1"), MountRoot: root},
		kube: kube, cluster: cl, log: logr.Discard(), metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	a := p.agent
	if a.flows == nil || a.flowSounds == nil || a.clips == nil || a.webhooks == nil || a.webhooks.Flow("x") == nil {
		t.Errorf("flows %v, prompts %v, clips %v, webhooks %v", a.flows, a.flowSounds, a.clips, a.webhooks)
	}
	if want := filepath.Join(root, "var", "run", "callfleet", "flows", "stateKey"); a.sealer.file != want {
		t.Errorf("the key is looked for at %s", a.sealer.file)
	}
	if want := filepath.Join(root, "recordings", "reception-0"); a.recordings.dir != want {
		t.Errorf("recordings go to %q", a.recordings.dir)
	}
}
