// SPDX-License-Identifier: Apache-2.0

package session

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// refusal is a pod that did not take a session.
type refusal struct {
	pod     types.NamespacedName
	message string
	until   time.Time
}

// refusals remember which pod not to ask again for a while. They live in memory only: what is lost with them is one
// question asked too early.
type refusals struct {
	mu   sync.Mutex
	list map[types.UID][]refusal
}

func (r *refusals) add(uid types.UID, new refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.list == nil {
		r.list = map[types.UID][]refusal{}
	}
	kept := []refusal{new}
	for _, old := range r.list[uid] {
		if old.pod != new.pod {
			kept = append(kept, old)
		}
	}
	r.list[uid] = kept
}

// of gives the refusals that still count, the latest first.
func (r *refusals) of(uid types.UID, now time.Time) []refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	var live []refusal
	for _, refusal := range r.list[uid] {
		if now.Before(refusal.until) {
			live = append(live, refusal)
		}
	}
	if len(live) == 0 {
		delete(r.list, uid)
	} else {
		r.list[uid] = live
	}
	return live
}

func (r *refusals) forget(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.list, uid)
}
