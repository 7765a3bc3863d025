// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/mediapod/media/telephone"
)

const (
	// lateAfter is when a caller wonders whether the key was heard, and lostAfter when they press it again.
	lateAfter, lostAfter = 200 * time.Millisecond, 3 * time.Second
	// keyLasts is how long they press it.
	keyLasts = 100 * time.Millisecond
	// keysPayloadType is that of events in the offers of callers.
	keysPayloadType = 101
)

// walked is what callers saw of the menus.
type walked struct {
	steps, late, lost int
	reaction          histogram // from the first packet of a key to the first of the prompt that it leads to
	most              time.Duration
}

// walker is a caller in the menus: it presses a key, waits for its prompt, and thinks for a while.
type walker struct {
	all     *walked
	random  *rand.Rand
	sender  *telephone.Sender
	decoder codec.Decoder
	pcm     []int16

	at, wanted int       // menus
	asked      time.Time // when the key's first packet was sent; zero: nothing is asked for
	next       time.Time // when another key is pressed
}

func newWalker(all *walked, n int, now time.Time) *walker {
	w := &walker{all: all, random: rand.New(rand.NewPCG(uint64(n), 1)), sender: telephone.NewSender(int(codec.PCMU.ClockRate)), decoder: codec.PCMU.NewDecoder()}
	w.think(now)
	return w
}

// think waits for 0.5 to 4.5 s: as many press while the prompt is played as do when it is over.
func (w *walker) think(now time.Time) {
	w.asked, w.next = time.Time{}, now.Add(500*time.Millisecond+time.Duration(w.random.Int64N(int64(4*time.Second))))
}

// press gives the packet of a key, if one is pressed at a frame with this timestamp.
func (w *walker) press(timestamp uint32, now time.Time) (out telephone.Outgoing, ok bool) {
	if !w.asked.IsZero() && now.Sub(w.asked) > lostAfter {
		w.all.lost++
		w.think(now)
	}
	if w.asked.IsZero() && !w.sender.Busy() && now.After(w.next) {
		w.wanted = (w.at + 1 + w.random.IntN(menuCount-1)) % menuCount
		key, _ := telephone.ParseKey(rune('0' + w.wanted))
		if err := w.sender.Press(key, keyLasts, keyLasts); err != nil {
			panic(err) // it is not busy, and the times are constants
		}
		w.asked = now
	}
	return w.sender.Next(timestamp) // it counts the pauses as well
}

// hear takes a packet of the bot.
func (w *walker) hear(payload []byte, at time.Time) {
	w.pcm = w.decoder.Decode(w.pcm[:0], payload)
	level := audio.DBov(audio.Energy(w.pcm), len(w.pcm))
	if w.asked.IsZero() || math.Abs(level-promptDBov(w.wanted)) > 1 {
		return
	}
	took := at.Sub(w.asked)
	w.all.steps++
	w.all.reaction.add(took)
	w.all.most = max(w.all.most, took)
	if took > lateAfter {
		w.all.late++
	}
	w.at = w.wanted
	w.think(at)
}
