// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/yaml"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// guarded is a place whose API server asks the webhook about flows, as config/webhook has it.
func guarded(t *testing.T) *place {
	t.Helper()
	p := &place{T: t, Cluster: controllertest.Start(t)}
	p.ns = p.Namespace(t)
	r := &Reconciler{}
	p.mgr = p.StartManager(t, p.ns, r.SetupWithManager)

	hook, err := admission.StandaloneWebhook(admission.WithValidator[*v1alpha1.CallFlow](controllertest.Scheme(), &Admission{Reconciler: r}), admission.StandaloneOptions{})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join("..", "..", "config", "webhook", "manifests.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	config := &admissionv1.ValidatingWebhookConfiguration{}
	if err := yaml.UnmarshalStrict(raw, config); err != nil {
		t.Fatal(err)
	}
	client := &config.Webhooks[0].ClientConfig
	mux := http.NewServeMux()
	mux.Handle(*client.Service.Path, hook)
	server := httptest.NewUnstartedServer(mux)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	url := server.URL + *client.Service.Path
	client.URL, client.Service = &url, nil
	client.CABundle = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	// Where nothing is ignored a test sees what happened.
	config.Name, *config.Webhooks[0].FailurePolicy = p.ns, admissionv1.Fail
	config.Webhooks[0].NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: p.ns}}
	controllertest.Create(t, p.Client, config)
	t.Cleanup(func() {
		if err := p.Client.Delete(context.Background(), config); err != nil {
			t.Error(err)
		}
	})
	// The API server takes a moment to ask.
	controllertest.Eventually(t, "the webhook is asked", func() error {
		broken := silent("hello")
		broken.Start = "nowhere"
		if err := p.Client.Create(context.Background(), p.named("probe", broken), ctrlclient.DryRunAll); !apierrors.IsInvalid(err) {
			return errors.New("a broken flow passes")
		}
		return nil
	})
	return p
}

func (p *place) named(name string, spec *v1alpha1.CallFlowSpec) *v1alpha1.CallFlow {
	return &v1alpha1.CallFlow{ObjectMeta: metav1.ObjectMeta{Namespace: p.ns, Name: name}, Spec: *spec.DeepCopy()}
}

// causes are the paths for which a write was refused.
func causes(err error) []string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Reason != metav1.StatusReasonInvalid || status.Status().Details == nil {
		return nil
	}
	var paths []string
	for _, cause := range status.Status().Details.Causes {
		paths = append(paths, cause.Field)
	}
	slices.Sort(paths)
	return paths
}

func TestAFlowWithMistakesIsRefusedWithAllOfThem(t *testing.T) {
	p := guarded(t)
	broken := lost(2)
	broken.TimeZone = "Moon"
	p.prompts(map[string][]byte{"hello.wav": []byte("ID3\x03")})
	want := []string{
		"spec.steps[0].play.prompts[0].configMap", "spec.steps[2].menu.choices[0].next", "spec.steps[2].menu.choices[1].next", "spec.timeZone",
	}
	err := p.Client.Create(context.Background(), p.named("menu", broken))
	if diff := cmp.Diff(want, causes(err)); diff != "" {
		t.Errorf("refused for (-want +got):\n%s\n%v", diff, err)
	}

	flow := p.flow("menu", silent("hello"))
	flow.Spec = *broken
	if diff := cmp.Diff(want, causes(p.Client.Update(context.Background(), flow))); diff != "" {
		t.Errorf("a change is refused for (-want +got):\n%s", diff)
	}

	// As people see it.
	file := filepath.Join(t.TempDir(), "flow.yaml")
	text := "apiVersion: callfleet.dev/v1alpha1\nkind: CallFlow\nmetadata: {name: menu, namespace: " + p.ns + "}\n" +
		"spec: {start: hello, steps: [{name: hello, mute: {muted: true}, next: nowhere}]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Kubectl(t, "apply", "-f", file); err == nil || !strings.Contains(err.Error(), `spec.steps[0].next: Invalid value: "nowhere"`) {
		t.Errorf("kubectl apply says %v", err)
	}
}

func TestTheOrderOfApplyingDoesNotMatter(t *testing.T) {
	p := guarded(t)
	menu := p.flow("menu", goes("hello", "to-hours")) // neither flow nor file is there
	p.awaitReason(menu, v1alpha1.ReasonSubflowMissing)
	files := p.prompts(map[string][]byte{"hello.wav": []byte("ID3\x03")})
	hours := p.named("hours", subflow("hello"))
	controllertest.Eventually(t, "the file is known", func() error {
		if err := p.Client.Create(context.Background(), hours.DeepCopy(), ctrlclient.DryRunAll); causes(err) == nil {
			return errors.New("it is not")
		}
		return nil
	})
	// A file that was just put right is not held against the flow, whatever the cache has.
	controllertest.Update(t, p.Client, files, func(m *corev1.ConfigMap) { m.BinaryData["hello.wav"] = sound(1) })
	if err := p.Client.Create(context.Background(), hours); err != nil {
		t.Fatal(err)
	}
	p.awaitReason(menu, v1alpha1.ReasonValid)

	// Flows that lead in a circle are a mistake of whoever closes it.
	controllertest.Eventually(t, "the circle is judged", func() error {
		if err := p.Client.Get(context.Background(), ctrlclient.ObjectKeyFromObject(hours), hours); err != nil {
			return err
		}
		hours.Spec = *subflow("hello", "to-menu")
		err := p.Client.Update(context.Background(), hours)
		if !apierrors.IsConflict(err) && causes(err) == nil {
			t.Errorf("a circle of flows: %v", err)
			return nil
		}
		if apierrors.IsConflict(err) {
			return err
		}
		return nil
	})
}

func TestWhatIsBrokenAlreadyCanBeTouched(t *testing.T) {
	p := guarded(t)
	flow := p.flow("menu", silent("hello"))
	// Applied while no manager was there to ask.
	broken := silent("hello")
	broken.Start = "nowhere"
	a := &Admission{Reconciler: &Reconciler{}}
	after := p.named("menu", broken)
	for name, change := range map[string]func(*v1alpha1.CallFlow){
		"labels":      func(f *v1alpha1.CallFlow) { f.Labels = map[string]string{"a": "b"} },
		"a finalizer": func(f *v1alpha1.CallFlow) { f.Finalizers = nil },
	} {
		touched := after.DeepCopy()
		change(touched)
		if _, err := a.ValidateUpdate(context.Background(), after, touched); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	dying := p.named("menu", broken)
	now := metav1.Now()
	dying.DeletionTimestamp = &now
	if _, err := a.ValidateUpdate(context.Background(), flow, dying); err != nil {
		t.Errorf("one that goes: %v", err)
	}
	// The webhook is not asked about statuses: the manager writes them.
	controllertest.UpdateStatus(t, p.Client, flow, func(f *v1alpha1.CallFlow) { f.Status.PromptsDigest = "touched" })
}

func TestABrokenFlowThatIsThereIsNoMistakeOfThoseThatLeadToIt(t *testing.T) {
	broken := subflow("hello")
	broken.Start = "nowhere"
	mistakes, warnings := mistakesOnApply("menu", flows{"menu": goes("to-hours"), "hours": broken})
	if len(mistakes) > 0 || len(warnings) != 1 || !strings.Contains(warnings[0], "flow hours has mistakes") {
		t.Errorf("mistakes %v, warnings %q", mistakes, warnings)
	}
}

// known are flows as somebody sees them.
type known struct {
	ctrlclient.Client
	flows flows
}

func (k known) Get(_ context.Context, key ctrlclient.ObjectKey, o ctrlclient.Object, _ ...ctrlclient.GetOption) error {
	spec := k.flows[key.Name]
	if spec == nil {
		return apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("callflows").GroupResource(), key.Name)
	}
	flow := o.(*v1alpha1.CallFlow)
	flow.Namespace, flow.Name, flow.Spec = key.Namespace, key.Name, *spec
	return nil
}

// One kubectl apply opens a circle at one flow and closes it at another, before the cache has seen the first.
func TestACircleThatTheCacheAloneSeesIsNone(t *testing.T) {
	circle, open := flows{"hours": subflow("to-menu")}, flows{"hours": subflow()}
	menu := &v1alpha1.CallFlow{ObjectMeta: metav1.ObjectMeta{Namespace: "voice", Name: "menu"}, Spec: *goes("to-hours")}
	for name, tc := range map[string]struct {
		cached, live flows
		refused      bool
	}{
		"in both":        {circle, circle, true},
		"in the cache":   {circle, open, false},
		"in none":        {open, open, false},
		"gone meanwhile": {circle, flows{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := &Admission{Reconciler: &Reconciler{client: known{flows: tc.cached}, live: known{flows: tc.live}}}
			if _, err := a.ValidateCreate(context.Background(), menu); (causes(err) != nil) != tc.refused {
				t.Errorf("got %v", err)
			}
		})
	}
}
