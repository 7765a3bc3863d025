// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/callfleet/callfleet/hack/devcluster/node/downward"
	"github.com/callfleet/callfleet/hack/devcluster/node/expand"
	"github.com/callfleet/callfleet/hack/devcluster/node/volume"
)

// mountRetry is how soon a volume is tried again that could not be mounted,
// or not be brought up to date.
const mountRetry = 500 * time.Millisecond

// ensureVolumes mounts the volumes of the pod, and keeps mounted ones up to
// date. An error means that containers cannot be started yet; mounted volumes
// keep what they have when they cannot be brought up to date.
func (w *worker) ensureVolumes(wait *waiter) error {
	now := time.Now()
	due := !w.remountAt.IsZero() && !now.Before(w.remountAt)
	if dirty := w.dirty.Swap(false); w.volumes != nil && !dirty && !due {
		if !w.remountAt.IsZero() {
			wait.until(w.remountAt)
		}
		return nil
	}
	w.remountAt = time.Time{}
	paths := map[string]string{}
	var errs []error
	for i := range w.pod.Spec.Volumes {
		v := &w.pod.Spec.Volumes[i]
		path, err := w.mount(v)
		if err != nil {
			errs = append(errs, fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", v.Name, err))
		}
		paths[v.Name] = path
	}
	err := errors.Join(errs...)
	if err != nil {
		w.remountAt = now.Add(mountRetry)
	} else {
		delete(w.lastEvent, "FailedMount")
		for _, t := range w.tokens {
			if w.remountAt.IsZero() || t.refreshAt.Before(w.remountAt) {
				w.remountAt = t.refreshAt
			}
		}
	}
	if !w.remountAt.IsZero() {
		wait.until(w.remountAt)
	}
	if err != nil && w.volumes != nil {
		w.agent.cfg.Log.V(1).Info("volumes are not up to date", "pod", w.pod.Namespace+"/"+w.pod.Name, "error", err.Error())
		return nil
	}
	if err == nil {
		w.volumes = paths
	}
	return err
}

// mount puts a volume on the disk and returns where.
func (w *worker) mount(v *corev1.Volume) (string, error) {
	dir := filepath.Join(w.dir, "volumes", v.Name)
	switch {
	case v.EmptyDir != nil:
		return dir, os.MkdirAll(dir, 0o777)
	case v.HostPath != nil:
		if t := v.HostPath.Type; t != nil && *t == corev1.HostPathDirectoryOrCreate {
			return v.HostPath.Path, os.MkdirAll(v.HostPath.Path, 0o755)
		}
		_, err := os.Stat(v.HostPath.Path)
		return v.HostPath.Path, err
	}
	payload, err := w.payload(v)
	if err != nil {
		return "", err
	}
	_, err = volume.Write(dir, payload)
	return dir, err
}

// makeRoot makes the folder that a container takes for the root of its own
// file system: its mounts are links in it. Whatever the last run wrote
// elsewhere in it is gone, as it would be in a container.
func (w *worker) makeRoot(c *corev1.Container) (string, error) {
	root := filepath.Join(w.containerDir(c.Name), "root")
	if err := os.RemoveAll(root); err != nil {
		return "", fmt.Errorf("preparing the container's files: %w", err)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", fmt.Errorf("preparing the container's files: %w", err)
	}
	message := c.TerminationMessagePath
	if message == "" {
		message = corev1.TerminationMessagePathDefault
	}
	if err := os.MkdirAll(filepath.Join(root, filepath.Dir(message)), 0o755); err != nil {
		return "", fmt.Errorf("preparing the container's files: %w", err)
	}
	// A mount may be inside another one: the outer ones first.
	mounts := slices.SortedStableFunc(slices.Values(c.VolumeMounts), func(a, b corev1.VolumeMount) int {
		return cmp.Compare(len(a.MountPath), len(b.MountPath))
	})
	for _, m := range mounts {
		if err := w.link(c, m, root); err != nil {
			return "", fmt.Errorf("mounting volume %q at %s: %w", m.Name, m.MountPath, err)
		}
	}
	return root, nil
}

func (w *worker) link(c *corev1.Container, m corev1.VolumeMount, root string) error {
	target, ok := w.volumes[m.Name]
	if !ok {
		return errors.New("the pod has no such volume")
	}
	sub := m.SubPath
	if m.SubPathExpr != "" {
		sub = expand.String(m.SubPathExpr, func(name string) (string, bool) { return w.plainEnv(c, name) })
	}
	if sub != "" {
		if !filepath.IsLocal(sub) {
			return fmt.Errorf("sub-path %q leaves the volume", sub)
		}
		target = filepath.Join(target, sub)
		if _, err := os.Stat(target); os.IsNotExist(err) {
			if err := os.MkdirAll(target, 0o755); err != nil {
				return err
			}
		}
	}
	place := filepath.Join(root, m.MountPath)
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		return err
	}
	// Left by an earlier run, when it is inside another volume.
	if err := os.Remove(place); err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.Symlink(target, place)
}

// plainEnv returns a variable of a container for a sub-path: those that are
// given as text or refer to the pod.
func (w *worker) plainEnv(c *corev1.Container, name string) (string, bool) {
	for _, v := range c.Env {
		if v.Name != name {
			continue
		}
		if v.ValueFrom == nil {
			return v.Value, true
		}
		if v.ValueFrom.FieldRef != nil {
			value, err := downward.Field(w.pod, w.podAddresses(), v.ValueFrom.FieldRef.FieldPath)
			return value, err == nil
		}
	}
	return "", false
}
