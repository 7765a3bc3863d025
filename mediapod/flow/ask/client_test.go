// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/webhook"
)

// hasty is a clock on which every wait is over at once, and each request is a second after the one before.
type hasty struct {
	clock.Clock
	mu    sync.Mutex
	now   time.Time
	waits []time.Duration
}

func (h *hasty) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(time.Second)
	return h.now
}

func (h *hasty) After(d time.Duration) <-chan time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waits = append(h.waits, d)
	over := make(chan time.Time, 1)
	over <- h.now
	return over
}

// request is one as the receiver saw it.
type request struct {
	header http.Header
	body   string
}

// receiver is a web server that is asked.
type receiver struct {
	*httptest.Server
	mu  sync.Mutex
	got []request
}

// answers is what a receiver does the nth time, counted from 1; nil: nothing, until nobody waits any more.
type answers func(w http.ResponseWriter, n int)

func newReceiver(t *testing.T, answer answers) *receiver {
	r := &receiver{}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		raw, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.got = append(r.got, request{req.Header.Clone(), string(raw)})
		n := len(r.got)
		r.mu.Unlock()
		if answer == nil {
			<-req.Context().Done()
			return
		}
		answer(w, n)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) requests() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

const signingKey = "0123456789abcdefghijklmnopqrstuv"

type setup struct {
	client *Client
	clock  *hasty
	log    strings.Builder
}

func newClient(t *testing.T, web *http.Client) *setup {
	t.Helper()
	s := &setup{clock: &hasty{Clock: clock.RealClock{}, now: time.Unix(1_700_000_000, 0)}}
	file := filepath.Join(t.TempDir(), "webhookKey")
	if err := os.WriteFile(file, []byte("whsec_"+base64.StdEncoding.EncodeToString([]byte(signingKey))), 0o600); err != nil {
		t.Fatal(err)
	}
	s.client = New(Config{
		Namespace: "voice", Bot: "reception", HTTP: web, Keys: webhook.Keys(file), Clock: s.clock,
		Log: funcr.New(func(prefix, args string) { fmt.Fprintln(&s.log, prefix, args) }, funcr.Options{}),
	})
	return s
}

func aQuestion(url string, retries int32, timeout string) flow.Ask {
	return flow.Ask{
		ID: 7, Step: "lookup", Key: "6f9619ff/menu/lookup/7", Data: map[string]string{"pin": "secret-4711"},
		Webhook: &callfleetv1.WebhookStep{URL: callfleetv1.HTTPSURL(url), Timeout: callfleetv1.Duration(timeout), Retries: &retries},
	}
}

var aCall = flow.Call{
	ID: "graph-1", UID: "6f9619ff", Incoming: true,
	Caller: callfleetv1.Caller{Kind: callfleetv1.CallerUser, ID: "anna", DisplayName: "Anna"}, Called: callfleetv1.Caller{Kind: callfleetv1.CallerApplication, ID: "bot"},
}

// TestAQuestionIsASignedCloudEvent.
func TestAQuestionIsASignedCloudEvent(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, _ int) {
		_, _ = io.WriteString(w, `{"variables":{"tier":"gold"},"next":"vip"}`)
	})
	s := newClient(t, r.Client())
	got := s.client.Flow("menu").Ask(t.Context(), aQuestion(r.URL+"/ask?sig=secret", 1, "10s"), aCall)
	want := flow.Answered{ID: 7, Variables: map[string]string{"tier": "gold"}, Next: "vip"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	if len(r.requests()) != 1 {
		t.Fatalf("%d requests", len(r.requests()))
	}
	q := r.requests()[0]
	const body = `{"specversion":"1.0","id":"6f9619ff/menu/lookup/7","source":"/namespaces/voice/bots/reception","type":"dev.callfleet.flow.webhook",` +
		`"subject":"6f9619ff","time":"2023-11-14T22:13:21Z","datacontenttype":"application/json","data":{"flow":"menu","step":"lookup",` +
		`"call":{"id":"graph-1","direction":"Incoming"},"caller":{"kind":"User","id":"anna","displayName":"Anna"},"called":{"kind":"Application","id":"bot"},` +
		`"variables":{"pin":"secret-4711"}}}`
	if diff := cmp.Diff(body, q.body); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/cloudevents+json", "Idempotency-Key": "6f9619ff/menu/lookup/7", "Webhook-Id": "6f9619ff/menu/lookup/7",
		"Webhook-Timestamp": "1700000002", "Webhook-Signature": signature("6f9619ff/menu/lookup/7", "1700000002", q.body),
	} {
		if got := q.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if s.log.Len() > 0 {
		t.Errorf("logged %s", &s.log)
	}
}

// signature as a receiver computes it.
func signature(id, timestamp, body string) string {
	mac := hmac.New(sha256.New, []byte(signingKey))
	io.WriteString(mac, id+"."+timestamp+"."+body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func status(code int, header ...string) answers {
	return func(w http.ResponseWriter, _ int) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		if code >= 300 {
			_, _ = io.WriteString(w, "secret")
		}
	}
}

// then answers well from the second time on.
func then(first answers) answers {
	return func(w http.ResponseWriter, n int) {
		if n == 1 {
			first(w, n)
			return
		}
		_, _ = io.WriteString(w, `{"next":"good"}`)
	}
}

func says(text string) answers {
	return func(w http.ResponseWriter, _ int) { _, _ = io.WriteString(w, text) }
}

func hangUp(w http.ResponseWriter, _ int) { panic(http.ErrAbortHandler) }

// TestWhatBecomesOfAQuestion: each failure is a word that a flow can branch on, and only those that may pass are met with another request.
func TestWhatBecomesOfAQuestion(t *testing.T) {
	const ms = time.Millisecond
	tests := map[string]struct {
		answer  answers
		failure flow.Failure
		next    callfleetv1.StepName
		waits   []time.Duration // between requests; two retries are allowed
	}{
		"nothing to say":             {status(204), "", "", nil},
		"accepted":                   {status(202), "", "", nil},
		"500, then well":             {then(status(500)), "", "good", []time.Duration{200 * ms}},
		"cut off, then well":         {then(hangUp), "", "good", []time.Duration{200 * ms}},
		"429, then well":             {then(status(429, "Retry-After", "2")), "", "good", []time.Duration{2 * time.Second}},
		"503 until a date":           {then(status(503, "Retry-After", "Tue, 14 Nov 2023 22:13:26 GMT")), "", "good", []time.Duration{3 * time.Second}},
		"503 with nonsense":          {then(status(503, "Retry-After", "soon")), "", "good", []time.Duration{200 * ms}},
		"503 until next week":        {status(503, "Retry-After", "604800"), flow.FailedRefused, "", nil},
		"500 and 500":                {status(500), flow.FailedRefused, "", []time.Duration{200 * ms, 400 * ms}},
		"cut off":                    {hangUp, flow.FailedTimeout, "", []time.Duration{200 * ms, 400 * ms}},
		"no answer":                  {nil, flow.FailedTimeout, "", []time.Duration{200 * ms, 400 * ms}},
		"not allowed":                {status(401), flow.FailedRefused, "", nil},
		"not there":                  {status(404), flow.FailedRefused, "", nil},
		"elsewhere":                  {status(307, "Location", "https://other.contoso.com/secret"), flow.FailedRefused, "", nil},
		"a page":                     {says("<html>secret"), flow.FailedAnswer, "", nil},
		"nothing, though it is fine": {status(200), flow.FailedAnswer, "", nil},
		"huge":                       {says(`{"next":"` + strings.Repeat("secret", maxAnswer) + `"}`), flow.FailedAnswer, "", nil},
		"just too large":             {says(`{}` + strings.Repeat(" ", maxAnswer-1)), flow.FailedAnswer, "", nil},
		"just not too large":         {says(`{}` + strings.Repeat(" ", maxAnswer-2)), "", "", nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, tc.answer)
			s := newClient(t, r.Client())
			timeout := "30s"
			if tc.answer == nil {
				timeout = "100ms"
			}
			got := s.client.Flow("menu").Ask(t.Context(), aQuestion(r.URL+"/ask?sig=secret", 2, timeout), aCall)
			if diff := cmp.Diff(flow.Answered{ID: 7, Next: tc.next, Failure: tc.failure}, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.waits, s.clock.waits); diff != "" {
				t.Error(diff)
			}
			asked := r.requests()
			if len(asked) != len(tc.waits)+1 {
				t.Fatalf("asked %d times", len(asked))
			}
			for _, q := range asked {
				if q.body != asked[0].body || q.header.Get("Webhook-Id") != "6f9619ff/menu/lookup/7" ||
					q.header.Get("Webhook-Signature") != signature(q.header.Get("Webhook-Id"), q.header.Get("Webhook-Timestamp"), q.body) {
					t.Errorf("not the same question, signed: %+v", q)
				}
			}
			if len(asked) > 1 && asked[0].header.Get("Webhook-Timestamp") == asked[1].header.Get("Webhook-Timestamp") {
				t.Error("the timestamp is not fresh")
			}
			if strings.Contains(s.log.String(), "secret") || strings.Contains(s.log.String(), "anna") {
				t.Errorf("logged %s", &s.log)
			}
			if (tc.failure != "") != strings.Contains(s.log.String(), `"last"=true`) {
				t.Errorf("logged %s", &s.log)
			}
		})
	}
}

// TestWhereNobodyListens, where nobody may ask, and where there is no key.
func TestWhereNobodyListens(t *testing.T) {
	gone := httptest.NewTLSServer(nil)
	gone.Close()
	r := newReceiver(t, says(`{}`))
	inside := webhook.Guard(r.Client(), netip.MustParseAddr("10.4.0.7"))
	for name, tc := range map[string]struct {
		web  *http.Client
		url  string
		want flow.Failure
	}{
		"down":        {r.Client(), gone.URL, flow.FailedTimeout},
		"strange":     {http.DefaultClient, r.URL, flow.FailedTimeout}, // its certificate is nobody's
		"inside":      {inside, r.URL, flow.FailedInvalid},
		"metadata":    {inside, "https://169.254.169.254/secret", flow.FailedInvalid},
		"no https":    {r.Client(), "http://shop.contoso.com/secret", flow.FailedInvalid},
		"no address":  {r.Client(), "https://%zz/", flow.FailedInvalid},
		"a user name": {r.Client(), "https://jane:secret@shop.contoso.com/", flow.FailedInvalid},
	} {
		s := newClient(t, tc.web)
		if got := s.client.Flow("menu").Ask(t.Context(), aQuestion(tc.url, 1, "30s"), aCall); got.Failure != tc.want {
			t.Errorf("%s: %+v, want %s", name, got, tc.want)
		}
		if strings.Contains(s.log.String(), "secret") {
			t.Errorf("%s: logged %s", name, &s.log)
		}
	}
	s := newClient(t, r.Client())
	s.client.cfg.Keys += "-gone"
	if got := s.client.Flow("menu").Ask(t.Context(), aQuestion(r.URL, 1, "30s"), aCall); got.Failure != flow.FailedRefused || len(r.requests()) > 0 {
		t.Errorf("without a key: %+v, %d requests", got, len(r.requests()))
	}
}

// TestNobodyWaitsForACallThatIsOver.
func TestNobodyWaitsForACallThatIsOver(t *testing.T) {
	r := newReceiver(t, nil)
	s := newClient(t, r.Client())
	ctx, over := context.WithCancel(t.Context())
	answered := make(chan flow.Answered)
	go func() { answered <- s.client.Flow("menu").Ask(ctx, aQuestion(r.URL, 5, "30s"), aCall) }()
	for len(r.requests()) == 0 {
		time.Sleep(time.Millisecond)
	}
	over()
	if got := <-answered; got.Failure != flow.FailedTimeout || len(r.requests()) != 1 {
		t.Errorf("%+v after %d requests", got, len(r.requests()))
	}
}

// TestAKeyThatChangesIsTakenAtOnce.
func TestAKeyThatChangesIsTakenAtOnce(t *testing.T) {
	r := newReceiver(t, says(`{}`))
	s := newClient(t, r.Client())
	for range 2 {
		s.client.Flow("menu").Ask(t.Context(), aQuestion(r.URL, 0, "30s"), aCall)
		if err := os.WriteFile(string(s.client.cfg.Keys), []byte("whsec_"+strings.Repeat("QUJD", 10)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := r.requests()
	first, second := got[0], got[1]
	of := func(q request) string {
		return signature(q.header.Get("Webhook-Id"), q.header.Get("Webhook-Timestamp"), q.body)
	}
	if first.header.Get("Webhook-Signature") != of(first) || second.header.Get("Webhook-Signature") == of(second) {
		t.Error("the new key was not taken")
	}
}
