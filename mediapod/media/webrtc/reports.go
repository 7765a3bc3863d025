// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"math/rand/v2"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"

	"github.com/callfleet/callfleet/mediapod/media/transport"
)

const (
	// reportEvery is the time between the reports on a session. RFC 3550 section 6.2 has 5 s at the least; its
	// successor for feedback (RFC 4585) lifts that, and browsers report audio about once a second.
	reportEvery = time.Second
	// lookEvery is how often it is looked who is due, in one goroutine for all sessions.
	lookEvery = 100 * time.Millisecond
)

// senderReport is what is kept of one, for the reception reports that answer it.
type senderReport struct {
	middle uint32 // of its NTP time
	at     time.Time
	before transport.Reception // what the last report of ours said
}

func (b *backend) watch(p *peer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// Spread over the second, so that sessions that began together do not report together.
	p.due = time.Now().Add(time.Duration(rand.Int64N(int64(reportEvery))))
	b.peers[p] = struct{}{}
}

func (b *backend) forget(p *peer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.peers, p)
}

// report sends the reports of all sessions.
func (b *backend) report() {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var due []*peer
	for {
		select {
		case <-b.stop:
			return
		case now := <-ticker.C:
			due = due[:0]
			b.mu.Lock()
			for p := range b.peers {
				if !now.Before(p.due) {
					p.due = now.Add(reportEvery)
					due = append(due, p)
				}
			}
			b.mu.Unlock()
			for _, p := range due {
				if packets := p.reports(now); len(packets) > 0 {
					_ = p.pc.WriteRTCP(packets) // to one that is not connected yet, or not any more
				}
			}
			clear(due)
		}
	}
}

// reports are what a session says now: of each track that is sent, and in the first of them of all that is received.
func (p *peer) reports(now time.Time) []rtcp.Packet {
	var blocks []rtcp.ReceptionReport
	for i := range p.tracks {
		if r, ok := p.sink.Reception(i); ok {
			blocks = append(blocks, p.block(r, now))
		}
	}
	var packets []rtcp.Packet
	var ours uint32
	for _, t := range p.tracks {
		b := t.bound.Load()
		if b == nil {
			continue
		}
		ours = b.header.SSRC
		if at := t.at.Load(); at != 0 {
			since := now.Sub(time.Unix(0, at))
			packets = append(packets, &rtcp.SenderReport{
				SSRC: b.header.SSRC, NTPTime: ntp(now), PacketCount: t.packets.Load(), OctetCount: t.octets.Load(), Reports: blocks,
				RTPTime: t.timestamp.Load() + uint32(since.Seconds()*float64(b.clockRate)),
			})
			blocks = nil
		}
	}
	if len(blocks) > 0 {
		packets = append(packets, &rtcp.ReceiverReport{SSRC: ours, Reports: blocks})
	}
	return packets
}

// block is a report block (RFC 3550 section 6.4.1, appendix A.3).
func (p *peer) block(r transport.Reception, now time.Time) rtcp.ReceptionReport {
	p.hearing.Lock()
	defer p.hearing.Unlock()
	s := p.senders[r.SSRC]
	report := rtcp.ReceptionReport{
		SSRC: r.SSRC, LastSequenceNumber: r.Highest, Jitter: r.Jitter,
		TotalLost: uint32(min(max(int64(r.Expected)-int64(r.Received), 0), 0x7FFFFF)),
	}
	expected, received := int64(r.Expected-s.before.Expected), int64(r.Received-s.before.Received)
	if expected > 0 && expected > received {
		report.FractionLost = uint8(min((expected-received)<<8/expected, 255))
	}
	if !s.at.IsZero() {
		report.LastSenderReport, report.Delay = s.middle, uint32(now.Sub(s.at).Seconds()*65536)
	}
	s.before = r
	p.senders[r.SSRC] = s
	return report
}

// readReports reads RTCP in pion's way, which its interceptors need.
func (p *peer) readReports(read func([]byte) (int, interceptor.Attributes, error), i int) {
	buf := make([]byte, maxPacket)
	for {
		n, attributes, err := read(buf)
		if err != nil {
			return
		}
		if packets, err := attributes.GetRTCPPackets(buf[:n]); err == nil {
			p.control(packets, i)
		}
	}
}

// control takes what the far side says about section i. What it says of what we send comes in receiver reports or, from a
// far side that sends too, in its sender reports.
func (p *peer) control(packets []rtcp.Packet, i int) {
	now := time.Now()
	for _, packet := range packets {
		switch r := packet.(type) {
		case *rtcp.ReceiverReport:
			p.measure(r.Reports, i, now)
		case *rtcp.SenderReport:
			p.heard(r, now)
			p.measure(r.Reports, i, now)
		case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
			p.sink.KeyFrameWanted(i)
		}
	}
}

func (p *peer) heard(r *rtcp.SenderReport, now time.Time) {
	p.hearing.Lock()
	defer p.hearing.Unlock()
	if _, declared := p.remote[r.SSRC]; !declared && !p.only && len(p.senders) > 2*len(p.tracks) {
		return // a far side that makes sources up does not fill the memory
	}
	s := p.senders[r.SSRC]
	s.middle, s.at = uint32(r.NTPTime>>16), now
	p.senders[r.SSRC] = s
}

// measure reads the blocks on section i. A report is delivered once for every stream it is about, so each takes its own.
func (p *peer) measure(blocks []rtcp.ReceptionReport, i int, now time.Time) {
	bound := p.tracks[i].bound.Load()
	for _, r := range blocks {
		if bound == nil || r.SSRC != bound.header.SSRC {
			continue
		}
		p.sink.Reported(i, float64(r.FractionLost)/256)
		if d, ok := roundTrip(now, r.LastSenderReport, r.Delay); ok {
			p.sink.Measured(d)
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

// ntp is the NTP timestamp of t: seconds since 1900 and their fractions, 32 bits each (RFC 3550 section 4).
func ntp(t time.Time) uint64 {
	const unixEpoch = 2208988800
	return uint64(t.Unix()+unixEpoch)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

func middleNTP(t time.Time) uint32 { return uint32(ntp(t) >> 16) }
