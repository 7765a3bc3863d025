// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
)

// publisher writes the statuses of pods to the API server. Workers never wait
// for it: it keeps the newest status of each pod and tries until it is written.
type publisher struct {
	client kubernetes.Interface
	log    logr.Logger
	queue  workqueue.TypedRateLimitingInterface[types.UID]

	mu    sync.Mutex
	state map[types.UID]*publication
}

type publication struct {
	namespace, name string
	status          corev1.PodStatus
	final           bool // the pod has ended: let the API server delete it
	version         int  // counts calls of set
	written         int  // version that was written
	revision        uint64
}

// publishers is how many statuses are written at once.
const publishers = 8

func newPublisher(client kubernetes.Interface, log logr.Logger) *publisher {
	// Short delays: after an outage of the API server statuses are to be right
	// soon, and a node has few pods.
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[types.UID](50*time.Millisecond, time.Second)
	return &publisher{
		client: client, log: log,
		queue: workqueue.NewTypedRateLimitingQueue(limiter),
		state: map[types.UID]*publication{},
	}
}

// set makes status the one to be written. A final one also lets go of a pod
// that is being deleted.
func (p *publisher) set(pod *corev1.Pod, status corev1.PodStatus, final bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.state[pod.UID]
	if !ok {
		s = &publication{namespace: pod.Namespace, name: pod.Name}
		p.state[pod.UID] = s
	}
	s.status, s.final = status, final
	s.version++
	p.queue.Add(pod.UID)
}

// forget drops what is still to be written: the pod is gone.
func (p *publisher) forget(pod types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.state, pod)
	p.queue.Forget(pod)
}

// settled says whether pod, as it came from the API server, is at least as new
// as the last status that was written, and nothing is on its way.
func (p *publisher) settled(pod *corev1.Pod) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.state[pod.UID]
	return ok && s.version == s.written && revisionOf(pod) >= s.revision
}

func (p *publisher) run(ctx context.Context) {
	var wg sync.WaitGroup
	for range publishers {
		wg.Go(func() {
			for {
				uid, shutdown := p.queue.Get()
				if shutdown {
					return
				}
				p.process(ctx, uid)
				p.queue.Done(uid)
			}
		})
	}
	<-ctx.Done()
	p.queue.ShutDown()
	wg.Wait()
}

func (p *publisher) process(ctx context.Context, uid types.UID) {
	p.mu.Lock()
	s, ok := p.state[uid]
	if !ok {
		p.mu.Unlock()
		return
	}
	now := *s
	p.mu.Unlock()

	revision, err := p.write(ctx, uid, now)
	if err != nil {
		p.log.V(1).Info("cannot write a pod's status yet", "pod", now.namespace+"/"+now.name, "error", err.Error())
		if ctx.Err() == nil {
			p.queue.AddRateLimited(uid)
		}
		return
	}
	p.queue.Forget(uid)
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.revision < revision {
		s.revision = revision
	}
	s.written = now.version
	if s.version != now.version {
		p.queue.Add(uid)
	}
}

func (p *publisher) write(ctx context.Context, uid types.UID, s publication) (revision uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	patch, err := statusPatch(uid, s.status)
	if err != nil {
		return 0, err
	}
	pods := p.client.CoreV1().Pods(s.namespace)
	pod, err := pods.Patch(ctx, s.name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	if gone(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if s.final && pod.DeletionTimestamp != nil {
		err := pods.Delete(ctx, s.name, metav1.DeleteOptions{
			GracePeriodSeconds: ptr.To[int64](0), Preconditions: metav1.NewUIDPreconditions(string(uid)),
		})
		if err != nil && !gone(err) {
			return 0, err
		}
	}
	return revisionOf(pod), nil
}

// gone says that the pod does not exist any more, or is another one by now.
func gone(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsConflict(err)
}

// statusPatch sets what the node knows and leaves conditions of others alone.
// The UID keeps it from another pod of the same name.
func statusPatch(uid types.UID, status corev1.PodStatus) ([]byte, error) {
	data, err := json.Marshal(status)
	if err != nil {
		return nil, fmt.Errorf("encoding a pod's status: %w", err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, fmt.Errorf("encoding a pod's status: %w", err)
	}
	// What is not in a merge stays: a condition that is true again must lose
	// the reason it had for being false.
	conditions, _ := fields["conditions"].([]any)
	for _, c := range conditions {
		for _, name := range []string{"reason", "message"} {
			if condition, ok := c.(map[string]any); ok && condition[name] == nil {
				condition[name] = nil
			}
		}
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": uid}, "status": fields})
	if err != nil {
		return nil, fmt.Errorf("encoding a pod's status: %w", err)
	}
	return patch, nil
}

// revisionOf returns the resource version as the number that it is for objects
// kept in etcd; 0 if it ever is not.
func revisionOf(pod *corev1.Pod) uint64 {
	n, err := strconv.ParseUint(pod.ResourceVersion, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
