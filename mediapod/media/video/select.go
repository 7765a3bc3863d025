// SPDX-License-Identifier: Apache-2.0

package video

import "slices"

// Candidate is a camera that may be shown.
type Candidate struct {
	Track int
	// Source is the number by which the camera's participant is known as a speaker.
	Source uint32
}

// Select chooses n cameras: those of whoever spoke last, of whom speakers has the latest first, then those that were shown
// before, then the first ones. What is shown already keeps its place in the result, so that nobody jumps to another tile
// when another speaks. The result has as many places as cameras are shown.
func Select(n int, cameras []Candidate, speakers []uint32, shown []int) []int {
	n = min(n, len(cameras))
	if n <= 0 {
		return nil
	}
	var chosen []int
	choose := func(track int) {
		if len(chosen) < n && !slices.Contains(chosen, track) {
			chosen = append(chosen, track)
		}
	}
	for _, s := range speakers {
		for _, c := range cameras {
			if c.Source == s {
				choose(c.Track)
			}
		}
	}
	for _, track := range shown {
		if slices.ContainsFunc(cameras, func(c Candidate) bool { return c.Track == track }) {
			choose(track)
		}
	}
	for _, c := range cameras {
		choose(c.Track)
	}
	return settle(chosen, shown)
}

// settle puts those that were shown before where they were.
func settle(chosen, shown []int) []int {
	places := make([]int, len(chosen))
	for i := range places {
		places[i] = -1
	}
	var homeless []int
	for _, track := range chosen {
		if at := slices.Index(shown, track); at >= 0 && at < len(places) && places[at] < 0 {
			places[at] = track
		} else {
			homeless = append(homeless, track)
		}
	}
	for i := range places {
		if places[i] < 0 {
			places[i], homeless = homeless[0], homeless[1:]
		}
	}
	return places
}
