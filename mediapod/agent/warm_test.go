// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"k8s.io/utils/clock"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
)

type login struct {
	asked []policy.TokenRequestOptions
	err   error
}

func (l *login) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	l.asked = append(l.asked, o)
	return azcore.AccessToken{}, l.err
}

type noKeys struct{}

func (noKeys) Warm(context.Context) error { return nil }

// TestTheWarmTokenIsTheOneCallsUse: azidentity keeps tokens with and without continuous access evaluation apart, and the
// Graph client asks for the former.
func TestTheWarmTokenIsTheOneCallsUse(t *testing.T) {
	l := &login{}
	w := warmth{credential: l, scope: graph.Public.Scope(), keys: noKeys{}, endpoint: func() bool { return true }, clock: clock.RealClock{}}
	if h := w.try(t.Context()); !h.ready {
		t.Fatalf("health %+v", h)
	}
	client, err := graph.NewClient(graph.ClientOptions{Credential: l, MaxRetries: -1})
	if err != nil {
		t.Fatal(err)
	}
	l.err = errors.New("no further than the token")
	_, _ = client.GetCall(t.Context(), "", "call-1")
	if len(l.asked) != 2 || l.asked[0].EnableCAE != l.asked[1].EnableCAE || l.asked[0].Scopes[0] != l.asked[1].Scopes[0] {
		t.Errorf("asked for %+v", l.asked)
	}
}

// emptySecret is what the credential says of a file with nothing in it.
func emptySecret(t *testing.T) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clientSecret")
	if err := os.WriteFile(path, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	id := callfleetv1.BotIdentity{AppID: "0efc74f7-41c3-47a4-8775-7259bfef4241", TenantID: "1fdd12d0-4620-44ed-baec-459b611f84b2"}
	_, err := newSecretFileCredential(path, id, graph.Public, http.DefaultClient).GetToken(t.Context(), policy.TokenRequestOptions{})
	if err == nil {
		t.Fatal("a token without a secret")
	}
	return err
}

func TestHealthOfTheToken(t *testing.T) {
	tests := map[string]struct {
		err  error
		want string
	}{
		"empty secret": {emptySecret(t), callfleetv1.ReasonCredentialsRejected},
		"no answer":    {context.DeadlineExceeded, callfleetv1.ReasonLoginUnreachable},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tokenHealth(tc.err); got.reason != tc.want || got.message == "" {
				t.Errorf("%v: %+v, want reason %s", tc.err, got, tc.want)
			}
		})
	}
}
