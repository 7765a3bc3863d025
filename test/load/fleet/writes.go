// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"k8s.io/client-go/kubernetes"
)

// writes that the API server took, without those of the user who applies sessions.
type writes struct {
	// manager's and agents' writes of sessions; events, about whatever; others of media pods and bots.
	manager, agents, events, others int64
	// deletes of sessions.
	deletes int64
}

func (w writes) since(before writes) writes {
	return writes{w.manager - before.manager, w.agents - before.agents, w.events - before.events, w.others - before.others, w.deletes - before.deletes}
}

// countWrites reads them from the API server's own metric. It tells what was written, not by whom: the agents count for
// themselves, and the user creates and deletes alone.
func (g *ground) countWrites(ctx context.Context) (writes, error) {
	set, err := kubernetes.NewForConfig(g.cluster.RestConfig())
	if err != nil {
		return writes{}, err
	}
	raw, err := set.RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return writes{}, fmt.Errorf("reading the API server's metrics: %w", err)
	}
	w := writes{agents: g.agents.sessionWrites.Load()}
	for line := range strings.Lines(string(raw)) {
		r, ok := parseRequest(line)
		if !ok || r.code[0] != '2' {
			continue
		}
		switch {
		case r.resource == "events" && r.verb != "DELETE":
			w.events += r.count
		case r.resource == "meetingsessions" && (r.verb == "PATCH" || r.verb == "PUT"):
			w.manager += r.count
		case r.resource == "meetingsessions" && r.verb == "DELETE":
			w.deletes += r.count
		case r.resource == "mediapods" || r.resource == "callingbots":
			w.others += r.count
		}
	}
	w.manager -= w.agents + g.wished.Load()
	return w, nil
}

// request is a line of apiserver_request_total about writes.
type request struct {
	verb, resource, code string
	count                int64
}

func parseRequest(line string) (request, bool) {
	rest, ok := strings.CutPrefix(line, "apiserver_request_total{")
	if !ok {
		return request{}, false
	}
	labels, value, ok := strings.Cut(rest, "} ")
	if !ok {
		return request{}, false
	}
	r := request{}
	for label := range strings.SplitSeq(labels, ",") {
		name, text, _ := strings.Cut(label, "=")
		text = strings.Trim(text, `"`)
		switch name {
		case "verb":
			r.verb = text
		case "resource":
			r.resource = text
		case "code":
			r.code = text
		}
	}
	switch r.verb {
	case "POST", "PUT", "PATCH", "DELETE", "APPLY":
	default:
		return request{}, false
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	r.count = int64(n)
	return r, err == nil && r.code != ""
}
