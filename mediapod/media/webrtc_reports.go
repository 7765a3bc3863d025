// SPDX-License-Identifier: Apache-2.0

package media

import (
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
)

// readReports drains RTCP, which pion's interceptors need, and takes the round
// trip from the far side's reports on what we send. These come in receiver reports
// or, from a far side that sends too, in its sender reports.
func (p *peer) readReports(read func([]byte) (int, interceptor.Attributes, error)) {
	buf := make([]byte, 1500)
	for {
		n, attributes, err := read(buf)
		if err != nil {
			return
		}
		packets, err := attributes.GetRTCPPackets(buf[:n])
		if err != nil {
			continue
		}
		now := time.Now()
		for _, packet := range packets {
			switch r := packet.(type) {
			case *rtcp.ReceiverReport:
				p.measure(r.Reports, now)
			case *rtcp.SenderReport:
				p.measure(r.Reports, now)
			}
		}
	}
}

func (p *peer) measure(reports []rtcp.ReceptionReport, now time.Time) {
	bound := p.out.bound.Load()
	for _, r := range reports {
		if bound == nil || r.SSRC != bound.header.SSRC {
			continue
		}
		if d, ok := roundTrip(now, r.LastSenderReport, r.Delay); ok {
			p.sink.measured(d)
		}
	}
}

// roundTrip is A - LSR - DLSR (RFC 3550 section 6.4.1), all three in units of
// 1/65536 s of which the first two are the middle of an NTP time.
func roundTrip(arrival time.Time, lastSenderReport, delay uint32) (time.Duration, bool) {
	if lastSenderReport == 0 { // the far side has had no report of ours yet
		return 0, false
	}
	d := int32(middleNTP(arrival) - lastSenderReport - delay)
	// On a fast network rounding may leave nothing or less; zero would say that it
	// was not measured. More than a minute is a far side that made the numbers up.
	if d >= 60<<16 || d < -(1<<16) {
		return 0, false
	}
	return time.Duration(max(d, 1)) * time.Second >> 16, true
}

// middleNTP is the middle 32 bits of the NTP timestamp of t: seconds since 1900 and
// their fractions, 16 bits each (RFC 3550 section 4).
func middleNTP(t time.Time) uint32 {
	const unixEpoch = 2208988800
	seconds := uint64(t.Unix() + unixEpoch)
	fraction := uint64(t.Nanosecond()) << 16 / uint64(time.Second)
	return uint32(seconds<<16 | fraction)
}
