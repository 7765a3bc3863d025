// SPDX-License-Identifier: Apache-2.0

package router

import (
	"net/http"
	"net/textproto"
	"strings"
)

// hopByHop headers speak of one connection (RFC 9110, 7.6.1).
var hopByHop = map[string]bool{
	"Connection": true, "Proxy-Connection": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Authorization": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "Http2-Settings": true,
}

// fromOutside are request headers that a pod might believe although nobody vouches for them, or that the router sets.
var fromOutside = map[string]bool{
	"Expect": true, "Forwarded": true, "X-Forwarded-For": true, "X-Forwarded-Host": true, "X-Forwarded-Proto": true, "X-Real-Ip": true,
}

// copyHeader copies what is meant for the far end.
func copyHeader(to, from http.Header, drop map[string]bool) {
	named := from["Connection"]
	for name, values := range from {
		if hopByHop[name] || drop[name] || ours(name) || namedBy(named, name) {
			continue
		}
		to[name] = values
	}
}

// ours: in any case, as a name that is not well-formed is not made canonical.
func ours(name string) bool {
	return len(name) >= len(headerPrefix) && strings.EqualFold(name[:len(headerPrefix)], headerPrefix)
}

// namedBy reports whether Connection says that the header is hop-by-hop too.
func namedBy(connection []string, name string) bool {
	for _, list := range connection {
		for option := range strings.SplitSeq(list, ",") {
			if textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(option)) == name {
				return true
			}
		}
	}
	return false
}

// headerForPods is what pods get of a request's header.
func headerForPods(in *http.Request) http.Header {
	out := make(http.Header, len(in.Header)+2)
	copyHeader(out, in.Header, fromOutside)
	if _, named := out["User-Agent"]; !named {
		out["User-Agent"] = nil // else the transport names itself
	}
	return out
}
