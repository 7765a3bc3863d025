// SPDX-License-Identifier: Apache-2.0

package placement

import "k8s.io/apimachinery/pkg/types"

// tombstoneCount bounds the memory of deleted sessions. It has to outlast only what was already on its way when the
// deletion was seen: the answer to a write, or a list.
const tombstoneCount = 4096

// tombstones remember the UIDs of the sessions deleted last.
type tombstones struct {
	ring []types.UID
	next int
	set  map[types.UID]struct{}
}

func (t *tombstones) add(uid types.UID) {
	if t.has(uid) {
		return
	}
	if t.set == nil {
		t.set = map[types.UID]struct{}{}
	}
	if len(t.ring) < tombstoneCount {
		t.ring = append(t.ring, uid)
	} else {
		delete(t.set, t.ring[t.next])
		t.ring[t.next] = uid
		t.next = (t.next + 1) % tombstoneCount
	}
	t.set[uid] = struct{}{}
}

func (t *tombstones) has(uid types.UID) bool {
	_, ok := t.set[uid]
	return ok
}
