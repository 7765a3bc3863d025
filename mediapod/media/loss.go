// SPDX-License-Identifier: Apache-2.0

package media

// missed is the share of packets that whoever is at the other end misses of what is sent, smoothed. A report is on the 50
// packets of a second (RFC 3550 section 6.4.1: since the last report): a single one lost is 2 %. The goroutine that takes
// reports writes it, the one that ticks reads it.
type missed struct{ share atomicFloat }

// What a report weighs: one with more loss than before much, so that protection comes within two or three of them; one with
// less little, since loss comes in waves and a change of how speech is coded may be heard. From 10 % it takes a clean network
// 22 s to be below one.
const (
	worseWeighs  = 0.4
	betterWeighs = 0.1
)

// report takes what is reported, 0 to 1.
func (m *missed) report(lost float64) {
	weight, share := betterWeighs, m.share.Load()
	if lost > share {
		weight = worseWeighs
	}
	m.share.Store(share + weight*(lost-share))
}

// percent is the share in whole percent, rounded down: encoders are not bothered with less.
func (m *missed) percent() int { return int(100 * m.share.Load()) }
