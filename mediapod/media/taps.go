// SPDX-License-Identifier: Apache-2.0

package media

// SetGain turns what the bot says up or down, in dB.
func (c *Call) SetGain(dB float64) { c.voice.gain.Store(dB) }

// Play queues a clip behind those that are being played.
func (c *Call) Play(clip *Clip, o PlayOptions) *Playback {
	p := &Playback{clip: clip, options: o, player: &c.voice.player, done: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		p.finish(Stopped)
		return p
	}
	c.voice.player.add(p)
	c.voice.seat.start()
	return p
}

// StopPlaying ends what is being played, and what waits for its turn.
func (c *Call) StopPlaying() { c.voice.player.drop(nil, Stopped) }

// AddTap has a tap called from now on, until it is removed.
func (c *Call) AddTap(t Tap) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var taps []Tap
	if old := c.voice.taps.Load(); old != nil {
		taps = append(taps, *old...)
	}
	taps = append(taps, t)
	c.voice.taps.Store(&taps)
	c.voice.wants.Add(1)
	c.voice.seat.start()
}

// AddSource has a source say what it has to say from now on, beside what is played, until it is removed.
func (c *Call) AddSource(s Source) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []*sourceOf
	if old := c.voice.sources.Load(); old != nil {
		list = append(list, *old...)
	}
	list = append(list, &sourceOf{Source: s})
	c.voice.sources.Store(&list)
	c.voice.speaks.Add(1)
	c.voice.seat.start()
}

// RemoveSource returns when the source is not called any more.
func (c *Call) RemoveSource(s Source) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.voice.sources.Load()
	if old == nil {
		return
	}
	var list []*sourceOf
	for _, other := range *old {
		if other.Source != s {
			list = append(list, other)
		}
	}
	c.voice.speaks.Add(int32(len(list) - len(*old)))
	c.voice.sources.Store(&list)
	c.voice.seat.pass()
}

// RemoveTap returns when the tap is not called any more.
func (c *Call) RemoveTap(t Tap) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.voice.taps.Load()
	if old == nil {
		return
	}
	var taps []Tap
	for _, other := range *old {
		if other != t {
			taps = append(taps, other)
		}
	}
	if len(taps) == len(*old) {
		return
	}
	c.voice.taps.Store(&taps)
	c.voice.wants.Add(-1)
	c.voice.seat.pass()
}
