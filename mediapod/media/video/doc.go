// SPDX-License-Identifier: Apache-2.0

// Package video takes video apart and puts it together without decoding it: RTP payloads into frames and back (VP8, RFC
// 7741; H.264, RFC 6184), files into clips, streams of several sources into one, and who of many is shown.
//
// It holds no clock and no lock: what belongs to a stream belongs to one goroutine at a time.
package video
