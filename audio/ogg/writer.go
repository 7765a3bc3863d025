// SPDX-License-Identifier: Apache-2.0

package ogg

import (
	"fmt"
	"io"
)

// pageSamples ends a page: half a second. RFC 7845 section 6 asks for a second at
// most, and a process that is killed takes the page at hand with it.
const pageSamples = SampleRate / 2

// Writer writes one Opus stream. It never seeks, and writes whole pages: what was
// written is a playable file at any time. It belongs to one goroutine, and does
// not allocate for a packet.
type Writer struct {
	pages   *pageWriter
	granule int64 // samples written, those to skip included (RFC 7845 section 4)
	held    int64 // of them on the page at hand
	closed  bool
}

// NewWriter writes the two headers. Streams that may be put together should differ
// in their serial number.
func NewWriter(w io.Writer, serial uint32, head Head, tags Tags) (*Writer, error) {
	if err := head.check(); err != nil {
		return nil, err
	}
	// Each header ends its page: section 3 of RFC 7845.
	ow := &Writer{pages: newPageWriter(w, serial)}
	for _, b := range [][]byte{head.Append(nil), tags.append(nil)} {
		if err := ow.pages.packet(b, 0); err != nil {
			return nil, fmt.Errorf("writing the Ogg header: %w", err)
		}
		if err := ow.pages.flush(); err != nil {
			return nil, fmt.Errorf("writing the Ogg header: %w", err)
		}
	}
	return ow, nil
}

// WritePacket appends a packet as it is. It goes out with its page: within half a
// second of audio, or with Flush.
func (w *Writer) WritePacket(packet []byte) error {
	n, err := Samples(packet)
	if err != nil {
		return err
	}
	// No packet is continued, so that a page lost takes nothing with it but its own.
	if !w.pages.fits(len(packet)) {
		if err := w.Flush(); err != nil {
			return err
		}
	}
	w.granule += int64(n)
	w.held += int64(n)
	if err := w.pages.packet(packet, w.granule); err != nil {
		return fmt.Errorf("writing an Ogg page: %w", err)
	}
	if w.held >= pageSamples {
		return w.Flush()
	}
	return nil
}

// WriteSilence appends n packets of 20 ms of silence. A gap in the granule
// positions would say the same, but players run over it: they play packets one
// after the other and only seek by position.
func (w *Writer) WriteSilence(n int) error {
	for range n {
		if err := w.WritePacket(Silence); err != nil {
			return err
		}
	}
	return nil
}

// Flush writes the page at hand, if there is anything on it.
func (w *Writer) Flush() error {
	if w.pages.segments == 0 {
		return nil
	}
	w.held = 0
	if err := w.pages.flush(); err != nil {
		return fmt.Errorf("writing an Ogg page: %w", err)
	}
	return nil
}

// Close ends the stream. It does not close what it writes to.
func (w *Writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	if w.pages.segments == 0 {
		w.pages.granule = w.granule // an empty page can carry the end (RFC 3533 section 6, item 2)
	}
	w.pages.flags |= flagLast
	if err := w.pages.flush(); err != nil {
		return fmt.Errorf("ending the Ogg stream: %w", err)
	}
	return nil
}
