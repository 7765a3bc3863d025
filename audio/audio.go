// SPDX-License-Identifier: Apache-2.0

// Package audio states what audio is everywhere inside Callfleet: 16 kHz mono
// signed 16-bit samples, in frames of 20 ms. It is the format of Teams'
// application-hosted media (AudioFormat.Pcm16K: 640 bytes every 20 ms), so
// nothing between the wire and a behaviour ever has to ask for a rate.
package audio

import "time"

const (
	// SampleRate is the number of samples of a second.
	SampleRate = 16000
	// FrameDuration is the time one frame, and one RTP packet, covers.
	FrameDuration = 20 * time.Millisecond
	// FrameSamples is the number of samples of one frame.
	FrameSamples = SampleRate / 1000 * 20
)
