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
	le := binary.LittleEndian
	h := make([]byte, 0, headerBytes)
	h = append(h, "RIFF"...)
	h = le.AppendUint32(h, headerBytes-8+uint32(size))
	h = append(h, "WAVEfmt "...)
	h = le.AppendUint32(h, 16)
	h = le.AppendUint16(h, formatPCM)
	h = le.AppendUint16(h, 1) // channels
	h = le.AppendUint32(h, uint32(c.SampleRate))
	h = le.AppendUint32(h, uint32(c.SampleRate)*2)
	h = le.AppendUint16(h, 2)  // bytes of a frame
	h = le.AppendUint16(h, 16) // bits of a sample
	h = append(h, "data"...)
	h = le.AppendUint32(h, uint32(size))

	out := bufio.NewWriter(w)
	if _, err := out.Write(h); err != nil {
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
