// SPDX-License-Identifier: Apache-2.0

// Package recording writes a call into files: one per audio track, the mix and
// each participant, and one per video track, with a manifest beside them.
//
//	WritePCM, WriteOpus, WriteFrame → gate → queue of the track   (any goroutine; no waiting, no allocation)
//	every 100 ms: queues → timeline → WAV, Ogg, Matroska          (one goroutine of the recording)
//
// Time in the files is wall time since Open. What was not offered, was offered too
// late, did not fit into a queue while the disk stalled, or was said while paused,
// is silence in its place: all tracks stay aligned within 20 ms, and a moment of
// the call is at the same place in every file. Video shows its last picture there.
//
// The gate is closed until Open: Microsoft's terms allow no media to be kept before
// the service took in the recording status. Nothing that is offered before Open,
// during a pause or after Shut reaches a file, not even as what a codec repeats or
// refers to: Opus packets can hold a copy of the one before, and video frames that
// are no key frames build on those before.
//
// A process that is killed leaves files that open and lack a second at most.
// Recover gives them their ends, and a manifest that says it is not complete.
package recording
