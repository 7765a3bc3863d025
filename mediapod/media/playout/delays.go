// SPDX-License-Identifier: Apache-2.0

package playout

import "github.com/callfleet/callfleet/audio"

const (
	binSamples = 1 * ms
	bins       = 384
	// span is the range of transit times that are told apart: 384 ms.
	span = bins * binSamples
	// headroom is how many bins are kept free below the fastest packet, for one
	// that is faster still.
	headroom = 20

	// lowShare of the packets are taken for outliers when asking for the fastest,
	// and what is left above highShare is not worth waiting for.
	lowShare, highShare = 0.02, 0.97
	// remembered is the weight that each packet leaves to those before it: half of
	// it goes in 7 s, and what no packet needs any more in half a minute.
	remembered = 0.998

	// strayedFor is how long every packet is beyond the span before it is taken
	// for the way things are now.
	strayedFor = 300 * ms
	// slack is added to the delay for what is no jitter: the bins' width, clocks
	// that run apart.
	slack = 2 * ms
)

// delays learns from when packets arrive how long to wait for them. A packet's
// transit is its arrival minus its place on the timeline: only its changes mean
// anything. Transits are counted in bins, with older packets weighing less.
type delays struct {
	floor   int64 // transit at the lower edge of bin 0
	weights [bins]float32
	total   float32
	weight  float32 // of the next packet; rather than others losing weight, it gains

	low, high int64 // transits of the fastest packets and of those worth waiting for
	strays    bool
	strayedAt int64
}

func (d *delays) started() bool { return d.weight > 0 }

// take counts a packet.
func (d *delays) take(transit, arrival int64) {
	if !d.started() {
		d.reset(transit)
	}
	bin := (transit - d.floor) / binSamples
	if transit < d.floor {
		d.shift(headroom + (d.floor-transit)/binSamples)
		bin = (transit - d.floor) / binSamples
	}
	if strays := bin >= bins; !strays {
		d.strays = false
	} else if !d.strays {
		d.strays, d.strayedAt = true, arrival
	} else if arrival-d.strayedAt > strayedFor {
		d.reset(transit)
		bin = headroom
	}
	d.weights[min(bin, bins-1)] += d.weight
	d.total += d.weight
	if d.weight /= remembered; d.weight > 1e6 {
		d.total = 0
		for i := range d.weights {
			d.weights[i] *= 1e-6
			d.total += d.weights[i]
		}
		d.weight *= 1e-6
	}
	if low := d.settle(); low > 3*headroom {
		d.shift(headroom - low)
	}
}

// reset forgets all there was before a packet with this transit.
func (d *delays) reset(transit int64) {
	*d = delays{floor: transit - headroom*binSamples, weight: 1}
}

// shift lowers the floor by a number of bins, or raises it.
func (d *delays) shift(by int64) {
	if by >= bins {
		d.reset(d.floor - (by-headroom)*binSamples)
		return
	}
	var moved [bins]float32
	for i, w := range d.weights {
		moved[min(max(int64(i)+by, 0), bins-1)] += w
	}
	d.weights = moved
	d.floor -= by * binSamples
}

// settle finds the shares again, and the bin of the fastest packets.
func (d *delays) settle() (low int64) {
	var sum float32
	low = -1
	for i, w := range d.weights {
		sum += w
		if low < 0 && sum > lowShare*d.total {
			low = int64(i)
			d.low = d.floor + low*binSamples
		}
		if sum >= highShare*d.total {
			d.high = d.floor + int64(i+1)*binSamples
			break
		}
	}
	return low
}

// target is how long a packet that is fast is to wait until its first sample is
// played: until the slow ones have come, and then for a frame, since that may be
// the time to the next frame from the arrival of a packet that the frame's last
// sample is in.
func (d *delays) target(least, most int64) int64 {
	return min(max(d.high-d.low+audio.FrameSamples+slack, least), most)
}
