// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/transport/v4"
	"github.com/pion/transport/v4/stdnet"
)

const (
	// firstCheckWithin is how long a connection may take to say which session it is for, and unclaimedFor how long one is
	// kept that is for none: sessions are there before far sides know of them.
	firstCheckWithin, unclaimedFor = 5 * time.Second, time.Second
	// tcpWaiting bounds what waits to be written to a connection that is stuck: a second of audio and some of a key frame.
	// What comes on top is dropped, as a network drops it; writing never waits.
	tcpWaiting = 64 << 10
	// tcpUnread is how many packets of a connection may wait to be read; then the far side's TCP waits.
	tcpUnread = 16
)

// newTCPMux tells the connections apart by the user fragment of their first check, as the mux of the UDP port does its
// packets. It is pion's, which allocates for each packet: TCP is the way of those who have no other.
func newTCPMux(from net.Listener, logs pionLogs) *ice.TCPMuxDefault {
	return ice.NewTCPMuxDefault(ice.TCPMuxParams{
		Listener: from, Logger: logs.NewLogger("tcp"), ReadBufferSize: tcpUnread, WriteBufferSize: tcpWaiting,
		FirstStunBindTimeout: firstCheckWithin, AliveDurationForConnFromStun: unclaimedFor,
	})
}

// mayNeedTCP says whether an answer has to have a candidate of TCP (RFC 6544), which costs two goroutines: unless the offer
// has candidates and all are of UDP. One without any is going to trickle them.
func mayNeedTCP(offer string) bool {
	some := false
	for line := range strings.Lines(offer) {
		candidate, ok := strings.CutPrefix(line, "a=candidate:")
		if !ok {
			continue
		}
		some = true
		// RFC 8839 section 5.1: foundation, component, transport.
		if fields := strings.Fields(candidate); len(fields) > 2 && strings.EqualFold(fields[2], "tcp") {
			return true
		}
	}
	return !some
}

// oneAddress is a machine that has the one address to which the sockets are bound. ICE would look for others, and offer TCP
// only on those it finds: of a loopback network, as a development cluster uses it, only the first. It also would list the
// interfaces for each session, and keep the list.
type oneAddress struct {
	*stdnet.Net
	only []*transport.Interface
}

func newOneAddress(addr netip.Addr) (*oneAddress, error) {
	n, err := stdnet.NewNet()
	if err != nil {
		return nil, fmt.Errorf("listing the network interfaces: %w", err)
	}
	ifc := transport.NewInterface(net.Interface{Index: 1, MTU: maxPacket, Name: "media", Flags: net.FlagUp | net.FlagRunning})
	ifc.AddAddress(&net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(addr.BitLen(), addr.BitLen())})
	return &oneAddress{n, []*transport.Interface{ifc}}, nil
}

// Interfaces implements transport.Net.
func (n *oneAddress) Interfaces() ([]*transport.Interface, error) { return n.only, nil }

// InterfaceByIndex implements transport.Net.
func (n *oneAddress) InterfaceByIndex(int) (*transport.Interface, error) { return n.only[0], nil }

// InterfaceByName implements transport.Net.
func (n *oneAddress) InterfaceByName(string) (*transport.Interface, error) { return n.only[0], nil }
