// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/caching"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// asCandidate makes the test binary be a process that binds while it leads: the value is its name. Its namespace is in
// asCandidateIn.
const (
	asCandidate   = "CALLFLEET_TEST_BIND_AS"
	asCandidateIn = "CALLFLEET_TEST_BIND_IN"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(asCandidate); name != "" {
		if err := bindAs(name, os.Getenv(asCandidateIn)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	controllertest.Main(m)
}

// The lease is short, but outlasts what a busy machine may take to let its holder renew it.
const leaseLasts, renewWithin, leaseRetry = 8 * time.Second, 6 * time.Second, 500 * time.Millisecond

// bindAs runs the session controller under leader election, with the cache and the warm-up of cmd/manager.
func bindAs(name, namespace string) error {
	ctrl.SetLogger(logr.Discard())
	access, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	access.QPS = -1
	lock, err := resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, namespace, "binding",
		resourcelock.ResourceLockConfig{Identity: name}, access, renewWithin)
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(access, ctrl.Options{
		Scheme: controllertest.Scheme(), Cache: caching.Options(namespace), Client: caching.ClientOptions(),
		Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		LeaderElection: true, LeaderElectionResourceLockInterface: lock,
		LeaseDuration: ptr.To(leaseLasts), RenewDeadline: ptr.To(renewWithin), RetryPeriod: ptr.To(leaseRetry),
		Controller: config.Controller{EnableWarmup: ptr.To(true)},
	})
	if err != nil {
		return err
	}
	if err := (&Reconciler{}).SetupWithManager(mgr); err != nil {
		return err
	}
	return mgr.Start(context.Background())
}

// TestALeaderKilledWhileItBindsLeavesNothingLostOrDoubled: two hundred sessions, as many seats, and a leader that is
// killed when it has bound some of them, with writes under way. The other one binds the rest: every session gets a seat, none is
// taken from the pod that has its call, and no pod gets more sessions than it has seats for, in whatever order the API
// server tells of it.
func TestALeaderKilledWhileItBindsLeavesNothingLostOrDoubled(t *testing.T) {
	const pods, seats, sessions, killAt = 10, 20, 200, 60
	w := emptyWorld(t)
	controllertest.Create(t, w.Client, controllertest.Bot(w.ns, bot).Object())
	for slot := range int32(pods) {
		w.addPod(slot, seats)
	}
	kubeconfig := w.UserKubeconfig(t, "failover-admin", "system:masters")
	candidates := map[string]*exec.Cmd{}
	for _, name := range []string{"first", "second"} {
		candidates[name] = startCandidate(t, name, w.ns, kubeconfig)
	}
	j := &judge{world: w, seats: seats, pod: map[types.UID]string{}, caller: map[types.UID]string{}, taken: map[string]int{}}
	watch, err := w.Client.Watch(t.Context(), &v1alpha1.MeetingSessionList{}, client.InNamespace(w.ns))
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	leader := w.awaitLeader(candidates)

	var creating sync.WaitGroup
	gone := make(chan struct{})
	for lane := range 4 {
		creating.Go(func() {
			for i := lane; i < sessions; i += 4 {
				if i >= 2*killAt {
					<-gone // or a quick leader would have bound them all
				}
				if err := w.Client.Create(t.Context(), w.session(fmt.Sprintf("s%03d", i)).Object()); err != nil {
					t.Errorf("creating a session: %v", err)
				}
			}
		})
	}
	defer creating.Wait()
	killed := false
	defer func() {
		if !killed {
			close(gone)
		}
	}()
	timeout := time.After(4 * controllertest.Patience)
	for len(j.caller) < sessions {
		select {
		case e, open := <-watch.ResultChan():
			if !open {
				t.Fatal("the watch ended")
			}
			if ms, ok := e.Object.(*v1alpha1.MeetingSession); ok {
				j.see(ms)
			}
			if !killed && len(j.pod) >= killAt {
				killed = true
				if err := candidates[leader].Process.Kill(); err != nil {
					t.Fatal(err)
				}
				close(gone)
				t.Logf("leader %s killed with %d of %d sessions bound", leader, len(j.pod), sessions)
			}
		case <-timeout:
			t.Fatalf("%d of %d sessions have a call, %d have a pod; seats taken: %v", len(j.caller), sessions, len(j.pod), j.taken)
		}
	}
	if next := w.awaitLeader(candidates); next == leader {
		t.Errorf("%s, which was killed, leads", next)
	}
	for pod, n := range j.taken {
		if n != seats {
			t.Errorf("%s has %d sessions in the end, and %d seats that were all needed", pod, n, seats)
		}
	}
}

// judge sees every version of every session in the order of the API server. It also plays the agents: they claim at once.
type judge struct {
	*world
	seats  int                  // of each pod
	pod    map[types.UID]string // of those that are bound
	caller map[types.UID]string // the pod that has the call
	taken  map[string]int       // sessions by pod
}

func (j *judge) see(ms *v1alpha1.MeetingSession) {
	j.t.Helper()
	if before := j.pod[ms.UID]; before != ms.Status.MediaPod {
		if has := j.caller[ms.UID]; has != "" {
			j.t.Errorf("%s was given to %q while %s has its call", ms.Name, ms.Status.MediaPod, has)
		}
		if before != "" {
			j.taken[before]--
			delete(j.pod, ms.UID)
		}
		if ms.Status.MediaPod != "" {
			j.taken[ms.Status.MediaPod]++
			j.pod[ms.UID] = ms.Status.MediaPod
		}
	}
	if n := j.taken[ms.Status.MediaPod]; n > j.seats {
		j.t.Errorf("%s has %d sessions and %d seats", ms.Status.MediaPod, n, j.seats)
	}
	if ms.Status.MediaPod == "" || ms.Status.Call != nil {
		return
	}
	claimed := ms.DeepCopy()
	claimed.Status.Phase = v1alpha1.PhaseJoining
	claimed.Status.Call = &v1alpha1.CallRecord{ClaimedBy: instanceOf(ms.Status.MediaPod)}
	err := j.Client.Status().Patch(context.Background(), claimed, client.MergeFromWithOptions(ms, client.MergeFromWithOptimisticLock{}))
	if err != nil {
		return // somebody wrote meanwhile, and the watch brings it
	}
	if has := j.caller[ms.UID]; has != "" {
		j.t.Errorf("%s has a call in %s and another in %s", ms.Name, has, ms.Status.MediaPod)
	}
	j.caller[ms.UID] = ms.Status.MediaPod
}

func startCandidate(t *testing.T, name, namespace, kubeconfig string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), self)
	cmd.Env = append(os.Environ(), asCandidate+"="+name, asCandidateIn+"="+namespace, "KUBECONFIG="+kubeconfig)
	controllertest.Run(t, name, cmd)
	return cmd
}

// awaitLeader waits until one of the candidates holds the lease.
func (w *world) awaitLeader(candidates map[string]*exec.Cmd) (leader string) {
	w.t.Helper()
	controllertest.Eventually(w.t, "one of two to lead", func() error {
		var lease coordinationv1.Lease
		if err := w.Client.Get(context.Background(), client.ObjectKey{Namespace: w.ns, Name: "binding"}, &lease); err != nil {
			return err
		}
		leader = ptr.Deref(lease.Spec.HolderIdentity, "")
		if candidates[leader] == nil {
			return fmt.Errorf("%q leads", leader)
		}
		return nil
	})
	return leader
}
