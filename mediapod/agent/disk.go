// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// diskEvery is how often the recordings are measured. A hundred calls with three tracks in WAV write 50 MB meanwhile.
const diskEvery = 5 * time.Second

// disk keeps a pod's recordings within the room they have. A Pod whose emptyDir outgrows its limit is evicted, with all its
// calls: no recording is worth that.
type disk struct {
	dir   string
	limit resource.Quantity
	// free makes room, and reports whether it could.
	free func() bool

	mu      sync.Mutex
	writing map[*func(error)]struct{} // told when there is no room any more
}

func newDisk(dir string, limit resource.Quantity, free func() bool) *disk {
	return &disk{dir: dir, limit: limit, free: free, writing: map[*func(error)]struct{}{}}
}

// room is why nothing more may be written; nil if something may.
func (d *disk) room() error {
	if d == nil {
		return nil
	}
	for {
		used := d.used()
		if used < d.limit.Value()/10*9 {
			return nil
		}
		if !d.free() {
			return fmt.Errorf("the recordings of the media pod take %s, and maxDisk is %s: none is made beyond nine tenths of it; raise media.recordings.maxDisk, or see why they are not stored",
				resource.NewQuantity(used>>20<<20, resource.BinarySI), d.limit.String())
		}
	}
}

// used counts what is there. A file that goes meanwhile takes nothing.
func (d *disk) used() (bytes int64) {
	_ = filepath.WalkDir(d.dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}

// watch has a recording told when it must end; leave takes that back.
func (d *disk) watch(full func(error)) (leave func()) {
	if d == nil {
		return func() {}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writing[&full] = struct{}{}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.writing, &full)
	}
}

// look ends all recordings if there is no room.
func (d *disk) look() {
	err := d.room()
	if err == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for full := range d.writing {
		(*full)(err)
	}
}

// watchDisk measures the recordings, and deletes those that were kept for long enough, until ctx is done.
func (a *Agent) watchDisk(ctx context.Context) {
	if a.disk == nil && a.uploads == nil {
		return
	}
	tick := a.clock.NewTicker(diskEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C():
			a.uploads.sweep()
			if a.disk != nil {
				a.disk.look()
			}
		}
	}
}
