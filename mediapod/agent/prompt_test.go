// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

type configMaps struct{ err error }

func (c configMaps) getConfigMap(context.Context, string) (*corev1.ConfigMap, error) {
	return &corev1.ConfigMap{BinaryData: map[string][]byte{"hello.wav": []byte("no sound")}}, c.err
}

// TestWhetherAPromptIsWorthAnotherAttempt: a server that is away for a moment must not fail a session for good.
func TestWhetherAPromptIsWorthAnotherAttempt(t *testing.T) {
	code := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
	defer server.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	inMap := func(key string) *callfleetv1.Play {
		return &callfleetv1.Play{ConfigMap: &callfleetv1.KeyReference{Name: "prompts", Key: key}}
	}
	at := func(url string) *callfleetv1.Play {
		return &callfleetv1.Play{URL: callfleetv1.HTTPSURL(url + "/hello.wav?sig=secret")}
	}
	tests := map[string]struct {
		play *callfleetv1.Play
		err  error
		code int
		want bool
	}{
		"the API server is away":     {play: inMap("hello.wav"), err: apierrors.NewServiceUnavailable("starting"), want: true},
		"there is no such ConfigMap": {play: inMap("hello.wav"), err: apierrors.NewNotFound(schema.GroupResource{}, "prompts")},
		"the pod may not read it":    {play: inMap("hello.wav"), err: apierrors.NewForbidden(schema.GroupResource{}, "prompts", nil)},
		"it has no such key":         {play: inMap("bye.wav")},
		"it is no sound":             {play: inMap("hello.wav")},
		"nobody answers":             {play: at(gone.URL), want: true},
		"the server fails":           {play: at(server.URL), code: http.StatusBadGateway, want: true},
		"the server throttles":       {play: at(server.URL), code: http.StatusTooManyRequests, want: true},
		"the file is not there":      {play: at(server.URL), code: http.StatusNotFound},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			code = tc.code
			p := promptLoader{configMaps: configMaps{tc.err}, http: http.DefaultClient}
			_, err := p.load(t.Context(), &callfleetv1.Behavior{Play: tc.play})
			if err == nil || strings.Contains(err.Error(), "secret") {
				t.Fatalf("error %v", err)
			}
			if got := endOfBehavior(err); got.Retryable != tc.want || got.Reason != callfleetv1.EndInvalidBehavior || !got.Failed {
				t.Errorf("%v: end %+v, want retryable %v", err, got, tc.want)
			}
		})
	}
}
