// SPDX-License-Identifier: Apache-2.0

package wav

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// maxDataBytes is what fits: the RIFF chunk's size is one of 32 bits and counts
// the header's rest. It is even, as 16-bit samples are.
const maxDataBytes = math.MaxUint32 - headerBytes - 1

// ErrFull is returned when a sample would not fit into the 4 GiB of a WAV file,
// which are 37 hours at 16 kHz. What was written is whole; go on in another file.
var ErrFull = errors.New("the WAV file is full: it holds 4 GiB at most")

// Writer writes 16-bit mono PCM as it comes. The header says at any time what is
// there already: it is put right after every second of audio and with Flush, and
// only after the samples it speaks of. A process that is killed leaves a file that
// plays and lacks less than that. It belongs to one goroutine, and does not
// allocate.
type Writer struct {
	w       io.WriterAt
	rate    int
	written int64  // bytes of data in the file
	claimed int64  // of them in the header
	buf     []byte // samples to be written: room for a second
	limit   int64
}

// NewWriter writes the header of an empty file.
func NewWriter(w io.WriterAt, sampleRate int) (*Writer, error) {
	if sampleRate < minRate || sampleRate > maxRate {
		return nil, fmt.Errorf("a WAV file with %d samples a second is of no use, expected %d to %d", sampleRate, minRate, maxRate)
	}
	if _, err := w.WriteAt(appendHeader(nil, sampleRate, 0), 0); err != nil {
		return nil, fmt.Errorf("writing the WAV header: %w", err)
	}
	return &Writer{w: w, rate: sampleRate, buf: make([]byte, 0, sampleRate*2), limit: maxDataBytes}, nil
}

// Write appends samples. Of samples that do not all fit, none is written.
func (w *Writer) Write(samples []int16) error {
	if err := w.room(int64(len(samples))); err != nil {
		return err
	}
	for len(samples) > 0 {
		n := min(len(samples), (cap(w.buf)-len(w.buf))/2)
		for _, s := range samples[:n] {
			w.buf = binary.LittleEndian.AppendUint16(w.buf, uint16(s))
		}
		samples = samples[n:]
		if err := w.flushFull(); err != nil {
			return err
		}
	}
	return nil
}

// WriteSilence appends n zeros.
func (w *Writer) WriteSilence(n int64) error {
	if err := w.room(n); err != nil {
		return err
	}
	for n > 0 {
		held := len(w.buf)
		m := min(n, int64(cap(w.buf)-held)/2)
		w.buf = w.buf[:held+int(m)*2]
		clear(w.buf[held:])
		n -= m
		if err := w.flushFull(); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) room(samples int64) error {
	if w.written+int64(len(w.buf))+samples*2 > w.limit {
		return ErrFull
	}
	return nil
}

func (w *Writer) flushFull() error {
	if len(w.buf) < cap(w.buf) {
		return nil
	}
	return w.Flush()
}

// Flush writes what is held back, and then the header that says so. There is no
// more to do at the end of a file.
func (w *Writer) Flush() error {
	if len(w.buf) > 0 {
		if _, err := w.w.WriteAt(w.buf, headerBytes+w.written); err != nil {
			return fmt.Errorf("writing the WAV data: %w", err)
		}
		w.written += int64(len(w.buf))
		w.buf = w.buf[:0]
	}
	if w.claimed == w.written {
		return nil
	}
	// buf is empty, and has room for it at any rate that is taken.
	if _, err := w.w.WriteAt(appendHeader(w.buf, w.rate, uint32(w.written)), 0); err != nil {
		return fmt.Errorf("writing the WAV header: %w", err)
	}
	w.claimed = w.written
	return nil
}

// Repair puts the header of a file that Writer wrote right after its process was
// killed: it may have written more than the header says. size is the file's in
// bytes. It returns how long the file plays.
func Repair(f interface {
	io.ReaderAt
	io.WriterAt
}, size int64) (time.Duration, error) {
	head := io.NewSectionReader(f, 0, size)
	form, _, err := open(head)
	if err != nil {
		return 0, err
	}
	begin, err := head.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	if form != (format{tag: formatPCM, channels: 1, rate: form.rate, bits: 16, bytes: 2}) || begin != headerBytes || form.rate == 0 {
		return 0, errors.New("the WAV file is not one that was recorded here: it is not 16-bit mono with a plain header")
	}
	data := min(size-headerBytes, maxDataBytes) &^ 1
	if _, err := f.WriteAt(appendHeader(nil, form.rate, uint32(data)), 0); err != nil {
		return 0, fmt.Errorf("writing the WAV header: %w", err)
	}
	samples, rate := data/2, int64(form.rate)
	return time.Duration(samples/rate)*time.Second + time.Duration(samples%rate)*time.Second/time.Duration(rate), nil
}
