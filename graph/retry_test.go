// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

func TestRetryAfterIsHonoured(t *testing.T) {
	for name, do := range map[string]func(*Client) error{
		"create": func(c *Client) error { _, err := c.CreateCall(context.Background(), "s", joinCall); return err },
		"get":    func(c *Client) error { _, err := c.GetCall(context.Background(), "s", "c1"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeGraph(t, answer(429, `{"error":{"code":"TooManyRequests","message":"slow down"}}`, "Retry-After", "1"), answer(201, created))
			f.answers = append(f.answers[:1], func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					answer(200, created)(w, r)
					return
				}
				answer(201, created)(w, r)
			})
			if err := do(f.client(t)); err != nil {
				t.Fatal(err)
			}
			r := f.got()
			if len(r) != 2 {
				t.Fatalf("%d requests", len(r))
			}
			if waited := r[1].at.Sub(r[0].at); waited < time.Second {
				t.Errorf("tried again after %s, Retry-After said 1s", waited)
			}
			if r[0].body != r[1].body || name == "create" && r[0].body == "" {
				t.Errorf("the body changed on the way:\n%s\n%s", r[0].body, r[1].body)
			}
			if a, b := r[0].header.Get("Client-Request-Id"), r[1].header.Get("Client-Request-Id"); a == b || a == "" || b == "" {
				t.Errorf("tries share the id %q", a)
			}
			if r[0].header.Get("Scenario-Id") != "s" || r[1].header.Get("Scenario-Id") != "s" {
				t.Error("the scenario id changed on the way")
			}
		})
	}
}

func TestALongRetryAfterIsForTheCallerToWaitFor(t *testing.T) {
	f := newFakeGraph(t, answer(429, `{}`, "Retry-After", "3600"))
	_, err := f.client(t).CreateCall(t.Context(), "s", joinCall)
	var e *Error
	if !errors.As(err, &e) || e.RetryAfter != time.Hour || len(f.got()) != 1 {
		t.Errorf("%v after %d requests", err, len(f.got()))
	}
}

// A second POST is a second bot in the meeting.
func TestCreateIsNeverDoubled(t *testing.T) {
	slow := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, h := range map[string]http.HandlerFunc{
		"408": answer(408, ""), "500": answer(500, ""), "502": answer(502, ""), "503": answer(503, "", "Retry-After", "1"), "504": answer(504, ""),
		"connection closed": hangUp, "connection reset": reset, "no answer in time": slow,
		"answer cut off": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(201)
			_, _ = w.Write([]byte(`{"id":`))
		},
		"answer not JSON": answer(201, "<html>"),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeGraph(t, h)
			_, err := f.client(t, func(o *ClientOptions) { o.TryTimeout = 100 * time.Millisecond }).CreateCall(t.Context(), "s", joinCall)
			if err == nil {
				t.Error("no error")
			}
			if n := len(f.got()); n != 1 {
				t.Errorf("%d requests", n)
			}
			if err != nil && strings.Contains(err.Error(), f.URL) {
				t.Errorf("URL in %q", err)
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	f := newFakeGraph(t, answer(307, "", "Location", "/v1.0/elsewhere"), answer(201, created))
	own := newHTTPClient()
	own.Transport.(*http.Transport).TLSClientConfig = f.Client().Transport.(*http.Transport).TLSClientConfig
	_, err := f.client(t, func(o *ClientOptions) { o.Transport = own }).CreateCall(t.Context(), "s", joinCall)
	var e *Error
	if !errors.As(err, &e) || e.StatusCode != 307 || len(f.got()) != 1 {
		t.Errorf("%v after %d requests", err, len(f.got()))
	}
}

func TestCreateIsRetriedWhenNoConnectionCameAbout(t *testing.T) {
	f := newFakeGraph(t, answer(201, created))
	transport := f.Client().Transport.(*http.Transport).Clone()
	var dials atomic.Int32
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dials.Add(1) <= 2 {
			addr = closedPort(t)
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	c := f.client(t, func(o *ClientOptions) { o.Transport = &http.Client{Transport: transport} })
	if _, err := c.CreateCall(t.Context(), "s", joinCall); err != nil {
		t.Fatal(err)
	}
	if dials.Load() != 3 || len(f.got()) != 1 {
		t.Errorf("%d dials, %d requests", dials.Load(), len(f.got()))
	}
}

// closedPort is an address nobody listens on.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestRefusedConnectionIsExplained(t *testing.T) {
	addr := closedPort(t)
	c, err := NewClient(ClientOptions{Cloud: Cloud{GraphURL: "https://" + addr}, Credential: staticToken("t"), MaxRetries: -1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.CreateCall(t.Context(), "s", joinCall)
	if got := ExplainError(err); got.Reason != ReasonGraphUnreachable || !got.Class.Retryable() {
		t.Errorf("%v explained as %+v", err, got)
	}
}

func TestUntrustedCertificateIsExplained(t *testing.T) {
	f := newFakeGraph(t, answer(200, "{}"))
	c := f.client(t, func(o *ClientOptions) { o.Transport, o.MaxRetries = nil, -1 })
	_, err := c.GetCall(t.Context(), "s", "c1")
	if got := ExplainError(err); got.Reason != ReasonGraphUnreachable || !strings.Contains(got.Remedy, "caBundle") {
		t.Errorf("%v explained as %+v", err, got)
	}
}

func TestRequestsThatMayBeRepeatedAre(t *testing.T) {
	ctx := context.Background()
	for name, do := range map[string]func(*Client) error{
		"get":          func(c *Client) error { _, err := c.GetCall(ctx, "s", "c1"); return err },
		"hang up":      func(c *Client) error { return c.DeleteCall(ctx, "s", "c1") },
		"keep alive":   func(c *Client) error { return c.KeepAlive(ctx, "s", "c1") },
		"participants": func(c *Client) error { _, err := c.ListParticipants(ctx, "s", "c1"); return err },
		"reject":       func(c *Client) error { return c.RejectCall(ctx, "s", "c1", RejectForbidden) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeGraph(t, answer(503, ""), answer(502, ""), hangUp, answer(200, "{}"))
			if err := do(f.client(t)); err != nil {
				t.Fatal(err)
			}
			r := f.got()
			if len(r) != 4 || r[0].body != r[3].body {
				t.Errorf("%d requests: %v", len(r), r)
			}
		})
	}
}

func TestRetriesEnd(t *testing.T) {
	f := newFakeGraph(t, answer(503, `{"error":{"code":"ServiceUnavailable","message":"later"}}`))
	err := f.client(t, func(o *ClientOptions) { o.MaxRetries = 2 }).DeleteCall(t.Context(), "s", "c1")
	var e *Error
	if !errors.As(err, &e) || e.StatusCode != 503 || len(f.got()) != 3 {
		t.Errorf("%v after %d requests", err, len(f.got()))
	}
}

func TestAGoneCallIsToldAtOnce(t *testing.T) {
	f := newFakeGraph(t, answer(404, `{"error":{"code":"8522","message":"Call not found."}}`))
	c := f.client(t)
	if err := c.KeepAlive(t.Context(), "s", "c1"); !IsNotFound(err) {
		t.Errorf("keep alive: %v", err)
	}
	if err := c.DeleteCall(t.Context(), "s", "c1"); !IsNotFound(err) {
		t.Errorf("hang up: %v", err)
	}
	if len(f.got()) != 2 {
		t.Errorf("%d requests", len(f.got()))
	}
	if IsNotFound(errors.New("x")) || IsNotFound(nil) {
		t.Error("not every error is a missing call")
	}
}

func TestCancelEndsTheWait(t *testing.T) {
	arrived := make(chan struct{}, 1)
	f := newFakeGraph(t, func(w http.ResponseWriter, r *http.Request) {
		answer(503, "", "Retry-After", "20")(w, r)
		arrived <- struct{}{}
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	start := time.Now()
	err := f.client(t).DeleteCall(ctx, "s", "c1")
	if !errors.Is(err, context.Canceled) || time.Since(start) > 10*time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
	if got := ExplainError(err); got.Reason != ReasonCanceled {
		t.Errorf("explained as %+v", got)
	}
}

func TestCancelEndsTheRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := newFakeGraph(t, func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	if _, err := f.client(t).CreateCall(ctx, "s", joinCall); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A token revoked by continuous access evaluation makes the pipeline send the request a second time, after a 401 that did nothing.
func TestBodyIsIntactAfterAClaimsChallenge(t *testing.T) {
	challenge := `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ=="`
	f := newFakeGraph(t, answer(401, "", "WWW-Authenticate", challenge), answer(201, created))
	if _, err := f.client(t).CreateCall(t.Context(), "s", joinCall); err != nil {
		t.Fatal(err)
	}
	r := f.got()
	if len(r) != 2 || r[0].body != r[1].body || r[1].body == "" {
		t.Errorf("%d requests: %v", len(r), r)
	}
	if r[0].header.Get("Client-Request-Id") == r[1].header.Get("Client-Request-Id") {
		t.Error("both share an id")
	}
}

type noToken struct{ err error }

func (n noToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, n.err
}

func TestWithoutATokenNothingIsSent(t *testing.T) {
	f := newFakeGraph(t, answer(200, "{}"))
	c := f.client(t, func(o *ClientOptions) {
		o.Credential = noToken{errors.New("no luck at https://login/x?client_secret=s3cret")}
	})
	err := c.DeleteCall(t.Context(), "s", "c1")
	var auth *AuthError
	if !errors.As(err, &auth) || len(f.got()) != 0 {
		t.Fatalf("%v after %d requests", err, len(f.got()))
	}
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("secret in %q", err)
	}
	if got := ExplainError(err); got.Reason != ReasonAuthenticationFailed {
		t.Errorf("explained as %+v", got)
	}
}
