// SPDX-License-Identifier: Apache-2.0

package prompts

import (
	"container/list"
	"sync"
)

// shelf keeps the files that were asked for last, up to a number of bytes in all.
type shelf struct {
	most int

	mu     sync.Mutex
	held   int
	recent *list.List // of book, the latest in front
	byKey  map[string]*list.Element
}

type book struct {
	key string
	raw []byte
}

func newShelf(most int) *shelf {
	return &shelf{most: most, recent: list.New(), byKey: map[string]*list.Element{}}
}

func (s *shelf) get(key string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.byKey[key]
	if !ok {
		return nil, false
	}
	s.recent.MoveToFront(e)
	return e.Value.(book).raw, true
}

func (s *shelf) put(key string, raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.byKey[key]; ok {
		s.recent.MoveToFront(e) // the key is made of the content
		return
	}
	if len(raw) > s.most {
		return
	}
	s.byKey[key] = s.recent.PushFront(book{key, raw})
	s.held += len(raw)
	for s.held > s.most {
		last := s.recent.Back()
		b := s.recent.Remove(last).(book)
		delete(s.byKey, b.key)
		s.held -= len(b.raw)
	}
}
