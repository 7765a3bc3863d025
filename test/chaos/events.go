// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/test/rig"
)

const (
	system  = "callfleet-system"
	manager = "callfleet-manager"
	router  = "callfleet-router"

	pods      = 4
	firstPort = 28550
	// patience is for what no call holds up; what waits for calls waits as long as they last besides.
	patience = 3 * time.Minute
)

// stage is where it happens.
type stage struct {
	rig   *rig.Rig
	out   io.Writer
	o     options
	calls *calls
	bot   *callfleetv1.CallingBot
}

// event is something that happens to the fleet. It returns when it is over, with the calls that it had to cost.
type event struct {
	name string
	do   func(*stage, context.Context) (cost map[string]held, err error)
}

var events = []event{
	{"rolling change of the image", (*stage).changeImage},
	{"renewal of all certificates", (*stage).renewCertificates},
	{"kubectl drain of a node", (*stage).drainNode},
	{"end of the leading manager", (*stage).killLeader},
	{"end of a media pod", (*stage).killMediaPod},
}

// startFleet makes the bot, with a quarter more seats than there are calls, and gives manager and router a second replica.
func (s *stage) startFleet(ctx context.Context) error {
	bot, err := s.rig.Bot()
	if err != nil {
		return err
	}
	bot.Spec.Replicas = ptr.To[int32](pods)
	bot.Spec.Capacity.Seats = int32((s.o.calls*5/4 + pods - 1) / pods)
	// A node has them all when the other one is drained, those of an earlier configuration included.
	bot.Spec.Media.Endpoint = callfleetv1.MediaEndpoint{
		Type: callfleetv1.EndpointHostPort, Ports: &callfleetv1.PortRange{From: firstPort, To: firstPort + 4*pods},
	}
	s.bot = bot
	for _, name := range []string{manager, router} {
		if _, err := s.rig.Kubectl(ctx, "-n", system, "scale", "deploy/"+name, "--replicas=2"); err != nil {
			return err
		}
		if err := s.awaitDeployment(ctx, name); err != nil {
			return err
		}
	}
	return s.rig.StartBot(ctx, bot)
}

func (s *stage) awaitDeployment(ctx context.Context, name string) error {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: name}}
	return s.rig.Await(ctx, d, patience, name+" to run twice", func() error {
		if st := d.Status; st.ObservedGeneration < d.Generation || st.UpdatedReplicas != 2 || st.ReadyReplicas != 2 || st.Replicas != 2 {
			return fmt.Errorf("%d of %d ready", st.ReadyReplicas, st.Replicas)
		}
		return nil
	})
}

// mediaPods are those of the fleet.
func (s *stage) mediaPods(ctx context.Context) ([]callfleetv1.MediaPod, error) {
	var list callfleetv1.MediaPodList
	err := s.rig.Client.List(ctx, &list, client.InNamespace(rig.Namespace))
	return list.Items, err
}

// awaitFleet waits until the fleet is as large as it is to be, nothing drains, and each pod is as asked.
func (s *stage) awaitFleet(ctx context.Context, as func(callfleetv1.MediaPod) error) error {
	return s.rig.Await(ctx, s.bot, patience+2*s.o.longest, "the fleet to be as it is to be", func() error {
		if st := s.bot.Status; st.ReadyReplicas != pods || st.Replicas != pods || st.DrainingReplicas != 0 {
			return fmt.Errorf("%d of %d ready, %d draining", st.ReadyReplicas, st.Replicas, st.DrainingReplicas)
		}
		all, err := s.mediaPods(ctx)
		if err != nil {
			return err
		}
		for _, mp := range all {
			if err := as(mp); err != nil {
				return err
			}
		}
		return nil
	})
}

// changeImage has the bot's pods run another image. The manager is told too, as for a new version of Callfleet, but what it
// is told goes for new Pods only: it must not be what empties a fleet.
func (s *stage) changeImage(ctx context.Context) (map[string]held, error) {
	patch := `[{"op":"replace","path":"/spec/template/spec/containers/0/args/0","value":"--mediapod-image=` + image + `"}]`
	if _, err := s.rig.Kubectl(ctx, "-n", system, "patch", "deploy/"+manager, "--type=json", "-p", patch); err != nil {
		return nil, err
	}
	if err := s.awaitDeployment(ctx, manager); err != nil {
		return nil, err
	}
	if err := s.rig.Client.Get(ctx, client.ObjectKeyFromObject(s.bot), s.bot); err != nil {
		return nil, err
	}
	old, before := s.bot.Status.Rollout.Revision, s.bot.DeepCopy()
	s.bot.Spec.Template = &runtime.RawExtension{Raw: []byte(`{"spec":{"os":{"name":"linux"},"containers":[{"name":"mediapod","image":"` + image + `"}]}}`)}
	if err := s.rig.Client.Patch(ctx, s.bot, client.MergeFrom(before)); err != nil {
		return nil, err
	}
	return nil, s.awaitFleet(ctx, func(mp callfleetv1.MediaPod) error {
		if mp.Spec.Revision == old || !meta.IsStatusConditionTrue(s.bot.Status.Conditions, callfleetv1.ConditionRolloutComplete) {
			return fmt.Errorf("%s has revision %s, the one before was %s", mp.Name, mp.Spec.Revision, old)
		}
		return nil
	})
}

// renewCertificates takes the certificate of each pod away, so that the operator issues another one, and waits until that is
// shown.
func (s *stage) renewCertificates(ctx context.Context) (map[string]held, error) {
	all, err := s.mediaPods(ctx)
	if err != nil {
		return nil, err
	}
	before := make([]*big.Int, len(all))
	for i, mp := range all {
		if before[i], err = shown(ctx, mp); err != nil {
			return nil, err
		}
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: mp.Namespace, Name: mp.Name + "-tls"}}
		if err := s.rig.Client.Delete(ctx, secret); err != nil {
			return nil, err
		}
	}
	for i, mp := range all {
		// A kubelet brings a changed Secret within a minute or so.
		err = s.rig.Await(ctx, &mp, patience, "the renewed certificate of "+mp.Name, func() error {
			now, err := shown(ctx, mp)
			if err == nil && now.Cmp(before[i]) == 0 {
				err = errors.New("the old one is shown still")
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// shown is the serial number of the certificate that a media pod shows to who connects now.
func shown(ctx context.Context, mp callfleetv1.MediaPod) (*big.Int, error) {
	e := mp.Status.Endpoint
	if e == nil {
		return nil, errors.New(mp.Name + " has no endpoint")
	}
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: &tls.Config{InsecureSkipVerify: true}} // calls show whether it is trusted
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(e.Address, strconv.Itoa(int(e.Port))))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber, nil
}

// drainNode does what people do before they switch a machine off, and has it back afterwards.
func (s *stage) drainNode(ctx context.Context) (map[string]held, error) {
	const node = "node2"
	limit := patience + 2*s.o.longest
	if _, err := s.rig.Kubectl(ctx, "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout="+limit.String()); err != nil {
		return nil, err
	}
	err := s.awaitFleet(ctx, func(mp callfleetv1.MediaPod) error {
		pod := &corev1.Pod{}
		if err := s.rig.Client.Get(ctx, client.ObjectKeyFromObject(&mp), pod); err != nil {
			return err
		}
		if pod.Spec.NodeName == node {
			return fmt.Errorf("%s is on %s", pod.Name, node)
		}
		return nil
	})
	_, back := s.rig.Kubectl(ctx, "uncordon", node)
	if err := errors.Join(err, back); err != nil {
		return nil, err
	}
	return nil, errors.Join(s.awaitDeployment(ctx, manager), s.awaitDeployment(ctx, router))
}

// killLeader ends the manager that leads, without a word, and waits until the other one does. Its Pod goes too: a process
// that is started anew in the same Pod still has the lease, so that the other one would have nothing to do.
func (s *stage) killLeader(ctx context.Context) (map[string]held, error) {
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: manager}}
	if err := s.rig.Client.Get(ctx, client.ObjectKeyFromObject(lease), lease); err != nil {
		return nil, err
	}
	leader := ptr.Deref(lease.Spec.HolderIdentity, "")
	pod, _, _ := strings.Cut(leader, "_") // its name and UID
	if err := s.rig.Cluster.KillContainer(ctx, system, pod, "manager"); err != nil {
		return nil, err
	}
	if _, err := s.rig.Kubectl(ctx, "-n", system, "delete", "pod", pod, "--force", "--grace-period=0"); err != nil {
		return nil, err
	}
	err := s.rig.Await(ctx, lease, patience, "another leader", func() error {
		if now := ptr.Deref(lease.Spec.HolderIdentity, ""); now == "" || now == leader {
			return fmt.Errorf("the lease is that of %q", now)
		}
		return nil
	})
	return nil, errors.Join(err, s.awaitDeployment(ctx, manager))
}

// killMediaPod ends the process of one of the media pods that have calls. The calls that stand on it are the cost; calls
// neither come nor go until all of them stand again.
func (s *stage) killMediaPod(ctx context.Context) (map[string]held, error) {
	now, letGo := s.calls.hold()
	defer letGo()
	byPod := map[string]map[string]held{}
	for session, h := range now {
		if byPod[h.pod] == nil {
			byPod[h.pod] = map[string]held{}
		}
		byPod[h.pod][session] = h
	}
	names := slices.Sorted(maps.Keys(byPod))
	if len(names) == 0 {
		return nil, errors.New("no media pod has a call")
	}
	victim := names[rand.New(rand.NewPCG(s.o.seed, 1<<63)).IntN(len(names))]
	cost := byPod[victim]
	fmt.Fprintf(s.out, "    %s has %d calls\n", victim, len(cost))
	if err := s.rig.Cluster.KillContainer(ctx, rig.Namespace, victim, "mediapod"); err != nil {
		return nil, err
	}
	return cost, s.rig.Await(ctx, s.bot, patience, "the calls to stand again", func() error {
		if cut, moved := s.calls.costs(); moved < len(cost) || cut < len(cost) {
			return fmt.Errorf("%d of %d are cut, %d stand again", cut, len(cost), moved)
		}
		return nil
	})
}
