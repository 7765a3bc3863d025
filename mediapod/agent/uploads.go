// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/recording/store"
	"github.com/callfleet/callfleet/mediapod/story"
)

// toldAfter is how many attempts at a file fail before that is told, unless the bucket refuses: most that fails is over in a
// moment.
const toldAfter = 3

// maxUploadNames and the length of a file's message are bounds of the schema.
const (
	maxUploadNames   = 10
	maxUploadMessage = 512
)

// uploads moves a pod's recordings into the bucket, and tells of it in the status of their calls, which are mostly over by
// then. A recording is here until its call's status says where it is: a process that comes after this one goes on from what
// is on the disk. A nil uploads has no bucket, and nothing to do.
type uploads struct {
	storage callfleetv1.RecordingStorage
	store   *store.Uploader
	here    *recordings
	status  afterWriter
	report  func() // has the MediaPod's status written anew
	clock   clock.WithTicker
	log     logr.Logger
	life    context.Context

	mu      sync.Mutex
	waiting map[string]*upload   // by the recording's name
	late    map[string]*subject  // those that the disk has not taken the end of, with what was recorded
	newest  time.Time            // when the last of them was finished
	failure string               // what went wrong last, while something does
	kept    map[string]time.Time // since when what is here is stored, and told to be
}

// upload is a recording on its way. All but failing belongs to its goroutine.
type upload struct {
	owner   owner
	failing bool // guarded by uploads.mu
	failed  map[string]int
	told    string
}

// owner is the object whose call was recorded, as it is noted on the disk.
type owner struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	UID  string `json:"uid"` // of the call; see subject
}

// keepRecordings prepares the place for recordings, and takes up what an earlier process of the pod left there.
func (a *Agent) keepRecordings(pod *callfleetv1.MediaPod, cfg Config) error {
	log := a.log.WithName("recordings")
	a.recordings = newRecordings(cfg.MountRoot, pod.Name)
	free := func() bool { return false }
	if s := pod.Spec.Media.StoredIn(); s != nil {
		at := store.Location{URL: s.URL, Root: cfg.MountRoot}
		if s.CredentialsSecretRef != nil {
			at.Credentials = cfg.mounted(storageDir, "")
		}
		if err := a.uploadTo(*s, &store.Remote{At: at}, log); err != nil {
			return err
		}
		free = a.uploads.free
		a.metrics.uploads(a.uploads)
	}
	if r := pod.Spec.Media.Recordings; r != nil && r.MaxDisk != nil {
		a.disk = newDisk(a.recordings.dir, *r.MaxDisk, free)
	}
	a.recordings.recover(log)
	a.uploads.resume()
	return nil
}

// uploadTo has recordings moved into a bucket from now on.
func (a *Agent) uploadTo(s callfleetv1.RecordingStorage, bucket store.Bucket, log logr.Logger) error {
	u := &uploads{
		storage: s, here: &a.recordings, status: afterWriter{a.objects, a.carried}, report: a.report, clock: a.clock, log: log, life: a.life,
		waiting: map[string]*upload{}, late: map[string]*subject{}, kept: map[string]time.Time{},
	}
	var err error
	u.store, err = store.New(store.Config{
		Dir: a.recordings.dir, Bucket: bucket, Prefix: s.Prefix, OnRetry: u.retrying,
		Wait: func(ctx context.Context, d time.Duration) error { return u.pause(ctx, d) },
	})
	if err != nil {
		return fmt.Errorf("the storage of recordings: %w", err)
	}
	a.uploads, a.recordings.complete = u, callfleetv1.RecordingUploading
	return nil
}

func (u *uploads) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-u.clock.After(d):
		return nil
	}
}

// begin notes whose recording is about to be made.
func (u *uploads) begin(name string, s *subject) error {
	if u == nil {
		return nil
	}
	b, err := json.Marshal(owner{Kind: s.kind.name, Name: s.name(), UID: s.uid})
	if err != nil {
		return err
	}
	return u.store.Own(name, string(b))
}

// forget drops what was noted of a recording that was not made after all.
func (u *uploads) forget(name string) {
	if u == nil {
		return
	}
	if err := u.store.Forget(name); err != nil {
		u.log.Error(err, "a note about no recording is left on the disk", "name", name)
	}
}

// finished has a recording moved.
func (u *uploads) finished(name string) {
	if u != nil {
		u.take(name, u.clock.Now())
	}
}

// unclosed notes a recording that the disk has not taken the end of, and closed that it will not.
func (u *uploads) unclosed(name string, object *subject) {
	if u == nil {
		return
	}
	u.mu.Lock()
	u.late[name] = object
	if now := u.clock.Now(); now.After(u.newest) {
		u.newest = now
	}
	u.mu.Unlock()
	u.report()
}

func (u *uploads) closed(name string) {
	if u == nil {
		return
	}
	u.mu.Lock()
	delete(u.late, name)
	u.mu.Unlock()
	u.report()
}

// resume takes up what an earlier process left.
func (u *uploads) resume() {
	if u == nil {
		return
	}
	entries, err := u.store.Entries()
	if err != nil {
		u.log.Error(err, "not every recording on the disk can be stored")
	}
	for _, e := range entries {
		if !e.Settled.IsZero() {
			u.keep(e.Name, e.Settled)
			continue
		}
		u.log.Info("a recording of an earlier process is to be stored", "name", e.Name)
		u.take(e.Name, e.Ended) // not now: a process that keeps being killed would keep its pod for ever
	}
}

func (u *uploads) take(name string, at time.Time) {
	entry := &upload{failed: map[string]int{}}
	// An owner that cannot be read is nobody; the files are stored all the same.
	_ = json.Unmarshal([]byte(u.store.Owner(name)), &entry.owner)
	u.mu.Lock()
	delete(u.late, name)
	_, taken := u.waiting[name]
	if !taken {
		u.waiting[name] = entry
	}
	if at.After(u.newest) {
		u.newest = at
	}
	u.mu.Unlock()
	if !taken {
		u.report()
		go u.move(name, entry)
	}
}

// move stores a recording, tells its call where it is, and deletes it here.
func (u *uploads) move(name string, up *upload) {
	switch err := u.store.Store(u.life, name); {
	case u.life.Err() != nil:
		return // the next process goes on
	case err != nil:
		u.log.Error(err, "a recording cannot be stored; it is kept", "name", name)
		u.troubled(up, err)
		u.tell(u.life, name, up, u.trouble(name, callfleetv1.RecordingLost, err))
		return
	}
	if !u.tell(u.life, name, up, u.stored(name)) {
		return
	}
	now := u.clock.Now()
	if err := u.store.Settle(name, now); err != nil {
		u.log.Error(err, "a recording is stored, and the disk does not take that down; a process that finds it here tells of it again", "name", name)
	}
	u.keep(name, now)
	u.mu.Lock()
	delete(u.waiting, name)
	if !u.troubles() {
		u.failure = ""
	}
	u.mu.Unlock()
	u.log.Info("stored a recording", "name", name)
	u.sweep()
	u.report()
}

// troubles: something else that is waiting has failed. The caller holds u.mu.
func (u *uploads) troubles() bool {
	for _, other := range u.waiting {
		if other.failing {
			return true
		}
	}
	return false
}

func (u *uploads) troubled(up *upload, err error) {
	u.mu.Lock()
	up.failing, u.failure = true, story.Clip(err.Error(), maxUploadMessage)
	u.mu.Unlock()
	u.report()
}

// retrying is told of every attempt that failed, by the goroutine of its recording.
func (u *uploads) retrying(name, file string, err error) {
	u.mu.Lock()
	up := u.waiting[name]
	u.mu.Unlock()
	up.failed[file]++
	u.log.Info("a recorded file is not stored yet; it is tried again", "file", file, "attempts", up.failed[file], "cause", err.Error())
	if up.failed[file] < toldAfter && !store.Denied(err) {
		return
	}
	u.troubled(up, err)
	if text := err.Error(); text != up.told {
		up.told = text
		// The call's status may have to wait for an API server; the file does not.
		u.try(u.life, up, u.trouble(name, callfleetv1.RecordingUploading, err), name)
	}
}

// count is how many recordings are not stored, and how many of them for something that went wrong.
func (u *uploads) count() (waiting, failing int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, up := range u.waiting {
		if up.failing {
			failing++
		}
	}
	return len(u.waiting) + len(u.late), failing
}

// pending is what the MediaPod's status says.
func (u *uploads) pending() *callfleetv1.PendingUploads {
	if u == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.waiting)+len(u.late) == 0 {
		return nil
	}
	p := &callfleetv1.PendingUploads{
		Recordings: int32(len(u.waiting) + len(u.late)), Since: metav1.NewTime(u.newest.Truncate(time.Second)), Failure: u.failure,
	}
	for name := range u.waiting {
		p.Names = append(p.Names, name)
	}
	for name := range u.late {
		p.Names = append(p.Names, name)
	}
	slices.Sort(p.Names)
	p.Names = p.Names[:min(len(p.Names), maxUploadNames)]
	return p
}

func (u *uploads) keep(name string, since time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.kept[name] = since
}

// sweep deletes what was kept for long enough after it was stored.
func (u *uploads) sweep() {
	if u == nil {
		return
	}
	u.mu.Lock()
	var over []string
	for name, since := range u.kept {
		if u.clock.Since(since) >= u.storage.KeepLocal.Duration() {
			over = append(over, name)
		}
	}
	u.mu.Unlock()
	for _, name := range over {
		u.remove(name)
	}
}

// free deletes what was stored first, whatever was to be kept.
func (u *uploads) free() bool {
	u.mu.Lock()
	var first string
	for name, since := range u.kept {
		if first == "" || since.Before(u.kept[first]) {
			first = name
		}
	}
	u.mu.Unlock()
	return first != "" && u.remove(first)
}

// remove deletes a stored recording here. What cannot be deleted now is not tried for ever: the next process sees it again.
func (u *uploads) remove(name string) bool {
	u.mu.Lock()
	delete(u.kept, name)
	u.mu.Unlock()
	err := u.store.Remove(name)
	if err != nil {
		u.log.Error(err, "a recording that is stored cannot be deleted here", "name", name)
	}
	return err == nil
}

// windDown waits until everything is stored, but no longer than the bot says, and tells what is left.
func (u *uploads) windDown(ctx, life context.Context) {
	if u == nil {
		return
	}
	wait := time.Hour // the schema's default, for objects that never went through it; 0s is no wait at all
	if u.storage.UploadTimeout != "" {
		wait = u.storage.UploadTimeout.Duration()
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for u.pending() != nil {
		select {
		case <-ctx.Done():
			u.giveUp(life)
			return
		case <-u.clock.After(50 * time.Millisecond):
		}
	}
}

// giveUp tells what this process could not store.
func (u *uploads) giveUp(life context.Context) {
	u.mu.Lock()
	left := make(map[string]*upload, len(u.waiting))
	for name, up := range u.waiting {
		left[name] = up
	}
	late := maps.Clone(u.late)
	why := u.failure
	u.mu.Unlock()
	ctx, cancel := context.WithTimeout(life, requestTimeout/2)
	defer cancel()
	err := errors.New("the process ended before the file was stored: it is lost with an emptyDir, and stored by the pod's next process from a volume that outlives the Pod")
	if why != "" {
		err = fmt.Errorf("%w; the last attempt: %s", err, why)
	}
	for name, up := range left {
		u.log.Error(err, "a recording is left behind", "name", name)
		u.try(ctx, up, u.trouble(name, callfleetv1.RecordingLost, err), name)
	}
	for name, object := range late {
		u.log.Error(err, "a recording is left behind, and the disk has not taken its end", "name", name)
		werr := u.status.write(ctx, object.kind, owner{Name: object.name(), UID: object.uid}, func(s *subject) {
			lose(s.status, name, err.Error())
			story.TellStored(s.status, s.generation())
		})
		if werr != nil {
			u.log.Error(werr, "its call could not be told", "name", name)
		}
	}
}

// has reports whether a file is still on the disk, or on its way from there.
func (u *uploads) has(file string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, name := range slices.Concat(slices.Collect(maps.Keys(u.waiting)), slices.Collect(maps.Keys(u.late))) {
		if strings.HasPrefix(file, name+".") {
			return true
		}
	}
	_, err := os.Stat(filepath.Join(u.here.dir, file))
	return err == nil
}
