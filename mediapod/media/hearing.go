// SPDX-License-Identifier: Apache-2.0

package media

import (
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/speech"
	"github.com/callfleet/callfleet/audio/tone"
	"github.com/callfleet/callfleet/mediapod/media/playout"
)

// listenUp has what comes in played out, or not any more.
func (c *Call) listenUp(on bool) {
	v := &c.voice
	if on == v.hearing {
		return
	}
	v.hearing = on
	for i := range c.ears {
		c.ears[i].listen(on, i > 0)
	}
	v.activity, v.keys = speech.NewActivity(speech.UsualHangover), tone.Detector{}
	v.ranking, v.speaker = speech.NewRanking(speech.UsualRanking()), 0
}

// hear plays out what came in.
func (c *Call) hear(at time.Time) {
	v := &c.voice
	main := &c.ears[0]
	main.tick(at)
	if pl := main.playout.Load(); pl != nil && main.kind != playout.Silence {
		v.frame.Heard, v.frame.HeardAt, v.frame.HeardOpus = main.pcm[:], at.Add(-pl.Delay()), main.opus()
	}
	v.frame.Packets = main.packets(v.frame.Packets, 0)
	v.energy += audio.Energy(main.pcm[:])
	if v.metered++; v.metered == glanceEvery {
		main.in.meter.add(v.energy, v.metered*audio.FrameSamples)
		v.energy, v.metered = 0, 0
	}
	if v.activity.Hear(main.pcm[:]) {
		v.player.interrupt()
	}
	// What is made up, or is no sound, is in the noise that is measured for two seconds.
	if v.steady++; main.kind != playout.Played {
		v.steady = 0
	} else if v.steady > 2*int(time.Second/audio.FrameDuration) {
		v.roomDBov = min(v.activity.NoiseDBov(), mostRoomDBov)
	}
	if v.inBand && c.onKey.Load() != nil {
		c.hearKeys(main)
	}
	c.hearVoices(at)
}

// hearKeys takes keys that come as tones.
func (c *Call) hearKeys(main *ear) {
	v := &c.voice
	if main.kind == playout.Concealed {
		v.keys.Lack(len(main.pcm))
		return
	}
	for _, e := range v.keys.Hear(main.pcm[:]) {
		c.key(Key{Label: e.Key, Pressed: e.Pressed, Lasted: e.Duration})
	}
}

// hearVoices plays out the voices that come apart, and says whose is dominant.
func (c *Call) hearVoices(at time.Time) {
	v := &c.voice
	for i := 1; i < len(c.ears); i++ {
		e := &c.ears[i]
		if e.in.last.Load() == 0 {
			continue
		}
		e.tick(at)
		before := len(v.frame.Voices)
		v.frame.Voices = e.voices(v.frame.Voices, at)
		for _, voice := range v.frame.Voices[before:] {
			v.ranking.Hear(voice.Source, audio.DBov(audio.Energy(voice.PCM), audio.FrameSamples))
		}
		v.frame.Packets = e.packets(v.frame.Packets, i)
	}
	v.packets = v.frame.Packets[:0] // it keeps what it has grown to
	if !v.ranking.Tick() {
		return
	}
	if id, ok := v.ranking.Dominant(); ok && id != v.speaker {
		v.speaker = id
		history := v.ranking.History()
		c.SetSpeakers(history) // whose picture those who listen in see
		if c.options.OnSpeaker != nil {
			c.options.OnSpeaker(id, history[min(1, len(history)):])
		}
	}
}
