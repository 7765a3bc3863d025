// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFaultsStrikeBeforeOrAfterTheDeed(t *testing.T) {
	for name, c := range map[string]struct {
		fault  Fault
		status []int // of three POSTs
		done   int   // how many were served
	}{
		"once by default":    {Fault{Status: 503}, []int{503, 200, 200}, 2},
		"so many times":      {Fault{Status: 503, Count: 2}, []int{503, 503, 200}, 1},
		"of another method":  {Fault{Status: 503, Method: "GET"}, []int{200, 200, 200}, 3},
		"of another path":    {Fault{Status: 503, PathContains: "/token"}, []int{200, 200, 200}, 3},
		"always":             {Fault{Status: 503, Probability: 1}, []int{503, 503, 503}, 0},
		"the reply is lost":  {Fault{Status: 504, After: true}, []int{504, 200, 200}, 3},
		"by chance, bounded": {Fault{Status: 503, Probability: 1, Count: 1}, []int{503, 200, 200}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var s Set
			if err := s.Add(c.fault); err != nil {
				t.Fatal(err)
			}
			done := 0
			h := s.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				done++
				w.WriteHeader(http.StatusOK)
			}))
			var got []int
			for range c.status {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1.0/communications/calls", nil))
				got = append(got, w.Code)
			}
			if diff := cmp.Diff(c.status, got); diff != "" || done != c.done {
				t.Errorf("%d served, statuses (-want +got):\n%s", done, diff)
			}
		})
	}
}

func TestChanceRepeatsItself(t *testing.T) {
	draw := func(seed uint64) (struck []bool) {
		var s Set
		s.Seed(seed)
		if err := s.Add(Fault{Status: 503, Probability: 0.5}); err != nil {
			t.Fatal(err)
		}
		for range 64 {
			struck = append(struck, s.take(httptest.NewRequest(http.MethodGet, "/", nil)) != nil)
		}
		return struck
	}
	if !cmp.Equal(draw(1), draw(1)) || cmp.Equal(draw(1), draw(2)) {
		t.Error("a seed does not decide")
	}
}

func TestFaultsThatAreNoneAreRefused(t *testing.T) {
	for name, f := range map[string]Fault{"a success": {Status: 200}, "a chance above one": {Status: 503, Probability: 2}} {
		var s Set
		if s.Add(f) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
