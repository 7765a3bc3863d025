// SPDX-License-Identifier: Apache-2.0

// Package media is the media engine of a media pod: one UDP port for all calls'
// audio, one TCP port on which far sides open it, and what a bot says and hears.
//
// The far side of a call POSTs an SDP offer to the call's WHIP resource over TLS
// (RFC 9725, whip.go); the answer names the pod's one UDP port, where ICE tells
// the calls apart by their user fragment. From then on the path of a packet is:
//
//	UDP socket → ICE mux → DTLS-SRTP → session.Receive
//	  → inbound: sequence, jitter, energy (receive.go)
//	  → echo: the same payload back, under our own SSRC (send.go)
//	clock, 20 ms → player → encoder → transport.Session.Send → UDP socket (play.go)
//
// Nothing on it allocates or waits for a lock of this package: whatever a packet
// changes belongs to the one goroutine that handles it, and what others want to
// know of it is published in atomics, which Stats and the metrics read.
//
// Video's packets take the same way in, and then that of video.go: counted, put together for those who watch, and passed
// on, behind one lock a call. Package video has what needs neither clock nor lock.
//
// What carries packets is behind the interfaces of package transport; the one that there is, package webrtc, stands on
// pion/webrtc. No type of that appears here. The package knows neither Graph nor Kubernetes.
package media
