// SPDX-License-Identifier: Apache-2.0

package media

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio/codec"
)

// Who finds out whether the public name leads here asks without a token.
func TestHealthIsAskedAtTheMediaPort(t *testing.T) {
	u := serve(t, func(c *Config) {
		c.Health = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("well, " + r.URL.RawQuery)) })
	})
	if resp, body := u.request(t, http.MethodGet, u.origin()+"/healthz?nonce=1", "", nil); resp.StatusCode != http.StatusOK || body != "well, nonce=1" {
		t.Errorf("%s: %s", resp.Status, body)
	}
	if resp, _ := u.request(t, http.MethodGet, u.origin()+"/healthz/x", "", nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a path below it: %s", resp.Status)
	}
}

func TestWhatIsRefused(t *testing.T) {
	u := serve(t)
	call := newCall(t, u, CallOptions{ID: "refused"})
	url, token := call.Endpoint()
	good := newFarSide(t, u, codec.G722).offer(nil)
	opus := strings.NewReplacer("G722/8000", "speex/16000", " 9\r\n", " 111\r\n", "rtpmap:9", "rtpmap:111").Replace(good)
	ended := newCall(t, u, CallOptions{ID: "ended"})
	ended.Close()

	tests := map[string]struct {
		method, url, body string
		header            map[string]string // changes to a good one; empty takes one away
		status            int
		reason, says      string
	}{
		"no token":                          {header: map[string]string{"Authorization": ""}, status: 401, reason: "unauthorized", says: "bearer token"},
		"another scheme":                    {header: map[string]string{"Authorization": "Basic " + token}, status: 401, reason: "unauthorized"},
		"a wrong token":                     {header: map[string]string{"Authorization": "Bearer " + token + "x"}, status: 401, reason: "unauthorized"},
		"no token, no call":                 {url: u.origin() + "/whip/other", header: map[string]string{"Authorization": ""}, status: 401, reason: "unauthorized"},
		"an unknown call":                   {url: u.origin() + "/whip/other", status: 404, reason: "unknown_call"},
		"a call that ended":                 {url: u.origin() + "/whip/ended", status: 404, reason: "unknown_call"},
		"another path":                      {url: u.origin() + "/metrics", status: 404, reason: "unknown_path"},
		"no call":                           {url: u.origin() + "/whip/", status: 404, reason: "unknown_path"},
		"too long a path":                   {url: url + "/a/b", status: 404, reason: "unknown_path"},
		"an unknown session":                {method: "DELETE", url: url + "/nobody", status: 404, reason: "unknown_session"},
		"GET":                               {method: "GET", status: 405, reason: "method"},
		"PUT":                               {method: "PUT", status: 405, reason: "method"},
		"no content type":                   {header: map[string]string{"Content-Type": ""}, status: 415, reason: "media_type", says: "application/sdp"},
		"JSON":                              {header: map[string]string{"Content-Type": "application/json"}, status: 415, reason: "media_type"},
		"more than 64 KiB":                  {body: good + strings.Repeat("a=x\r\n", 14000), status: 413, reason: "too_large"},
		"nothing":                           {body: "-", status: 400, reason: "malformed"},
		"no SDP":                            {body: "hello", status: 400, reason: "malformed"},
		"an audio section and nothing else": {body: "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", status: 400, reason: "malformed"},
		"no audio":                          {body: strings.ReplaceAll(good, "m=audio", "m=video"), status: 406, reason: "unacceptable", says: "no audio section"},
		"no codec of ours":                  {body: opus, status: 406, reason: "unacceptable", says: "G722, PCMU or PCMA"},
		"audio switched off":                {body: strings.Replace(good, "m=audio 9", "m=audio 0", 1), status: 406, reason: "unacceptable"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			header := bearer(token)
			maps.Copy(header, tc.header)
			maps.DeleteFunc(header, func(_, v string) bool { return v == "" })
			method, target, body := tc.method, tc.url, tc.body
			if method == "" {
				method = "POST"
			}
			if target == "" {
				target = url
			}
			if body == "" {
				body = good
			}
			before := counter(t, u, "callfleet_media_whip_refused_total", "reason", tc.reason)
			resp, detail := u.request(t, method, target, body, header)
			if resp.StatusCode != tc.status || !strings.Contains(detail, tc.says) {
				t.Errorf("%s: %s, want %d and %q", resp.Status, detail, tc.status, tc.says)
			}
			if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("a problem of type %q", got)
			}
			if tc.status == 401 && resp.Header.Get("WWW-Authenticate") != "Bearer" {
				t.Error("401 without WWW-Authenticate")
			}
			if got := counter(t, u, "callfleet_media_whip_refused_total", "reason", tc.reason); got != before+1 {
				t.Errorf("refusals for %q went from %v to %v", tc.reason, before, got)
			}
			if strings.Contains(detail, token) {
				t.Error("the token is in the answer")
			}
		})
	}
	if s := call.State(); s != StateNew {
		t.Errorf("after all of this the call is %s", s)
	}
	newFarSide(t, u, codec.G722).call(call) // and still can be had
}

func TestASecondSessionIsRefused(t *testing.T) {
	u := serve(t)
	call := newCall(t, u, CallOptions{ID: "busy"})
	f := newFarSide(t, u, codec.G722).call(call)
	url, token := call.Endpoint()
	offer := newFarSide(t, u, codec.G722).offer(nil)
	if resp, _ := u.request(t, "POST", url, offer, bearer(token)); resp.StatusCode != http.StatusConflict {
		t.Errorf("a second POST: %s, want 409", resp.Status)
	}
	// The far side may know that it is connected before the engine does.
	eventually(t, 5*time.Second, "the first is connected all the same", func() bool { return call.State() == StateConnected })
	if resp, _ := u.request(t, "DELETE", f.location, "", bearer("wrong")); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("DELETE with a wrong token: %s", resp.Status)
	}
	if resp, _ := u.request(t, "DELETE", f.location, "", bearer(token)); resp.StatusCode != http.StatusOK {
		t.Errorf("DELETE: %s", resp.Status)
	}
	if resp, _ := u.request(t, "DELETE", f.location, "", bearer(token)); resp.StatusCode != http.StatusNotFound {
		t.Errorf("DELETE again: %s", resp.Status)
	}
	if resp, _ := u.request(t, "POST", url, offer, bearer(token)); resp.StatusCode != http.StatusCreated {
		t.Errorf("POST after DELETE: %s", resp.Status)
	}
}

func TestTheAnswer(t *testing.T) {
	all := []codec.Codec{codec.PCMA, codec.PCMU, codec.G722}
	tests := map[string]struct {
		codecs []codec.Codec
		edit   func(string) string
		want   []string // m= and a=rtpmap lines of audio
		lacks  []string
	}{
		"our order, not theirs": {codecs: all, want: []string{
			"m=audio 9 UDP/TLS/RTP/SAVPF 9 0 8", "a=rtpmap:9 G722/8000", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000"}},
		"one of ours": {codecs: all[1:2], want: []string{"m=audio 9 UDP/TLS/RTP/SAVPF 0"}, lacks: []string{"G722", "PCMA"}},
		"their payload type": {codecs: all[2:], edit: strings.NewReplacer("SAVPF 9", "SAVPF 109", "rtpmap:9 ", "rtpmap:109 ").Replace,
			want: []string{"m=audio 9 UDP/TLS/RTP/SAVPF 109", "a=rtpmap:109 G722/8000"}},
		"unknown codecs are passed over": {codecs: all[1:2],
			edit: strings.NewReplacer("SAVPF 0", "SAVPF 99 0 126", "a=rtpmap:0 ", "a=rtpmap:99 speex/16000\r\na=rtpmap:126 telephone-event/8000\r\na=rtpmap:0 ").Replace,
			want: []string{"m=audio 9 UDP/TLS/RTP/SAVPF 0 126", "a=rtpmap:126 telephone-event/8000"}, lacks: []string{"speex", "rtpmap:99", " 99"}},
		"video is taken": {codecs: all[1:2], edit: withVideo,
			want: []string{"m=audio 9 UDP/TLS/RTP/SAVPF 0", "m=video 9 UDP/TLS/RTP/SAVPF 96"}},
		"a far side that only sends": {codecs: all[2:], edit: strings.NewReplacer("a=sendrecv", "a=sendonly").Replace, want: []string{"a=recvonly"}},
		"a far side that only hears": {codecs: all[2:], edit: strings.NewReplacer("a=sendrecv", "a=recvonly").Replace, want: []string{"a=sendonly"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			u := serve(t)
			url, token := newCall(t, u, CallOptions{ID: "answer"}).Endpoint()
			offer := newFarSide(t, u, tc.codecs...).offer(nil)
			if tc.edit != nil {
				offer = tc.edit(offer)
			}
			resp, answer := u.request(t, "POST", url, offer, bearer(token))
			if resp.StatusCode != http.StatusCreated {
				t.Fatalf("%s: %s\n%s", resp.Status, answer, offer)
			}
			want := append(tc.want, "a=ice-lite", "a=end-of-candidates", " "+u.Addr().Addr().String()+" ", "a=rtcp-mux")
			for _, w := range want {
				if !strings.Contains(answer, w) {
					t.Errorf("the answer lacks %q:\n%s", w, answer)
				}
			}
			for _, l := range tc.lacks {
				if strings.Contains(answer, l) {
					t.Errorf("the answer has %q:\n%s", l, answer)
				}
			}
			if got := strings.Count(answer, "a=candidate:"); got != 1 && got != 2 { // RTP, and RTCP for those without rtcp-mux
				t.Errorf("%d candidates:\n%s", got, answer)
			}
			h := resp.Header
			if h.Get("Content-Type") != typeSDP || !strings.HasPrefix(h.Get("Location"), "/whip/answer/") || len(h.Get("ETag")) < 10 {
				t.Errorf("header %v", h)
			}
		})
	}
}

func withVideo(offer string) string {
	audio := offer[strings.Index(offer, "m=audio"):]
	video := strings.NewReplacer("m=audio", "m=video", "SAVPF 0", "SAVPF 96", "rtpmap:0 PCMU/8000", "rtpmap:96 VP8/90000", "a=mid:0", "a=mid:1").Replace(audio)
	video = video[:strings.Index(video, "a=ssrc")] + "a=sendrecv\r\n"
	return strings.Replace(offer, "BUNDLE 0", "BUNDLE 0 1", 1) + video
}

func TestPreflight(t *testing.T) {
	u := serve(t)
	resp, _ := u.request(t, "OPTIONS", u.origin()+"/whip/x", "", nil)
	if resp.StatusCode != http.StatusNoContent || resp.Header.Get("Accept-Post") != typeSDP ||
		!strings.Contains(resp.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("%s: %v", resp.Status, resp.Header)
	}
}

func TestTrickle(t *testing.T) {
	u := serve(t)
	call := newCall(t, u, CallOptions{ID: "trickle"})
	f := newFarSide(t, u, codec.G722).call(call)
	fragment := "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n" +
		"a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\na=end-of-candidates\r\n"
	tests := map[string]struct {
		match, kind, body string
		want              int
	}{
		"a candidate":       {f.etag, typeFragment, fragment, 204},
		"a name in mDNS":    {f.etag, typeFragment, "a=candidate:1 1 udp 2130706431 6fb6f1a5-8b7c-4c4e-9b5c-0a8e5b6f5d3b.local 9 typ host\r\n", 204},
		"one over TCP":      {f.etag, typeFragment, "a=candidate:1 1 tcp 1518280447 127.0.0.1 9 typ host tcptype active\r\n", 204},
		"only the end":      {f.etag, typeFragment, "a=end-of-candidates\r\n", 204},
		"no If-Match":       {"", typeFragment, fragment, 428},
		"another session":   {`"old"`, typeFragment, fragment, 412},
		"a whole offer":     {f.etag, typeSDP, fragment, 415},
		"rubbish":           {f.etag, typeFragment, "hello", 400},
		"a bad candidate":   {f.etag, typeFragment, "a=candidate:nonsense\r\n", 400},
		"restart with none": {"*", typeFragment, "a=end-of-candidates\r\n", 400},
		"a short password":  {"*", typeFragment, "a=ice-ufrag:abcd\r\na=ice-pwd:short\r\n", 400},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			header := map[string]string{"Authorization": "Bearer " + f.token, "Content-Type": tc.kind}
			if tc.match != "" {
				header["If-Match"] = tc.match
			}
			if resp, body := u.request(t, "PATCH", f.location, tc.body, header); resp.StatusCode != tc.want {
				t.Errorf("%s: %s, want %d", resp.Status, body, tc.want)
			}
		})
	}
	if s := call.State(); s != StateConnected {
		t.Errorf("state %s after it", s)
	}
}

func TestICERestart(t *testing.T) {
	u := serve(t)
	call := newCall(t, u, CallOptions{ID: "restart", Behavior: Behavior{Echo: true}})
	f := newFarSide(t, u, codec.G722).call(call)
	spoken := recordingOf(t, "prompt.wav")
	f.speak(spoken[:16000])

	restarted(t, f, call)
	before := f.count()
	eventually(t, 5*time.Second, "audio after the restart", func() bool {
		f.speak(spoken[16000:19200])
		return f.count() > before+5
	})
	if s := call.State(); s != StateConnected {
		t.Errorf("state %s", s)
	}
}
