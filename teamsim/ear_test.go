// SPDX-License-Identifier: Apache-2.0

package teamsim_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/callfleet/callfleet/teamsim/admin"
)

// ear is a callback without media that keeps every notification as it came.
type ear struct {
	t      *testing.T
	sim    *sim
	server *httptest.Server

	mu    sync.Mutex
	got   []doc
	reply func(path string, n doc) (status int, body any) // 202 without a body when nil
}

func newEar(t *testing.T, s *sim) *ear {
	t.Helper()
	e := &ear{t: t, sim: s}
	e.server = httptest.NewTLSServer(http.HandlerFunc(e.serve))
	t.Cleanup(e.server.Close)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.server.Certificate().Raw})
	s.must(s.admin.TrustRoots(t.Context(), cert))
	return e
}

func (e *ear) serve(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	var envelope struct{ Value []doc }
	if err := json.Unmarshal(raw, &envelope); err != nil || len(envelope.Value) == 0 {
		e.t.Errorf("not notifications: %s", raw)
	}
	if _, err := e.sim.verify(r.Header.Get("Authorization")); err != nil {
		e.t.Errorf("token: %v", err)
	}
	status, body := http.StatusAccepted, any(nil)
	e.mu.Lock()
	reply := e.reply
	for _, n := range envelope.Value {
		n["path"] = r.URL.Path
		e.got = append(e.got, n)
	}
	e.mu.Unlock()
	if reply != nil {
		status, body = reply(r.URL.Path, envelope.Value[0])
	}
	if body != nil {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	if body != nil {
		_ = json.NewEncoder(w).Encode(body)
	}
}

// find waits for a notification that fits and returns it.
func (e *ear) find(what string, fits func(n doc) bool) doc {
	e.t.Helper()
	var found doc
	eventually(e.t, what, func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, n := range e.got {
			if fits(n) {
				found = n
				return true
			}
		}
		return false
	}, func() string {
		e.mu.Lock()
		defer e.mu.Unlock()
		var all []string
		for _, n := range e.got {
			raw, _ := json.Marshal(n)
			all = append(all, string(raw))
		}
		return strings.Join(all, "\n")
	})
	return found
}

// data is the resourceData of a notification of one object.
func data(n doc) doc {
	d, _ := n["resourceData"].(doc)
	return d
}

// operation waits for the end of an operation.
func (e *ear) operation(id string) doc {
	e.t.Helper()
	return data(e.find("the end of operation "+id, func(n doc) bool {
		return n["changeType"] == "deleted" && strings.HasSuffix(fmt.Sprint(n["resourceUrl"]), "/operations/"+id)
	}))
}

// roster waits for a full roster that fits.
func (e *ear) roster(what string, fits func(all []doc) bool) {
	e.t.Helper()
	e.find("a roster with "+what, func(n doc) bool {
		list, ok := n["resourceData"].([]any)
		if !ok || !strings.HasSuffix(fmt.Sprint(n["resourceUrl"]), "/participants") {
			return false
		}
		var all []doc
		for _, p := range list {
			all = append(all, p.(doc))
		}
		return fits(all)
	})
}

func (e *ear) state(callID, state string) doc {
	e.t.Helper()
	return data(e.find("call "+callID+" "+state, func(n doc) bool {
		return strings.HasSuffix(fmt.Sprint(n["resourceUrl"]), "/calls/"+callID) && data(n)["state"] == state
	}))
}

// body joins a meeting with service-hosted media.
func (e *ear) body(m admin.Meeting, change ...func(doc)) doc {
	b := doc{
		"@odata.type": "#microsoft.graph.call", "callbackUri": e.server.URL + "/bot", "requestedModalities": []string{"audio"},
		"mediaConfig": doc{"@odata.type": "#microsoft.graph.serviceHostedMediaConfig"},
		"chatInfo":    doc{"@odata.type": "#microsoft.graph.chatInfo", "threadId": m.ThreadID, "messageId": m.MessageID},
		"meetingInfo": doc{"@odata.type": "#microsoft.graph.organizerMeetingInfo", "organizer": doc{"user": doc{"id": m.OrganizerID}}},
		"tenantId":    m.TenantID,
	}
	for _, c := range change {
		c(b)
	}
	return b
}

// joined joins and waits until the bot is in.
func (e *ear) joined(m admin.Meeting, change ...func(doc)) (callPath, callID string) {
	e.t.Helper()
	id := e.sim.join(e.body(m, change...))
	e.find("media", func(n doc) bool {
		return strings.HasSuffix(fmt.Sprint(n["resourceUrl"]), "/calls/"+id) && data(n)["mediaState"] != nil
	})
	return "/v1.0/communications/calls/" + id, id
}
