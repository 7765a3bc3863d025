// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// An API server in memory, as far as the two controllers use one: versions, generations, finalizers, preconditions, indexes,
// and caches that lag behind.

type key struct {
	kind string
	types.NamespacedName
}

func kindOf(o any) string { return reflect.TypeOf(o).Elem().Name() }
func keyOf(o client.Object) key {
	return key{kindOf(o), client.ObjectKeyFromObject(o)}
}

// change of an object; before or after is nil. places are where the object is listed after it.
type change struct {
	key           key
	before, after client.Object
	places        []place
}

// server is the truth.
type server struct {
	objects
	now     func() time.Time
	version int
	log     []change
	// judge is asked before every write, and told tells of every change.
	judge func(before, after client.Object)
	tell  func(change)
}

func (s *server) record(c change) {
	s.judge(c.before, c.after)
	if c.after != nil {
		c.places = s.indexes.places(c.key.kind, c.after)
	}
	s.put(c.key, c.after, c.places)
	s.log = append(s.log, c)
	s.tell(c)
}

func (s *server) create(o client.Object) error {
	k := keyOf(o)
	if s.get(k) != nil {
		return apierrors.NewAlreadyExists(schema.GroupResource{Resource: k.kind}, k.Name)
	}
	s.version++
	o.SetResourceVersion(fmt.Sprint(s.version))
	o.SetUID(types.UID(fmt.Sprint("uid-", s.version)))
	o.SetGeneration(1)
	o.SetCreationTimestamp(metav1.NewTime(s.now().Truncate(time.Second)))
	s.record(change{key: k, after: o.DeepCopyObject().(client.Object)})
	return nil
}

var errConflict = errors.New("the object has been modified")

// write takes the object's status, or everything else, if it was computed from the version there is, and shows what there is then.
func (s *server) write(o client.Object, status bool) error {
	after, err := s.take(o.DeepCopyObject().(client.Object), status)
	if err == nil {
		copyInto(after, o)
	}
	return err
}

// take is write of an object that nobody has a use for afterwards.
func (s *server) take(o client.Object, status bool) (after client.Object, err error) {
	k := keyOf(o)
	before := s.get(k)
	switch {
	case before == nil:
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: k.kind}, k.Name)
	case before.GetResourceVersion() != o.GetResourceVersion() || before.GetUID() != o.GetUID():
		return nil, apierrors.NewConflict(schema.GroupResource{Resource: k.kind}, k.Name, errConflict)
	}
	var same bool
	if status {
		after = sharing(before)
		setPart(after, o, "Status")
		same = samePart(before, after, "Status")
	} else {
		after = o
		setPart(after, before, "Status")
		after.SetGeneration(before.GetGeneration())
		if !samePart(before, after, "Spec") {
			after.SetGeneration(before.GetGeneration() + 1)
		}
		same = apiequality.Semantic.DeepEqual(before, after)
	}
	if !same {
		s.commit(k, before, after)
	}
	return after, nil
}

func (s *server) commit(k key, before, after client.Object) {
	s.version++
	after.SetResourceVersion(fmt.Sprint(s.version))
	if after.GetDeletionTimestamp() != nil && len(after.GetFinalizers()) == 0 {
		s.record(change{key: k, before: before})
		return
	}
	s.record(change{key: k, before: before, after: after})
}

func (s *server) delete(k key, preconditions client.DeleteOptions) error {
	before := s.get(k)
	if before == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: k.kind}, k.Name)
	}
	if p := preconditions.Preconditions; p != nil {
		if p.UID != nil && *p.UID != before.GetUID() || p.ResourceVersion != nil && *p.ResourceVersion != before.GetResourceVersion() {
			return apierrors.NewConflict(schema.GroupResource{Resource: k.kind}, k.Name, errConflict)
		}
	}
	if before.GetDeletionTimestamp() != nil {
		return nil
	}
	after := before.DeepCopyObject().(client.Object)
	after.SetDeletionTimestamp(ptr.To(metav1.NewTime(s.now().Truncate(time.Second))))
	after.SetGeneration(before.GetGeneration() + 1)
	s.commit(k, before, after)
	return nil
}

// change does what somebody outside the controllers does, who reads and writes at once.
func (s *server) change(k key, status bool, f func(client.Object)) {
	there := s.get(k)
	if there == nil {
		return
	}
	o := there.DeepCopyObject().(client.Object)
	f(o)
	if _, err := s.take(o, status); err != nil {
		panic(err)
	}
}

func (s *server) pod(name string) *v1alpha1.MediaPod {
	pod, _ := s.get(key{"MediaPod", types.NamespacedName{Namespace: namespace, Name: name}}).(*v1alpha1.MediaPod)
	return pod
}

func (s *server) pods() []client.Object { return s.all("MediaPod") }

// calls are the sessions and the Calls.
func (s *server) calls() []client.Object { return append(s.all("MeetingSession"), s.all("Call")...) }

// call by its name, which tells its kind; nil if there is none.
func (s *server) call(name string) v1alpha1.AnyCall {
	call, _ := s.get(callKey(name)).(v1alpha1.AnyCall)
	return call
}

// bot is nil while there is none.
func (s *server) bot() *v1alpha1.CallingBot {
	bot, _ := s.get(botKey).(*v1alpha1.CallingBot)
	return bot
}

func (s *server) node(name string) *corev1.Node {
	return s.get(key{"Node", types.NamespacedName{Name: name}}).(*corev1.Node)
}

// cached is a controller's client: it reads what the server had some changes ago, and its writes may go wrong.
type cached struct {
	client.Client
	objects
	server *server
	seen   int // changes of the server's log
	fault  func() fault
	// writes that were tried, and patches among them.
	writes, patches int
	// late are writes that the server gets when land is called, if the version still fits.
	late []func()
}

type fault int

const (
	none fault = iota
	// lostRequest: nothing is written, and there is no answer; lostAnswer: it is written, and there is none; lateRequest: it
	// is written later.
	lostRequest
	lostAnswer
	lateRequest
)

var errNoAnswer = errors.New("connection lost")

func (c *cached) Get(ctx context.Context, name client.ObjectKey, o client.Object, options ...client.GetOption) error {
	return c.objects.Get(ctx, name, o, options...)
}

func (c *cached) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	return c.objects.List(ctx, list, options...)
}

// do a write that may go wrong.
func (c *cached) do(o client.Object, write func(client.Object) error) error {
	switch c.fault() {
	case lostRequest:
		return errNoAnswer
	case lostAnswer:
		_ = write(o.DeepCopyObject().(client.Object))
		return errNoAnswer
	case lateRequest:
		wanted := o.DeepCopyObject().(client.Object)
		c.late = append(c.late, func() { _ = write(wanted) })
		return errNoAnswer
	}
	c.writes++
	return write(o)
}

func (c *cached) land() {
	for _, write := range c.late {
		write()
	}
	c.late = nil
}

func (c *cached) Create(_ context.Context, o client.Object, _ ...client.CreateOption) error {
	return c.do(o, c.server.create)
}

func (c *cached) Patch(_ context.Context, o client.Object, patch client.Patch, _ ...client.PatchOption) error {
	return c.patch(o, patch, false)
}

// Apply takes what the controller owns all of: what the bot's pods run as, and their disruption budget.
func (c *cached) Apply(_ context.Context, wanted runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
	raw, err := json.Marshal(wanted)
	if err != nil {
		return err
	}
	var of metav1.TypeMeta
	if err := json.Unmarshal(raw, &of); err != nil {
		return err
	}
	object := map[string]client.Object{
		"PodDisruptionBudget": &policyv1.PodDisruptionBudget{}, "ServiceAccount": &corev1.ServiceAccount{}, "RoleBinding": &rbacv1.RoleBinding{},
	}[of.Kind]
	if err := json.Unmarshal(raw, object); err != nil || object.GetName() == "" {
		return fmt.Errorf("applying %s: %w", raw, err)
	}
	return c.do(object, func(o client.Object) error {
		there := c.server.get(keyOf(o))
		if there == nil {
			return c.server.create(o)
		}
		o.SetResourceVersion(there.GetResourceVersion())
		o.SetUID(there.GetUID())
		return c.server.write(o, false)
	})
}

func (c *cached) patch(o client.Object, patch client.Patch, status bool) error {
	if c.patches++; c.patches%10 == 1 { // making the patch is dear, and the code that does is the same each time
		if data, err := patch.Data(o); err != nil || !strings.Contains(string(data), `"resourceVersion"`) {
			return fmt.Errorf("a patch without optimistic lock: %s %w", data, err)
		}
	}
	return c.do(o, func(o client.Object) error { return c.server.write(o, status) })
}

func (c *cached) Delete(_ context.Context, o client.Object, options ...client.DeleteOption) error {
	var d client.DeleteOptions
	d.ApplyOptions(options)
	return c.do(o, func(o client.Object) error { return c.server.delete(keyOf(o), d) })
}

func (c *cached) Status() client.SubResourceWriter { return statusWriter{cached: c} }

type statusWriter struct {
	client.SubResourceWriter
	*cached
}

func (w statusWriter) Patch(_ context.Context, o client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
	return w.cached.patch(o, patch, true)
}

func (statusWriter) Apply(context.Context, runtime.ApplyConfiguration, ...client.SubResourceApplyOption) error {
	panic("not used")
}

func (statusWriter) Create(context.Context, client.Object, client.Object, ...client.SubResourceCreateOption) error {
	panic("not used")
}

func (statusWriter) Update(context.Context, client.Object, ...client.SubResourceUpdateOption) error {
	panic("not used")
}
