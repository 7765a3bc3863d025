// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
)

const (
	// askTimeout bounds everything one look asks, within the time of a pass.
	askTimeout = 40 * time.Second
	// requestTimeout bounds one request.
	requestTimeout = 10 * time.Second
	// atOnce tenants are asked.
	atOnce = 4
)

// cloudOf translates the API's choice of cloud into addresses.
func cloudOf(id v1alpha1.BotIdentity) (graph.Cloud, error) {
	switch id.Cloud {
	case v1alpha1.CloudPublic, "":
		return graph.Public, nil
	case v1alpha1.CloudUSGov:
		return graph.USGov, nil
	case v1alpha1.CloudUSGovDoD:
		return graph.USGovDoD, nil
	}
	if id.Custom == nil {
		return graph.Cloud{}, fmt.Errorf("identity.cloud is %s and identity.custom is missing", id.Cloud)
	}
	return graph.Cloud{
		Name: string(id.Cloud), GraphURL: string(id.Custom.GraphURL), LoginURL: string(id.Custom.LoginURL),
		OpenIDConfigurationURL: string(id.Custom.OpenIDConfigurationURL), Issuers: id.Custom.Issuers,
	}, nil
}

// observe asks the login service for a token of each tenant, and under the public name for the router. What cannot be
// found out is a fact too.
func (r *Reconciler) observe(ctx context.Context, bot *v1alpha1.CallingBot) facts {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var f facts
	secret, expires, problem := r.secretOf(ctx, bot)
	roots, rootsProblem := r.rootsOf(ctx, bot)
	f.expires = expires
	transport := r.transportWith(roots)
	defer transport.CloseIdleConnections()

	var group errgroup.Group
	group.Go(func() error {
		f.webhook = r.askWebhook(ctx, transport, bot)
		return nil
	})
	switch {
	case problem != nil:
		f.problem = problem
	case rootsProblem != nil:
		f.problem = rootsProblem
	default:
		watch := &clockWatch{next: transport, now: r.Clock.Now}
		f.tenants = askTenants(ctx, bot, secret, &http.Client{Transport: watch, Timeout: requestTimeout})
		f.skew, f.skewKnown = watch.skew()
	}
	_ = group.Wait() // it returns no errors
	return f
}

// secretOf reads the client secret, and the date somebody noted on it.
func (r *Reconciler) secretOf(ctx context.Context, bot *v1alpha1.CallingBot) (string, time.Time, *problem) {
	ref := bot.Spec.Identity.Credential.ClientSecret
	var secret corev1.Secret
	switch err := r.live.Get(ctx, client.ObjectKey{Namespace: bot.Namespace, Name: ref.Name}, &secret); {
	case apierrors.IsNotFound(err):
		return "", time.Time{}, &problem{v1alpha1.ReasonSecretNotFound, fmt.Sprintf("Secret %s of the credential does not exist; create it: %s", ref.Name, putSecret(bot))}
	case err != nil:
		return "", time.Time{}, &problem{v1alpha1.ReasonNotChecked, fmt.Sprintf("Secret %s of the credential cannot be read, it is tried again: %v", ref.Name, err)}
	}
	value := strings.TrimSpace(string(secret.Data[ref.Key]))
	if value == "" {
		return "", time.Time{}, &problem{v1alpha1.ReasonSecretNotFound, fmt.Sprintf(
			"Secret %s of the credential has nothing under the key %s; add it, or correct spec.identity.credential.clientSecret", ref.Name, ref.Key)}
	}
	return value, dateOf(secret.Annotations[v1alpha1.AnnotationExpires]), nil
}

// dateOf reads a date or a time; anything else is none.
func dateOf(text string) time.Time {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return at
		}
	}
	return time.Time{}
}

// rootsOf are the roots to trust; nil: the system's.
func (r *Reconciler) rootsOf(ctx context.Context, bot *v1alpha1.CallingBot) (*x509.CertPool, *problem) {
	ref := bot.Spec.Identity.CABundle()
	if ref == nil {
		return nil, nil
	}
	var bundle corev1.ConfigMap
	if err := r.live.Get(ctx, client.ObjectKey{Namespace: bot.Namespace, Name: ref.Name}, &bundle); err != nil {
		return nil, &problem{v1alpha1.ReasonCABundleNotFound, fmt.Sprintf("ConfigMap %s of the CA bundle cannot be read; create it, or correct spec.identity.custom.caBundle: %v", ref.Name, err)}
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM([]byte(bundle.Data[ref.Key])) {
		return nil, &problem{v1alpha1.ReasonCABundleNotFound, fmt.Sprintf("ConfigMap %s of the CA bundle has no PEM certificate under the key %s; add it, or correct spec.identity.custom.caBundle", ref.Name, ref.Key)}
	}
	return roots, nil
}

func (r *Reconciler) transportWith(roots *x509.CertPool) *http.Transport {
	transport := r.Transport.Clone()
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if roots != nil {
		transport.TLSClientConfig.RootCAs = roots
	}
	return transport
}

// askTenants asks for a token of each. The credential is made anew, so that none comes from memory: roles that somebody
// granted since show in new tokens only.
func askTenants(ctx context.Context, bot *v1alpha1.CallingBot, secret string, web *http.Client) []tenantFacts {
	tenants := tenantsOf(bot)
	found := make([]tenantFacts, len(tenants))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, tenant := range tenants {
		group.Go(func() error {
			found[i] = askTenant(ctx, bot.Spec.Identity, tenant, secret, web)
			return nil
		})
	}
	_ = group.Wait() // it returns no errors
	return found
}

func askTenant(ctx context.Context, id v1alpha1.BotIdentity, tenant, secret string, web *http.Client) tenantFacts {
	found := tenantFacts{id: tenant}
	where, err := cloudOf(id)
	if err == nil {
		var credential *azidentity.ClientSecretCredential
		credential, err = azidentity.NewClientSecretCredential(tenant, string(id.AppID), secret, &azidentity.ClientSecretCredentialOptions{
			ClientOptions: azcore.ClientOptions{
				Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: where.LoginURL}, Transport: web,
				Retry: policy.RetryOptions{MaxRetries: -1}, // the next look is the retry
			},
			// Instance discovery asks Microsoft's public cloud about the authority, which a custom one is unknown to.
			DisableInstanceDiscovery: id.Cloud == v1alpha1.CloudCustom,
		})
		if err == nil {
			var token azcore.AccessToken
			if token, err = credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{where.Scope()}}); err == nil {
				found.roles, err = graph.RolesOf(token.Token)
				found.opaque = err != nil
				return found
			}
		}
	}
	found.refusal = refusalOf(err)
	return found
}

var aadstsNumber = regexp.MustCompile(`AADSTS(\d{4,9})`)

func refusalOf(err error) *refusal {
	explained := graph.ExplainError(err)
	refused := &refusal{explained: explained, passing: explained.Class != graph.ClassConfiguration}
	var known *graph.AuthError
	if errors.As(err, &known) {
		refused.aadsts = known.AADSTS
	} else if m := aadstsNumber.FindStringSubmatch(err.Error()); m != nil {
		refused.aadsts, _ = strconv.Atoi(m[1])
	}
	return refused
}

// clockWatch reads the time that answers tell.
type clockWatch struct {
	next http.RoundTripper
	now  func() time.Time

	mu    sync.Mutex
	known bool
	least time.Duration
}

func (c *clockWatch) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := c.now()
	resp, err := c.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if told, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		// The header has whole seconds; somewhere on the way there and back is when it was written.
		skew := told.Add(500 * time.Millisecond).Sub(sent.Add(c.now().Sub(sent) / 2))
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.known || skew.Abs() < c.least.Abs() {
			c.known, c.least = true, skew
		}
	}
	return resp, nil
}

// skew is the least that was seen: an answer that took its time says less.
func (c *clockWatch) skew() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.least, c.known
}
