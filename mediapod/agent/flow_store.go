// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/singleflight"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"

	"github.com/callfleet/callfleet/api/callflow"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/flow"
)

// maxVersions are the versions of flows that are kept ready. A running call holds its own besides.
const maxVersions = 64

// flowAwait is how long a call that is to be made waits for its flow to have a version: both are often applied at once, and the
// controller looks at the flow within a second.
const flowAwait = 10 * time.Second

// flowSource is what is needed of the API server about flows.
type flowSource interface {
	callFlow(ctx context.Context, name string) (*callfleetv1.CallFlow, error)
	flowRevision(ctx context.Context, name string) (*appsv1.ControllerRevision, error)
}

// flowVersion is one version of a flow, with all it leads to, ready to be run.
type flowVersion struct {
	flow, revision string
	program        *callflow.Program
	// files are the prompts of ConfigMaps; those that are text have variables in them.
	files []flow.Prompt
}

// flowStore knows the flows of the namespace, by a watch, and their versions, by name. What it has answered once it answers without
// the API server.
type flowStore struct {
	source flowSource
	// wake is called when a flow has a new version.
	wake  func()
	clock clock.Clock
	log   logr.Logger

	mu    sync.Mutex
	flows map[string]*callfleetv1.CallFlow

	versions *lru.Cache // of *flowVersion, by revision
	loads    singleflight.Group
}

func newFlowStore(source flowSource, wake func(), c clock.Clock, log logr.Logger) *flowStore {
	return &flowStore{source: source, wake: wake, clock: c, log: log, flows: map[string]*callfleetv1.CallFlow{}, versions: lru.New(maxVersions)}
}

// changed takes a version of a CallFlow that came through the watch.
func (s *flowStore) changed(f *callfleetv1.CallFlow) {
	f.Spec = callfleetv1.CallFlowSpec{} // what is run is the revision
	s.mu.Lock()
	before := s.flows[f.Name]
	s.flows[f.Name] = f
	s.mu.Unlock()
	if before == nil || before.Status.Revision != f.Status.Revision {
		s.wake()
	}
}

func (s *flowStore) gone(f *callfleetv1.CallFlow) {
	s.mu.Lock()
	delete(s.flows, f.Name)
	s.mu.Unlock()
	s.wake()
}

// unready is a failure that the next attempt may not meet.
type unready struct{ error }

func (u unready) Unwrap() error { return u.error }

// newest is what new calls run of a flow.
func (s *flowStore) newest(ctx context.Context, name string) (*flowVersion, error) {
	if s == nil {
		return nil, errors.New("this pod runs no flows")
	}
	s.mu.Lock()
	f := s.flows[name]
	s.mu.Unlock()
	if f == nil { // the watch is behind, or there is none
		var err error
		f, err = s.source.callFlow(ctx, name)
		switch {
		case apierrors.IsNotFound(err):
			return nil, fmt.Errorf("CallFlow %q does not exist in the bot's namespace; create it and try again", name)
		case apierrors.IsForbidden(err):
			return nil, fmt.Errorf("reading CallFlow %q: %w; apply config/rbac/mediapod_role.yaml of the operator's version", name, err)
		case err != nil:
			return nil, unready{fmt.Errorf("reading CallFlow %q: %w", name, err)}
		}
	}
	if f.Status.Revision == "" {
		why := "the operator has not looked at it yet"
		if c := meta.FindStatusCondition(f.Status.Conditions, callfleetv1.ConditionValid); c != nil {
			why = c.Message
		}
		return nil, unready{fmt.Errorf("CallFlow %q has no version that can be run: %s", name, why)}
	}
	return s.at(ctx, f.Status.Revision)
}

// awaitNewest waits a while for a flow that has no version yet.
func (s *flowStore) awaitNewest(ctx context.Context, name string) (v *flowVersion, err error) {
	for waited := time.Duration(0); ; waited += 250 * time.Millisecond {
		v, err = s.newest(ctx, name)
		if _, soon := errors.AsType[unready](err); !soon || waited >= flowAwait {
			return v, err
		}
		select {
		case <-ctx.Done():
			return v, err
		case <-s.clock.After(250 * time.Millisecond):
		}
	}
}

// at is a version by the name of its revision.
func (s *flowStore) at(ctx context.Context, revision string) (*flowVersion, error) {
	if v, ok := s.versions.Get(revision); ok {
		return v.(*flowVersion), nil
	}
	loaded, err, _ := s.loads.Do(revision, func() (any, error) { return s.load(ctx, revision) })
	if err != nil {
		return nil, err
	}
	s.versions.Add(revision, loaded)
	return loaded.(*flowVersion), nil
}

func (s *flowStore) load(ctx context.Context, name string) (*flowVersion, error) {
	kept, err := s.source.flowRevision(ctx, name)
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return nil, fmt.Errorf("reading revision %s of a flow: %w", name, err)
	case err != nil:
		return nil, unready{fmt.Errorf("reading revision %s of a flow: %w", name, err)}
	}
	r, err := callflow.ReadRevision(kept.Data.Raw)
	if err != nil {
		return nil, err
	}
	program, errs := callflow.Compile(r.Start, r.Flows)
	if program == nil {
		return nil, fmt.Errorf("revision %s of flow %s cannot be run by this version: %w", name, r.Start, errs.ToAggregate())
	}
	return &flowVersion{flow: r.Start, revision: name, program: program, files: filesOf(r)}, nil
}

func filesOf(r callflow.Revision) (files []flow.Prompt) {
	seen := map[callfleetv1.KeyReference]bool{}
	for _, spec := range r.Flows {
		callflow.Prompts(spec, func(_ *field.Path, p *callfleetv1.Prompt) {
			if p.ConfigMap != nil && !seen[*p.ConfigMap] {
				seen[*p.ConfigMap] = true
				files = append(files, flow.Prompt{ConfigMap: p.ConfigMap})
			}
		})
	}
	return files
}
