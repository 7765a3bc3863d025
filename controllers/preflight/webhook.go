// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/selftest"
	"github.com/callfleet/callfleet/api/v1alpha1"
)

// maxAnswer is more than a router says.
const maxAnswer = 4 << 10

// askWebhook asks for the router under the bot's public name.
func (r *Reconciler) askWebhook(ctx context.Context, transport http.RoundTripper, bot *v1alpha1.CallingBot) webhookFacts {
	uids, err := r.mediaPodsOf(ctx, bot)
	if err != nil {
		return webhookFacts{cause: "the media pods cannot be listed"}
	}
	nonce := rand.Text()
	at := url.URL{Scheme: "https", Host: bot.Spec.Signaling.Host, Path: selftest.Path(bot.Namespace, bot.Name),
		RawQuery: url.Values{selftest.Parameter: {nonce}}.Encode()}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return webhookFacts{webhookStrange, "the name makes no address"}
	}
	web := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := web.Do(req)
	if err != nil {
		return whyNoAnswer(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return webhookFacts{webhookStrange, "it says " + resp.Status}
	}
	var answer selftest.Answer
	switch err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&answer); {
	case err != nil, answer.Nonce != nonce:
		return webhookFacts{webhookStrange, "it does not give the nonce back"}
	case answer.Proves(nonce, uids):
		return webhookFacts{outcome: webhookProved}
	case len(uids) == 0 && len(answer.Proofs) == 0:
		return webhookFacts{outcome: webhookUnproved}
	default:
		return webhookFacts{webhookStrange, "it is a router that does not see this bot's media pods"}
	}
}

// whyNoAnswer tells apart what a user would put right in different places. What the far side said is not repeated.
func whyNoAnswer(err error) webhookFacts {
	var name *net.DNSError
	var untrusted *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.As(err, &name):
		return webhookFacts{webhookNotResolved, "no such name"}
	case errors.As(err, &untrusted):
		_, cause, _ := strings.Cut(untrusted.Error(), "x509: ")
		return webhookFacts{webhookUntrusted, cause}
	case errors.As(err, &timeout) && timeout.Timeout():
		return webhookFacts{webhookSilent, "no answer within " + requestTimeout.String()}
	case strings.Contains(err.Error(), "connection refused"):
		return webhookFacts{webhookSilent, "connection refused"}
	case strings.Contains(err.Error(), "gave HTTP response to HTTPS client"), strings.Contains(err.Error(), "tls: "):
		return webhookFacts{webhookStrange, "it does not speak TLS"}
	default:
		return webhookFacts{webhookSilent, "the connection broke"}
	}
}

// mediaPodsOf are the UIDs of the bot's media pods.
func (r *Reconciler) mediaPodsOf(ctx context.Context, bot *v1alpha1.CallingBot) ([]string, error) {
	var list v1alpha1.MediaPodList
	if err := r.client.List(ctx, &list, client.InNamespace(bot.Namespace)); err != nil {
		return nil, err
	}
	var uids []string
	for i := range list.Items {
		if list.Items[i].Spec.BotRef.Name == bot.Name {
			uids = append(uids, string(list.Items[i].UID))
		}
	}
	return uids, nil
}
