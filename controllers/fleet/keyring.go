// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// kinds the keyring knows.
const (
	secretKind    = "Secret"
	configMapKind = "ConfigMap"
)

// keyring knows which keys Secrets and ConfigMaps have, and nothing of what is under them. The cache holds their
// metadata only, so an object is read from the API server once per version of it.
type keyring struct {
	metadata client.Reader
	live     client.Reader

	mu    sync.Mutex
	known map[keyringEntry]keysOfVersion
}

type keyringEntry struct {
	kind string
	name types.NamespacedName
}

type keysOfVersion struct {
	resourceVersion string
	// keys that hold something.
	keys map[string]bool
}

// presence of a key.
type presence int

const (
	noObject presence = iota
	noKey
	present
)

func newKeyring(metadata, live client.Reader) *keyring {
	return &keyring{metadata: metadata, live: live, known: map[keyringEntry]keysOfVersion{}}
}

// find says whether the object exists and has a value under the key.
func (k *keyring) find(ctx context.Context, kind string, name types.NamespacedName, key string) (presence, error) {
	entry := keyringEntry{kind: kind, name: name}
	cached := &metav1.PartialObjectMetadata{}
	cached.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
	if err := k.metadata.Get(ctx, name, cached); err != nil {
		if apierrors.IsNotFound(err) {
			k.forget(entry)
			return noObject, nil
		}
		return noObject, fmt.Errorf("looking up %s %s: %w", kind, name.Name, err)
	}
	keys, err := k.keysOf(ctx, entry, cached.ResourceVersion)
	if err != nil {
		if apierrors.IsNotFound(err) {
			return noObject, nil
		}
		return noObject, fmt.Errorf("reading the keys of %s %s: %w", kind, name.Name, err)
	}
	if !keys[key] {
		return noKey, nil
	}
	return present, nil
}

func (k *keyring) keysOf(ctx context.Context, entry keyringEntry, resourceVersion string) (map[string]bool, error) {
	k.mu.Lock()
	known, ok := k.known[entry]
	k.mu.Unlock()
	if ok && known.resourceVersion == resourceVersion {
		return known.keys, nil
	}
	read := keysOfVersion{keys: map[string]bool{}}
	switch entry.kind {
	case secretKind:
		var secret corev1.Secret
		if err := k.live.Get(ctx, entry.name, &secret); err != nil {
			return nil, err
		}
		read.resourceVersion = secret.ResourceVersion
		for key, value := range secret.Data {
			read.keys[key] = len(value) > 0
		}
	case configMapKind:
		var configMap corev1.ConfigMap
		if err := k.live.Get(ctx, entry.name, &configMap); err != nil {
			return nil, err
		}
		read.resourceVersion = configMap.ResourceVersion
		for key, value := range configMap.Data {
			read.keys[key] = len(value) > 0
		}
		for key, value := range configMap.BinaryData {
			read.keys[key] = len(value) > 0
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known[entry] = read
	return read.keys, nil
}

func (k *keyring) forget(entry keyringEntry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.known, entry)
}
