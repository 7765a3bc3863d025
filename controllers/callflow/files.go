// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/audio/wav"
)

// files judges the sound files in ConfigMaps, and remembers what came of it. The cache holds ConfigMaps' metadata only, so that one is
// read from the API server once per version of it, and of a megabyte of sound a few dozen bytes are kept.
type files struct {
	metadata client.Reader
	live     client.Reader

	mu    sync.Mutex
	known map[types.NamespacedName]judged
}

// judged are the files in one version of a ConfigMap, by key.
type judged struct {
	uid     types.UID
	version string
	files   map[string]file
}

// file is what is known of a prompt's file.
type file struct {
	digest [sha256.Size]byte
	// missing and unplayable say what is wrong with it, and what to do; both empty: nothing.
	missing, unplayable string
}

func newFiles(metadata, live client.Reader) *files {
	return &files{metadata: metadata, live: live, known: map[types.NamespacedName]judged{}}
}

// find judges a file.
func (f *files) find(ctx context.Context, namespace string, ref v1alpha1.KeyReference) (file, error) {
	all, err := f.of(ctx, types.NamespacedName{Namespace: namespace, Name: ref.Name})
	return pick(ref, all, err)
}

// pick finds a file among those of its ConfigMap, or what there is to say about that.
func pick(ref v1alpha1.KeyReference, all map[string]file, err error) (file, error) {
	if apierrors.IsNotFound(err) {
		return file{missing: fmt.Sprintf("ConfigMap %q does not exist; create it: kubectl create configmap %s --from-file=%s=FILE.wav", ref.Name, ref.Name, ref.Key)}, nil
	}
	if err != nil {
		return file{}, fmt.Errorf("reading ConfigMap %s: %w", ref.Name, err)
	}
	found, ok := all[ref.Key]
	if !ok {
		return file{missing: fmt.Sprintf("ConfigMap %q has no binaryData key %q; put the file there", ref.Name, ref.Key)}, nil
	}
	return found, nil
}

func (f *files) of(ctx context.Context, name types.NamespacedName) (map[string]file, error) {
	cached := &metav1.PartialObjectMetadata{}
	cached.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	if err := f.metadata.Get(ctx, name, cached); err != nil {
		f.forget(name)
		return nil, err
	}
	f.mu.Lock()
	known, ok := f.known[name]
	f.mu.Unlock()
	if ok && known.uid == cached.UID && known.version == cached.ResourceVersion {
		return known.files, nil
	}
	return f.latest(ctx, name)
}

// latest judges the files of a ConfigMap as it is this moment, which the cache may have yet to show.
func (f *files) latest(ctx context.Context, name types.NamespacedName) (map[string]file, error) {
	object := &corev1.ConfigMap{}
	if err := f.live.Get(ctx, name, object); err != nil {
		return nil, err
	}
	read := judged{uid: object.UID, version: object.ResourceVersion, files: make(map[string]file, len(object.BinaryData))}
	for key, content := range object.BinaryData {
		one := file{digest: sha256.Sum256(content)}
		if err := wav.CheckPrompt(content); err != nil {
			one.unplayable = fmt.Sprintf("key %q of ConfigMap %q %v", key, name.Name, err)
		}
		read.files[key] = one
	}
	for key := range object.Data {
		read.files[key] = file{unplayable: fmt.Sprintf(
			"key %q of ConfigMap %q is text; a sound file goes under binaryData: make it with kubectl create configmap --from-file", key, name.Name)}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known[name] = read
	return read.files, nil
}

func (f *files) forget(name types.NamespacedName) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.known, name)
}
