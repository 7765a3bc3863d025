// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/test/rig"
)

// What is broken on purpose during a round, besides notifications and requests.
const (
	killOwn     = "kill a media pod of " + ownMedia
	killTheirs  = "kill the media pod of " + theirMedia
	killManager = "kill the manager"
	killRouter  = "kill the router"
	noAPIServer = "API server away"
	rotateKeys  = "rotate the keys"
	rollOut     = "roll out a new revision"
	scaleIn     = "scale in and out again"
)

// weather is what a round's scenarios have to live with.
type weather struct {
	seed   uint64
	mix    admin.Chaos
	breaks []step
	// legacy: the channel sends new calls in the old format first.
	legacy bool
}

// calm: nothing goes wrong.
func (w weather) calm() bool { return w.seed%9 == 0 }

// brings: it is among what is broken.
func (w weather) brings(what ...string) bool {
	for _, b := range w.breaks {
		for _, x := range what {
			if b.what == x {
				return true
			}
		}
	}
	return false
}

func (w weather) String() string {
	return fmt.Sprintf("round %d: %+v; breaks %v; old format first %v", w.seed, w.mix, w.breaks, w.legacy)
}

// forecast draws the weather of a round. Every ninth round has none: what fails there is no matter of faults. The eight
// before it break each thing once, and others besides.
func forecast(seed uint64) weather {
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // chance is wanted, not secrecy
	w := weather{seed: seed, mix: admin.Chaos{Seed: seed}}
	if w.calm() {
		return w
	}
	some := func(most float64) float64 {
		if r.IntN(3) == 0 {
			return 0
		}
		return most * r.Float64()
	}
	w.mix = admin.Chaos{
		Seed: seed, Drop: some(.15), Duplicate: some(.3), Reorder: some(.3), Delay: some(.3), MaxDelayMs: 50 + r.IntN(300), Batch: some(.3),
		Noise: some(.4), Early: some(.5), EmptyRoster: some(.5), KeepTerminal: r.IntN(2) == 0,
		Failing: some(.1), Throttled: some(.03), ReplyLost: some(.08), LoginFailing: some(.3),
	}
	kinds := []string{killOwn, killTheirs, killManager, killRouter, noAPIServer, rotateKeys, rollOut, scaleIn}
	first := int(seed%9) - 1
	kinds[0], kinds[first] = kinds[first], kinds[0]
	others := kinds[1:]
	r.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	for _, what := range kinds[:1+r.IntN(3)] {
		w.breaks = append(w.breaks, step{after: time.Second + within(r, 3*time.Second), what: what})
	}
	w.mix.BotFailing, w.mix.BotReplyLost, w.mix.BadToken = some(.1), some(.1), some(.05)
	w.legacy = r.IntN(2) == 0
	return w
}

// begin puts a weather in force. The function it gives ends it, and returns when everything is whole again.
func (w weather) begin(ctx context.Context, t *testing.T) (clear func()) {
	if err := world.Teams.SetChaos(ctx, w.mix); err != nil {
		t.Fatal(err)
	}
	if w.legacy {
		if err := legacyFirst(ctx, true); err != nil {
			t.Fatal(err)
		}
	}
	var broken sync.WaitGroup
	for _, b := range w.breaks {
		broken.Go(func() {
			if pause(ctx, b.after) != nil {
				return
			}
			if err := shatter(ctx, b.what, w.seed); err != nil {
				t.Errorf("%s: %v", b.what, err)
			}
		})
	}
	return func() {
		broken.Wait()
		if err := world.Teams.ClearFaults(ctx); err != nil {
			t.Error(err)
		}
		if w.legacy {
			if err := legacyFirst(ctx, false); err != nil {
				t.Error(err)
			}
		}
	}
}

// outage is how long the API server is away.
const outage = 3 * time.Second

// shatter breaks one thing and, where nobody else does, puts it together again.
func shatter(ctx context.Context, what string, seed uint64) error {
	switch what {
	case killOwn:
		return killPod(ctx, ownMedia)
	case killTheirs:
		return killPod(ctx, theirMedia)
	case killManager:
		return killSystem(ctx, "callfleet-manager")
	case killRouter:
		return killSystem(ctx, "callfleet-router")
	case noAPIServer:
		if err := world.Cluster.Stop(ctx, "kube-apiserver"); err != nil {
			return err
		}
		_ = pause(ctx, outage)
		return world.Cluster.Start(context.WithoutCancel(ctx), "kube-apiserver")
	case rotateKeys:
		return world.Teams.RotateKeys(ctx, true)
	case rollOut:
		return patchBots(ctx, func(b *callfleetv1.CallingBot) { b.Spec.Template.Raw = podTemplate(int(seed)) }, ownMedia, theirMedia)
	case scaleIn:
		one, all := int32(1), fleets[ownMedia].pods
		if err := patchBots(ctx, func(b *callfleetv1.CallingBot) { b.Spec.Replicas = &one }, ownMedia); err != nil {
			return err
		}
		_ = pause(ctx, 2*time.Second)
		return patchBots(ctx, func(b *callfleetv1.CallingBot) { b.Spec.Replicas = &all }, ownMedia)
	}
	return fmt.Errorf("nobody knows how")
}

func patchBots(ctx context.Context, change func(*callfleetv1.CallingBot), names ...string) error {
	for _, name := range names {
		err := steadily(ctx, func() error {
			bot := &callfleetv1.CallingBot{}
			if err := world.Client.Get(ctx, client.ObjectKey{Namespace: rig.Namespace, Name: name}, bot); err != nil {
				return err
			}
			before := bot.DeepCopy()
			change(bot)
			return world.Client.Patch(ctx, bot, client.MergeFrom(before))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// killPod kills the busiest media pod's process of a bot. It comes back by itself.
func killPod(ctx context.Context, bot string) error {
	return steadily(ctx, func() error {
		pods := &callfleetv1.MediaPodList{}
		if err := world.Client.List(ctx, pods, client.InNamespace(rig.Namespace), client.MatchingLabels{callfleetv1.LabelBot: bot}); err != nil {
			return err
		}
		var busiest *callfleetv1.MediaPod
		for i := range pods.Items {
			if p := &pods.Items[i]; busiest == nil || p.Status.Calls > busiest.Status.Calls {
				busiest = p
			}
		}
		if busiest == nil {
			return nil
		}
		return kill(ctx, rig.Namespace, busiest.Name, "mediapod")
	})
}

const system = "callfleet-system"

func killSystem(ctx context.Context, deployment string) error {
	return steadily(ctx, func() error {
		var pods corev1.PodList
		if err := world.Client.List(ctx, &pods, client.InNamespace(system), client.MatchingLabels{"app.kubernetes.io/name": deployment}); err != nil {
			return err
		}
		for _, p := range pods.Items {
			if err := kill(ctx, system, p.Name, p.Spec.Containers[0].Name); err != nil {
				return err
			}
		}
		return nil
	})
}

// kills are the deaths by our hand, by pod.
var kills = struct {
	sync.Mutex
	of map[string]int
	// last is when a pod's process was killed last.
	last map[string]time.Time
}{of: map[string]int{}, last: map[string]time.Time{}}

func kill(ctx context.Context, namespace, pod, container string) error {
	if err := world.Cluster.KillContainer(ctx, namespace, pod, container); err != nil {
		if strings.Contains(err.Error(), "has no process now") {
			return nil
		}
		return err
	}
	kills.Lock()
	defer kills.Unlock()
	kills.of[namespace+"/"+pod]++
	kills.last[pod] = time.Now()
	return nil
}

// crashes lists processes that ended without our having killed them.
func crashes(ctx context.Context) (list []string, err error) {
	for _, namespace := range []string{system, rig.Namespace} {
		var pods corev1.PodList
		if err := world.Client.List(ctx, &pods, client.InNamespace(namespace)); err != nil {
			return nil, err
		}
		kills.Lock()
		for _, p := range pods.Items {
			for _, c := range p.Status.ContainerStatuses {
				if n := kills.of[namespace+"/"+p.Name]; int(c.RestartCount) > n {
					list = append(list, fmt.Sprintf("%s/%s was restarted %d times, killed %d times: %+v", namespace, p.Name, c.RestartCount, n, c.LastTerminationState.Terminated))
				}
			}
		}
		kills.Unlock()
	}
	return list, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
