// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"

	"github.com/callfleet/callfleet/hack/devcluster/forward"
)

// services keeps the forwarder's rules in step with Services and pods.
type services struct {
	agent *Agent
	dirty chan struct{}

	mu  sync.Mutex
	all map[types.UID]*corev1.Service
}

// forwardRetry is how soon an address is tried again on which nobody could
// listen, because somebody else does.
const forwardRetry = time.Second

func newServices(a *Agent) *services {
	return &services{agent: a, dirty: make(chan struct{}, 1), all: map[types.UID]*corev1.Service{}}
}

// changed asks for the rules to be made anew.
func (s *services) changed() {
	select {
	case s.dirty <- struct{}{}:
	default:
	}
}

func (s *services) run(ctx context.Context) {
	go follow(ctx, s.agent.client.CoreV1().RESTClient(), "services", corev1.NamespaceAll, fields.Everything(), &corev1.Service{}, follower{
		replace: func(all []any) {
			s.update(func() {
				clear(s.all)
				for _, obj := range all {
					s.all[obj.(*corev1.Service).UID] = obj.(*corev1.Service)
				}
			})
		},
		upsert: func(obj any) { s.update(func() { s.all[obj.(*corev1.Service).UID] = obj.(*corev1.Service) }) },
		remove: func(obj any) { s.update(func() { delete(s.all, obj.(*corev1.Service).UID) }) },
	})
	var retry <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.dirty:
		case <-retry:
		}
		retry = nil
		if err := s.agent.forwarder.Apply(s.plan()); err != nil {
			retry = time.After(forwardRetry)
		}
		if err := s.balance(ctx); err != nil && ctx.Err() == nil {
			s.agent.cfg.Log.Info("a load balancer cannot be given its address; it is tried again", "error", err.Error())
			retry = time.After(forwardRetry)
		}
	}
}

func (s *services) plan() []forward.Rule {
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.all))
	s.mu.Unlock()
	s.agent.mu.Lock()
	pods := slices.Collect(maps.Values(s.agent.pods))
	s.agent.mu.Unlock()
	return forward.Plan(all, pods, s.agent.cfg.IP)
}

func (s *services) update(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.changed()
}

// failed tells people that an address of a Service or pod does not work.
func (s *services) failed(r forward.Rule, err error) {
	s.agent.cfg.Log.Info("an address cannot be served; it is tried again", "address", r.Frontend.String(), "for", r.For, "error", err.Error())
	if r.Object != nil {
		s.agent.events.Event(r.Object, corev1.EventTypeWarning, "PortUnavailable", err.Error()+"; a port below 1024 or one in use by another program cannot be served")
	}
}
