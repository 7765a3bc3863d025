// SPDX-License-Identifier: Apache-2.0

package teamsim_test

import (
	"bytes"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/measure"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/teamsim/admin"
)

// shelf serves prompts over http, and over https by a certificate the simulator is made to trust.
type shelf struct {
	plain, secure *httptest.Server
	fetched       atomic.Int32
}

func newShelf(s *sim, files map[string][]byte) *shelf {
	s.t.Helper()
	h := &shelf{}
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.fetched.Add(1)
		file, ok := files[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(file)
	})
	h.plain, h.secure = httptest.NewServer(serve), httptest.NewTLSServer(serve)
	s.t.Cleanup(h.plain.Close)
	s.t.Cleanup(h.secure.Close)
	s.must(s.admin.TrustRoots(s.t.Context(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.secure.Certificate().Raw})))
	return h
}

func encode(t *testing.T, c wav.Clip) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := wav.Encode(&b, c); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// hush is a prompt of silence.
func hush(length time.Duration) wav.Clip {
	return wav.Clip{SampleRate: audio.SampleRate, Samples: make([]int16, int(length.Seconds()*audio.SampleRate))}
}

func prompt(uri string) doc {
	return doc{"@odata.type": "#microsoft.graph.mediaPrompt", "mediaInfo": doc{"@odata.type": "#microsoft.graph.mediaInfo", "uri": uri}}
}

// operate starts an operation that must be accepted, and returns its resource.
func (s *sim) operate(path, action string, body doc) doc {
	s.t.Helper()
	r := s.do("POST", path+"/"+action, body)
	if r.Status != http.StatusOK || !strings.HasSuffix(r.Header.Get("Location"), "/operations/"+r.Body["id"].(string)) {
		s.t.Fatalf("%s: %d %v %v", action, r.Status, r.Header, r.Body)
	}
	return r.Body
}

// ended waits for the notification that ends an operation.
func (b *bot) ended(op doc) note {
	b.t.Helper()
	var found note
	eventually(b.t, "the end of the operation", func() bool {
		for _, n := range b.notes() {
			if strings.HasSuffix(n.Resource, "/operations/"+op["id"].(string)) {
				found = n
				return true
			}
		}
		return false
	}, func() string { return strings.Join(b.story(), "; ") })
	return found
}

func TestPromptsAreHeard(t *testing.T) {
	_, spoken := speech(t)
	for name, c := range map[string]struct {
		uri  func(*shelf) string
		ring func(*sim) func(*admin.IncomingCall)
	}{
		"over https": {uri: func(h *shelf) string { return h.secure.URL + "/speech.wav" }},
		"over http":  {uri: func(h *shelf) string { return h.plain.URL + "/speech.wav" }},
		"in a meeting": {func(h *shelf) string { return h.plain.URL + "/speech.wav" }, func(s *sim) func(*admin.IncomingCall) {
			m := s.meeting(nil)
			return func(in *admin.IncomingCall) { in.MeetingID = m.ID }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			b := s.reachable(allRoles...)
			shelf := newShelf(s, map[string][]byte{"speech.wav": encode(t, spoken), "pause.wav": encode(t, hush(200*time.Millisecond))})
			var ring func(*admin.IncomingCall)
			if c.ring != nil {
				ring = c.ring(s)
			}
			path, id := s.answered(b, serviceHosted(), ring)
			op := s.operate(path, "playPrompt", doc{"clientContext": "hello", "prompts": []doc{prompt(shelf.plain.URL + "/pause.wav"), prompt(c.uri(shelf))}})
			if op["status"] != "running" || op["@odata.type"] != "#microsoft.graph.playPromptOperation" || op["clientContext"] != "hello" {
				t.Errorf("operation = %v", op)
			}
			n := b.ended(op)
			if n.ChangeType != "deleted" || n.Call["status"] != "completed" || n.Call["completionReason"] != "completedSuccessfully" || n.Call["clientContext"] != "hello" {
				t.Errorf("its end: %s", n.Raw)
			}
			if r := s.compare(s.call(id).People[0], spoken); r.Correlation < 0.95 {
				t.Errorf("she heard %+v", r)
			}
			if r := s.do("GET", path+"/operations/"+op["id"].(string), nil); r.Body["status"] != "completed" {
				t.Errorf("the operation afterwards: %v", r.Body)
			}
		})
	}
}

func TestPromptsThatCannotBePlayed(t *testing.T) {
	_, spoken := speech(t)
	s := start(t)
	b := s.reachable(allRoles...)
	stereo := encode(t, spoken.Resample(48000))
	shelf := newShelf(s, map[string][]byte{"48k.wav": stereo, "text.wav": []byte("hello"), "empty.wav": encode(t, wav.Clip{SampleRate: audio.SampleRate})})
	path, _ := s.answered(b, serviceHosted(), nil)
	for file, says := range map[string]string{
		"48k.wav": "48000 Hz; prompts must be PCM, mono, 16 bits, 16000 Hz", "text.wav": "not a WAV file", "missing.wav": "404", "empty.wav": "no audio",
	} {
		n := b.ended(s.operate(path, "playPrompt", doc{"prompts": []doc{prompt(shelf.plain.URL + "/" + file)}}))
		if m, _ := in(n.Call, "resultInfo")["message"].(string); n.Call["status"] != "failed" || !strings.Contains(m, says) {
			t.Errorf("%s: %s", file, n.Raw)
		}
	}
	n := b.ended(s.operate(path, "recordResponse", doc{"prompts": []doc{prompt("https://127.0.0.1:1/x.wav")}}))
	if n.Call["status"] != "failed" || n.Call["completionReason"] != "playPromptFailed" || n.Call["recordingLocation"] != nil {
		t.Errorf("a recording after a prompt that cannot be had: %s", n.Raw)
	}
}

func TestAPromptWithAResourceIDIsFetchedOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	b := s.reachable(allRoles...)
	shelf := newShelf(s, map[string][]byte{"pause.wav": encode(t, hush(40*time.Millisecond))})
	media := serviceHosted()
	media["preFetchMedia"] = []doc{{"uri": shelf.plain.URL + "/pause.wav", "resourceId": "first"}}
	path, _ := s.answered(b, media, nil)
	eventually(t, "prefetching", func() bool { return shelf.fetched.Load() == 1 }, func() string { return "" })
	for _, step := range []struct {
		resourceID any
		want       int32
	}{{"first", 1}, {"first", 1}, {"second", 2}, {nil, 3}, {nil, 4}} {
		p := prompt(shelf.plain.URL + "/pause.wav")
		in(p, "mediaInfo")["resourceId"] = step.resourceID
		b.ended(s.operate(path, "playPrompt", doc{"prompts": []doc{p}}))
		if got := shelf.fetched.Load(); got != step.want {
			t.Errorf("resourceId %v: fetched %d times, want %d", step.resourceID, got, step.want)
		}
	}
}

func TestRecordingAnAnswer(t *testing.T) {
	clip, spoken := speech(t)
	for name, c := range map[string]struct {
		body   doc
		speak  bool
		keys   []string
		reason string
		result string
	}{
		"until silence": {doc{"maxSilenceTimeoutInSeconds": 1, "maxRecordDurationInSeconds": 60}, true, nil, "maxSilenceTimeout", "200/0"},
		"until a key":   {doc{"stopTones": []string{"#", "1"}, "maxRecordDurationInSeconds": 60}, false, []string{"tone2", "pound"}, "stopToneDetected", "200/0"},
		"nobody speaks": {doc{"initialSilenceTimeoutInSeconds": 1, "maxRecordDurationInSeconds": 60}, false, nil, "initialSilenceTimeout", "200/0"},
		"too long":      {doc{"maxRecordDurationInSeconds": 1}, true, nil, "maxRecordDurationReached", "200/8515"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			b := s.reachable(allRoles...)
			shelf := newShelf(s, map[string][]byte{"pause.wav": encode(t, hush(100*time.Millisecond))})
			path, id := s.answered(b, serviceHosted(), nil)
			c.body["prompts"] = []doc{prompt(shelf.plain.URL + "/pause.wav")}
			op := s.operate(path, "recordResponse", c.body)
			ada := s.call(id).People[0]
			eventually(t, "the beep", func() bool { return s.heardLevel(ada) > -60 }, func() string { return "" })
			if c.speak {
				_, err := s.admin.Speak(t.Context(), ada, clip, admin.SpeakOptions{Delay: 400 * time.Millisecond})
				s.must(err)
			}
			if len(c.keys) > 0 {
				time.Sleep(500 * time.Millisecond) // the rest of the beep: keys before the recording end nothing
			}
			s.must(s.admin.Press(t.Context(), ada, c.keys...))
			n := b.ended(op)
			if n.Call["completionReason"] != c.reason || !strings.HasSuffix(b.story()[len(b.story())-1], "completed "+c.reason+" "+c.result) {
				t.Errorf("its end: %s\n%s", n.Raw, b.story()[len(b.story())-1])
			}
			recorded := s.download(n.Call["recordingLocation"].(string), n.Call["recordingAccessToken"].(string))
			if name == "until silence" {
				r, err := measure.Compare(spoken.Samples, recorded.Samples, audio.SampleRate)
				s.must(err)
				if r.Correlation < 0.95 {
					t.Errorf("recorded %+v", r)
				}
			}
			if length := float64(len(recorded.Samples)) / audio.SampleRate; name != "until silence" && length > 1.2 {
				t.Errorf("recorded %.1f s", length)
			}
			secrets, err := s.admin.Secrets(t.Context())
			s.must(err)
			location := n.Call["recordingLocation"].(string)
			if secrets[n.Call["recordingAccessToken"].(string)] != "recording's token" || secrets[location[strings.LastIndexByte(location, '/')+1:]] != "recording's location" {
				t.Errorf("the recording is not among what is secret: %v", secrets)
			}
			resp, err := s.http.Get(n.Call["recordingLocation"].(string))
			s.must(err)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("without the token: %d", resp.StatusCode)
			}
		})
	}
}

func (s *sim) download(location, token string) wav.Clip {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, location, nil)
	s.must(err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := s.http.Do(req)
	s.must(err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	s.must(err)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/octet-stream" || resp.ContentLength != -1 {
		s.t.Errorf("recording: %d %v", resp.StatusCode, resp.Header)
	}
	clip, err := wav.Decode(bytes.NewReader(raw), 10<<20)
	s.must(err)
	return clip
}

func TestTheQueueOfPrompts(t *testing.T) {
	for name, c := range map[string]struct {
		then func(s *sim, path string)
		want []string // how the three prompts end
	}{
		"in order": {func(*sim, string) {}, []string{"playPromptOperation completed completedSuccessfully 200/0",
			"playPromptOperation completed completedSuccessfully 200/0", "playPromptOperation completed completedSuccessfully 200/0"}},
		"cancelled": {func(s *sim, path string) {
			if op := s.operate(path, "cancelMediaProcessing", doc{"clientContext": "stop"}); op["status"] != "completed" {
				s.t.Errorf("operation = %v", op)
			}
		}, []string{"playPromptOperation failed mediaOperationCanceled 400/8508", "playPromptOperation failed mediaOperationCanceled 400/8508",
			"playPromptOperation failed mediaOperationCanceled 400/8508"}},
		"barged in upon": {func(s *sim, path string) {
			s.operate(path, "recordResponse", doc{"bargeInAllowed": true, "playBeep": false, "initialSilenceTimeoutInSeconds": 1, "maxRecordDurationInSeconds": 9})
		}, []string{"playPromptOperation failed mediaOperationCanceled 400/8508", "playPromptOperation failed mediaOperationCanceled 400/8508",
			"playPromptOperation failed mediaOperationCanceled 400/8508", "recordOperation completed initialSilenceTimeout 200/0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			b := s.reachable(allRoles...)
			length := 100 * time.Millisecond
			if name != "in order" {
				length = 20 * time.Second
			}
			shelf := newShelf(s, map[string][]byte{"pause.wav": encode(t, hush(length))})
			path, _ := s.answered(b, serviceHosted(), nil)
			b.waitFor("updated established active")
			before := len(b.story())
			var ids []string
			for range 3 {
				ids = append(ids, s.operate(path, "playPrompt", doc{"prompts": []doc{prompt(shelf.plain.URL + "/pause.wav")}})["id"].(string))
			}
			c.then(s, path)
			eventually(t, "all ends", func() bool { return len(b.story()) == before+len(c.want) }, func() string { return strings.Join(b.story(), "; ") })
			var got []string
			for i, n := range b.notes()[before:] {
				got = append(got, strings.TrimPrefix(b.story()[before+i], "deleted "))
				if i < 3 && !strings.HasSuffix(n.Resource, ids[i]) {
					t.Errorf("end %d is that of another prompt", i)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("ends (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	s := start(t)
	b := s.reachable(callRoles...)
	path, id := s.answered(b, serviceHosted(), nil)
	b.waitFor("updated established active")
	ada := s.call(id).People[0]
	s.must(s.admin.Press(t.Context(), ada, "tone9")) // nobody asked for keys
	if op := s.operate(path, "subscribeToTone", doc{"clientContext": "keys"}); op["status"] != "completed" {
		t.Errorf("operation = %v", op)
	}
	s.must(s.admin.Press(t.Context(), ada, "tone1", "pound"))
	b.waitFor("updated established active 2 pound")
	if got := b.story()[len(b.story())-2]; got != "updated established active 1 tone1" {
		t.Errorf("before: %s", got)
	}
	if err := s.admin.Press(t.Context(), ada, "#"); err == nil {
		t.Error("a key that is none was pressed")
	}

	op := s.operate(path, "sendDtmfTones", doc{"tones": []string{"tone4", "star"}, "delayBetweenTonesMs": 50})
	if n := b.ended(op); n.Call["status"] != "completed" || n.Call["completionReason"] != "completedSuccessfully" {
		t.Errorf("its end: %s", n.Raw)
	}
	pressed, err := s.admin.Pressed(t.Context(), ada)
	s.must(err)
	if diff := cmp.Diff([]string{"tone4", "star"}, pressed); diff != "" {
		t.Errorf("what Ada got (-want +got):\n%s", diff)
	}
}

func TestMediaOperationsThatAreRefused(t *testing.T) {
	play := doc{"prompts": []doc{prompt("https://x/y.wav")}}
	loud := doc{"prompts": []doc{prompt("https://x/y.wav")}, "loop": 2}
	many := doc{"prompts": slices.Repeat([]doc{prompt("https://x/y.wav")}, 21)}
	untyped := doc{"prompts": []doc{{"mediaInfo": doc{"uri": "https://x/y.wav"}}}}
	for name, c := range map[string]struct {
		app    bool // hosted by the application
		roles  []string
		action string
		body   doc
		want   int
		code   string
	}{
		"playPrompt, app-hosted":            {true, callRoles, "playPrompt", play, 500, "UnknownError"},
		"recordResponse, app-hosted":        {true, callRoles, "recordResponse", doc{}, 500, "UnknownError"},
		"cancelMediaProcessing, app-hosted": {true, callRoles, "cancelMediaProcessing", doc{}, 500, "UnknownError"},
		"subscribeToTone, app-hosted":       {true, callRoles, "subscribeToTone", doc{}, 500, "9999"},
		"sendDtmfTones, app-hosted":         {true, callRoles, "sendDtmfTones", doc{"tones": []string{"a"}}, 200, ""},
		"recordResponse without its role":   {false, nil, "recordResponse", doc{}, 403, "7503"},
		"subscribeToTone without its role":  {false, nil, "subscribeToTone", doc{}, 403, "7503"},
		"sendDtmfTones without its role":    {false, nil, "sendDtmfTones", doc{"tones": []string{"a"}}, 403, "7503"},
		"no prompts":                        {false, nil, "playPrompt", doc{"prompts": []doc{}}, 400, "BadRequest"},
		"too many prompts":                  {false, nil, "playPrompt", many, 400, "BadRequest"},
		"prompt without its type":           {false, nil, "playPrompt", untyped, 400, "BadRequest"},
		"loop":                              {false, nil, "playPrompt", loud, 400, "BadRequest"},
		"two prompts to record":             {false, allRoles, "recordResponse", doc{"prompts": []doc{prompt("https://x/y"), prompt("https://x/y")}}, 400, "BadRequest"},
		"too long a recording":              {false, allRoles, "recordResponse", doc{"maxRecordDurationInSeconds": 121}, 400, "BadRequest"},
		"a stop tone as enum":               {false, allRoles, "recordResponse", doc{"stopTones": []string{"pound"}}, 400, "BadRequest"},
		"a key that is none":                {false, callRoles, "sendDtmfTones", doc{"tones": []string{"#"}}, 400, "BadRequest"},
		"long clientContext":                {false, nil, "cancelMediaProcessing", doc{"clientContext": strings.Repeat("x", 257)}, 400, "BadRequest"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			b := s.reachable(c.roles...)
			media := serviceHosted()
			if c.app {
				media = appHosted(b)
			}
			path, _ := s.answered(b, media, nil)
			if r := s.do("POST", path+"/"+c.action, c.body); r.Status != c.want || r.errorCode() != c.code {
				t.Errorf("got %d %v, want %d %s", r.Status, r.Body, c.want, c.code)
			}
		})
	}
}
