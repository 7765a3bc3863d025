// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func keyFile(t *testing.T, content string) Keys {
	t.Helper()
	path := filepath.Join(t.TempDir(), "webhookKey")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return Keys(path)
}

// TestTheSignatureIsThatOfStandardWebhooks: the key, message and signature are those of its specification's reference libraries
// (github.com/standard-webhooks/standard-webhooks, libraries/go/webhook_test.go).
func TestTheSignatureIsThatOfStandardWebhooks(t *testing.T) {
	h := http.Header{}
	err := keyFile(t, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").
		Sign(h, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := h.Get("webhook-signature"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signature %q, want %q", got, want)
	}
	if h.Get("webhook-id") != "msg_p5jXN8AQM9LWM0D4loKWxJek" || h.Get("webhook-timestamp") != "1614265330" {
		t.Errorf("headers %v", h)
	}
}

// TestKeysCanBeChangedWithoutABreak: while there are two, both sign.
func TestKeysCanBeChangedWithoutABreak(t *testing.T) {
	of := func(content string) string {
		h := http.Header{}
		if err := keyFile(t, content).Sign(h, "1", time.Unix(5, 0), nil); err != nil {
			t.Fatal(err)
		}
		return h.Get(HeaderSignature)
	}
	a, b := "whsec_"+strings.Repeat("QUJD", 10), "whsec_"+strings.Repeat("REVG", 10)
	if both := of(a + "\n" + b); both != of(a)+" "+of(b) || of(a) == of(b) {
		t.Errorf("signed %q", both)
	}
}

// TestWhatIsNoKeyIsNotSignedWith, and is in no message.
func TestWhatIsNoKeyIsNotSignedWith(t *testing.T) {
	for name, content := range map[string]string{
		"nothing": " \n", "another secret": strings.Repeat("c2Vj", 10), "no base64": "whsec_c2Vj!!!!", "short": "whsec_c2Vj",
		"long": "whsec_" + strings.Repeat("c2Vj", 30), "the second": "whsec_" + strings.Repeat("QUJD", 10) + " whsec_c2Vj",
	} {
		h := http.Header{}
		if err := keyFile(t, content).Sign(h, "1", time.Unix(5, 0), nil); err == nil || len(h) > 0 || strings.Contains(err.Error(), "c2Vj") {
			t.Errorf("%s: error %v, headers %v", name, err, h)
		}
	}
	if err := Keys(filepath.Join(t.TempDir(), "gone")).Sign(http.Header{}, "1", time.Unix(5, 0), nil); err == nil {
		t.Error("without a file there is no error")
	}
}
