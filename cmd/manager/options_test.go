// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
)

// parse reads a command line as main does.
func parse(t *testing.T, args ...string) (options, error) {
	t.Helper()
	o := options{namespace: "callfleet-system"}
	flags := flag.NewFlagSet("manager", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	o.bind(flags)
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	return o, o.validate()
}

func TestOptions(t *testing.T) {
	cases := map[string]struct {
		args  []string
		error string
		check func(options) string
	}{
		"the least": {args: []string{"--mediapod-image=x"}},
		"no image":  {error: "--mediapod-image is required"},
		"no role":   {args: []string{"--mediapod-image=x", "--mediapod-role="}, error: "--mediapod-role"},
		"namespaces": {
			args:  []string{"--mediapod-image=x", "--namespaces=voice, sales,"},
			check: func(o options) string { return cmp.Diff(list{"voice", "sales"}, o.namespaces) },
		},
		"a namespace that cannot be": {args: []string{"--mediapod-image=x", "--namespaces=Voice"}, error: `"Voice" is not a namespace`},
		"an address with an IPv6 host as POD_IP gives it": {
			args: []string{"--mediapod-image=x", "--metrics-bind-address=fd00::1:8443", "--health-probe-bind-address=[fd00::1]:8081"},
			check: func(o options) string {
				return cmp.Diff("[fd00::1]:8443 [fd00::1]:8081", o.metricsAddress+" "+o.healthAddress)
			},
		},
		"a webhook": {
			args: []string{"--mediapod-image=x", "--webhook-bind-address=fd00::1:9443"},
			check: func(o options) string {
				return cmp.Diff("[fd00::1]:9443", o.webhookAddress)
			},
		},
		"a webhook's port that cannot be": {args: []string{"--mediapod-image=x", "--webhook-bind-address=:0"}, error: "--webhook-bind-address"},
		"no metrics":                      {args: []string{"--mediapod-image=x", "--metrics-bind-address=0"}},
		"an address without port":         {args: []string{"--mediapod-image=x", "--metrics-bind-address=127.0.0.1"}, error: "--metrics-bind-address"},
		"a port that cannot be":           {args: []string{"--mediapod-image=x", "--health-probe-bind-address=:99999"}, error: "--health-probe-bind-address"},
		"leader election":                 {args: []string{"--mediapod-image=x", "--leader-elect"}},
		"leader election nowhere":         {args: []string{"--mediapod-image=x", "--leader-elect", "--leader-election-namespace="}, error: "--leader-election-namespace"},
		"a lease that is too short":       {args: []string{"--mediapod-image=x", "--leader-elect", "--leader-election-lease-duration=10s"}, error: "--leader-election-lease-duration"},
		"a deadline that is too short": {
			args: []string{"--mediapod-image=x", "--leader-elect", "--leader-election-renew-deadline=2s"}, error: "--leader-election-renew-deadline",
		},
		"no pause":        {args: []string{"--mediapod-image=x", "--leader-elect", "--leader-election-retry-period=0s"}, error: "--leader-election-retry-period"},
		"a level":         {args: []string{"--mediapod-image=x", "--log-level=debug"}},
		"no level at all": {args: []string{"--mediapod-image=x", "--log-level=loud"}, error: `"loud" is none of`},
		"no such flag":    {args: []string{"--mediapod-image=x", "--webhook-port=1"}, error: "webhook-port"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o, err := parse(t, tc.args...)
			switch {
			case tc.error == "" && err != nil:
				t.Fatal(err)
			case tc.error != "" && (err == nil || !strings.Contains(err.Error(), tc.error)):
				t.Fatalf("got error %v, want one that says %q", err, tc.error)
			case tc.check != nil:
				if diff := tc.check(o); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestAWebhookNeedsANamespace(t *testing.T) {
	o := options{mediaPodImage: "x", mediaPodRole: "y", metricsAddress: "0", healthAddress: "0", pprofAddress: "0", webhookAddress: ":9443"}
	if err := o.validate(); err == nil || !strings.Contains(err.Error(), "POD_NAMESPACE") {
		t.Errorf("got %v", err)
	}
}

func TestLogIsJSONAndKnowsLevels(t *testing.T) {
	var out bytes.Buffer
	var debug level
	if err := debug.Set("debug"); err != nil {
		t.Fatal(err)
	}
	newLog(&out, level{}).V(1).Info("chatter")
	if out.Len() != 0 {
		t.Errorf("info logs chatter: %s", out.String())
	}
	newLog(&out, debug).V(1).Info("chatter", "mediaPod", "reception-0")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["msg"] != "chatter" || line["mediaPod"] != "reception-0" {
		t.Errorf("debug logs %q (%v)", out.String(), err)
	}
}

func TestAwaitAPIIsPatient(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" || asked.Add(1) < 3 {
			http.Error(w, "starting", http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	if err := awaitAPI(t.Context(), &rest.Config{Host: server.URL}, logr.Discard()); err != nil {
		t.Fatal(err)
	}
	if n := asked.Load(); n != 3 {
		t.Errorf("asked %d times, want until the first good answer: 3", n)
	}

	server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := awaitAPI(ctx, &rest.Config{Host: server.URL}, logr.Discard()); !errors.Is(err, context.Canceled) {
		t.Errorf("told to stop while waiting: got %v", err)
	}
}
