// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/graph"
)

// orphanTimeout is how long a notification waits for word on whose call it is about.
const orphanTimeout = 2 * time.Second

// ownerHeader names the media pod that holds the call of a callback which came to another.
const ownerHeader = "Callfleet-Owner"

// Orphan is what is known of a call that this process does not hold. The zero value: nothing.
type Orphan struct {
	// Owner is the media pod that holds the call.
	Owner string
	// Adopted: this process has just taken the call over.
	Adopted bool
	// Later: it cannot be told now; the service is asked to send again.
	Later bool
	// Abandoned: nothing tells of the call, and the pod it was made by is no more. Nobody will ever claim it.
	Abandoned bool
}

// AdoptRequest asks to take over a service-hosted call that another process of the bot made.
type AdoptRequest struct {
	UID        string
	CallID     string
	ChainID    string
	ScenarioID string
	TenantID   string // empty: the bot's own
	Group      bool   // a group call or meeting
	Before     AdoptedState
	OnChange   func()
}

// Adopt takes over a service-hosted call that another process of the bot made. It returns at once; if the service knows
// the call no more, it ends with EndCallLost.
func (s *Server) Adopt(req AdoptRequest) (*Call, error) {
	if req.UID == "" || req.CallID == "" {
		return nil, errors.New("signaling: a call is adopted by the session's UID and its own id")
	}
	if req.ScenarioID == "" {
		req.ScenarioID = uuid.NewString()
	}
	return s.hold(plan{
		uid: req.UID, onChange: req.OnChange,
		setting: setting{
			origin: originAdopted, group: req.Group, hosting: graph.ServiceHosted, tenant: s.tenantOr(req.TenantID),
			scenario: req.ScenarioID, callID: req.CallID, chainID: req.ChainID,
			keepAliveEvery: s.cfg.KeepAliveEvery, callback: s.callbackURI(req.UID), before: req.Before,
		},
	})
}

// Release stops holding a service-hosted call without hanging it up, because another process takes it over: its Done
// is closed, and its End stays nil. A call that nobody could take over, for its media is here or its id is not known
// yet, is hung up.
func (s *Server) Release(uid string) {
	if c := s.holding(uid); c != nil {
		c.released.Store(true)
		c.nudge()
	}
}

// findOwner decides about a callback for a call that is not held here: 0 to go on, or the code to answer with.
func (s *Server) findOwner(ctx context.Context, w http.ResponseWriter, uid, mediaPod string) int {
	own := mediaPod == s.cfg.MediaPod
	if s.cfg.Orphan == nil || own && s.left.has(uid) {
		if own {
			return 0
		}
		return http.StatusNotFound
	}
	found, _, _ := s.orphan.Do(uid, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), orphanTimeout)
		defer cancel()
		return s.cfg.Orphan(ctx, uid, mediaPod), nil
	})
	switch o := found.(Orphan); {
	case o.Owner != "" && o.Owner != s.cfg.MediaPod:
		w.Header().Set(ownerHeader, o.Owner)
		return http.StatusMisdirectedRequest
	case s.holding(uid) != nil:
		return 0
	case o.Adopted || o.Later || o.Owner != "":
		return http.StatusServiceUnavailable // adopted, and not here: it has ended, or is about to be here
	case own, o.Abandoned:
		return 0
	}
	return http.StatusNotFound
}
