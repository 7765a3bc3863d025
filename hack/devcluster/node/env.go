// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/callfleet/callfleet/hack/devcluster/node/downward"
	"github.com/callfleet/callfleet/hack/devcluster/node/expand"
)

// MountPointEnv is the variable that tells a process where the files of its
// container are: its mounts are below. Windows has the same for its HostProcess
// containers, which share the host's file system too.
const MountPointEnv = "CONTAINER_SANDBOX_MOUNT_POINT"

// apiTimeout bounds a request on behalf of a pod that is about to start.
const apiTimeout = 5 * time.Second

// environment is what a process finds in its environment.
type environment struct {
	names  []string
	values map[string]string
}

func (e *environment) set(name, value string) {
	if _, ok := e.values[name]; !ok {
		e.names = append(e.names, name)
	}
	e.values[name] = value
}

func (e *environment) lookup(name string) (string, bool) {
	value, ok := e.values[name]
	return value, ok
}

func (e *environment) list() []string {
	list := make([]string, 0, len(e.names))
	for _, name := range e.names {
		list = append(list, name+"="+e.values[name])
	}
	return list
}

// environment makes the environment of a container. Nothing of the agent's own
// gets in, except PATH.
func (w *worker) environment(c *corev1.Container, root string) (*environment, error) {
	env := &environment{values: map[string]string{}}
	env.set("PATH", os.Getenv("PATH"))
	env.set("HOME", root)
	env.set("HOSTNAME", w.pod.Name)
	if server, err := url.Parse(w.agent.cfg.Client.Host); err == nil {
		env.set("KUBERNETES_SERVICE_HOST", server.Hostname())
		env.set("KUBERNETES_SERVICE_PORT", server.Port())
	}
	kubeconfig, err := w.writeKubeconfig(c, root)
	if err != nil {
		return nil, err
	}
	if kubeconfig != "" {
		env.set("KUBECONFIG", kubeconfig)
	}
	for _, from := range c.EnvFrom {
		if err := w.addEnvFrom(env, from); err != nil {
			return nil, err
		}
	}
	for _, v := range c.Env {
		value, ok, err := w.envValue(env, c, v)
		if err != nil {
			return nil, err
		}
		if ok {
			env.set(v.Name, value)
		}
	}
	env.set(MountPointEnv, root)
	return env, nil
}

func (w *worker) addEnvFrom(env *environment, from corev1.EnvFromSource) error {
	switch {
	case from.ConfigMapRef != nil:
		data, err := w.configMapData(from.ConfigMapRef.Name, from.ConfigMapRef.Optional)
		if err != nil {
			return err
		}
		for _, key := range slices.Sorted(maps.Keys(data)) {
			env.set(from.Prefix+key, data[key])
		}
	case from.SecretRef != nil:
		data, err := w.secretData(from.SecretRef.Name, from.SecretRef.Optional)
		if err != nil {
			return err
		}
		for _, key := range slices.Sorted(maps.Keys(data)) {
			env.set(from.Prefix+key, string(data[key]))
		}
	}
	return nil
}

// envValue returns the value of one variable; ok is false for an optional
// reference to what does not exist.
func (w *worker) envValue(env *environment, c *corev1.Container, v corev1.EnvVar) (value string, ok bool, err error) {
	from := v.ValueFrom
	switch {
	case from == nil:
		return expand.String(v.Value, env.lookup), true, nil
	case from.FieldRef != nil:
		value, err = downward.Field(w.pod, w.podAddresses(), from.FieldRef.FieldPath)
		return value, true, err
	case from.ResourceFieldRef != nil:
		value, err = downward.Resource(w.pod, c, capacity, from.ResourceFieldRef)
		return value, true, err
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		data, err := w.configMapData(ref.Name, ref.Optional)
		if err != nil {
			return "", false, err
		}
		value, ok = data[ref.Key]
		return value, ok, missingKey(ok, ref.Optional, ref.Key, "ConfigMap", w.pod.Namespace, ref.Name)
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		data, err := w.secretData(ref.Name, ref.Optional)
		if err != nil {
			return "", false, err
		}
		secret, ok := data[ref.Key]
		return string(secret), ok, missingKey(ok, ref.Optional, ref.Key, "Secret", w.pod.Namespace, ref.Name)
	}
	return "", false, fmt.Errorf("environment variable %s: this kind of source is not supported by the local node agent", v.Name)
}

// missingKey uses kubelet's words, which people search for.
func missingKey(found bool, optional *bool, key, kind, namespace, name string) error {
	if found || optional != nil && *optional {
		return nil
	}
	return fmt.Errorf("couldn't find key %s in %s %s/%s", key, kind, namespace, name)
}

func (w *worker) configMapData(name string, optional *bool) (map[string]string, error) {
	cm, err := w.configMap(name)
	if apierrors.IsNotFound(err) {
		if optional != nil && *optional {
			return nil, nil
		}
		return nil, fmt.Errorf("configmap %q not found", name)
	}
	if err != nil {
		return nil, err
	}
	return cm.Data, nil
}

func (w *worker) secretData(name string, optional *bool) (map[string][]byte, error) {
	secret, err := w.secret(name)
	if apierrors.IsNotFound(err) {
		if optional != nil && *optional {
			return nil, nil
		}
		return nil, fmt.Errorf("secret %q not found", name)
	}
	if err != nil {
		return nil, err
	}
	return secret.Data, nil
}

func (w *worker) secret(name string) (*corev1.Secret, error) {
	obj, err := w.object(objectKey{secrets, w.pod.Namespace, name})
	if err != nil {
		return nil, err
	}
	return obj.(*corev1.Secret), nil
}

func (w *worker) configMap(name string) (*corev1.ConfigMap, error) {
	obj, err := w.object(objectKey{configMaps, w.pod.Namespace, name})
	if err != nil {
		return nil, err
	}
	return obj.(*corev1.ConfigMap), nil
}

func (w *worker) object(key objectKey) (any, error) {
	ctx, cancel := context.WithTimeout(w.ctx, apiTimeout)
	defer cancel()
	return w.agent.objects.get(ctx, w, key)
}

func (w *worker) podAddresses() downward.Addresses {
	return downward.Addresses{PodIP: w.ip.String(), HostIP: w.agent.cfg.IP.String()}
}

// commandLine is what is run for a container: the image's binary, unless the
// container has a command of its own. A command that names the binary, as the
// image's entry point does, means the binary too; any other is one of the host.
func commandLine(c *corev1.Container, image string, env *environment) (path string, args []string) {
	command := expand.Strings(c.Command, env.lookup)
	args = expand.Strings(c.Args, env.lookup)
	if len(command) == 0 {
		return image, args
	}
	args = append(command[1:], args...)
	if filepath.Base(command[0]) == filepath.Base(image) {
		return image, args
	}
	return command[0], args
}
