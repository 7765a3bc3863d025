// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// podPorts are what our pods listen on. Each has an address of its own, so they are in nobody's way, but a program that
// listens on all addresses of the machine is in theirs.
var podPorts = []int{8080, 8081, 8443, 8445, 9441, 9442}

// podAddress is one that no pod gets (the first of the first cluster's range).
const podAddress = "127.64.0.1"

// portsFree fails early, and with the reason, where pods would crash until everybody's patience is over.
func portsFree(ports []int) error {
	for _, port := range ports {
		l, err := net.Listen("tcp", net.JoinHostPort(podAddress, strconv.Itoa(port)))
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("a program listens on port %[1]d of all addresses of this machine, also of those that pods get, and they need it; "+
				"end that program for a while (ss -ltnp 'sport = :%[1]d' names it)", port)
		}
		if err == nil {
			_ = l.Close()
		}
	}
	return nil
}
