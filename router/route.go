// SPDX-License-Identifier: Apache-2.0

package router

import (
	"net/http"
	"strings"
)

// kind of a request; also a label of metrics.
type kind string

const (
	kindNewCall  kind = "newCall"
	kindCallback kind = "callback"
	kindPrompt   kind = "prompt"
	kindSelfTest kind = "selfTest"
	kindReach    kind = "reach"
	kindUnknown  kind = "unknown"
)

const maxSegment = 253

// spoken is in place of a ConfigMap's name in the path of a prompt that a speech service made. One media pod has it.
const spoken = "_spoken"

// route is what a path asks for.
type route struct {
	bot      Bot
	kind     kind
	mediaPod string // of a callback or a spoken prompt, or the one to reach
}

// parseRoute reads a path. It accepts nothing but the forms the fleet hands out.
func parseRoute(path string) (route, bool) {
	unknown := route{kind: kindUnknown}
	var seg [7]string
	n := 0
	for s := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if s == "" || s == "." || s == ".." || len(s) > maxSegment || n == len(seg) {
			return unknown, false
		}
		seg[n] = s
		n++
	}
	bot := Bot{seg[0], seg[1]}
	switch {
	case n == 3 && seg[2] == "calls":
		return route{bot: bot, kind: kindNewCall}, true
	case n == 3 && seg[2] == "healthz":
		return route{bot: bot, kind: kindSelfTest}, true
	case n == 6 && seg[2] == "pods" && seg[4] == "calls":
		return route{bot: bot, kind: kindCallback, mediaPod: seg[3]}, true
	case n == 5 && seg[2] == "pods" && seg[4] == "healthz":
		return route{bot: bot, kind: kindReach, mediaPod: seg[3]}, true
	case n == 6 && seg[2] == "prompts" && isDigest(seg[3]) && seg[4] == spoken:
		return route{bot: bot, kind: kindPrompt, mediaPod: seg[5]}, true
	case n == 6 && seg[2] == "prompts" && isDigest(seg[3]):
		return route{bot: bot, kind: kindPrompt}, true
	default:
		return unknown, false
	}
}

// isDigest: a SHA-256 in hex.
func isDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// allows says which methods a kind is for, as the Allow header does.
func (k kind) allows(method string) (allow string, ok bool) {
	switch k {
	case kindPrompt, kindSelfTest, kindReach:
		return "GET, HEAD", method == http.MethodGet || method == http.MethodHead
	default:
		return http.MethodPost, method == http.MethodPost
	}
}
