// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/recording"
	"github.com/callfleet/callfleet/mediapod/story"
)

// endLate goes on with the end of a recording whose call is over, for as long as the disk takes. Until then the recording is one of
// those that the pod is kept for, and its file is one that is being written. A process that ends before leaves it to the next,
// which finds it on the disk as that of one that was killed.
func (a *Agent) endLate(recorder closer, name string, object *subject) {
	a.uploads.unclosed(name, object)
	go func() {
		manifest, err := recorder.Close(a.life)
		if a.life.Err() != nil {
			return
		}
		if err != nil {
			a.log.Error(err, "the end of a recording is not as it should be", "name", name)
		}
		if len(manifest.Files) > 0 && a.uploads != nil {
			a.uploads.finished(name)
			return
		}
		files := a.recordings.list(manifest)
		a.overwrite(object, name, func(st *callfleetv1.CallStatus) {
			st.Recordings = story.MergeRecordings(st.Recordings, files)
			lose(st, name, fmt.Sprintf("the file could not be brought to an end: %v", err))
		})
		a.uploads.closed(name)
	}()
}

// closer is a recording, or what makes one, that can be asked again to end.
type closer interface {
	Close(context.Context) (recording.Manifest, error)
}

// lose says of the files of a recording that are still being written that they are not, any more.
func lose(st *callfleetv1.CallStatus, name, why string) {
	for i := range st.Recordings {
		if f := &st.Recordings[i]; f.State == callfleetv1.RecordingWriting && strings.HasPrefix(story.FileName(*f), name+".") {
			fail(f, callfleetv1.RecordingLost, why)
		}
	}
}

// overwrite changes the status of a recording's call until it is there, or nobody is left to be told.
func (a *Agent) overwrite(object *subject, name string, change func(*callfleetv1.CallStatus)) {
	w := afterWriter{a.objects, a.carried}
	for retry := 250 * time.Millisecond; ; retry = min(2*retry, 5*time.Second) {
		err := w.write(a.life, object.kind, owner{Name: object.name(), UID: object.uid}, func(s *subject) { change(s.status) })
		if err == nil || errors.Is(err, errNotOurs) || apierrors.IsInvalid(err) || apierrors.IsForbidden(err) {
			return
		}
		a.log.Info("the status of a recorded call is not written yet; it is tried again", "name", name, "cause", err.Error())
		select {
		case <-a.life.Done():
			return
		case <-a.clock.After(retry):
		}
	}
}

// carried reports whether a call has a runner: its object may have yet to be made.
func (a *Agent) carried(uid string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.runners[uid] != nil
}

// afterWriter writes, after the fact, into the status of calls that are mostly over, on top of a fresh read.
type afterWriter struct {
	objects objectClient
	// held reports whether a call is still carried.
	held func(uid string) bool
}

func (w afterWriter) write(ctx context.Context, k *kind, of owner, change func(*subject)) error {
	for {
		before, err := w.objects.get(ctx, k, of.Name)
		switch {
		case apierrors.IsNotFound(err) && w.held(of.UID):
			return err // it has yet to be made
		case apierrors.IsNotFound(err):
			return errNotOurs
		case err != nil:
			return err
		case before.uid != of.UID:
			return errNotOurs
		}
		after := before.copy()
		change(after)
		if sameStatus(before, after) {
			return nil
		}
		_, err = w.objects.patch(ctx, before, after)
		if apierrors.IsNotFound(err) {
			return errNotOurs
		}
		if !apierrors.IsConflict(err) {
			return err
		}
	}
}
