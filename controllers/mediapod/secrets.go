// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"context"
	"crypto/x509"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/controllers/certificate"
)

// secretFacts are what is known of a Secret. No value of it is kept, only certificates.
type secretFacts struct {
	name            string
	exists          bool
	uid             types.UID
	resourceVersion string
	// controller is the controlling owner; zero if there is none.
	controller metav1.OwnerReference
	pair       certificate.Pair
	// authority is the certificate of the authority in it; nil if it holds none, for the reason in problem.
	authority *x509.Certificate
	problem   string
}

// secretReader reads Secrets live, but only those whose metadata, which is cached, has changed since. That keeps values
// out of the cache and requests away from the API server: a MediaPod's status changes far more often than its Secrets.
type secretReader struct {
	mu   sync.Mutex
	seen map[types.NamespacedName]secretFacts
}

func (s *secretReader) read(ctx context.Context, cached client.Reader, live client.Reader, namespace, name string) (secretFacts, error) {
	key := types.NamespacedName{Namespace: namespace, Name: name}
	metadata := &metav1.PartialObjectMetadata{}
	metadata.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	known, seen := s.recall(key)
	// A Secret that was seen and is not in the cache is new to the cache, or gone; only the API server can tell.
	if err := cached.Get(ctx, key, metadata); apierrors.IsNotFound(err) && !seen {
		return secretFacts{name: name}, nil
	} else if client.IgnoreNotFound(err) != nil {
		return secretFacts{}, fmt.Errorf("reading the metadata of Secret %s: %w", name, err)
	}
	if seen && known.uid == metadata.UID && known.resourceVersion == metadata.ResourceVersion {
		return known, nil
	}
	secret := &corev1.Secret{}
	if err := live.Get(ctx, key, secret); apierrors.IsNotFound(err) {
		s.forget(key)
		return secretFacts{name: name}, nil
	} else if err != nil {
		return secretFacts{}, fmt.Errorf("reading Secret %s: %w", name, err)
	}
	f := secretFactsOf(secret)
	s.remember(key, f)
	return f, nil
}

func secretFactsOf(secret *corev1.Secret) secretFacts {
	f := secretFacts{
		name: secret.Name, exists: true, uid: secret.UID, resourceVersion: secret.ResourceVersion,
		pair: certificate.Read(secret.Data),
	}
	if owner := metav1.GetControllerOf(secret); owner != nil {
		f.controller = *owner
	}
	if authority, err := certificate.ReadAuthority(secret.Data); err != nil {
		f.problem = err.Error()
	} else {
		f.authority = authority.Certificate
	}
	return f
}

func (s *secretReader) recall(key types.NamespacedName) (secretFacts, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.seen[key]
	return f, ok
}

func (s *secretReader) remember(key types.NamespacedName, f secretFacts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[types.NamespacedName]secretFacts{}
	}
	s.seen[key] = f
}

func (s *secretReader) forget(key types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seen, key)
}
