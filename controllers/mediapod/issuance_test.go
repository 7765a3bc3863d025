// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/certificate"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

const domain = "media.contoso.com"

// issuedBy has cert-manager issue the certificates, of the bot and its pods.
func issuedBy(issuer string, scope v1alpha1.CertificateScope) func(*v1alpha1.FleetConfig) {
	return func(c *v1alpha1.FleetConfig) {
		c.Media.Endpoint.Domain = domain
		c.Media.Certificate = v1alpha1.MediaCertificate{
			IssuerRef: &v1alpha1.IssuerReference{Name: issuer, Kind: "Issuer", Group: "cert-manager.io"}, Scope: scope,
		}
	}
}

func (w *world) issued(issuer string, scope v1alpha1.CertificateScope, slots ...int32) []*v1alpha1.MediaPod {
	w.Helper()
	change := issuedBy(issuer, scope)
	w.bot = controllertest.Update(w.T, w.client, w.bot, func(b *v1alpha1.CallingBot) { change(&b.Spec.FleetConfig) })
	var list []*v1alpha1.MediaPod
	for _, slot := range slots {
		list = append(list, w.mediaPod(slot, func(mp *v1alpha1.MediaPod) { change(&mp.Spec.FleetConfig) }))
	}
	return list
}

func (w *world) certificate(name string, check func(*certmanagerv1.Certificate) error) *certmanagerv1.Certificate {
	w.Helper()
	c := &certmanagerv1.Certificate{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}}
	return controllertest.Await(w.T, w.client, c, "be as wanted", check)
}

func exists(*certmanagerv1.Certificate) error { return nil }

// TestDecidingOnCertManager needs no cluster.
func TestDecidingOnCertManager(t *testing.T) {
	bot := controllertest.Bot("voice", "reception").With(func(b *v1alpha1.CallingBot) {
		b.UID = "bot"
		issuedBy("ca", "")(&b.Spec.FleetConfig)
	}).Object()
	shared := func(f *facts) {
		issuedBy("ca", "")(&f.mediaPod.Spec.FleetConfig)
		f.others.bot, f.others.pods, f.authority, f.leaf = bot, []*v1alpha1.MediaPod{f.mediaPod}, secretFacts{}, secretFacts{name: "reception-media-tls"}
		f.issuance.certificate = request(*f, plan{}).Certificate()
	}
	perPod := func(f *facts) {
		issuedBy("ca", v1alpha1.ScopePod)(&f.mediaPod.Spec.FleetConfig)
		f.authority, f.leaf = secretFacts{}, secretFacts{name: "reception-0-media-tls"}
		f.issuance.certificate = request(*f, plan{}).Certificate()
	}
	noDomain := func(f *facts) {
		f.mediaPod.Spec.Media.Endpoint.Domain = ""
		f.issuance.certificate = nil
	}
	noPod := func(f *facts) { f.pod = nil; f.mediaPod.Status.PodUID, f.mediaPod.Status.Agent = "", nil }
	unasked := func(f *facts) { f.issuance.certificate = nil }
	absent := func(f *facts) { f.issuance = issuance{missing: true} }
	stored := func(names ...string) func(*facts) {
		return func(f *facts) {
			a, _, err := certificate.NewAuthority("reception", noon)
			if err != nil {
				t.Fatal(err)
			}
			data, err := a.Issue("x", names, noon)
			if err != nil {
				t.Fatal(err)
			}
			name := f.leaf.name
			f.leaf = secretFactsOf(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: data})
		}
	}
	says := func(kind certmanagerv1.CertificateConditionType, status cmmeta.ConditionStatus, reason string) func(*facts) {
		return func(f *facts) {
			f.issuance.certificate.Status.Conditions = append(f.issuance.certificate.Status.Conditions,
				certmanagerv1.CertificateCondition{Type: kind, Status: status, Reason: reason, Message: "its words"})
		}
	}
	onNode := func(f *facts) {
		f.service = nil
		f.mediaPod.Spec.Media.Endpoint.Type, f.mediaPod.Spec.Media.Endpoint.Ports = v1alpha1.EndpointHostPort, &v1alpha1.PortRange{From: 28550, To: 28559}
	}
	tests := map[string]struct {
		facts   facts
		asked   []string // for which names; nil: not
		pod     string   // what becomes of the Pod
		reason  string
		stalled bool
	}{
		"not asked for yet":            {settled(shared, unasked, noPod), []string{"*.reception." + domain}, "waits", "Issuing", false},
		"asked for":                    {settled(shared, noPod), nil, "waits", "Issuing", false},
		"cert-manager is not there":    {settled(shared, absent, noPod), nil, "waits", "CertManagerMissing", true},
		"it failed":                    {settled(shared, noPod, says("Issuing", "False", "Failed")), nil, "waits", "IssuanceFailed", true},
		"issued":                       {settled(shared, noPod, stored("*.reception."+domain)), nil, "is made", "Issued", false},
		"issued, cert-manager is gone": {settled(shared, noPod, stored("*.reception."+domain), absent), nil, "is made", "Issued", false},
		"issued, renewal failed":       {settled(shared, noPod, stored("*.reception."+domain), says("Issuing", "False", "Failed")), nil, "is made", "Issued", false},
		"issued for other names":       {settled(shared, noPod, stored("x.example.com"), says("Ready", "True", "Ready")), nil, "waits", "NameMismatch", true},
		"about to be reissued":         {settled(shared, noPod, stored("x.example.com"), says("Ready", "False", "SecretMismatch")), nil, "waits", "Issuing", false},
		"somebody changed it": {settled(shared, noPod, func(f *facts) { f.issuance.certificate.Spec.DNSNames = nil }),
			[]string{"*.reception." + domain}, "waits", "Issuing", false},
		"somebody else's": {settled(shared, noPod, func(f *facts) { f.issuance.certificate.OwnerReferences = nil }), nil, "waits", "CertificateInvalid", true},
		"a pod of an earlier domain shows it too": {settled(shared, func(f *facts) {
			other := f.mediaPod.DeepCopy()
			other.UID, other.Name, other.Spec.Media.Endpoint.Domain = "u9", "reception-9", "old.contoso.com"
			f.others.pods = append(f.others.pods, other)
		}), []string{"*.reception." + domain, "*.reception.old.contoso.com"}, "stays", "Issuing", false},
		"for one pod": {settled(perPod, unasked, noPod), []string{"0.reception." + domain}, "waits", "Issuing", false},
		"for one pod, by its address": {
			settled(perPod, noDomain, noPod), []string{"10.0.0.7"}, "waits", "Issuing", false,
		},
		"for one pod, by its node's address: the Pod comes first": {settled(perPod, noDomain, noPod, onNode), nil, "is made", "Issuing", false},
		"for one pod on a node, by its name: the certificate comes first": {
			settled(perPod, unasked, noPod, onNode), []string{"0.reception." + domain}, "waits", "Issuing", false,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := decide(tc.facts, image)
			var asked []string
			if c := p.requestCertificate; c != nil {
				asked = slices.Concat(c.Spec.DNSNames, c.Spec.IPAddresses)
			}
			if diff := cmp.Diff(tc.asked, asked); diff != "" {
				t.Errorf("asked for: -want +got:\n%s", diff)
			}
			pod := map[bool]string{true: "is made", false: "waits"}[p.createPod != nil]
			if tc.facts.pod != nil {
				pod = "stays"
			}
			if pod != tc.pod {
				t.Errorf("the Pod %s, want: %s", pod, tc.pod)
			}
			if p.certificate.reason != tc.reason || p.certificate.stalled != tc.stalled {
				t.Errorf("%s, stalled %v (%s); want %s, %v", p.certificate.reason, p.certificate.stalled, p.certificate.message, tc.reason, tc.stalled)
			}
			if p.again == 0 {
				t.Error("nobody looks again, and Certificates are not watched")
			}
		})
	}
}

// TestCertManager: first the cluster has none, then it has its kinds and the test issues, then, where it can be had, the real
// one does.
func TestCertManager(t *testing.T) {
	w := newWorld(t)
	mp := w.issued("ca", "", 0)[0]

	t.Run("without cert-manager that is said, and other fleets are served", func(t *testing.T) {
		w.awaitCondition(mp, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonCertManagerMissing)
		w.serve(w.mediaPod(7), "win-1", "i7")
	})

	crds := envtest.CRDInstallOptions{Paths: []string{certManagerCRDs(t)}, MaxTime: time.Minute, PollInterval: 50 * time.Millisecond}
	if _, err := envtest.InstallCRDs(w.cluster.Config, crds); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = envtest.UninstallCRDs(w.cluster.Config, crds) })

	t.Run("installed later, it is asked", func(t *testing.T) {
		// The manager looks again after a while; a change of the MediaPod brings that forward.
		controllertest.Eventually(t, "the certificate is asked for", func() error {
			controllertest.Update(t, w.client, mp, func(mp *v1alpha1.MediaPod) { mp.Annotations = map[string]string{"touched": time.Now().String()} })
			return w.get(&certmanagerv1.Certificate{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "reception-media"}})
		})
		c := w.certificate("reception-media", exists)
		if !metav1.IsControlledBy(c, w.bot) {
			t.Error("the certificate is not the bot's")
		}
		w.awaitCondition(mp, v1alpha1.ConditionCertificateReady, metav1.ConditionFalse, v1alpha1.ReasonIssuing)
	})

	t.Run("what it issues is shown, and no more is written", func(t *testing.T) {
		w.storeIssued("reception-media-tls", "*.reception."+domain)
		w.serve(mp, "win-1", "i1")
		quiet := w.manager.Writes.AwaitQuiet(t, 500*time.Millisecond)
		controllertest.Update(t, w.client, mp, func(mp *v1alpha1.MediaPod) { mp.Annotations = map[string]string{"touched": "again"} })
		if n := w.manager.Writes.AwaitQuiet(t, 500*time.Millisecond); n != quiet {
			t.Errorf("writes: %v", w.manager.Writes.List()[quiet:])
		}
	})

	t.Run("a certificate for each pod", func(t *testing.T) {
		own := w.issued("ca", v1alpha1.ScopePod, 3)[0]
		c := w.certificate("reception-3-media", exists)
		if diff := cmp.Diff([]string{"3.reception." + domain}, c.Spec.DNSNames); diff != "" || !metav1.IsControlledBy(c, own) {
			t.Errorf("names %s, owners %v", diff, c.OwnerReferences)
		}
		w.certificate("reception-media", func(c *certmanagerv1.Certificate) error { // its last user keeps it
			if len(c.OwnerReferences) != 1 || c.OwnerReferences[0].UID != mp.UID {
				return fmt.Errorf("owners %v", c.OwnerReferences)
			}
			return nil
		})
	})

	t.Run("the real one", func(t *testing.T) { testRealCertManager(t, w.cluster) })
}

// storeIssued plays cert-manager.
func (w *world) storeIssued(secret string, names ...string) {
	w.Helper()
	a, _, err := certificate.NewAuthority("reception", time.Now())
	if err != nil {
		w.Fatal(err)
	}
	data, err := a.Issue("x", names, time.Now())
	if err != nil {
		w.Fatal(err)
	}
	controllertest.Create(w.T, w.client, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: secret}, Type: corev1.SecretTypeTLS, Data: data,
	})
}

// testRealCertManager has cert-manager's own controller issue, by an authority in the namespace, and renew.
func testRealCertManager(t *testing.T, cluster *controllertest.Cluster) {
	startCertManager(t, cluster)
	w := newWorld(t)
	_, authority, err := certificate.NewAuthority("issuer", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	controllertest.Create(t, w.client, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "issuer"}, Type: corev1.SecretTypeTLS, Data: authority,
	})
	controllertest.Create(t, w.client, &certmanagerv1.Issuer{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "ca"},
		Spec:       certmanagerv1.IssuerSpec{IssuerConfig: certmanagerv1.IssuerConfig{CA: &certmanagerv1.CAIssuer{SecretName: "issuer"}}},
	})
	for _, mp := range w.issued("ca", "", 0, 1) {
		w.serve(mp, "win-1", "i-"+mp.Name)
	}
	first := w.secret("reception-media-tls")
	pair := certificate.Read(first.Data)
	for _, name := range []string{"0.reception." + domain, "17.reception." + domain} {
		if v := certificate.Usable(certificate.Facts{Secret: "s", Pair: pair, Names: []string{name}, Now: time.Now()}); !v.OK {
			t.Errorf("as %s: %s", name, v.Message)
		}
	}
	if len(pair.Roots) == 0 {
		t.Error("the Secret holds no ca.crt, so the chain was not looked at")
	}

	// A renewal is a new key and a new certificate in the same Secret, and the fleet stays ready.
	// The first issuing has to be over, or the second is part of it.
	settled := w.certificate("reception-media", func(c *certmanagerv1.Certificate) error {
		if slices.ContainsFunc(c.Status.Conditions, func(d certmanagerv1.CertificateCondition) bool { return d.Type == "Issuing" }) {
			return errors.New("it is still being issued")
		}
		return nil
	})
	controllertest.UpdateStatus(t, w.client, settled, func(c *certmanagerv1.Certificate) {
		c.Status.Conditions = append(c.Status.Conditions, certmanagerv1.CertificateCondition{
			Type: "Issuing", Status: "True", Reason: "ManuallyTriggered", Message: "as cmctl renew does", ObservedGeneration: c.Generation,
		})
	})
	controllertest.Eventually(t, "the certificate is renewed", func() error {
		if again := w.secret("reception-media-tls"); bytes.Equal(again.Data["tls.key"], first.Data["tls.key"]) {
			return errors.New("it has the old key")
		}
		return nil
	})
	w.awaitMediaPod(&v1alpha1.MediaPod{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "reception-0"}}, "stay ready", func(mp *v1alpha1.MediaPod) error {
		return controllertest.HasCondition(mp.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, "")
	})

	t.Run("an issuer that is not there", func(t *testing.T) {
		mp := newWorld(t).issued("nobody", "", 0)[0]
		w.awaitCondition(mp, v1alpha1.ConditionCertificateReady, metav1.ConditionFalse, v1alpha1.ReasonIssuing)
	})
}

// certManagerModule is the newest whose controller can be had as one module.
const certManagerModule = "github.com/cert-manager/cert-manager@v1.11.5"

// certManagerSource is where the module is; "" if it cannot be had.
func certManagerSource(t *testing.T) string {
	t.Helper()
	get := exec.Command("go", "mod", "download", "-json", certManagerModule)
	get.Dir = t.TempDir() // no module's own business
	out, err := get.Output()
	dir := regexp.MustCompile(`"Dir": "([^"]+)"`).FindSubmatch(out)
	if err != nil || dir == nil {
		t.Logf("%s cannot be had: %v", certManagerModule, err)
		return ""
	}
	return string(dir[1])
}

// certManagerCRDs is a folder with cert-manager's kinds, whose files are templates for Helm.
func certManagerCRDs(t *testing.T) string {
	t.Helper()
	source := certManagerSource(t)
	if source == "" {
		t.Skip("without its module there are no kinds of cert-manager")
	}
	files, err := filepath.Glob(filepath.Join(source, "deploy", "crds", "crd-*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no kinds in %s: %v", source, err)
	}
	template := regexp.MustCompile(`(?m)^.*\{\{.*\}\}.*\n`)
	dir := t.TempDir()
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), template.ReplaceAll(raw, nil), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// startCertManager runs cert-manager's controller, which CERT_MANAGER_CONTROLLER or the user's cache has; `make cert-manager`
// builds it.
func startCertManager(t *testing.T, cluster *controllertest.Cluster) {
	t.Helper()
	binary := os.Getenv("CERT_MANAGER_CONTROLLER")
	if cache, err := os.UserCacheDir(); binary == "" && err == nil {
		binary = filepath.Join(cache, "callfleet", "cert-manager-"+strings.SplitAfter(certManagerModule, "@")[1], "controller")
	}
	if _, err := os.Stat(binary); err != nil {
		t.Skipf("no cert-manager, make cert-manager builds it: %v", err)
	}
	controllertest.Process(t, "cert-manager", binary, "--kubeconfig="+cluster.UserKubeconfig(t, "cert-manager", "system:masters"),
		"--leader-elect=false", "--metrics-listen-address=127.0.0.1:0")
}
