// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/hack/devcluster/node/downward"
	"github.com/callfleet/callfleet/hack/devcluster/node/expand"
	"github.com/callfleet/callfleet/hack/devcluster/node/volume"
)

// mountRetry is how soon a volume is tried again that could not be mounted,
// or not be brought up to date.
const mountRetry = 500 * time.Millisecond

// token is a bound service-account token of a pod.
type token struct {
	value     string
	refreshAt time.Time
}

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

// payload makes the content of a volume that has one of its own.
func (w *worker) payload(v *corev1.Volume) (volume.Payload, error) {
	switch {
	case v.Secret != nil:
		return w.secretPayload(v.Secret.SecretName, v.Secret.Items, v.Secret.DefaultMode, v.Secret.Optional)
	case v.ConfigMap != nil:
		return w.configMapPayload(v.ConfigMap.Name, v.ConfigMap.Items, v.ConfigMap.DefaultMode, v.ConfigMap.Optional)
	case v.DownwardAPI != nil:
		return w.downwardPayload(v.DownwardAPI.Items, v.DownwardAPI.DefaultMode)
	case v.Projected != nil:
		return w.projectedPayload(v.Name, v.Projected)
	}
	return nil, errors.New("this type of volume is not supported by the local node agent; it has secret, configMap, downwardAPI, projected, emptyDir and hostPath")
}

func (w *worker) projectedPayload(name string, p *corev1.ProjectedVolumeSource) (volume.Payload, error) {
	all := volume.Payload{}
	for i, source := range p.Sources {
		var part volume.Payload
		var err error
		switch {
		case source.Secret != nil:
			part, err = w.secretPayload(source.Secret.Name, source.Secret.Items, p.DefaultMode, source.Secret.Optional)
		case source.ConfigMap != nil:
			part, err = w.configMapPayload(source.ConfigMap.Name, source.ConfigMap.Items, p.DefaultMode, source.ConfigMap.Optional)
		case source.DownwardAPI != nil:
			part, err = w.downwardPayload(source.DownwardAPI.Items, p.DefaultMode)
		case source.ServiceAccountToken != nil:
			var value string
			value, err = w.boundToken(fmt.Sprintf("%s/%d", name, i), source.ServiceAccountToken)
			part = volume.Text(source.ServiceAccountToken.Path, value, nil, p.DefaultMode)
		default:
			err = errors.New("this projection is not supported by the local node agent; it has secret, configMap, downwardAPI and serviceAccountToken")
		}
		if err != nil {
			return nil, err
		}
		maps.Copy(all, part)
	}
	return all, nil
}

func (w *worker) secretPayload(name string, items []corev1.KeyToPath, mode *int32, optional *bool) (volume.Payload, error) {
	may := optional != nil && *optional
	secret, err := w.secret(name)
	if apierrors.IsNotFound(err) && may {
		return volume.Payload{}, nil
	}
	if err != nil {
		return nil, err
	}
	return volume.Secret(secret, items, mode, may)
}

func (w *worker) configMapPayload(name string, items []corev1.KeyToPath, mode *int32, optional *bool) (volume.Payload, error) {
	may := optional != nil && *optional
	cm, err := w.configMap(name)
	if apierrors.IsNotFound(err) && may {
		return volume.Payload{}, nil
	}
	if err != nil {
		return nil, err
	}
	return volume.ConfigMap(cm, items, mode, may)
}

func (w *worker) downwardPayload(items []corev1.DownwardAPIVolumeFile, mode *int32) (volume.Payload, error) {
	payload := volume.Payload{}
	for _, item := range items {
		var value string
		var err error
		if item.FieldRef != nil {
			value, err = downward.Field(w.pod, w.podAddresses(), item.FieldRef.FieldPath)
		} else if item.ResourceFieldRef != nil {
			value, err = downward.Resource(w.pod, nil, capacity, item.ResourceFieldRef)
		}
		if err != nil {
			return nil, err
		}
		maps.Copy(payload, volume.Text(item.Path, value, item.Mode, mode))
	}
	return payload, nil
}

// boundToken returns a token that is valid as long as the pod exists. It is
// renewed when 80 % of its life is over, as kubelet does.
func (w *worker) boundToken(key string, source *corev1.ServiceAccountTokenProjection) (string, error) {
	now := time.Now()
	if t, ok := w.tokens[key]; ok && now.Before(t.refreshAt) {
		return t.value, nil
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: source.ExpirationSeconds,
		BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: w.pod.Name, UID: w.uid},
	}}
	if source.Audience != "" {
		request.Spec.Audiences = []string{source.Audience}
	}
	ctx, cancel := context.WithTimeout(w.ctx, apiTimeout)
	defer cancel()
	answer, err := w.agent.client.CoreV1().ServiceAccounts(w.pod.Namespace).
		CreateToken(ctx, w.pod.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		if t, ok := w.tokens[key]; ok {
			// The old one is good for a while yet.
			w.tokens[key] = token{value: t.value, refreshAt: now.Add(5 * time.Second)}
			return t.value, nil
		}
		return "", fmt.Errorf("failed to fetch token: %w", err)
	}
	life := answer.Status.ExpirationTimestamp.Sub(now)
	w.tokens[key] = token{value: answer.Status.Token, refreshAt: now.Add(life * 8 / 10)}
	return answer.Status.Token, nil
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
