// SPDX-License-Identifier: Apache-2.0

package media_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/flow/engine"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/media/impair"
	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// What follows runs in a bubble of package synctest: time passes when everybody waits, and is the same for the flow, its stage and the
// media of the call.

// phoneCall is a caller on a telephone, and a bot whose part a stage has.
type phoneCall struct {
	*media.Conversation
	t       testing.TB
	stage   *engine.Stage
	files   *soundFiles
	signals *signals
	tape    *tape
	begun   time.Time
	ticked  int

	mu   sync.Mutex
	told []happened
	sent []sent // packets of the bot
}

// happened is an event, and when it was told.
type happened struct {
	flow.Event
	at time.Duration
}

// sent is a packet with sound of the bot's.
type sent struct {
	at    time.Duration
	level float64 // dBov
}

// newPhoneCall begins with the stage's clips known to have the prompts that files has.
func newPhoneCall(t testing.TB, c codec.Codec, events bool, bad impair.Config) *phoneCall {
	k := &phoneCall{
		Conversation: media.NewConversation(c, events, bad), t: t, begun: time.Now(),
		files: &soundFiles{}, signals: &signals{}, tape: &tape{},
	}
	k.tape.may = k.signals.isTold
	decoder := c.NewDecoder()
	k.FromBot = func(p *transport.Packet) {
		if p.PayloadType != c.PayloadType {
			return
		}
		pcm := decoder.Decode(nil, p.Payload)
		k.sent = append(k.sent, sent{k.now(), audio.DBov(audio.Energy(pcm), len(pcm))})
	}
	return k
}

// begin makes the stage, which tells its events to who.
func (k *phoneCall) begin(who func(flow.Event)) *engine.Stage {
	k.stage = engine.New(engine.Config{
		Sound: k.Bot, Signals: k.signals.begin, Clips: engine.NewClips(k.files, clock.RealClock{}, time.Hour), Recorder: k.tape, Clock: clock.RealClock{},
	}, func(e flow.Event) {
		k.mu.Lock()
		k.told = append(k.told, happened{e, k.now()})
		k.mu.Unlock()
		if who != nil {
			who(e)
		}
	})
	return k.stage
}

func (k *phoneCall) now() time.Duration { return time.Since(k.begun) }

// step is how fine time passes: packets arrive between frames, too.
const step = 5 * time.Millisecond

// pass lets time pass.
func (k *phoneCall) pass(d time.Duration) {
	for end := k.now() + d; k.now() < end; {
		k.Carry(time.Now())
		if time.Duration(k.ticked)*frame <= k.now() {
			k.Tick()
			k.ticked++
		}
		synctest.Wait()
		time.Sleep(step)
		synctest.Wait()
	}
}

// events are what was told so far.
func (k *phoneCall) events() (list []flow.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, h := range k.told {
		list = append(list, h.Event)
	}
	return list
}

// at is when an event was told; it fails the test if it was not.
func (k *phoneCall) at(e flow.Event) time.Duration {
	k.t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, h := range k.told {
		if h.Event == e {
			return h.at
		}
	}
	k.t.Errorf("%v was not told, but %v", e, k.told)
	return 0
}

// said is the part of a time in which the bot sent sound.
func (k *phoneCall) said(from, to time.Duration) (packets int) {
	for _, s := range k.sent {
		if s.at >= from && s.at < to && s.level > -50 {
			packets++
		}
	}
	return packets
}

// soundFiles are prompts by their text: "2s" is a tone of two seconds, "quiet 2s" is silence, "broken" is none. They take a while to be found.
type soundFiles struct {
	mu    sync.Mutex
	takes time.Duration
	fixed time.Duration // that all last, whatever their text
	asked map[string]int
}

func (f *soundFiles) Prompt(ctx context.Context, p flow.Prompt) ([]byte, error) {
	f.mu.Lock()
	if f.asked == nil {
		f.asked = map[string]int{}
	}
	f.asked[p.Text]++
	takes := f.takes
	f.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if f.fixed > 0 {
		return sine(f.fixed), nil
	}
	text, quiet := strings.CutPrefix(p.Text, "quiet ")
	length, err := time.ParseDuration(text)
	if err != nil {
		return nil, errors.New("there is no such prompt")
	}
	if quiet {
		return toneOf(0, length), nil
	}
	return sine(length), nil
}

func (f *soundFiles) count(text string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[text]
}

func sine(length time.Duration) []byte { return toneOf(8000, length) }

func toneOf(amplitude float64, length time.Duration) []byte {
	samples := make([]int16, int(length*audio.SampleRate/time.Second))
	for i := range samples {
		samples[i] = int16(amplitude * math.Sin(float64(i)/6))
	}
	var b bytes.Buffer
	if err := wav.Encode(&b, wav.Clip{SampleRate: audio.SampleRate, Samples: samples}); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func says(texts ...string) (list []flow.Prompt) {
	for _, text := range texts {
		list = append(list, flow.Prompt{Text: text})
	}
	return list
}

// signals are the service: it takes a status in after a while, unless it refuses to.
type signals struct {
	mu      sync.Mutex
	takes   time.Duration
	refuses bool
	told    bool
	history []string
	does    func(flow.Command) // may be nil
	tell    func(flow.Event)
}

func (s *signals) begin(tell func(flow.Event)) engine.Signals {
	s.tell = tell
	return s
}

func (s *signals) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history = append(s.history, what)
}

func (s *signals) Do(c flow.Command) bool {
	s.note(fmt.Sprint(c))
	if s.does != nil {
		s.does(c)
	}
	return true
}

func (s *signals) Announce(ctx context.Context) error {
	s.note("announce")
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.refuses {
		return errors.New("the service does not want it")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = true
	return nil
}

func (s *signals) Withdraw() {
	s.note("withdraw")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = false
}

func (s *signals) Close() { s.note("close") }

func (s *signals) isTold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told
}

// tape is where recordings go.
type tape struct {
	may     func() bool
	mu      sync.Mutex
	fails   error
	names   []string
	samples []int16 // of the last
	kept    bool
	ended   int
	wrong   func(error)

	from, to time.Time
}

func (p *tape) May() bool { return p.may() }

func (p *tape) Begin(name string, wrong func(error)) (engine.Recording, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.names, p.samples, p.wrong, p.from = append(p.names, name), nil, wrong, time.Now()
	return p, p.fails
}

func (p *tape) Keep(_ time.Time, frame []int16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.samples = append(p.samples, frame...)
}

func (p *tape) End(keep bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept, p.to = keep, time.Now()
	p.ended++
	return nil
}

// length is that of the last recording's file: where nothing is heard it is silent.
func (p *tape) length() time.Duration { return p.to.Sub(p.from) }

// heard is how much of it was heard.
func (p *tape) heard() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Duration(len(p.samples)) * time.Second / audio.SampleRate
}

func clipOf(t testing.TB, samples []int16) *media.Clip {
	t.Helper()
	c, err := media.NewClip(wav.Clip{SampleRate: audio.SampleRate, Samples: samples})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
