// SPDX-License-Identifier: Apache-2.0

package video

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestWhoSpokeLastIsShown(t *testing.T) {
	cameras := []Candidate{{0, 100}, {1, 101}, {2, 102}, {3, 103}}
	for name, tc := range map[string]struct {
		n        int
		cameras  []Candidate
		speakers []uint32
		shown    []int
		want     []int
	}{
		"nobody has spoken":                      {2, cameras, nil, nil, []int{0, 1}},
		"one has":                                {1, cameras, []uint32{102}, nil, []int{2}},
		"one has, and another before":            {2, cameras, []uint32{102, 101}, nil, []int{2, 1}},
		"the speaker takes the place of another": {2, cameras, []uint32{103, 100}, []int{0, 1}, []int{0, 3}},
		"places are kept":                        {3, cameras, []uint32{102}, []int{0, 1, 2}, []int{0, 1, 2}},
		"a speaker without a camera":             {1, cameras, []uint32{7, 103}, []int{0}, []int{3}},
		"fewer cameras than places":              {9, cameras[:2], []uint32{101}, nil, []int{1, 0}},
		"a camera is off":                        {2, cameras[1:], nil, []int{0, 2}, []int{1, 2}},
		"fewer places than before":               {1, cameras, []uint32{101}, []int{0, 1}, []int{1}},
		"two cameras of a speaker":               {2, []Candidate{{0, 1}, {1, 2}, {2, 2}}, []uint32{2}, nil, []int{1, 2}},
		"none":                                   {0, cameras, []uint32{101}, []int{0}, nil},
		"no cameras":                             {4, nil, []uint32{101}, []int{0}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Select(tc.n, tc.cameras, tc.speakers, tc.shown); !slices.Equal(got, tc.want) {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}

func TestSelectionsAreOfCamerasEachOnce(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var shown []int
	for range 5000 {
		var cameras []Candidate
		for track := range 10 {
			if random.IntN(4) > 0 {
				cameras = append(cameras, Candidate{track, uint32(random.IntN(6))})
			}
		}
		speakers := []uint32{uint32(random.IntN(6)), uint32(random.IntN(6))}
		n := random.IntN(8)
		before := shown
		shown = Select(n, cameras, speakers, before)
		if len(shown) != min(n, len(cameras)) {
			t.Fatalf("%d of %d cameras for %d places", len(shown), len(cameras), n)
		}
		seen := map[int]bool{}
		for i, track := range shown {
			if seen[track] || !slices.ContainsFunc(cameras, func(c Candidate) bool { return c.Track == track }) {
				t.Fatalf("%v of %v", shown, cameras)
			}
			seen[track] = true
			if at := slices.Index(before, track); at >= 0 && at < len(shown) && at != i {
				t.Fatalf("%v becomes %v", before, shown)
			}
		}
	}
}
