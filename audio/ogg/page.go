// SPDX-License-Identifier: Apache-2.0

package ogg

import (
	"encoding/binary"
	"io"
)

// The layout of a page, RFC 3533 section 6.
const (
	capture         = "OggS"
	pageHeaderBytes = 27
	maxSegments     = 255
	maxSegmentBytes = 255
	maxPageBytes    = pageHeaderBytes + maxSegments + maxSegments*maxSegmentBytes

	flagContinued = 1 // the first packet began on an earlier page
	flagFirst     = 2
	flagLast      = 4

	// noGranule is the position of a page on which no packet ends.
	noGranule = -1
)

// crcTable is for the polynomial 0x04c11db7 of RFC 3533 section 6, item 7, which runs from the high bit down and so is not hash/crc32's.
var crcTable = func() (t [256]uint32) {
	for i := range t {
		r := uint32(i) << 24
		for range 8 {
			if r&0x80000000 != 0 {
				r = r<<1 ^ 0x04c11db7
			} else {
				r <<= 1
			}
		}
		t[i] = r
	}
	return t
}()

func crc(sum uint32, b []byte) uint32 {
	for _, x := range b {
		sum = sum<<8 ^ crcTable[byte(sum>>24)^x]
	}
	return sum
}

// pageCRC is a page's checksum: that of the page with zeros where the checksum stands.
func pageCRC(page []byte) uint32 {
	const at = 22
	var zeros [4]byte
	return crc(crc(crc(0, page[:at]), zeros[:]), page[at+4:])
}

// headRoom is kept free in front of a page's body, so that a page is one slice and one Write.
const headRoom = pageHeaderBytes + maxSegments

// pageWriter packs packets into pages. A page that is not flushed is in memory only.
type pageWriter struct {
	w                io.Writer
	serial, sequence uint32
	flags            byte
	granule          int64
	segments         int
	lacing           [maxSegments]byte
	buf              []byte // headRoom, then the body
}

func newPageWriter(w io.Writer, serial uint32) *pageWriter {
	return &pageWriter{w: w, serial: serial, flags: flagFirst, granule: noGranule, buf: make([]byte, headRoom, 4096)}
}

// fits reports whether a packet of n bytes can end on the page at hand.
func (p *pageWriter) fits(n int) bool { return p.segments+n/maxSegmentBytes+1 <= maxSegments }

// packet adds a packet that ends at a granule position. It is continued on further pages as it needs.
func (p *pageWriter) packet(data []byte, granule int64) error {
	for {
		for p.segments < maxSegments {
			n := min(len(data), maxSegmentBytes)
			p.lacing[p.segments] = byte(n)
			p.segments++
			p.buf = append(p.buf, data[:n]...)
			data = data[n:]
			// A packet ends with a segment that is not full, be it an empty one (section 5).
			if n < maxSegmentBytes {
				p.granule = granule
				return nil
			}
		}
		if err := p.flush(); err != nil {
			return err
		}
		p.flags |= flagContinued
	}
}

// flush writes the page at hand, even an empty one.
func (p *pageWriter) flush() error {
	start := headRoom - pageHeaderBytes - p.segments
	page := p.buf[start:]
	h := append(page[:0], capture...)
	h = append(h, 0, p.flags) // version
	h = binary.LittleEndian.AppendUint64(h, uint64(p.granule))
	h = binary.LittleEndian.AppendUint32(h, p.serial)
	h = binary.LittleEndian.AppendUint32(h, p.sequence)
	h = append(h, 0, 0, 0, 0, byte(p.segments))
	copy(page[len(h):], p.lacing[:p.segments])
	binary.LittleEndian.PutUint32(page[22:], pageCRC(page))

	p.sequence++
	p.flags, p.granule, p.segments = 0, noGranule, 0
	p.buf = p.buf[:headRoom]
	_, err := p.w.Write(page)
	return err
}
