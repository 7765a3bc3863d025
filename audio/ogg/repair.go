// SPDX-License-Identifier: Apache-2.0

package ogg

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// File is what Repair works on. An *os.File is one.
type File interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
}

// Repair ends a file of one Opus stream whose writer was killed: what is behind
// its last whole page is cut off, and an end is put there. It returns how long the
// file plays. A file that has its end is left as it is. size is the file's in bytes.
func Repair(f File, size int64) (time.Duration, error) {
	scan := newPageScanner(io.NewSectionReader(f, 0, size))
	var head Head
	var last page
	var granule, end int64
	pages := 0
	for {
		p, err := scan.next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return 0, fmt.Errorf("reading the Ogg file: %w", err)
		}
		if pages == 0 {
			if head, err = parseHead(p.body); err != nil {
				return 0, err
			}
		} else if p.serial != last.serial {
			return 0, errors.New("the Ogg file has more than one stream; it was not written here")
		}
		if p.granule <= maxGranule {
			granule = max(granule, p.granule)
		}
		end = scan.offset + int64(scan.hold)
		last = page{flags: p.flags, serial: p.serial, sequence: p.sequence}
		pages++
	}
	if pages < 2 {
		return 0, errors.New("the Ogg file ends within its headers; nothing was recorded in it")
	}
	played := duration(max(granule-int64(head.PreSkip), 0))
	if end < size {
		if err := f.Truncate(end); err != nil {
			return 0, fmt.Errorf("cutting off what is behind the last page: %w", err)
		}
	}
	if last.flags&flagLast != 0 {
		return played, nil
	}
	var b bytes.Buffer
	w := &pageWriter{w: &b, serial: last.serial, sequence: last.sequence + 1, flags: flagLast, granule: granule, buf: make([]byte, headRoom)}
	if err := w.flush(); err != nil {
		return 0, err
	}
	if _, err := f.WriteAt(b.Bytes(), end); err != nil {
		return 0, fmt.Errorf("writing the last page: %w", err)
	}
	return played, nil
}
