// SPDX-License-Identifier: Apache-2.0

package router

import "strings"

// route is what a path asks for.
type route struct {
	bot      Bot
	mediaPod string // empty: a new call
	kind     string // for metrics: newCall or callback
}

const (
	kindNewCall  = "newCall"
	kindCallback = "callback"
	maxSegment   = 253
)

// parseRoute reads a path. It accepts nothing but the two forms the fleet hands out.
func parseRoute(path string) (route, bool) {
	seg := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for _, s := range seg {
		if s == "" || len(s) > maxSegment {
			return route{}, false
		}
	}
	switch {
	case len(seg) == 3 && seg[2] == "calls":
		return route{bot: Bot{seg[0], seg[1]}, kind: kindNewCall}, true
	case len(seg) == 6 && seg[2] == "pods" && seg[4] == "calls":
		return route{bot: Bot{seg[0], seg[1]}, mediaPod: seg[3], kind: kindCallback}, true
	default:
		return route{}, false
	}
}
