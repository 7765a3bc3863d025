// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
)

// cloudOf translates the API's choice of cloud into addresses.
func cloudOf(id callfleetv1.BotIdentity) (graph.Cloud, error) {
	switch id.Cloud {
	case callfleetv1.CloudPublic, "":
		return graph.Public, nil
	case callfleetv1.CloudUSGov:
		return graph.USGov, nil
	case callfleetv1.CloudUSGovDoD:
		return graph.USGovDoD, nil
	case callfleetv1.CloudCustom:
		if id.Custom == nil {
			return graph.Cloud{}, fmt.Errorf("identity.cloud is Custom but identity.custom is missing")
		}
		return graph.Cloud{
			Name:                   string(callfleetv1.CloudCustom),
			GraphURL:               string(id.Custom.GraphURL),
			LoginURL:               string(id.Custom.LoginURL),
			OpenIDConfigurationURL: string(id.Custom.OpenIDConfigurationURL),
			Issuers:                id.Custom.Issuers,
		}, nil
	default:
		return graph.Cloud{}, fmt.Errorf("identity.cloud %q is not known to this version", id.Cloud)
	}
}

// httpClient trusts the system's roots and, if caFile exists, the roots in it.
func httpClient(caFile string) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16
	// A connection that died unnoticed costs a join that cannot be repeated, so idle ones are tried first.
	transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second}
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	pem, err := os.ReadFile(caFile)
	switch {
	case os.IsNotExist(err):
	case err != nil:
		return nil, fmt.Errorf("reading the CA bundle: %w", err)
	default:
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the CA bundle (identity.custom.caBundle) holds no PEM certificate")
		}
		transport.TLSClientConfig.RootCAs = roots
	}
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}, nil
}

// trusted are the system's roots and those of the files that exist, read anew: a renewal may bring others.
func trusted(files ...string) *x509.CertPool {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	for _, file := range files {
		if pem, err := os.ReadFile(file); err == nil {
			roots.AppendCertsFromPEM(pem)
		}
	}
	return roots
}

// withoutRedirects is the client for Graph, whose calls API redirects nowhere: following one could carry a join to a
// second server.
func withoutRedirects(web *http.Client) *http.Client {
	c := *web
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// tenantsOf are the tenants a bot serves, its home tenant first.
func tenantsOf(id callfleetv1.BotIdentity) []string {
	tenants := []string{string(id.TenantID)}
	for _, t := range id.AllowedTenants {
		tenants = append(tenants, string(t))
	}
	return tenants
}

// errSecret is a client secret that is no use before anybody is asked about it.
var errSecret = errors.New("the client secret cannot be used")

// secretFileCredential is a client-secret credential whose secret lives in a mounted file. A changed file takes effect
// with the next token, without a restart.
type secretFileCredential struct {
	path             string
	tenantID, client string
	options          azidentity.ClientSecretCredentialOptions

	mu      sync.Mutex
	digest  [sha256.Size]byte
	current *azidentity.ClientSecretCredential
}

func newSecretFileCredential(path string, id callfleetv1.BotIdentity, c graph.Cloud, web policy.Transporter) *secretFileCredential {
	return &secretFileCredential{
		path: path, tenantID: string(id.TenantID), client: string(id.AppID),
		options: azidentity.ClientSecretCredentialOptions{
			ClientOptions: azcore.ClientOptions{
				Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: c.LoginURL},
				Transport: web,
			},
			// The tenants whose tokens may be asked for besides the home tenant's: azidentity refuses others.
			AdditionallyAllowedTenants: tenantsOf(id)[1:],
			// Instance discovery asks Microsoft's public cloud about the authority, which a custom one is unknown to.
			DisableInstanceDiscovery: id.Cloud == callfleetv1.CloudCustom,
		},
	}
}

// GetToken implements azcore.TokenCredential.
func (s *secretFileCredential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	cred, err := s.load()
	if err != nil {
		return azcore.AccessToken{}, err
	}
	return cred.GetToken(ctx, o)
}

func (s *secretFileCredential) load() (*azidentity.ClientSecretCredential, error) {
	raw, err := os.ReadFile(s.path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSecret, err)
	}
	secret := bytes.TrimSpace(raw)
	digest := sha256.Sum256(secret)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && digest == s.digest {
		return s.current, nil
	}
	cred, err := azidentity.NewClientSecretCredential(s.tenantID, s.client, string(secret), &s.options)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSecret, err)
	}
	s.current, s.digest = cred, digest
	return cred, nil
}
