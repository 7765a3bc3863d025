// SPDX-License-Identifier: Apache-2.0

package callback

import (
	"sync"
	"testing"

	"github.com/go-logr/logr"

	"github.com/callfleet/callfleet/teamsim/jwks"
	"github.com/callfleet/callfleet/teamsim/outbound"
)

// TestNotificationsMayComeWhileTheSenderCloses is for the race detector: calls go on until they are ended, which is later.
func TestNotificationsMayComeWhileTheSenderCloses(t *testing.T) {
	keys, err := jwks.NewSet()
	if err != nil {
		t.Fatal(err)
	}
	s := NewSender(&Signer{Keys: keys, Issuer: DefaultIssuer}, outbound.New(), 0, logr.Discard())
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() {
			for range 20 {
				s.Queue(Call{AppID: "a", CallbackURI: "https://127.0.0.1:1/"}).Enqueue(Notification{ResourceURL: "/communications/calls/x"})
			}
		})
	}
	s.Close()
	calls.Wait()
	s.workers.Wait() // nothing was started that goes on
}
