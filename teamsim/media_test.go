// SPDX-License-Identifier: Apache-2.0

package teamsim_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/measure"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/teamsim"
	"github.com/callfleet/callfleet/teamsim/admin"
)

func speech(t *testing.T) ([]byte, wav.Clip) {
	t.Helper()
	raw, err := os.ReadFile("../audio/testdata/standup.wav")
	if err != nil {
		t.Fatal(err)
	}
	clip, err := wav.Decode(bytes.NewReader(raw), 10<<20)
	if err != nil {
		t.Fatal(err)
	}
	return raw, clip.Resample(audio.SampleRate)
}

func (s *sim) compare(p admin.Person, spoken wav.Clip) measure.Report {
	s.t.Helper()
	raw, err := s.admin.Heard(s.t.Context(), p)
	s.must(err)
	heard, err := wav.Decode(bytes.NewReader(raw), 100<<20)
	s.must(err)
	r, err := measure.Compare(spoken.Samples, heard.Samples, audio.SampleRate)
	s.must(err)
	s.t.Logf("%s heard: %+v", p.DisplayName, r)
	return r
}

func TestPeopleHearEachOtherAndTheBotEchoes(t *testing.T) {
	raw, clip := speech(t)
	for _, codec := range []string{"G722", "PCMU", "PCMA"} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			b := newBot(t, s).trusted()
			b.Codec = strings.TrimPrefix(codec, "G722")
			m := s.meeting(nil)
			ada, grace := s.person(m, "Ada"), s.person(m, "Grace")
			id := s.join(joinBody(m, b))
			b.waitFor("updated roster 3")
			if got := s.call(id).Media.Codec; got != codec {
				t.Errorf("codec = %s", got)
			}

			s.must(s.admin.ResetHeard(t.Context(), ada))
			u, err := s.admin.Speak(t.Context(), ada, raw, admin.SpeakOptions{Wait: true})
			s.must(err)
			if !u.Done {
				t.Error("Speak returned before the clip was spoken")
			}
			time.Sleep(500 * time.Millisecond) // the echo's way back
			r := s.compare(ada, clip)
			if r.Correlation < 0.9 || r.LevelDB < -3 || r.LevelDB > 3 || r.LongestGap > 60*time.Millisecond || r.Delay > 500*time.Millisecond {
				t.Errorf("what Ada heard of herself: %+v", r)
			}
			if c := s.call(id); c.Media.PacketsReceived < 100 || c.Media.PacketsSent < 100 {
				t.Errorf("media = %+v", c.Media)
			}
			b.mu.Lock()
			if b.levels == 0 {
				t.Error("packets carry no audio level (RFC 6464)")
			}
			b.mu.Unlock()

			// Grace hears Ada herself, with the echo on top; without a bot she hears just Ada.
			s.do("DELETE", "/v1.0/communications/calls/"+id, nil)
			b.waitFor("deleted terminated 200/7000")
			if codec != "G722" {
				return
			}
			s.must(s.admin.ResetHeard(t.Context(), grace))
			_, err = s.admin.Speak(t.Context(), ada, raw, admin.SpeakOptions{Wait: true, Delay: 100 * time.Millisecond})
			s.must(err)
			if r := s.compare(grace, clip); r.Correlation < 0.99 {
				t.Errorf("what Grace heard of Ada: %+v", r)
			}
			s.noGhosts()
		})
	}
}

func TestAMutedBotIsNotHeardAndTheLobbyIsDeaf(t *testing.T) {
	raw, _ := speech(t)
	s := start(t)
	b := newBot(t, s).trusted()
	m := s.meeting(func(n *admin.NewMeeting) { n.Lobby = true })
	ada := s.person(m, "Ada")
	id := s.join(joinBody(m, b))
	b.waitFor("updated roster in lobby")
	_, err := s.admin.Speak(t.Context(), ada, raw, admin.SpeakOptions{Loop: true})
	s.must(err)
	silentFor := func(what string) {
		t.Helper()
		s.must(s.admin.ResetHeard(t.Context(), ada))
		time.Sleep(600 * time.Millisecond)
		if level := s.heardLevel(ada); level > audio.SilenceDBov {
			t.Errorf("%s: Ada hears %.0f dBov", what, level)
		}
	}
	silentFor("bot in the lobby")
	s.must(s.admin.Admit(t.Context(), m.ID, s.participants(m)[1].ID))
	heard := func() bool { return s.heardLevel(ada) > -50 }
	s.must(s.admin.ResetHeard(t.Context(), ada))
	eventually(t, "the echo", heard, func() string { return "" })
	s.do("POST", "/v1.0/communications/calls/"+id+"/mute", nil)
	silentFor("muted bot")
	s.do("POST", "/v1.0/communications/calls/"+id+"/unmute", nil)
	s.must(s.admin.ResetHeard(t.Context(), ada))
	eventually(t, "the echo after unmute", heard, func() string { return "" })
	s.must(s.admin.Hush(t.Context(), ada))
}

func (s *sim) heardLevel(p admin.Person) float64 {
	s.t.Helper()
	raw, err := s.admin.Heard(s.t.Context(), p)
	s.must(err)
	clip, err := wav.Decode(bytes.NewReader(raw), 100<<20)
	s.must(err)
	return audio.DBov(audio.Energy(clip.Samples), len(clip.Samples))
}

func TestMediaThatCannotBeHad(t *testing.T) {
	for name, c := range map[string]struct {
		untrusted bool
		blob      func(*bot) string
		mute      bool
		want      string
		says      string
	}{
		"nobody listens there": {blob: func(b *bot) string { return strings.Replace(b.blob(), b.server.URL, "https://127.0.0.1:1", 1) },
			want: "500/7106", says: "connection refused"},
		"certificate of an unknown CA": {untrusted: true, blob: (*bot).blob, want: "500/7106", says: "certificate"},
		"name not in the certificate": {blob: func(b *bot) string { return strings.Replace(b.blob(), "127.0.0.1", "media.contoso.com", 1) },
			want: "500/7106", says: "media.contoso.com"},
		"wrong token": {blob: func(b *bot) string { return strings.Replace(b.blob(), whipToken, "another", 1) },
			want: "500/7112", says: "401"},
		"ICE never connects": {blob: (*bot).blob, mute: true, want: "500/1005", says: "UDP"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, impatient, func(o *teamsim.Options) {
				o.NotificationPatience = time.Second
				o.Resolve = map[string]string{"*.contoso.com": "127.0.0.1"}
			})
			b := newBot(t, s)
			b.Mute = c.mute
			if !c.untrusted {
				b.trusted()
			}
			body := joinBody(s.meeting(nil), b)
			in(body, "mediaConfig")["blob"] = c.blob(b)
			id := s.join(body)
			if !c.untrusted {
				b.waitFor("deleted terminated " + c.want)
			}
			eventually(t, "the end of the call", func() bool { return !s.call(id).Live() }, func() string { return "" })
			if got := s.call(id); !strings.Contains(got.EndDetail, c.says) || !strings.Contains(got.Result.Message, strings.Replace(c.want, "/", "#", 1)) {
				t.Errorf("detail = %q, message = %q, want something about %s", got.EndDetail, got.Result.Message, c.says)
			}
			if strings.Contains(s.call(id).Result.Message, "127.0.0.1") {
				t.Error("the message tells what the real service would not")
			}
			s.noGhosts()
		})
	}
}

func TestABotThatDiesLeavesNoGhost(t *testing.T) {
	s := start(t, impatient)
	b := newBot(t, s).trusted()
	m := s.meeting(func(n *admin.NewMeeting) { n.People = []string{"Ada"} })
	id := s.join(joinBody(m, b))
	b.waitFor("updated roster 2")
	died := time.Now()
	b.killMedia()
	b.waitFor("deleted terminated 410/301005")
	if took := time.Since(died); took > 8*time.Second {
		t.Errorf("it took %v", took)
	}
	if left := s.participants(m); len(left) != 1 || left[0].Kind != "Person" {
		t.Errorf("left in the meeting: %+v", left)
	}
	if r := s.do("POST", "/v1.0/communications/calls/"+id+"/keepAlive", nil); r.Status != 404 {
		t.Errorf("keepAlive: %d", r.Status)
	}
	s.noGhosts()
}

func TestABotThatClosesItsMediaIsGoneAtOnce(t *testing.T) {
	s := start(t, func(o *teamsim.Options) { o.MediaTimeout = time.Hour })
	b := newBot(t, s).trusted()
	s.join(joinBody(s.meeting(nil), b))
	b.waitFor("updated roster 1")
	b.closeMedia()
	b.waitFor("deleted terminated 410/301005")
}

func TestHangingUpWhileMediaClosesIsStillAHangUp(t *testing.T) {
	s := start(t)
	b := newBot(t, s).trusted()
	id := s.join(joinBody(s.meeting(nil), b))
	b.waitFor("updated roster 1")
	b.closeMedia()
	if r := s.do("DELETE", "/v1.0/communications/calls/"+id, nil); r.Status != 204 {
		t.Errorf("hang up: %d", r.Status)
	}
	b.waitFor("deleted terminated 200/7000")
}

func TestServiceHostedCallsNeedNoMediaEndpoint(t *testing.T) {
	s := start(t)
	b := newBot(t, s).trusted()
	body := joinBody(s.meeting(nil), b)
	body["mediaConfig"] = doc{"@odata.type": "#microsoft.graph.serviceHostedMediaConfig"}
	id := s.join(body)
	b.waitFor("updated roster 1")
	if c := s.call(id); c.Media != nil || !c.MediaActive {
		t.Errorf("call = %+v", c)
	}
}
