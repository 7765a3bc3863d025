// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/controllers/controllertest"
)

// keysFor is the Secret for the flows of a bot, once it is complete.
func (p *place) keysFor(bot string) *corev1.Secret {
	p.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: p.ns, Name: bot + "-flows"}}
	controllertest.Await(p.T, p.Client, secret, "hold the keys", func(s *corev1.Secret) error {
		text, is := strings.CutPrefix(string(s.Data["webhookKey"]), "whsec_")
		key, err := base64.StdEncoding.DecodeString(text)
		if !is || err != nil || len(key) != 32 || len(s.Data["stateKey"]) != 32 {
			return fmt.Errorf("keys of %d and %d bytes, %v", len(s.Data["stateKey"]), len(key), err)
		}
		return nil
	})
	return secret
}

func TestKeysForFlowsAreMadeOnceAndGoWithTheBot(t *testing.T) {
	p := newPlace(t)
	bot := p.bot(controllertest.Bot(p.ns, "reception").Replicas(0))
	first := p.keysFor("reception")
	if bytes.Equal(first.Data["stateKey"], make([]byte, 32)) {
		t.Error("the key is no key")
	}
	p.mgr.Writes.AwaitQuiet(t, 300*time.Millisecond)

	// What is missing is made, the rest stays.
	controllertest.Update(t, p.Client, first.DeepCopy(), func(s *corev1.Secret) { delete(s.Data, "stateKey") })
	filled := p.keysFor("reception")
	if !bytes.Equal(filled.Data["webhookKey"], first.Data["webhookKey"]) {
		t.Error("a key was changed that was there")
	}
	// So is all of it.
	if err := p.Client.Delete(context.Background(), filled); err != nil {
		t.Fatal(err)
	}
	if last := p.keysFor("reception"); last.UID == first.UID {
		t.Error("the Secret was not deleted")
	}

	if err := p.Client.Delete(context.Background(), bot); err != nil {
		t.Fatal(err)
	}
	controllertest.Eventually(t, "the keys go", func() error {
		err := p.Client.Get(context.Background(), client.ObjectKeyFromObject(first), &corev1.Secret{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("the Secret is there, %v", err)
		}
		return nil
	})
}

func TestKeysThatAUserMadeStayTheUsers(t *testing.T) {
	p := newPlace(t)
	p.secret("reception-flows", map[string]string{"webhookKey": "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 32))})
	bot := p.bot(controllertest.Bot(p.ns, "reception").Replicas(0))
	secret := p.keysFor("reception")
	if string(secret.Data["webhookKey"]) != "whsec_"+base64.StdEncoding.EncodeToString(make([]byte, 32)) {
		t.Error("the user's key was changed")
	}
	if err := p.Client.Delete(context.Background(), bot); err != nil {
		t.Fatal(err)
	}
	controllertest.Eventually(t, "the bot goes", func() error {
		if err := p.Client.Get(context.Background(), client.ObjectKeyFromObject(bot), bot); !apierrors.IsNotFound(err) {
			return errors.New("it is there")
		}
		return nil
	})
	if err := p.Client.Get(context.Background(), client.ObjectKeyFromObject(secret), secret); err != nil {
		t.Errorf("the user's Secret went with the bot: %v", err)
	}
}
