// SPDX-License-Identifier: Apache-2.0

package media_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/media/impair"
)

// Whatever is played, stopped and pressed at the same time, every Play is answered once, and the flow hears of every key. In real time,
// for the race detector.
func TestEveryPlayIsAnsweredOnce(t *testing.T) {
	for seed := range uint64(20) {
		k := newPhoneCall(t, codec.PCMU, true, impair.Config{})
		var mu sync.Mutex
		played, keys := map[int64]int{}, 0
		var open atomic.Int64
		stage := k.begin(func(e flow.Event) {
			mu.Lock()
			defer mu.Unlock()
			switch e := e.(type) {
			case flow.Played:
				played[e.ID]++
				open.Add(-1)
			case flow.Tone:
				keys++
			}
		})
		stop := make(chan struct{})
		var ticking sync.WaitGroup
		ticking.Go(func() { // the goroutine of packets and frames
			for now := time.Now(); ; now = now.Add(frame) {
				select {
				case <-stop:
					return
				default:
					k.Carry(now)
					k.Tick()
				}
			}
		})
		random := rand.New(rand.NewPCG(seed, 11))
		const commands, pressed = 200, 20
		for n := range int64(commands) {
			texts := []string{fmt.Sprint(random.IntN(3)*20+20, "ms")}
			if random.IntN(3) == 0 {
				texts = append(texts, "60ms", []string{"broken", "40ms"}[random.IntN(2)])
			}
			open.Add(1)
			stage.Do(flow.Play{ID: n, Prompts: says(texts...), Loop: random.IntN(4) == 0})
			for range random.IntN(3) {
				stage.Do(flow.StopPlaying{ID: max(0, n-random.Int64N(4))})
			}
			if n%(commands/pressed) == 0 {
				if err := k.Caller.SendKeys("5", 60*ms, 60*ms); err != nil {
					t.Fatal(err)
				}
			}
		}
		for n := range int64(commands) { // loops among them
			stage.Do(flow.StopPlaying{ID: n})
		}
		for heard := 0; open.Load() > 0 || heard < pressed; time.Sleep(time.Millisecond) {
			mu.Lock()
			heard = keys
			mu.Unlock()
		}
		stage.Close()
		close(stop)
		ticking.Wait()
		for n := range int64(commands) {
			if played[n] != 1 {
				t.Errorf("seed %d: play %d was answered %d times", seed, n, played[n])
			}
		}
		if keys != pressed {
			t.Errorf("seed %d: %d keys were told of %d", seed, keys, pressed)
		}
	}
}
