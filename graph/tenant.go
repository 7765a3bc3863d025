// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"strings"
	"sync"
)

// tenantClients are the clients made of one, by tenant. Each has a token of its own, which stays warm.
type tenantClients struct {
	home *Client
	made sync.Map // tenant, lower case: *Client
}

// ForTenant is the same client with tokens of a tenant: Graph wants those of the tenant that a call or a meeting
// belongs to. It is cheap, and gives the same client for the same tenant. An empty tenant stands for the credential's own.
//
// The credential decides for which tenants it asks (azidentity: AdditionallyAllowedTenants). Every client is kept, so that
// tenants must come from a list of allowed ones and not from whoever calls.
func (c *Client) ForTenant(tenantID string) *Client {
	if tenantID == "" {
		return c.tenants.home
	}
	key := strings.ToLower(tenantID)
	if known, ok := c.tenants.made.Load(key); ok {
		return known.(*Client)
	}
	home := c.tenants.home
	client := &Client{
		base: home.base, scope: home.scope, retry: home.retry, transport: home.transport, userAgent: home.userAgent, tenants: c.tenants,
	}
	client.signIn(credential{home.credential.TokenCredential, key})
	kept, _ := c.tenants.made.LoadOrStore(key, client)
	return kept.(*Client)
}
