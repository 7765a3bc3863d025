// SPDX-License-Identifier: Apache-2.0

package calls

// toneSubscription is subscribeToTone: whether the bot hears of keys, and of how many it has heard.
type toneSubscription struct {
	on       bool
	sequence int
}

// Tone tells of a key that somebody pressed. Media that the service hosts: the bot hears of it if it asked for that, and recordings may
// end with it. Media that the bot hosts has it among its sound (RFC 4733), if it takes it there.
func (c *call) Tone(tone string) {
	c.mu.Lock()
	player, leg := c.player, c.leg
	if c.tones.on && c.state == stateEstablished {
		c.tones.sequence++
		d := c.stateData()
		d["toneInfo"] = document{"@odata.type": ns + "toneInfo", "sequenceId": c.tones.sequence, "tone": tone}
		c.notify("updated", "tone "+tone, d)
	}
	c.mu.Unlock()
	if player != nil {
		player.Tone(tone)
	}
	if leg == nil {
		return
	}
	if err := leg.Press(tone); err != nil {
		c.service.Journal.Add(c.meetingID(), c.id, "KeyLost", err.Error())
	}
}
