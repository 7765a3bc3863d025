// SPDX-License-Identifier: Apache-2.0

package agent

import "testing"

// A seat that was given away while the API server had not heard of a call is not counted again when the call's last word
// is written: somebody else sits on it.
func TestASeatGivenAwayIsNotTakenBack(t *testing.T) {
	for name, tc := range map[string]struct {
		steps func(*runner, *Agent)
		want  int32
	}{
		"goes on":           {func(*runner, *Agent) {}, 1},
		"over, unheard of":  {func(r *runner, _ *Agent) { r.over = true }, 0},
		"over and heard of": {func(r *runner, _ *Agent) { r.writer.tellSucceeded(); r.over = true }, 1},
		"heard of at last": {func(r *runner, a *Agent) {
			r.over = true
			a.used()
			r.writer.tellSucceeded()
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := &runner{writer: &statusWriter{}, seats: 1}
			a := &Agent{runners: map[string]*runner{"call": r}}
			tc.steps(r, a)
			if got := a.used(); got != tc.want {
				t.Errorf("%d seats are used, want %d", got, tc.want)
			}
		})
	}
}
