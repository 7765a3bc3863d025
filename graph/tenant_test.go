// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// tenantTokens gives every tenant a token of its own and counts how often it was asked.
type tenantTokens struct {
	mu    sync.Mutex
	asked []string
}

func (c *tenantTokens) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, o.TenantID)
	return azcore.AccessToken{Token: "token-of-" + o.TenantID, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func TestForTenantUsesTokensOfTheTenant(t *testing.T) {
	f := newFakeGraph(t, answer(200, ""))
	tokens := new(tenantTokens)
	home := f.client(t, func(o *ClientOptions) { o.Credential = tokens })
	fabrikam := home.ForTenant("FABRIKAM")
	for _, c := range []*Client{home, fabrikam, home.ForTenant("contoso"), fabrikam, fabrikam.ForTenant(""), fabrikam.ForTenant("contoso")} {
		if err := c.KeepAlive(t.Context(), "s", "c1"); err != nil {
			t.Fatal(err)
		}
	}
	var bearers []string
	for _, r := range f.got() {
		bearers = append(bearers, r.header.Get("Authorization"))
	}
	want := []string{"Bearer token-of-", "Bearer token-of-fabrikam", "Bearer token-of-contoso", "Bearer token-of-fabrikam", "Bearer token-of-", "Bearer token-of-contoso"}
	if !slices.Equal(bearers, want) {
		t.Errorf("got %q", bearers)
	}
	if want := []string{"", "fabrikam", "contoso"}; !slices.Equal(tokens.asked, want) {
		t.Errorf("asked for tokens of %q, want each once: %q", tokens.asked, want)
	}
	if home.ForTenant("fabrikam") != fabrikam || home.ForTenant("") != home || fabrikam.ForTenant("FabriKam") != fabrikam {
		t.Error("another client for the same tenant")
	}
}

func TestForTenantMayBeAskedByMany(t *testing.T) {
	home := newFakeGraph(t, answer(200, "")).client(t)
	clients := make(chan *Client, 16)
	for range cap(clients) {
		go func() { clients <- home.ForTenant("contoso") }()
	}
	first := <-clients
	for range cap(clients) - 1 {
		if c := <-clients; c != first {
			t.Fatal("two clients for one tenant")
		}
	}
}
