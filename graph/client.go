// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/google/uuid"
)

// ClientOptions configure a Client. Only Credential is required.
type ClientOptions struct {
	Cloud   Cloud  // zero: Public
	Version string // "v1.0", the default, or "beta"
	// Credential yields tokens for Cloud.Scope().
	Credential azcore.TokenCredential
	// Transport carries the requests, for instance an *http.Client that trusts a private CA. Nil: a client of its own that follows no redirects.
	Transport policy.Transporter
	// UserAgent identifies the bot to Microsoft's support.
	UserAgent string
	// Observe, if set, is told of every request once its answer has begun, or that there is none. It must be quick.
	Observe func(Exchange)

	// MaxRetries is how often a request is sent again; 0 means 3, negative means never.
	MaxRetries int
	// RetryDelay is the first back-off where the service names none. 0: 800 ms.
	RetryDelay time.Duration
	// MaxRetryDelay caps the back-off. A Retry-After beyond it is not waited for: the Error carries it to the caller. 0: 30 s.
	MaxRetryDelay time.Duration
	// TryTimeout bounds a single try. 0: 30 s.
	TryTimeout time.Duration
}

// Client calls the Graph cloud communications API. It is safe for concurrent use.
type Client struct {
	base       string // GraphURL and version, no slash at the end
	scope      string
	credential credential
	pipeline   runtime.Pipeline
	retry      policy.RetryOptions
	transport  policy.Transporter
	userAgent  string

	tenants *tenantClients
}

const defaultUserAgent = "GraphCommunicationsClient-Go/1.0"

// NewClient checks the options and makes a client. It sends nothing.
func NewClient(o ClientOptions) (*Client, error) {
	if o.Cloud.GraphURL == "" {
		o.Cloud = Public
	}
	if err := plainHTTPS(o.Cloud.GraphURL); err != nil {
		return nil, fmt.Errorf("graph client: graphURL %w", err)
	}
	if o.Credential == nil {
		return nil, errors.New("graph client: no credential")
	}
	switch o.Version {
	case "":
		o.Version = "v1.0"
	case "v1.0", "beta":
	default:
		return nil, fmt.Errorf("graph client: version %q, Graph has v1.0 and beta", o.Version)
	}
	if o.UserAgent == "" {
		o.UserAgent = defaultUserAgent
	}
	if o.Transport == nil {
		o.Transport = newHTTPClient()
	}
	c := &Client{
		base:  strings.TrimRight(o.Cloud.GraphURL, "/") + "/" + o.Version,
		scope: o.Cloud.Scope(),
		retry: policy.RetryOptions{
			MaxRetries:    int32(o.MaxRetries),
			RetryDelay:    o.RetryDelay,
			MaxRetryDelay: orDefault(o.MaxRetryDelay, 30*time.Second),
			TryTimeout:    orDefault(o.TryTimeout, 30*time.Second),
		},
		transport: observedTransport{o.Transport, o.Observe},
		userAgent: o.UserAgent,
	}
	c.signIn(credential{TokenCredential: o.Credential})
	c.tenants = &tenantClients{home: c}
	return c, nil
}

// signIn makes the pipeline that carries the tokens of a credential.
func (c *Client) signIn(cred credential) {
	c.credential = cred
	c.pipeline = runtime.NewPipeline("graph", "v1", runtime.PipelineOptions{
		PerRetry: []policy.Policy{
			// It sends a request again by itself when the token was revoked, so the ids come after it.
			runtime.NewBearerTokenPolicy(cred, []string{c.scope}, nil),
			tryPolicy{},
		},
	}, c.pipelineOptions(maxResponseBytes))
}

func (c *Client) pipelineOptions(maxBytes int64) *policy.ClientOptions {
	return &policy.ClientOptions{
		// Logging stays as it is by default: azcore's log then holds no bodies, and those of calls are full of secrets.
		Telemetry:       policy.TelemetryOptions{Disabled: true}, // it would replace the User-Agent
		PerCallPolicies: []policy.Policy{userAgentPolicy(c.userAgent)},
		Transport:       boundedTransport{c.transport, maxBytes},
	}
}

func newHTTPClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	// A connection that died unnoticed costs a POST that cannot be repeated, so idle ones are tried first.
	transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second}
	return &http.Client{
		Transport: transport,
		// The calls API redirects nowhere. Following one could carry a POST to a second server.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func orDefault(d, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return d
}

type userAgentPolicy string

func (p userAgentPolicy) Do(req *policy.Request) (*http.Response, error) {
	req.Raw().Header.Set("User-Agent", string(p))
	return req.Next()
}

// tryPolicy gives every try an id of its own: with it Microsoft's support finds the one that failed.
type tryPolicy struct{}

func (tryPolicy) Do(req *policy.Request) (*http.Response, error) {
	req.Raw().Header.Set("Client-Request-Id", uuid.NewString())
	return req.Next()
}

// operation is one kind of request: what it is called in errors, and whether it may be sent twice.
type operation struct {
	name   string
	method string
	path   string // below the version, unescaped parts already escaped
	once   bool
	ok     []int

	feature Feature // whose roles are missing when it is forbidden
}

// reply is an answer that is a success.
type reply struct {
	header http.Header
	body   []byte
}

// do sends the request and decodes the answer into out, if out is not nil.
func (c *Client) do(ctx context.Context, op operation, scenarioID string, in, out any, secrets ...string) (reply, error) {
	retry := c.retry
	if op.once {
		retry.ShouldRetry = notYetDone
	}
	target := op.path
	if !strings.HasPrefix(target, "https://") {
		target = c.base + target
	}
	req, err := runtime.NewRequest(policy.WithRetryOptions(named(ctx, op.name), retry), op.method, target)
	if err != nil {
		return reply{}, fmt.Errorf("%s: %w", op.name, withoutURL(err))
	}
	header := req.Raw().Header
	header.Set("Accept", "application/json")
	if scenarioID != "" {
		header.Set("Scenario-Id", scenarioID)
	}
	if in != nil {
		// MarshalAsJSON keeps the encoded body and rewinds it for every try.
		if err := runtime.MarshalAsJSON(req, in); err != nil {
			return reply{}, fmt.Errorf("%s: encode request: %w", op.name, err)
		}
	}
	resp, err := c.pipeline.Do(req)
	if err != nil {
		return reply{}, c.requestError(op, req.Raw(), err)
	}
	defer resp.Body.Close()
	if !runtime.HasStatusCode(resp, op.ok...) {
		refused := newError(op, resp, secrets)
		if refused.StatusCode == http.StatusForbidden && op.feature != "" {
			refused.MissingRoles = c.missingRoles(ctx, op.feature)
		}
		return reply{}, refused
	}
	body, err := runtime.Payload(resp)
	if err == nil && out != nil {
		err = decode(body, out)
	}
	if err != nil {
		return reply{}, fmt.Errorf("%s: read the answer: %w", op.name, err)
	}
	return reply{resp.Header, body}, nil
}

func (c *Client) requestError(op operation, req *http.Request, err error) error {
	if auth := asAuthError(err); auth != nil {
		return fmt.Errorf("%s: %w", op.name, auth)
	}
	return fmt.Errorf("%s: %s %s: %w", op.name, req.Method, req.URL.Path, withoutURL(err))
}

// withoutURL takes the URL off an error of net/http: the method and path are named anyway, and a URL may hold more.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
