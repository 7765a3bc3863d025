// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
)

type configMaps struct{ err error }

func (c configMaps) ConfigMap(context.Context, string) (*corev1.ConfigMap, error) {
	return &corev1.ConfigMap{BinaryData: map[string][]byte{"hello.wav": []byte("no sound")}}, c.err
}

func TestWhatIsPreparedForACall(t *testing.T) {
	play := &callfleetv1.Behavior{Play: &callfleetv1.Play{URL: "https://files.contoso.com/hello.wav", Loop: true}}
	echo := &callfleetv1.Behavior{Echo: &callfleetv1.Echo{}}
	prompt := graph.MediaInfo{URI: "https://files.contoso.com/hello.wav", ResourceID: "1"}
	tests := map[string]struct {
		hosting  callfleetv1.Hosting
		behavior *callfleetv1.Behavior
		err      error
		ok       func(behavior) bool
	}{
		"nothing":             {callfleetv1.HostingApplication, nil, nil, func(b behavior) bool { return !b.media.Echo && b.media.Play == nil && b.prompt == nil }},
		"echo":                {callfleetv1.HostingApplication, echo, nil, func(b behavior) bool { return b.media.Echo }},
		"echo by the service": {callfleetv1.HostingService, echo, nil, nil},
		"play": {callfleetv1.HostingApplication, play, nil, func(b behavior) bool {
			return b.media.Play.Loop && len(b.media.Play.Clip.Samples) == 16000 && b.prompt == nil
		}},
		"play by the service":     {callfleetv1.HostingService, play, nil, func(b behavior) bool { return *b.prompt == prompt && b.loop && b.media.Play == nil }},
		"no file":                 {callfleetv1.HostingApplication, play, errors.New("no such file"), nil},
		"no file for the service": {callfleetv1.HostingService, play, errors.New("no such file"), nil},
		"of another version":      {callfleetv1.HostingService, &callfleetv1.Behavior{}, nil, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b, err := prepare(t.Context(), &files{prompt: prompt, err: tc.err}, tc.hosting, tc.behavior)
			if (err == nil) != (tc.ok != nil) || err == nil && !tc.ok(b) {
				t.Errorf("prepared %+v, error %v", b, err)
			}
			if err != nil {
				if end := endOfBehavior(err); end.Reason != callfleetv1.EndInvalidBehavior || !end.Failed || end.Retryable {
					t.Errorf("end %+v", end)
				}
			}
		})
	}
}
