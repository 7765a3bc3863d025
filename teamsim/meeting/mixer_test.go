// SPDX-License-Identifier: Apache-2.0

package meeting

import (
	"bytes"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/teamsim/simclock"
)

// tone says the same sample value for ever, and remembers what it hears.
type tone struct {
	says  int16 // 0: silent
	heard int16
}

func (a *tone) ReadFrame(f *Frame) bool {
	for i := range f {
		f[i] = a.says
	}
	return a.says != 0
}

func (a *tone) WriteFrame(f *Frame) { a.heard = f[100] }

func TestEverybodyHearsAllButThemselves(t *testing.T) {
	for name, c := range map[string]struct{ says, hears []int16 }{
		"three speak":    {[]int16{100, 20, 3}, []int16{23, 103, 120}},
		"one speaks":     {[]int16{100, 0, 0}, []int16{0, 100, 100}},
		"too loud":       {[]int16{30000, 30000, 1}, []int16{30001, 30001, 32767}},
		"too loud below": {[]int16{-30000, -30000, -1}, []int16{-30001, -30001, -32768}},
		"alone":          {[]int16{100}, []int16{0}},
	} {
		t.Run(name, func(t *testing.T) {
			var all []*participant
			var tones []*tone
			for _, s := range c.says {
				tones = append(tones, &tone{says: s})
				all = append(all, &participant{audio: tones[len(tones)-1]})
			}
			mixOnce(all)
			for i, want := range c.hears {
				if tones[i].heard != want {
					t.Errorf("%d hears %d, want %d", i, tones[i].heard, want)
				}
			}
		})
	}
}

func newMeeting(t *testing.T) *Meeting {
	t.Helper()
	s := &Store{Clock: simclock.New()}
	m, err := s.Create(Options{TenantID: "1fdd12d0-4620-44ed-baec-459b611f84b2"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.End)
	return m
}

func TestHearingKeepsWallTime(t *testing.T) {
	m := newMeeting(t)
	began := time.Now()
	p, err := m.AddPerson("Ada")
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	samples := len(p.Heard().Samples)
	took := time.Since(began)
	got := time.Duration(samples) * time.Second / audio.SampleRate
	if diff := took - got; diff < -50*time.Millisecond || diff > 200*time.Millisecond {
		t.Errorf("heard %v in %v", got, took)
	}
}

func TestTheMixerRestsWhenNobodyIsThere(t *testing.T) {
	m := newMeeting(t)
	p, err := m.AddPerson("Ada")
	if err != nil {
		t.Fatal(err)
	}
	p.Leave()
	deadline := time.Now().Add(5 * time.Second)
	for {
		m.mu.Lock()
		mixing := m.mixing
		m.mu.Unlock()
		if !mixing {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the mixer still runs in an empty meeting")
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := p.Join(); err != nil {
		t.Fatal(err)
	}
	had := len(p.Heard().Samples)
	for len(p.Heard().Samples) == had {
		if time.Now().After(deadline) {
			t.Fatal("the mixer did not start again")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func frames(p *Person, n int) []int16 {
	var out []int16
	for range n {
		var f Frame
		if p.ReadFrame(&f) {
			out = append(out, f[:]...)
		}
	}
	return out
}

func clip(value int16, samples int) wav.Clip {
	c := wav.Clip{SampleRate: audio.SampleRate}
	for range samples {
		c.Samples = append(c.Samples, value)
	}
	return c
}

// quietPerson is in a meeting whose mixer does not pull, so that the test does.
func quietPerson(t *testing.T) *Person {
	t.Helper()
	m := newMeeting(t)
	p := &Person{ID: "p", DisplayName: "Ada"}
	p.meeting.Store(m)
	m.participants["p"] = &participant{Participant: Participant{ID: "p", Kind: KindPerson}}
	return p
}

func TestClipsAreSpokenOneAfterTheOther(t *testing.T) {
	p := quietPerson(t)
	first, err := p.Speak(clip(1, 400), 0, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Speak(clip(2, 320), 0, false); err != nil {
		t.Fatal(err)
	}
	got := frames(p, 4)
	want := slices.Concat(clip(1, 400).Samples, clip(0, 240).Samples, clip(2, 320).Samples)
	if !slices.Equal(got, want) {
		t.Errorf("said %d samples, want %d as given", len(got), len(want))
	}
	select {
	case <-first.Done():
	default:
		t.Error("a spoken clip is not done")
	}
	if p.Speaking() {
		t.Error("still speaking at the end")
	}
}

func TestALoopGoesOnWithoutASeamUntilHushed(t *testing.T) {
	p := quietPerson(t)
	c := wav.Clip{SampleRate: audio.SampleRate}
	for i := range 500 {
		c.Samples = append(c.Samples, int16(i+1))
	}
	u, err := p.Speak(c, 0, true)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range frames(p, 20) {
		if want := int16(i%500 + 1); s != want {
			t.Fatalf("sample %d is %d, want %d", i, s, want)
		}
	}
	p.Hush()
	<-u.Done()
	if len(frames(p, 1)) != 0 {
		t.Error("speaks on after being hushed")
	}
}

func TestADelayedClipWaits(t *testing.T) {
	p := quietPerson(t)
	if _, err := p.Speak(clip(1, 320), time.Hour, false); err != nil {
		t.Fatal(err)
	}
	if len(frames(p, 3)) != 0 {
		t.Error("spoke too early")
	}
	if _, err := p.Speak(wav.Clip{SampleRate: 8000}, 0, false); err == nil {
		t.Error("an empty clip was accepted")
	}
	delete(p.Meeting().participants, "p")
	if _, err := p.Speak(clip(1, 320), 0, false); err == nil {
		t.Error("somebody who has left speaks")
	}
}

func TestARecordingIsBounded(t *testing.T) {
	p := quietPerson(t)
	var f Frame
	for n := 0; n <= maxHeard+2*audio.SampleRate; n += len(f) {
		f[0] = int16(n / audio.SampleRate)
		p.WriteFrame(&f)
	}
	heard := p.Heard().Samples
	if len(heard) > maxHeard+2*audio.SampleRate {
		t.Errorf("%d samples are kept", len(heard))
	}
	var last Frame
	copy(last[:], heard[len(heard)-len(last):])
	if last[0] != maxHeard/audio.SampleRate+2 {
		t.Errorf("the newest audio is lost: %d", last[0])
	}
}

// witness remembers what a member is told.
type witness struct {
	mu   sync.Mutex
	told bytes.Buffer
}

func (w *witness) say(s string) { w.mu.Lock(); defer w.mu.Unlock(); w.told.WriteString(s + " ") }
func (w *witness) Admitted()    { w.say("admitted") }
func (w *witness) Gone(c Cause) { w.say(string(c)) }
func (w *witness) Roster(seen []Participant) {
	for _, p := range seen {
		w.say(p.DisplayName)
	}
	w.say("|")
}

func TestMembersAreToldInOrder(t *testing.T) {
	m := newMeeting(t)
	m.SetLobby(true)
	w := &witness{}
	if err := m.Enter(Entry{Participant: Participant{ID: "b", Kind: KindBot, DisplayName: "bot"}, Member: w}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.AddPerson("Ada"); err != nil { // the lobby does not see her come
		t.Fatal(err)
	}
	if err := m.Admit("b"); err != nil {
		t.Fatal(err)
	}
	if m.Admit("b") == nil || m.Deny("b") == nil || m.Remove("nobody") == nil || m.Enter(Entry{Participant: Participant{ID: "b"}}) == nil {
		t.Error("what makes no sense was accepted")
	}
	m.End()
	if got, want := w.told.String(), "bot | admitted bot Ada | "; len(got) < len(want) || got[:len(want)] != want || !bytes.HasSuffix(w.told.Bytes(), []byte("MeetingEnded ")) {
		t.Errorf("told %q", got)
	}
}
