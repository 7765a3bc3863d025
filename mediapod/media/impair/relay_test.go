// SPDX-License-Identifier: Apache-2.0

package impair

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"
)

func listen(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// fates is how often each of n packets arrives, which does not depend on time.
func fates(c Config, n int) (copies []int) {
	f := NewFate(c)
	for range n {
		copies = append(copies, len(f.Next(nil, 0)))
	}
	return copies
}

func TestRelayDoesToDatagramsWhatFateSays(t *testing.T) {
	const n = 60 // fewer than a socket's buffer holds
	forth := Config{Seed: 1, LossPercent: 20, DuplicatePercent: 20, Delay: 5 * time.Millisecond}
	back := Config{Seed: 2, LossPercent: 30, Delay: 5 * time.Millisecond}
	near, far := listen(t), listen(t)
	relay, err := NewRelay(far.LocalAddr().(*net.UDPAddr).AddrPort(), forth, back)
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()

	receive := func(c *net.UDPConn, wants []int) (from netip.AddrPort) {
		t.Helper()
		got, total := make([]int, n), 0
		for _, w := range wants {
			total += w
		}
		b := make([]byte, 100)
		for range total {
			size, addr, err := c.ReadFromUDPAddrPort(b)
			if err != nil || size != 2 {
				t.Fatalf("%d bytes, %v, after %v of %v", size, err, got, wants)
			}
			got[binary.BigEndian.Uint16(b)]++
			from = addr
		}
		for i := range got {
			if got[i] != wants[i] {
				t.Errorf("datagram %d came %d times, want %d", i, got[i], wants[i])
			}
		}
		return from
	}
	began := time.Now()
	for i := range n {
		if _, err := near.WriteToUDPAddrPort(binary.BigEndian.AppendUint16(nil, uint16(i)), relay.Addr()); err != nil {
			t.Fatal(err)
		}
	}
	from := receive(far, fates(forth, n))
	if took := time.Since(began); took < forth.Delay {
		t.Errorf("all was there after %v, want at least %v", took, forth.Delay)
	}
	for i := range n {
		if _, err := far.WriteToUDPAddrPort(binary.BigEndian.AppendUint16(nil, uint16(i)), from); err != nil {
			t.Fatal(err)
		}
	}
	if via := receive(near, fates(back, n)); via != relay.Addr() {
		t.Errorf("answers come from %v, want %v", via, relay.Addr())
	}
}

func TestRelayEndsWithDatagramsOnTheirWay(t *testing.T) {
	far := listen(t)
	relay, err := NewRelay(far.LocalAddr().(*net.UDPAddr).AddrPort(), Config{Delay: time.Hour}, Config{})
	if err != nil {
		t.Fatal(err)
	}
	near := listen(t)
	if _, err := near.WriteToUDPAddrPort([]byte("late"), relay.Addr()); err != nil {
		t.Fatal(err)
	}
	relay.Close()
	relay.Close()
}
