// SPDX-License-Identifier: Apache-2.0

package media

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// VideoStats is a snapshot of one video section, both ways, over all of the call where it does not say otherwise.
type VideoStats struct {
	// Track is the number of the section among the far side's video sections, from zero.
	Track int
	// Screen: it is a shared screen, and not a camera.
	Screen bool
	// Source is the far side's number for who is seen.
	Source uint32
	// Codec of what comes in: "VP8", "H264", or "" before anything does.
	Codec           string
	PacketsReceived uint64
	PacketsLost     uint64 // on the way here, as RFC 3550 appendix A.3 counts them
	LossPercent     float64
	JitterMs        float64 // RFC 3550 section 6.4.1
	// BitsPerSecond and FramesPerSecond of the last second that is over; zero when nothing came for two seconds.
	BitsPerSecond   float64
	FramesPerSecond float64
	FramesReceived  uint64
	KeyFrames       uint64 // of those received
	KeyFramesAsked  uint64 // of the far side
	FramesDropped   uint64 // that could not be put together for those who watch
	Width, Height   int    // pixels; zero while unknown
	LastReceived    time.Time

	PacketsSent uint64
	FramesSent  uint64
	// KeyFramesWanted is how often the far side asked for one.
	KeyFramesWanted uint64
	// ReportedLossPercent is what the far side last said to have missed of what was sent to it.
	ReportedLossPercent float64
	// Shed: the process is overloaded and does without it, both ways.
	Shed bool
}

func (v *vision) stats(now time.Time) (all []VideoStats) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range v.eyes {
		if e != nil {
			all = append(all, e.stats(now))
		}
	}
	return all
}

func (e *eye) stats(now time.Time) VideoStats {
	r, s := &e.received, &e.sent
	stats := VideoStats{
		Track: e.index, Screen: e.section.screen, Codec: string(e.format.codec),
		PacketsReceived: r.packets, PacketsLost: e.sequence.lost(), JitterMs: e.jitter.ms,
		FramesReceived: r.frames, KeyFrames: r.keys, KeyFramesAsked: r.asked, FramesDropped: e.dropped, Width: r.width, Height: r.height,
		LastReceived: e.last,
		PacketsSent:  s.packets, FramesSent: s.frames, KeyFramesWanted: s.wanted, ReportedLossPercent: 100 * s.lost,
		Shed: e.shed(),
	}
	if r.packets > 0 {
		stats.Source = e.source()
		stats.LossPercent = 100 * float64(stats.PacketsLost) / float64(stats.PacketsLost+r.packets)
	}
	if e.assembler != nil {
		stats.FramesDropped += e.assembler.Dropped()
	}
	if now.Sub(e.last) <= fresh {
		stats.BitsPerSecond, stats.FramesPerSecond = e.rate.bitsPerSecond, e.rate.framesPerSecond
	}
	return stats
}

// videoTraffic is what went through calls.
type videoTraffic struct {
	packetsIn, packetsOut, bytesIn, bytesOut, framesIn, framesOut, keysIn, asked, wanted, lost uint64
}

func (t *videoTraffic) add(v *vision) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range v.eyes {
		if e == nil {
			continue
		}
		t.packetsIn += e.received.packets
		t.bytesIn += e.received.bytes
		t.framesIn += e.received.frames
		t.keysIn += e.received.keys
		t.asked += e.received.asked
		t.lost += e.sequence.lost()
		t.packetsOut += e.sent.packets
		t.bytesOut += e.sent.bytes
		t.framesOut += e.sent.frames
		t.wanted += e.sent.wanted
	}
}

var (
	videoPacketsDesc = prometheus.NewDesc("callfleet_media_video_packets_total",
		"RTP packets of video, by direction as the bot sees it.", []string{"direction"}, nil)
	videoBytesDesc = prometheus.NewDesc("callfleet_media_video_bytes_total",
		"Bytes of RTP packets of video after decryption, by direction as the bot sees it.", []string{"direction"}, nil)
	videoFramesDesc = prometheus.NewDesc("callfleet_media_video_frames_total",
		"Frames of video, by direction as the bot sees it.", []string{"direction"}, nil)
	videoKeysDesc = prometheus.NewDesc("callfleet_media_video_key_frames_total",
		"Key frames that came from far sides.", nil, nil)
	videoAskedDesc = prometheus.NewDesc("callfleet_media_video_key_frames_asked_total",
		"Requests for a key frame, by direction as the bot sees it.", []string{"direction"}, nil)
	videoLostDesc = prometheus.NewDesc("callfleet_media_video_packets_lost_total",
		"RTP packets of video that were expected from far sides and did not come.", nil, nil)
)

func describeVideo(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{videoPacketsDesc, videoBytesDesc, videoFramesDesc, videoKeysDesc, videoAskedDesc, videoLostDesc} {
		ch <- d
	}
}

func (t *videoTraffic) collect(counter func(d *prometheus.Desc, v uint64, labels ...string)) {
	counter(videoPacketsDesc, t.packetsIn, "in")
	counter(videoPacketsDesc, t.packetsOut, "out")
	counter(videoBytesDesc, t.bytesIn, "in")
	counter(videoBytesDesc, t.bytesOut, "out")
	counter(videoFramesDesc, t.framesIn, "in")
	counter(videoFramesDesc, t.framesOut, "out")
	counter(videoKeysDesc, t.keysIn)
	counter(videoAskedDesc, t.asked, "out")
	counter(videoAskedDesc, t.wanted, "in")
	counter(videoLostDesc, t.lost)
}
