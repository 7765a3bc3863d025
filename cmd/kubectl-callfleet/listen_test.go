// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func TestWhereToListenIn(t *testing.T) {
	w := newWorld(t)
	const url = "https://reception-0.media.contoso.com:8445/whep/u1"
	for name, status := range map[string]callfleetv1.CallStatus{
		"heard":   {Phase: callfleetv1.PhaseEstablished, Media: &callfleetv1.MediaStatus{ListenURL: url, Listeners: 2}},
		"hosted":  {Phase: callfleetv1.PhaseEstablished, Call: &callfleetv1.CallRecord{ClaimedBy: "i", Hosting: callfleetv1.HostingService}},
		"joining": {Phase: callfleetv1.PhaseJoining},
		"over":    {Phase: callfleetv1.PhaseCompleted, EndReason: callfleetv1.EndedByBot},
	} {
		call := outgoing(w.namespace, name, "sales")
		call.Status.CallStatus = status
		call.Status.MediaPod = "reception-0"
		controllertest.Create(t, w.cluster.Client, call)
	}
	for args, tc := range map[string]struct {
		says string
		code int
	}{
		"call/heard":         {url + "\n", 0},
		"call/heard -o json": {`"listeners": 2`, 0},
		"call/hosted":        {"media.hosting: Application", exitRefused},
		"call/joining":       {"no media yet (Joining)", exitRefused},
		"call/over":          {"is over", exitRefused},
		"call/nothing":       {"there is no call/nothing", exitNotFound},
		"ms/standup":         {"no media yet", exitRefused},
		"":                   {"a call", exitUsage},
	} {
		t.Run(args, func(t *testing.T) {
			w.t = t
			out, errOut, code := w.run(append([]string{"listen-url"}, words(args)...)...)
			if code != tc.code || !strings.Contains(out+errOut, tc.says) {
				t.Errorf("%d %s%s, want %d %q", code, out, errOut, tc.code, tc.says)
			}
		})
	}
}
