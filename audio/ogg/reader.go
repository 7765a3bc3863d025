// SPDX-License-Identifier: Apache-2.0

package ogg

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// maxTagBytes bounds the comment header: room for a cover picture.
const maxTagBytes = 1 << 20

// maxGranule is 186 years: what is more is damage, and would not fit into a time.Duration.
const maxGranule = 1 << 48

// Packet is one Opus packet of a stream.
type Packet struct {
	// Data is valid until the next packet is read.
	Data []byte
	// At is when the packet is heard, from the stream's beginning. Packets to be
	// skipped are before zero.
	At time.Duration
	// Duration is what is to be played of it: less than its samples where the
	// stream ends within (RFC 7845 section 4.4).
	Duration time.Duration
}

// Reader reads the first Opus stream of an Ogg file. Damaged pages are passed
// over. Its memory is bounded whatever the file holds. It belongs to one goroutine.
type Reader struct {
	pages  *pageScanner
	head   Head
	tags   Tags
	serial uint32

	page     page
	segment  int  // next of the page
	at       int  // next byte of the page's body
	partial  bool // packet has the beginning of one
	spoiled  bool // until the next packet begins: this one lost a part
	sequence uint32
	packet   []byte
	limit    int

	granule int64 // of the end of the last packet, as it is counted
	end     int64 // of the last page's samples; noGranule before it is known
}

// NewReader reads the headers.
func NewReader(r io.Reader) (*Reader, error) {
	or := &Reader{pages: newPageScanner(r), limit: maxPacketBytes, end: noGranule}
	first, err := or.pages.r.Peek(len(capture))
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("reading the Ogg file: %w", err)
	}
	if string(first) != capture {
		return nil, errors.New("not an Ogg file: it does not begin with OggS")
	}
	if or.page, err = or.pages.next(); err != nil {
		return nil, fmt.Errorf("reading the Ogg file's first page: %w", cutShort(err))
	}
	or.serial, or.sequence = or.page.serial, or.page.sequence
	head, err := or.assemble()
	if err != nil {
		return nil, fmt.Errorf("reading the Opus header: %w", cutShort(err))
	}
	if or.head, err = parseHead(head); err != nil {
		return nil, err
	}
	or.limit = maxTagBytes
	tags, err := or.assemble()
	if err != nil {
		return nil, fmt.Errorf("reading the Opus comments: %w", cutShort(err))
	}
	if or.tags, err = parseTags(tags); err != nil {
		return nil, err
	}
	or.limit = maxPacketBytes
	return or, nil
}

// Head is the stream's identification header.
func (r *Reader) Head() Head { return r.head }

// Tags is the stream's comment header.
func (r *Reader) Tags() Tags { return r.tags }

// Next returns the next packet; io.EOF at the end, io.ErrUnexpectedEOF when the
// file ends within a page. What is no Opus packet is passed over.
func (r *Reader) Next() (Packet, error) {
	for {
		data, err := r.assemble()
		if err != nil {
			return Packet{}, err
		}
		n, err := Samples(data)
		if err != nil {
			continue
		}
		from, to := r.granule, r.granule+int64(n)
		r.granule = to
		if r.end != noGranule {
			from, to = min(from, r.end), min(to, r.end)
		}
		skip := int64(r.head.PreSkip)
		return Packet{Data: data, At: duration(from - skip), Duration: duration(to - from)}, nil
	}
}

// assemble returns the next packet that is whole.
func (r *Reader) assemble() ([]byte, error) {
	if !r.partial {
		r.packet = r.packet[:0]
	}
	for {
		for r.segment < len(r.page.lacing) {
			n := int(r.page.lacing[r.segment])
			r.segment++
			if !r.spoiled && len(r.packet)+n > r.limit {
				if r.limit == maxTagBytes {
					return nil, fmt.Errorf("the comments are larger than %d bytes; strip the pictures from the file", maxTagBytes)
				}
				r.spoiled = true
			}
			if !r.spoiled {
				r.packet = append(r.packet, r.page.body[r.at:r.at+n]...)
			}
			r.at += n
			r.partial = true
			if n == maxSegmentBytes {
				continue
			}
			r.partial = false
			if !r.spoiled {
				return r.packet, nil
			}
			r.spoiled, r.packet = false, r.packet[:0]
		}
		if err := r.turn(); err != nil {
			return nil, err
		}
	}
}

// turn goes to the stream's next page.
func (r *Reader) turn() error {
	if r.page.flags&flagLast != 0 {
		return io.EOF
	}
	for {
		p, err := r.pages.next()
		if err != nil {
			r.page = page{} // its bytes are gone
			return err
		}
		if p.serial == r.serial {
			r.page, r.segment, r.at = p, 0, 0
			break
		}
	}
	lost := r.page.sequence != r.sequence+1
	r.sequence = r.page.sequence
	continued := r.page.flags&flagContinued != 0
	if r.partial && (lost || !continued) {
		r.partial, r.packet = false, r.packet[:0]
	}
	// What goes on here without its beginning cannot be used.
	r.spoiled = continued && (!r.partial || r.spoiled)
	r.count()
	return nil
}

// count takes the time from the page's granule position, which is that of the end
// of the last packet that ends on it. On the last page it may be before that, and
// is where to stop.
func (r *Reader) count() {
	if r.page.granule < 0 || r.page.granule > maxGranule || r.limit == maxTagBytes {
		return
	}
	if r.page.flags&flagLast != 0 {
		r.end = r.page.granule
		return
	}
	var samples int64
	body, begin, first := r.page.body, 0, true
	for at, i := 0, 0; i < len(r.page.lacing); i++ {
		n := int(r.page.lacing[i])
		at += n
		if n == maxSegmentBytes {
			continue
		}
		packet := body[begin:at]
		if first && r.partial && len(r.packet) > 1 {
			packet = r.packet // its beginning, which tells how long it is
		}
		if n, err := Samples(packet); err == nil && !(first && r.spoiled) {
			samples += int64(n)
		}
		begin, first = at, false
	}
	if samples > 0 && r.page.granule >= samples {
		r.granule = max(r.granule, r.page.granule-samples)
	}
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
