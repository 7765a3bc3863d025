// SPDX-License-Identifier: Apache-2.0

package wav

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

const headerBytes = 44

// Encode writes the clip as 16-bit mono PCM.
func Encode(w io.Writer, c Clip) error {
	size := int64(len(c.Samples)) * 2
	if size > math.MaxUint32-headerBytes {
		return fmt.Errorf("a WAV file holds 4 GiB at most, the clip has %d bytes", size)
	}
	if c.SampleRate < 1 || c.SampleRate > math.MaxInt32/2 {
		return fmt.Errorf("a clip with a sample rate of %d cannot be written", c.SampleRate)
	}
	out := bufio.NewWriter(w)
	if _, err := out.Write(appendHeader(nil, c.SampleRate, uint32(size))); err != nil {
		return fmt.Errorf("writing the WAV header: %w", err)
	}
	for _, s := range c.Samples {
		if _, err := out.Write([]byte{byte(s), byte(uint16(s) >> 8)}); err != nil {
			return fmt.Errorf("writing the WAV data: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the WAV data: %w", err)
	}
	return nil
}

// appendHeader appends the header of 16-bit mono PCM with so many bytes of data: headerBytes.
func appendHeader(dst []byte, rate int, size uint32) []byte {
	le := binary.LittleEndian
	dst = append(dst, "RIFF"...)
	dst = le.AppendUint32(dst, headerBytes-8+size)
	dst = append(dst, "WAVEfmt "...)
	dst = le.AppendUint32(dst, 16)
	dst = le.AppendUint16(dst, formatPCM)
	dst = le.AppendUint16(dst, 1) // channels
	dst = le.AppendUint32(dst, uint32(rate))
	dst = le.AppendUint32(dst, uint32(rate)*2)
	dst = le.AppendUint16(dst, 2)  // bytes of a frame
	dst = le.AppendUint16(dst, 16) // bits of a sample
	dst = append(dst, "data"...)
	return le.AppendUint32(dst, size)
}
