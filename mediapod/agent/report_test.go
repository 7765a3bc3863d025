// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// TestTheReportNamesSomeOfTheCalls: eight of ten, and none once they are over.
func TestTheReportNamesSomeOfTheCalls(t *testing.T) {
	b := newBench(t, 20)
	var sessions []*callfleetv1.MeetingSession
	for i := range 10 {
		sessions = append(sessions, b.bind(b.session(fmt.Sprint("s-", i))))
	}
	var want []string
	for i := range 8 {
		want = append(want, fmt.Sprint("MeetingSession/s-", i))
	}
	b.awaitPod("the names", func(mp *callfleetv1.MediaPod) bool {
		return mp.Status.Calls == 10 && cmp.Equal(want, mp.Status.Agent.Calls)
	})
	for _, s := range sessions {
		b.update(s, func(s *callfleetv1.MeetingSession) { s.Spec.DesiredState = callfleetv1.DesiredEnded })
	}
	b.awaitPod("no names", func(mp *callfleetv1.MediaPod) bool { return mp.Status.Calls == 0 && len(mp.Status.Agent.Calls) == 0 })
}
