// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"net"
	"strconv"
	"strings"
	"testing"
)

func TestAProgramOnAllAddressesIsNamedAsTheReason(t *testing.T) {
	for name, tc := range map[string]struct {
		listen string
		inWay  bool
	}{
		"all addresses":    {":0", true},
		"all IPv4":         {"0.0.0.0:0", true},
		"its own loopback": {"127.0.0.1:0", false},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", tc.listen)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			port := l.Addr().(*net.TCPAddr).Port
			if err := portsFree([]int{port}); (err != nil) != tc.inWay || err != nil && !strings.Contains(err.Error(), "port "+strconv.Itoa(port)) {
				t.Errorf("portsFree = %v, in the way: %v", err, tc.inWay)
			}
		})
	}
}
