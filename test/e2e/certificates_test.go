// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// TestARenewedCertificateIsShownWhileACallLives: the call that is there goes on, and the next one is connected with the new
// certificate, in the same process.
func TestARenewedCertificateIsShownWhileACallLives(t *testing.T) {
	bot := value[*callfleetv1.CallingBot](t)(world.Bot())
	bot.Name = "renewed"
	startBot(t, bot)
	m, ada := meeting(t)
	first := inMeeting(t, m, func(s *callfleetv1.MeetingSession) { s.Spec.BotRef.Name = bot.Name })
	mp := &callfleetv1.MediaPod{}
	must(t, world.Client.Get(t.Context(), client.ObjectKey{Namespace: first.Namespace, Name: first.Status.MediaPod}, mp))
	before := shownAt(t, mp)

	must(t, world.Client.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: mp.Namespace, Name: mp.Name + "-tls"}}))
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		if shownAt(t, mp).SerialNumber.Cmp(before.SerialNumber) != 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the old certificate is shown still")
		}
	}

	clearVoice(t, "echo of the call that was there", speakAndListen(t, ada))
	other, bob := meeting(t)
	second := inMeeting(t, other, func(s *callfleetv1.MeetingSession) { s.Name, s.Spec.BotRef.Name = s.Name+"-2", bot.Name })
	clearVoice(t, "echo of a call since", speakAndListen(t, bob))

	after := &callfleetv1.MediaPod{}
	must(t, world.Client.Get(t.Context(), client.ObjectKeyFromObject(mp), after))
	if after.Status.Agent.Instance != mp.Status.Agent.Instance || second.Status.MediaPod != mp.Name {
		t.Errorf("another process: %+v, was %+v", after.Status.Agent, mp.Status.Agent)
	}
	end(t, second)
	end(t, first)
}

// shownAt is the certificate that the media port shows to who connects now.
func shownAt(t *testing.T, mp *callfleetv1.MediaPod) *x509.Certificate {
	t.Helper()
	e := mp.Status.Endpoint
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	conn, err := tls.DialWithDialer(dialer, "tcp", net.JoinHostPort(e.Address, strconv.Itoa(int(e.Port))),
		&tls.Config{InsecureSkipVerify: true}) // whether it is trusted is what the calls show
	must(t, err)
	defer conn.Close()
	shown := conn.ConnectionState().PeerCertificates
	if len(shown) == 0 {
		must(t, fmt.Errorf("%s shows no certificate", mp.Name))
	}
	must(t, shown[0].VerifyHostname(e.Host))
	return shown[0]
}
