// SPDX-License-Identifier: Apache-2.0

package media

import (
	"time"

	"github.com/callfleet/callfleet/audio"
)

// silent is the level of a far side that sends nothing.
const silent = float64(audio.SilenceDBov)

// fresh is how long a packet proves that media flows.
const fresh = 2 * time.Second

// Stats is a snapshot of a call's media.
type Stats struct {
	Audio AudioStats
	// Video is of each video section that the far side has offered, by the number of the track.
	Video []VideoStats
}

// AudioStats is a snapshot of a call's audio, over all of the call where it does
// not say otherwise.
type AudioStats struct {
	// Codec is what the far side sends, or before it does, what was agreed to be
	// sent to it: "G722", "PCMU", "PCMA" or "".
	Codec           string
	PacketsReceived uint64
	PacketsSent     uint64
	// PacketsLost on the way here, as RFC 3550 appendix A.3 counts them.
	PacketsLost uint64
	LossPercent float64
	// JitterMs is the interarrival jitter (RFC 3550 section 6.4.1).
	JitterMs float64
	// RoundTripMs is the last that RTCP measured, zero before.
	RoundTripMs float64
	// MOS is the E-model's estimate from loss, jitter and round trip, 1 to 4.5;
	// zero before anything was received.
	MOS float64
	// PlayedOut is how much was played out for those who need the samples; zero while nobody does.
	PlayedOut time.Duration
	// ConcealedPercent of it was made up, in place of what was lost or came too late.
	ConcealedPercent float64
	// PlayoutDelayMs is what a packet waits before it is played.
	PlayoutDelayMs float64
	// ReportedLossPercent is what the far side last said to have missed of what was sent to it.
	ReportedLossPercent float64
	// EnergyDB is the level in dBov of the last second received, -127 for silence
	// or when nothing came for two seconds.
	EnergyDB     float64
	LastReceived time.Time
	// Flowing is proof: within the last two seconds packets went in every direction
	// in which they are expected, and since connecting something other than
	// silence has been heard or spoken. A far side is always expected to send; we
	// are when echoing, and until a clip has been played.
	Flowing bool
	// PlaybackDone says that the clip, played once, has been sent to its end.
	PlaybackDone bool
}

// Stats is cheap, and safe to call from any goroutine.
func (c *Call) Stats() Stats {
	now := time.Now()
	s := c.statsAt(now)
	s.Video = c.vision.stats(now)
	return s
}

func (c *Call) statsAt(now time.Time) Stats {
	in, player := &c.ears[0].in, &c.voice.player
	a := AudioStats{
		PacketsReceived:     in.packets.Load(),
		PacketsSent:         c.out.packets.Load(),
		PacketsLost:         in.lost.Load(),
		JitterMs:            in.jitterMs.Load(),
		RoundTripMs:         c.roundTripMs.Load(),
		ReportedLossPercent: 100 * c.reportedLoss.Load(),
		EnergyDB:            silent,
		PlaybackDone:        player.done.Load(),
	}
	if codec := in.codec.Load(); codec != nil {
		a.Codec = codec.Name
	} else if codec := c.sending.Load(); codec != nil {
		a.Codec = codec.Name
	}
	received := recent(in.last.Load(), now)
	if last := in.last.Load(); last != 0 {
		a.LastReceived = time.Unix(0, last)
		a.LossPercent = 100 * float64(a.PacketsLost) / float64(a.PacketsLost+a.PacketsReceived)
	}
	if pl := c.ears[0].playout.Load(); pl != nil {
		s := pl.Stats()
		a.PlayedOut = time.Duration(c.ears[0].frames.Load()) * audio.FrameDuration
		if a.PlayedOut > 0 {
			a.ConcealedPercent = 100 * float64(s.ConcealedSamples) / (a.PlayedOut.Seconds() * audio.SampleRate)
		}
		a.PlayoutDelayMs = s.Delay.Seconds() * 1000
	}
	if a.PacketsReceived > 0 {
		a.MOS = a.rating()
	}
	if received {
		a.EnergyDB = in.meter.level.Load()
	}
	speaking := c.behavior.Echo && !c.muted.Load() || player.busy.Load()
	sent := !speaking || recent(c.out.last.Load(), now)
	sound := in.meter.heard.Load() || player.audible.Load() && a.PacketsSent > 0
	a.Flowing = c.State() == StateConnected && received && sent && sound
	return Stats{Audio: a}
}

func recent(unixNano int64, now time.Time) bool {
	return unixNano != 0 && now.Sub(time.Unix(0, unixNano)) <= fresh
}

// rating is by what was lost, or had to be made up because it came too late, and by how long it waits to be played: while
// nothing is, in a far side's buffer of the usual size, twice the jitter.
func (a *AudioStats) rating() float64 {
	wait := 2 * a.JitterMs
	if a.PlayedOut >= fresh {
		wait = a.PlayoutDelayMs
	}
	return meanOpinionScore(a.RoundTripMs, wait, max(a.LossPercent, a.ConcealedPercent))
}
