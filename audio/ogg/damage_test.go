// SPDX-License-Identifier: Apache-2.0

package ogg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// numbered is a file of n packets of 20 ms that say which they are, each on a page of its own.
func numbered(t testing.TB, n int, closed bool) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, 7, Head{Channels: 1}, Tags{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := errors.Join(w.WritePacket([]byte{9 << 3, byte(i)}), w.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	if closed {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// pageAt is where the i-th page of a file begins.
func pageAt(file []byte, i int) int {
	at := 0
	for range i + 1 {
		at += bytes.Index(file[at:], []byte(capture)) + 1
	}
	return at - 1
}

func TestReaderPassesOverDamage(t *testing.T) {
	tests := map[string]struct {
		damage func(file []byte) []byte
		want   []byte // which packets are read
		end    error
	}{
		"none": {func(f []byte) []byte { return f }, []byte{0, 1, 2, 3, 4, 5}, io.EOF},
		"a bit of a page": {func(f []byte) []byte { f[pageAt(f, 4)+28] ^= 1; return f },
			[]byte{0, 1, 3, 4, 5}, io.EOF},
		"a capture pattern": {func(f []byte) []byte { f[pageAt(f, 4)] = 'X'; return f },
			[]byte{0, 1, 3, 4, 5}, io.EOF},
		"a page left out": {func(f []byte) []byte { return slices.Delete(f, pageAt(f, 4), pageAt(f, 5)) },
			[]byte{0, 1, 3, 4, 5}, io.EOF},
		"something between pages": {func(f []byte) []byte { return slices.Insert(f, pageAt(f, 4), []byte("OggS is what I begin with")...) },
			[]byte{0, 1, 2, 3, 4, 5}, io.EOF},
		"another stream's page between": {func(f []byte) []byte {
			other := slices.Clone(f[pageAt(f, 3):pageAt(f, 4)])
			binary.LittleEndian.PutUint32(other[14:], 99)
			binary.LittleEndian.PutUint32(other[22:], pageCRC(other))
			return slices.Insert(f, pageAt(f, 4), other...)
		}, []byte{0, 1, 2, 3, 4, 5}, io.EOF},
		"cut within a page":    {func(f []byte) []byte { return f[:pageAt(f, 5)+28] }, []byte{0, 1, 2}, io.ErrUnexpectedEOF},
		"cut within a header":  {func(f []byte) []byte { return f[:pageAt(f, 5)+9] }, []byte{0, 1, 2}, io.ErrUnexpectedEOF},
		"cut between pages":    {func(f []byte) []byte { return f[:pageAt(f, 5)] }, []byte{0, 1, 2}, io.EOF},
		"something behind all": {func(f []byte) []byte { return append(f, "tail"...) }, []byte{0, 1, 2, 3, 4, 5}, io.EOF},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r, err := NewReader(bytes.NewReader(tc.damage(numbered(t, 6, true))))
			if err != nil {
				t.Fatal(err)
			}
			packets, err := readAll(t, r)
			if err != tc.end {
				t.Errorf("the file ends with %v, want %v", err, tc.end)
			}
			var got []byte
			for _, p := range packets {
				got = append(got, p.data[1])
				// Whatever is lost, what is left is heard at its time.
				if want := time.Duration(p.data[1]) * frame20; p.at != want {
					t.Errorf("packet %d is at %v, want %v", p.data[1], p.at, want)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("packets (-want +got):\n%s", diff)
			}
			if _, err := r.Next(); err == nil {
				t.Error("there is something behind the end")
			}
		})
	}
}

// A packet over several pages that lost one of them is left out, and does not become one with the next.
func TestAPacketThatLostAPartIsLeftOut(t *testing.T) {
	var b bytes.Buffer
	w, err := NewWriter(&b, 7, Head{Channels: 1}, Tags{})
	if err != nil {
		t.Fatal(err)
	}
	// The writer continues no packet; others do.
	large := append([]byte{9 << 3, 1}, make([]byte, 60_000)...)
	for i, p := range [][]byte{{9 << 3, 0}, large, large, large, large, {9 << 3, 5}} {
		if err := w.pages.packet(p, int64(i+1)*960); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.pages.flush(); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	read := func(file []byte) (got []int) {
		packets, _ := mustRead(t, file)
		for _, p := range packets {
			got = append(got, len(p.data))
		}
		return got
	}
	if diff := cmp.Diff([]int{2, 60002, 60002, 60002, 60002, 2}, read(whole)); diff != "" {
		t.Errorf("packets (-want +got):\n%s", diff)
	}
	middle := pageAt(whole, 3) // has the end of the second large one, and the beginning of the third
	if flags := whole[middle+5]; flags&flagContinued == 0 {
		t.Fatalf("page 3 has flags %d, the test is wrong", flags)
	}
	whole[middle+500] ^= 1
	if diff := cmp.Diff([]int{2, 60002, 60002, 2}, read(whole)); diff != "" {
		t.Errorf("packets with a page damaged (-want +got):\n%s", diff)
	}
}

func TestReaderSaysWhatIsWrong(t *testing.T) {
	good := prompt(t)
	head := func(change func(h []byte)) []byte {
		f := slices.Clone(good)
		size := pageAt(f, 1)
		change(f[28:])
		binary.LittleEndian.PutUint32(f[22:], pageCRC(f[:size]))
		return f
	}
	tests := map[string]struct {
		in   []byte
		want string
	}{
		"empty":            {nil, "not an Ogg file"},
		"a WAV file":       {[]byte("RIFF\x00\x00\x00\x00WAVEfmt "), "not an Ogg file"},
		"four letters":     {[]byte("OggS"), "unexpected EOF"},
		"Vorbis":           {head(func(h []byte) { copy(h, "\x01vorbis\x00") }), "no Opus audio"},
		"a later version":  {head(func(h []byte) { h[8] = 0x10 }), "version 16"},
		"no channels":      {head(func(h []byte) { h[9] = 0 }), "0 channels"},
		"surround":         {head(func(h []byte) { h[9], h[18] = 6, 1 }), "6 channels in mapping family 1"},
		"without comments": {good[:pageAt(good, 1)], "comments: unexpected EOF"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := NewReader(bytes.NewReader(tc.in))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
	for name, b := range map[string][]byte{
		"nothing":                nil,
		"another header":         []byte("OpusHead\x00\x00\x00\x00\x00\x00\x00\x00"),
		"no vendor":              []byte("OpusTags"),
		"a vendor too long":      []byte("OpusTags\xff\xff\xff\xff"),
		"no count":               []byte("OpusTags\x01\x00\x00\x00v"),
		"comments too many":      []byte("OpusTags\x01\x00\x00\x00v\xff\xff\xff\xff"),
		"a comment that is less": []byte("OpusTags\x01\x00\x00\x00v\x01\x00\x00\x00\x02\x00\x00\x00c"),
	} {
		if tags, err := parseTags(b); err == nil || tags.Comments != nil {
			t.Errorf("comment header with %s: %v, %v", name, tags, err)
		}
	}
}

// What matches no checksum over and over is given up instead of tried for hours.
func TestDamageWithoutEndIsGivenUp(t *testing.T) {
	r, err := NewReader(io.MultiReader(bytes.NewReader(numbered(t, 1, false)), &endless{}))
	if err != nil {
		t.Fatal(err)
	}
	packets, err := readAll(t, r)
	if !errors.Is(err, errBeyondRepair) || len(packets) != 1 {
		t.Errorf("%d packets, then %v", len(packets), err)
	}
}

type endless struct{}

func (*endless) Read(p []byte) (int, error) {
	return copy(p, bytes.Repeat([]byte("OggS\x00"), len(p)/5+1)), nil
}

func TestRepairEndsAFileWhoseWriterWasKilled(t *testing.T) {
	whole := numbered(t, 6, false)
	for cut := 0; cut <= len(whole); cut++ {
		repaired, played, err := repair(t, whole[:cut])
		if cut < pageAt(whole, 2) {
			if err == nil {
				t.Fatalf("a file of %d bytes, within its headers, is repaired", cut)
			}
			continue
		}
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		n := 0
		for n < 6 && (n == 5 && cut == len(whole) || n < 5 && cut >= pageAt(whole, n+3)) {
			n++
		}
		packets, _ := mustRead(t, repaired)
		if len(packets) != n || played != time.Duration(n)*frame20 {
			t.Fatalf("cut at %d: %d packets, plays %v; want %d", cut, len(packets), played, n)
		}
		again, _, err := repair(t, repaired)
		if err != nil || !bytes.Equal(again, repaired) {
			t.Fatalf("cut at %d: a second repair changes the file (%v)", cut, err)
		}
	}
}

func TestRepairLeavesAWholeFileAlone(t *testing.T) {
	got, played, err := repair(t, prompt(t))
	if err != nil || played != 2720*time.Millisecond || !bytes.Equal(got, prompt(t)) {
		t.Errorf("plays %v, %v, changed: %v", played, err, !bytes.Equal(got, prompt(t)))
	}
	two := append(numbered(t, 2, true), prompt(t)...)
	if got, _, err := repair(t, two); err == nil || !bytes.Equal(got, two) {
		t.Errorf("a chain of streams: %v", err)
	}
}

func repair(t testing.TB, file []byte) ([]byte, time.Duration, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.opus")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	played, rerr := Repair(f, int64(len(file)))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b, played, rerr
}

// sealed puts right the checksums of what looks like pages, or the fuzzer would never get past them. Every fourth stays as it is.
func sealed(in []byte) []byte {
	b := slices.Clone(in)
	for at, i := 0, 0; ; i++ {
		n := bytes.Index(b[at:], []byte(capture))
		if n < 0 {
			return b
		}
		at += n
		p := b[at:]
		at++
		if len(p) < pageHeaderBytes || len(p) < pageHeaderBytes+int(p[26]) || i%4 == 3 {
			continue
		}
		size := pageHeaderBytes + int(p[26])
		for _, n := range p[pageHeaderBytes:size] {
			size += int(n)
		}
		if size <= len(p) {
			binary.LittleEndian.PutUint32(p[22:], pageCRC(p[:size]))
		}
	}
}

// Whatever a file holds, what is read of it is bounded by it, and can be written and read again.
func FuzzReader(f *testing.F) {
	f.Add(prompt(f)[:1500])
	f.Add(numbered(f, 6, true))
	f.Add(numbered(f, 3, false)[:150])
	f.Add([]byte("OggS\x00\x02"))
	f.Fuzz(func(t *testing.T, in []byte) {
		in = sealed(in)
		r, err := NewReader(bytes.NewReader(in))
		if err != nil {
			return
		}
		var b bytes.Buffer
		w, err := NewWriter(&b, 1, r.Head(), r.Tags())
		if err != nil {
			t.Fatalf("headers that were read cannot be written: %v", err)
		}
		first, err := readAll(t, r)
		if err == nil {
			t.Fatal("no end")
		}
		total, at := 0, time.Duration(-1<<62)
		for _, p := range first {
			total += len(p.data)
			if p.at < at || p.duration < 0 || p.duration > 120*time.Millisecond {
				t.Fatalf("a packet at %v for %v, after one at %v", p.at, p.duration, at)
			}
			at = p.at
			if err := w.WritePacket([]byte(p.data)); err != nil {
				t.Fatalf("a packet that was read cannot be written: %v", err)
			}
		}
		if total > len(in) {
			t.Fatalf("%d bytes of packets from %d", total, len(in))
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		second, _ := mustRead(t, b.Bytes())
		if len(first) != len(second) {
			t.Fatalf("%d packets written, %d read", len(first), len(second))
		}
		for i := range first {
			if first[i].data != second[i].data {
				t.Fatalf("packet %d differs", i)
			}
		}
	})
}
