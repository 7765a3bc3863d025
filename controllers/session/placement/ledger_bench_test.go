// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

// BenchmarkReserve binds sessions to a fleet of 100 pods, and lets the oldest go, so that the fleet stays nearly full.
func BenchmarkReserve(b *testing.B) {
	l := NewLedger()
	var pods []Pod
	for i := range 100 {
		pods = append(pods, Pod{Name: pod(fmt.Sprintf("reception-%d", i)), Capacity: 20})
	}
	const live = 1990
	uids := make([]types.UID, b.N+live)
	for i := range uids {
		uids[i] = types.UID(fmt.Sprint(i))
	}
	b.ReportAllocs()
	for i := range b.N + live {
		if i == live {
			b.ResetTimer()
		}
		if i >= live {
			l.Forget(uids[i-live])
		}
		s := Session{UID: uids[i], Name: pod("s")}
		r, ok := l.Reserve(s, pods, Packed)
		if !ok {
			b.Fatal("no seat")
		}
		l.Confirm(Binding{Session: s, Version: "1", Pod: r.Pod})
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "binds/s")
}
