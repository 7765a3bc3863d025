// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/recording/store"
	"github.com/callfleet/callfleet/mediapod/story"
)

// The events of what becomes of a recording.
const (
	eventRecordingStored   = "RecordingStored"
	eventRecordingUnstored = "RecordingUploadFailed"
)

// news is what is to be told of a recording: how its files read from now on, and an event.
type news struct {
	change func(*callfleetv1.RecordedFile)
	event  callfleetv1.TimelineEvent
}

// stored is the news that the bucket has all of a recording.
func (u *uploads) stored(name string) news {
	return news{
		change: func(f *callfleetv1.RecordedFile) { u.arrived(name, f) },
		event:  story.Event(u.clock.Now(), eventRecordingStored, "%s", store.URI(u.storage.URL, path.Dir(u.store.Key(name, "x")))),
	}
}

// arrived says that the bucket has a file.
func (u *uploads) arrived(name string, f *callfleetv1.RecordedFile) {
	f.State, f.Message = callfleetv1.RecordingStored, ""
	f.URI = store.URI(u.storage.URL, u.store.Key(name, story.FileName(*f)))
}

// trouble is the news that something went wrong, with the files that the bucket has not.
func (u *uploads) trouble(name string, state callfleetv1.RecordingState, err error) news {
	return news{
		change: func(f *callfleetv1.RecordedFile) {
			if u.store.Has(name, story.FileName(*f)) {
				u.arrived(name, f)
				return
			}
			fail(f, state, err.Error())
		},
		event: story.Event(u.clock.Now(), eventRecordingUnstored, "%s: %s", name, err),
	}
}

// fail says what is wrong with a file, unless it is stored already.
func fail(f *callfleetv1.RecordedFile, state callfleetv1.RecordingState, why string) {
	if f.State != callfleetv1.RecordingStored {
		f.State, f.Message = state, story.Clip(why, maxUploadMessage)
	}
}

// tell writes news into the status of the recording's call, until it is there or nobody is left to be told. It returns false
// when the process ends before.
func (u *uploads) tell(ctx context.Context, name string, up *upload, n news) bool {
	for retry := 250 * time.Millisecond; ; retry = min(2*retry, 5*time.Second) {
		switch err := u.try(ctx, up, n, name); {
		case err == nil, errors.Is(err, errNotOurs), apierrors.IsInvalid(err), apierrors.IsForbidden(err):
			return true
		}
		if u.pause(ctx, retry) != nil {
			return false
		}
	}
}

// try writes once, on top of a fresh read.
func (u *uploads) try(ctx context.Context, up *upload, n news, name string) error {
	k := kindNamed(up.owner.Kind)
	if k == nil {
		return errNotOurs
	}
	m, err := u.store.Manifest(name)
	if err != nil {
		return errNotOurs // there is nothing to be told of
	}
	files := u.here.list(m)
	return u.status.write(ctx, k, up.owner, func(s *subject) {
		st := s.status
		st.Recordings = story.MergeRecordings(st.Recordings, files)
		for i := range st.Recordings {
			if strings.HasPrefix(story.FileName(st.Recordings[i]), name+".") {
				n.change(&st.Recordings[i])
			}
		}
		st.Timeline = story.Merge(st.Timeline, []callfleetv1.TimelineEvent{n.event})
		story.TellStored(st, s.generation())
	})
}

func kindNamed(name string) *kind {
	if i := slices.IndexFunc(kinds, func(k *kind) bool { return k.name == name }); i >= 0 {
		return kinds[i]
	}
	return nil
}

// missing tells of files that a call's status says are here, or on their way, and that are not: they went with a Pod that was
// before this one.
func (u *uploads) missing(s *subject) {
	if u == nil {
		return
	}
	gone := func(f callfleetv1.RecordedFile) bool {
		under := f.State == callfleetv1.RecordingUploading || f.State == callfleetv1.RecordingWriting
		return under && strings.HasPrefix(f.URI, u.here.uri) && !u.has(story.FileName(f))
	}
	if !slices.ContainsFunc(s.status.Recordings, gone) {
		return
	}
	go func() {
		for retry := 250 * time.Millisecond; ; retry = min(2*retry, 5*time.Second) {
			werr := u.status.write(u.life, s.kind, owner{Name: s.name(), UID: s.uid}, func(s *subject) {
				for i := range s.status.Recordings {
					if f := &s.status.Recordings[i]; gone(*f) {
						fail(f, callfleetv1.RecordingLost, "the file went with the Pod that had it, before it was stored")
					}
				}
				story.TellStored(s.status, s.generation())
			})
			if werr == nil || errors.Is(werr, errNotOurs) || apierrors.IsForbidden(werr) || apierrors.IsInvalid(werr) || u.pause(u.life, retry) != nil {
				return
			}
		}
	}()
}
