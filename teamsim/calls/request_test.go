// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"net/url"
	"strings"
	"testing"
)

func FuzzCreateRequest(f *testing.F) {
	f.Add([]byte(`{"@odata.type":"#microsoft.graph.call","callbackUri":"https://a/b","requestedModalities":["audio"],` +
		`"mediaConfig":{"@odata.type":"#microsoft.graph.appHostedMediaConfig","blob":"{}"},"tenantId":null}`))
	f.Add([]byte(`{"@odata.type":"#microsoft.graph.call","callbackUri":"https://a","requestedModalities":["video"],` +
		`"mediaConfig":{"@odata.type":"#microsoft.graph.serviceHostedMediaConfig","preFetchMedia":[{"uri":"https://x/y.wav"}]},` +
		`"meetingInfo":{"@odata.type":"#microsoft.graph.joinMeetingIdMeetingInfo","joinMeetingId":"1","passcode":null},"ringingTimeoutInSeconds":99}`))
	f.Add([]byte(`{"@odata.type":null,"source":{"identity":{"guest":{}}}}`))
	f.Add([]byte(`[[[`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var r createRequest
		if parse(body, callRule(true), &r) != nil {
			return
		}
		if u, err := url.Parse(r.CallbackURI); err != nil || u.Scheme != "https" || len(r.RequestedModalities) == 0 || r.MediaConfig.Type == "" {
			t.Errorf("accepted %s as %+v", body, r)
		}
	})
}

func FuzzBlob(f *testing.F) {
	f.Add(`{"version":1,"transport":"webrtc","mpUri":"https://h:8445/whip/c","token":"t"}`)
	f.Add(`{"mpUri":"net.tcp://host:8445/MediaProcessor"}`)
	f.Fuzz(func(t *testing.T, raw string) {
		b, refusal := parseBlob(raw)
		if refusal != nil {
			return
		}
		if u, err := url.Parse(b.MPURI); err != nil || u.Scheme != "https" || u.Host == "" || b.Token == "" {
			t.Errorf("accepted %q as %+v", raw, b)
		}
	})
}

func TestLengthsAreInCharacters(t *testing.T) {
	rule := atMost(maxClientContext)
	if err := rule("clientContext", strings.Repeat("ü", maxClientContext)); err != nil {
		t.Error(err)
	}
	if rule("clientContext", strings.Repeat("ü", maxClientContext+1)) == nil {
		t.Error("one character too many is let through")
	}
}
