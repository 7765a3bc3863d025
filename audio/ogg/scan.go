// SPDX-License-Identifier: Apache-2.0

package ogg

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// maxBroken bounds what is tried on a damaged file: every page that does not match its checksum costs the reading of up to 64 KiB.
const maxBroken = 1000

var errBeyondRepair = errors.New("the Ogg file has too many damaged pages; make it again")

// page is one page as it was read. Its slices are valid until the next one is.
type page struct {
	flags            byte
	granule          int64
	serial, sequence uint32
	lacing, body     []byte
}

// pageScanner finds pages, passing over what is none or does not match its checksum.
type pageScanner struct {
	r      *bufio.Reader
	offset int64 // of the byte that comes next
	broken int
	hold   int // bytes of the page handed out, which r still has
}

func newPageScanner(r io.Reader) *pageScanner {
	return &pageScanner{r: bufio.NewReaderSize(r, maxPageBytes)}
}

// next returns the next whole page; io.EOF when the file ends with a page, io.ErrUnexpectedEOF when there is something behind its last.
func (s *pageScanner) next() (page, error) {
	s.discard(s.hold)
	s.hold = 0
	for passed := false; ; passed = true {
		b, err := s.r.Peek(pageHeaderBytes)
		if len(b) < pageHeaderBytes {
			if err == io.EOF && (passed || len(b) > 0) {
				err = io.ErrUnexpectedEOF
			}
			return page{}, err
		}
		if string(b[:4]) == capture && b[4] == 0 {
			p, size, err := s.here(int(b[26]))
			if err != nil {
				return page{}, err
			}
			if size > 0 {
				s.hold = size
				return p, nil
			}
			if s.broken++; s.broken > maxBroken {
				return page{}, errBeyondRepair
			}
		}
		s.discard(s.toCapture())
	}
}

// here reads the page that begins here; its size is 0 if it is none after all.
func (s *pageScanner) here(segments int) (page, int, error) {
	b, err := s.r.Peek(pageHeaderBytes + segments)
	if err != nil {
		return page{}, 0, notEOF(err)
	}
	size := len(b)
	for _, n := range b[pageHeaderBytes:] {
		size += int(n)
	}
	if b, err = s.r.Peek(size); err != nil {
		return page{}, 0, notEOF(err)
	}
	le := binary.LittleEndian
	if le.Uint32(b[22:]) != pageCRC(b) {
		return page{}, 0, nil
	}
	return page{
		flags: b[5], granule: int64(le.Uint64(b[6:])), serial: le.Uint32(b[14:]), sequence: le.Uint32(b[18:]),
		lacing: b[pageHeaderBytes : pageHeaderBytes+segments], body: b[pageHeaderBytes+segments:],
	}, size, nil
}

// toCapture is how many bytes there are, one at least, before what may be the next page.
func (s *pageScanner) toCapture() int {
	b, _ := s.r.Peek(s.r.Buffered())
	if i := bytes.Index(b[1:], []byte(capture)); i >= 0 {
		return 1 + i
	}
	return max(1, len(b)-len(capture)+1)
}

func (s *pageScanner) discard(n int) {
	n, _ = s.r.Discard(n) // of what was peeked: it cannot fail
	s.offset += int64(n)
}

// notEOF: what ends within a page may be a false beginning, and the rest is searched.
func notEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
