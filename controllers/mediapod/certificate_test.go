// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/certificate"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func keyOf(o client.Object) types.NamespacedName { return client.ObjectKeyFromObject(o) }

func certificateFor(t *testing.T, when time.Time, names ...string) map[string][]byte {
	t.Helper()
	authority, _, err := certificate.NewAuthority("contoso", when)
	if err != nil {
		t.Fatal(err)
	}
	data, err := authority.Issue("media", names, when)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSecretName(t *testing.T) {
	w := newWorld(t)
	const host = "0.reception.media.contoso.com"
	mp := w.mediaPod(0, func(mp *v1alpha1.MediaPod) {
		mp.Spec.Media.Endpoint.Domain = "media.contoso.com"
		mp.Spec.Media.Certificate = v1alpha1.MediaCertificate{SecretName: "media"}
	})
	now := time.Now().Truncate(time.Second)
	good := certificateFor(t, now, "*.reception.media.contoso.com")
	other := certificateFor(t, now, "bot.contoso.com")
	past := certificateFor(t, now.Add(-91*24*time.Hour), host)
	mixed := map[string][]byte{"tls.crt": good["tls.crt"], "tls.key": other["tls.key"]}
	utc := func(at time.Time) string { return at.UTC().Format(time.RFC3339) }

	if got, want := w.awaitCondition(mp, v1alpha1.ConditionCertificateReady, metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound),
		`Secret "media" does not exist; create it, type kubernetes.io/tls, with tls.crt and tls.key`; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
	secret := controllertest.Create(t, w.client, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "media"}, Data: map[string][]byte{"other": []byte("x")},
	})
	wrong := []struct {
		name    string
		data    map[string][]byte
		reason  string
		message string
	}{
		{"empty", nil, "CertificateInvalid", `Secret "media": it has no tls.crt; store a PEM certificate in tls.crt and its key in tls.key`},
		{"name mismatch", other, "NameMismatch", `Secret "media": the certificate is for bot.contoso.com and does not cover ` + host + `; store one that names ` + host + ` or *.reception.media.contoso.com`},
		{"key mismatch", mixed, "CertificateInvalid", `Secret "media": tls.key is not the key of the certificate in tls.crt; store the two that belong together`},
		{"expired", past, "Expired", `Secret "media": the certificate expired at ` + utc(now.Add(-24*time.Hour)) + `; renew it`},
		{"garbage", map[string][]byte{"tls.crt": []byte("\x00\xff"), "tls.key": []byte("hello")}, "CertificateInvalid", `Secret "media": tls.crt holds no PEM certificate; store a PEM certificate in tls.crt and its key in tls.key`},
	}
	for _, tc := range wrong {
		controllertest.Update(t, w.client, secret, func(s *corev1.Secret) { s.Data = tc.data })
		w.awaitMediaPod(mp, "say "+tc.name, func(mp *v1alpha1.MediaPod) error {
			if got := message(mp, v1alpha1.ConditionCertificateReady); got != tc.message {
				return fmt.Errorf("message %q, want %q", got, tc.message)
			}
			return errors.Join(
				controllertest.HasCondition(mp.Status.Conditions, v1alpha1.ConditionCertificateReady, metav1.ConditionFalse, tc.reason),
				controllertest.HasCondition(mp.Status.Conditions, v1alpha1.ConditionStalled, metav1.ConditionTrue, tc.reason))
		})
		if err := w.get(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: mp.Namespace, Name: mp.Name}}); !apierrors.IsNotFound(err) {
			t.Fatalf("%s: a Pod was made: %v", tc.name, err)
		}
	}

	controllertest.Update(t, w.client, secret, func(s *corev1.Secret) { s.Data = good })
	w.awaitCondition(mp, v1alpha1.ConditionCertificateReady, metav1.ConditionTrue, v1alpha1.ReasonIssued)
	pod := w.awaitPod(mp)
	if got := pod.Spec.Volumes[1].Secret.SecretName; got != "media" {
		t.Errorf("the Pod mounts Secret %q, want media", got)
	}
	w.serve(mp, "win-1", "i1")

	t.Run("a renewal that goes wrong stops new calls, not the Pod", func(t *testing.T) {
		controllertest.Update(t, w.client, secret, func(s *corev1.Secret) { s.Data = other })
		w.awaitCondition(mp, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNameMismatch)
		if still := w.awaitPod(mp); still.UID != pod.UID {
			t.Error("the Pod was replaced")
		}
		controllertest.Update(t, w.client, secret, func(s *corev1.Secret) { s.Data = certificateFor(t, now, host) })
		w.awaitCondition(mp, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	})

	t.Run("the operator never writes it", func(t *testing.T) {
		for _, write := range w.manager.Writes.List() {
			if write == "PUT secrets/media" || write == "PATCH secrets/media" || write == "POST secrets" {
				t.Errorf("%s", write)
			}
		}
	})
}

func TestACertificateIsRenewedInTime(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Now())
	w := newWorld(t, func(r *Reconciler) { r.Clock = clock })
	mp := w.mediaPod(0)
	pod := w.serve(mp, "win-1", "i1")
	first := parse(t, w.secret("reception-0-tls"))
	authority := w.secret("reception-media-ca")

	clock.SetTime(certificate.RenewalTime(first).Add(time.Minute))
	// Passes come when the timer fires, which counts by the real clock; anything else brings one forward.
	controllertest.Update(t, w.client, mp, func(mp *v1alpha1.MediaPod) { mp.Annotations = map[string]string{"touched": "1"} })
	controllertest.Eventually(t, "renewed certificate", func() error {
		c := parse(t, w.secret("reception-0-tls"))
		if c.SerialNumber.Cmp(first.SerialNumber) == 0 {
			return errors.New("it is the old one")
		}
		if !c.NotAfter.After(first.NotAfter) {
			return fmt.Errorf("valid until %s, not longer than %s", c.NotAfter, first.NotAfter)
		}
		return c.CheckSignatureFrom(parse(t, authority))
	})
	if again := w.secret("reception-media-ca"); again.ResourceVersion != authority.ResourceVersion {
		t.Error("the authority was changed too")
	}
	if still := w.awaitPod(mp); still.UID != pod.UID {
		t.Error("the Pod was replaced")
	}
	w.awaitCondition(mp, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

// onMicrosoft has a media pod's calls go over Microsoft's platform.
func onMicrosoft(mp *v1alpha1.MediaPod) {
	mp.Spec.Media.Platform = v1alpha1.PlatformMicrosoft
	mp.Spec.Media.Endpoint.Domain = "media.contoso.com"
	mp.Spec.Media.Certificate = v1alpha1.MediaCertificate{SecretName: "media"}
	mp.Spec.Template = template(`{"spec":{"containers":[
		{"name":"bridge","image":"x","volumeMounts":[{"name":"tls","mountPath":"/certificate","readOnly":true}]}]}}`)
}

// TestAPlatformThatShowsAnOlderCertificateIsTold: of the two pods that read one Secret only the one on Microsoft's platform has to
// be replaced for a renewal, and is not touched until it is.
func TestAPlatformThatShowsAnOlderCertificateIsTold(t *testing.T) {
	w := newWorld(t)
	now := time.Now().Truncate(time.Second)
	secret := controllertest.Create(t, w.client, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "media"}, Data: certificateFor(t, now.Add(-time.Hour), "*.reception.media.contoso.com"),
	})
	bridged := w.mediaPod(0, onMicrosoft)
	plain := w.mediaPod(1, func(mp *v1alpha1.MediaPod) {
		onMicrosoft(mp)
		mp.Spec.Media.Platform, mp.Spec.Template = v1alpha1.PlatformWebRTC, nil
	})
	pods := []*corev1.Pod{w.serve(bridged, "win-1", "i1"), w.serve(plain, "win-1", "i2")}
	lacks := func(mp *v1alpha1.MediaPod) error {
		return controllertest.LacksCondition(mp.Status.Conditions, v1alpha1.ConditionCertificateRenewed)
	}
	w.awaitMediaPod(bridged, "show what there is", lacks)

	controllertest.Update(t, w.client, secret, func(s *corev1.Secret) { s.Data = certificateFor(t, now, "*.reception.media.contoso.com") })
	got := w.awaitCondition(bridged, v1alpha1.ConditionCertificateRenewed, metav1.ConditionTrue, v1alpha1.ReasonRenewed)
	if want := now.Add(-time.Hour).Add(90 * 24 * time.Hour).UTC().Format(time.RFC3339); !strings.Contains(got, "valid until "+want) || !strings.Contains(got, `Secret "media" has a newer one`) {
		t.Errorf("message %q, want the time %s", got, want)
	}
	w.awaitCondition(bridged, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.awaitMediaPod(plain, "read the new one", func(mp *v1alpha1.MediaPod) error {
		if err := lacks(mp); err != nil {
			return err
		}
		return controllertest.HasCondition(mp.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	})
	for i, mp := range []*v1alpha1.MediaPod{bridged, plain} {
		if still := w.awaitPod(mp); still.UID != pods[i].UID {
			t.Errorf("Pod %s was replaced", mp.Name)
		}
	}
}
