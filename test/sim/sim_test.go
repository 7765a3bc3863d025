// SPDX-License-Identifier: Apache-2.0

// Package sim plays fleets in simulated time: the real fleet and session controllers, against an API server in memory, with
// users, nodes, the mediapod controller and the agents with their calls around them. Whatever happens, and in whatever order,
// what docs/architecture.md says holds at all times has to hold; and when the storm is over, everything comes to rest.
package sim

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

var (
	seeds  = flag.Uint64("seeds", 300, "how many random fleets are played")
	from   = flag.Uint64("from", 0, "the first seed")
	golden = flag.Bool("update", false, "write the golden logs anew")
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	// Most worlds are a few megabytes, and short-lived; collected at every doubling, that is a third of the time. The limit is for
	// the large ones.
	debug.SetGCPercent(800)
	debug.SetMemoryLimit(512 << 20)
	os.Exit(m.Run())
}

// raced: the race detector watches, which takes ten times as long. All of a world happens in one goroutine; what it can find is
// what worlds share.
var raced bool

// storm is what a seed plays.
type storm struct {
	*world
	hours    int
	sessions int
}

func newStorm(seed uint64) storm {
	replicas, sessions, nodes := int32(1+seed%6), 36, 6
	large := seed%100 == 59
	if large {
		replicas, sessions, nodes = 60+int32(seed*37%91), 130, 40
	}
	bot := controllertest.Bot(namespace, botName).Seats(int32(3 + seed*5%14)).Replicas(replicas).With(func(b *v1alpha1.CallingBot) {
		if seed%3 == 1 {
			b.Spec.Replicas = nil
			b.Spec.Autoscaling = &v1alpha1.Autoscaling{Min: 1, Max: replicas + 2, FreeSeats: 3, Stabilization: "5m"}
		}
		if seed%4 == 2 {
			b.Spec.Placement = v1alpha1.PlacementSpread
		}
		if seed%5 == 3 {
			b.Spec.Rollout.MaxSurge = ptr.To(intstr.FromString("25%"))
		}
		if seed%6 == 5 && !large {
			b.Spec.Media.Platform, b.Spec.Media.Endpoint.Domain = v1alpha1.PlatformMicrosoft, "media.contoso.com"
			b.Spec.Media.Certificate = v1alpha1.MediaCertificate{SecretName: "media-tls"}
			b.Spec.Template = &apiruntime.RawExtension{Raw: []byte(`{"spec":{"containers":[{"name":"bridge","image":"media-bridge"}]}}`)}
		}
		if seed%7 == 4 {
			b.Spec.Rollout.DrainDeadline, b.Spec.Rollout.OnDeadline = "10m", v1alpha1.DeadlineHangUp
		}
	})
	s := storm{newWorld(seed, nodes, bot.Object()), 2 + int(seed%4), sessions}
	if large {
		s.gather = 3 * time.Second // passes are dear, and there is always something
	}
	s.mayHangUp = bot.Object().Spec.Rollout.OnDeadline == v1alpha1.DeadlineHangUp
	s.refusals = 0.02
	s.callMax = time.Hour
	return s
}

// play lets everything happen that may, at random times.
func (s storm) play() {
	span := time.Duration(s.hours) * time.Hour
	anytime := func(n int, do func()) {
		for range n {
			s.at(dawn.Add(s.between(0, span)), do)
		}
	}
	anytime(s.sessions, func() {
		s.meet(func(b *controllertest.SessionBuilder) {
			if s.odds(0.3) {
				b.Start(s.now().Add(s.between(0, time.Hour)))
			}
			if s.odds(0.2) {
				b.With(func(m *v1alpha1.MeetingSession) {
					m.Spec.Modalities = v1alpha1.Modalities{v1alpha1.ModalityAudio, v1alpha1.ModalityVideo}
				})
			}
		})
	})
	anytime(s.sessions/4, s.dial)
	anytime(s.sessions/2, s.ring)
	anytime(int(s.hours)/3, func() {
		s.deleteBot([]v1alpha1.DeletionPolicy{v1alpha1.DeletionDrain, v1alpha1.DeletionForce}[s.random.IntN(2)])
		if s.odds(0.3) {
			s.after(s.between(time.Second, time.Hour), func() {
				if bot := s.server.bot(); bot != nil && bot.DeletionTimestamp != nil {
					s.deleteBot(v1alpha1.DeletionForce)
				}
			})
		}
	})
	replicas := ptr.Deref(s.server.bot().Spec.Replicas, 0)
	anytime(4, func() {
		if replicas > 0 {
			scale := func(n int32) {
				s.update(fmt.Sprintf("replicas %d", n), func(b *v1alpha1.CallingBot) { b.Spec.Replicas = &n })
			}
			scale(s.random.Int32N(2*replicas + 1))
			if s.odds(0.4) { // the user thinks better of it, while pods still drain
				s.after(s.between(time.Minute, 10*time.Minute), func() { scale(replicas) })
			}
		}
	})
	anytime(3, func() { s.configure(s.random.IntN(3)) })
	anytime(2, s.renew)
	anytime(2, func() {
		on := s.random.IntN(2) == 0
		s.update(fmt.Sprintf("paused %v", on), func(b *v1alpha1.CallingBot) { b.Spec.Rollout.Paused = on })
	})
	anytime(3, func() {
		name := s.nodes[s.random.IntN(len(s.nodes))]
		s.cordon(name, true)
		s.after(s.between(time.Minute, time.Hour), func() { s.cordon(name, false) })
	})
	anytime(2, func() {
		name := s.nodes[s.random.IntN(len(s.nodes))]
		if s.silent[name] {
			return
		}
		s.say("nobody hears of node %s", name)
		s.hear(name, false)
		s.after(s.between(time.Second, 20*time.Minute), func() { s.say("node %s is back", name); s.hear(name, true) })
	})
	anytime(4, func() {
		if names := keysOf(s.processes); len(names) > 0 {
			if p := s.processes[names[s.random.IntN(len(names))]]; !p.cutOff {
				s.crash(p)
			}
		}
	})
	anytime(3, func() { s.say("another leader"); s.elect() })
	anytime(3, func() {
		s.stale = s.between(0, 10*time.Second)
		s.after(s.between(time.Second, 5*time.Minute), func() { s.stale = 0 })
	})
	anytime(3, func() {
		s.faults = 0.2
		s.after(s.between(time.Second, 2*time.Minute), func() { s.faults = 0; s.fleetCache.land(); s.sessionCache.land() })
	})
	anytime(2, func() {
		if pod := s.anyOf(s.server.pods()); pod != nil {
			s.say("user: delete %s", pod.GetName())
			_ = s.server.delete(keyOf(pod), client.DeleteOptions{})
		}
	})
	anytime(s.sessions/20, func() {
		if o := s.anyOf(s.server.calls()); o != nil {
			_ = s.server.delete(keyOf(o), client.DeleteOptions{})
		}
	})
	s.run(dawn.Add(span))
}

// settle ends the storm and says what has not come to rest.
func (s storm) settle() string {
	s.stale, s.faults, s.refusals, s.calm = 0, 0, 0, true
	s.fleetCache.land()
	s.sessionCache.land()
	for _, name := range s.nodes {
		s.cordon(name, false)
		if s.silent[name] {
			s.hear(name, true)
		}
	}
	s.update("the rollout goes on", serveOn)
	// Who waits gets a seat, calls end, old pods go.
	s.run(s.now().Add(8 * time.Hour))
	if len(s.failures) > 0 {
		return "failed while it settled"
	}
	writes := s.fleetCache.writes + s.sessionCache.writes
	s.run(s.now().Add(10 * time.Minute))
	if more := s.fleetCache.writes + s.sessionCache.writes - writes; more > 0 {
		return fmt.Sprintf("%d writes at rest", more)
	}
	for _, o := range s.server.calls() {
		if _, status := o.(v1alpha1.AnyCall).CallParts(); !status.Phase.Finished() {
			return fmt.Sprintf("%s is %s: %+v", o.GetName(), status.Phase, status.Conditions)
		}
	}
	bot := s.server.bot()
	pods := s.server.pods()
	if bot == nil || bot.DeletionTimestamp != nil {
		return fmt.Sprintf("the bot that was deleted is there: %+v", bot)
	}
	if len(pods) != int(bot.Status.DesiredReplicas) || bot.Status.ReadyReplicas != bot.Status.DesiredReplicas {
		return fmt.Sprintf("%d pods, %d are ready, %d are wanted", len(pods), bot.Status.ReadyReplicas, bot.Status.DesiredReplicas)
	}
	for _, o := range pods {
		if pod := o.(*v1alpha1.MediaPod); s.shows[pod.UID] != s.certificate && pod.Spec.Media.Platform == v1alpha1.PlatformMicrosoft {
			return pod.Name + " shows an old certificate"
		} else if pod.Spec.Revision != bot.Status.Rollout.Revision || pod.Spec.Drain != nil {
			return fmt.Sprintf("%s has revision %s and drain mark %+v", pod.Name, pod.Spec.Revision, pod.Spec.Drain)
		}
	}
	for _, want := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionRolloutComplete} {
		if !meta.IsStatusConditionTrue(bot.Status.Conditions, want) {
			return fmt.Sprintf("%s is not true: %+v", want, bot.Status.Conditions)
		}
	}
	if meta.FindStatusCondition(bot.Status.Conditions, v1alpha1.ConditionReconciling) != nil {
		return "the bot is still Reconciling"
	}
	return ""
}

// serveOn has a bot not wait for its user.
func serveOn(b *v1alpha1.CallingBot) {
	b.Spec.Rollout.Paused = false
	if b.Spec.Replicas != nil && *b.Spec.Replicas == 0 {
		b.Spec.Replicas = ptr.To[int32](1)
	}
}

// tally of what was played.
type tally struct {
	mu                                                                       sync.Mutex
	fleets, calls, refused, crashed, deleted, undrained, leads, acts, passes int
	answered, givenUp, bots                                                  int
	simulated                                                                time.Duration
}

func (t *tally) add(s storm) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fleets++
	t.calls, t.refused, t.crashed, t.leads, t.acts = t.calls+s.made, t.refused+s.refused, t.crashed+s.cutByCrash, t.leads+s.leaders, t.acts+s.acts
	t.deleted, t.undrained, t.passes = t.deleted+s.deletes, t.undrained+s.undrains, t.passes+s.passes
	t.answered, t.givenUp, t.bots = t.answered+s.answered, t.givenUp+s.givenUp, t.bots+s.bots
	t.simulated += s.now().Sub(dawn)
}

func TestWhateverHappensNoCallIsCut(t *testing.T) {
	n := *seeds
	if testing.Short() || raced {
		n = min(n, 30)
	}
	var sum tally
	t.Run("seeds", func(t *testing.T) {
		hands := uint64(runtime.GOMAXPROCS(0))
		for hand := range hands {
			t.Run(fmt.Sprint(hand), func(t *testing.T) {
				t.Parallel()
				for seed := *from + hand; seed < *from+n; seed += hands {
					s := newStorm(seed)
					s.play()
					why := ""
					if len(s.failures) == 0 {
						why = s.settle()
					}
					if len(s.failures) > 0 || why != "" {
						t.Fatalf("seed %d (go test ./test/sim -from %d -seeds 1): %s %s\n%s", seed, seed, strings.Join(s.failures, "\n"), why, s.tail(80))
					}
					sum.add(s)
				}
			})
		}
	})
	t.Logf("%d fleets, %s of their time: %d calls, %d of them incoming, %d cut by crashes and none otherwise; %d bots deleted and %d silent pods given up with them, %d bindings refused, %d media pods deleted, %d marks taken back, %d acts with a reason, %d passes of %d leaders",
		sum.fleets, sum.simulated.Round(time.Hour), sum.calls, sum.answered, sum.crashed, sum.bots, sum.givenUp, sum.refused, sum.deleted, sum.undrained, sum.acts, sum.passes, sum.leads)
	if n >= 30 && (sum.calls < 30*int(n) || sum.refused < int(n)/2 || sum.deleted < 3*int(n) || sum.undrained < int(n)/10 || sum.answered < 5*int(n) || sum.bots < int(n)/2 || n >= 300 && sum.givenUp == 0) {
		t.Error("the simulation does not exercise what it is for")
	}
}

// TestStories plays stories whose log a person can read, and compares it with the one that was read.
func TestStories(t *testing.T) {
	small := func(change func(*v1alpha1.CallingBot)) *world {
		w := newWorld(1, 3, controllertest.Bot(namespace, botName).Seats(4).Replicas(3).With(change).Object())
		w.startMin, w.startMax = 2*time.Minute, 2*time.Minute
		w.callMin, w.callMax = 40*time.Minute, 40*time.Minute
		w.run(dawn.Add(5 * time.Minute))
		return w
	}
	fill := func(w *world, n int) {
		for range n {
			w.meet(nil)
		}
		w.run(w.now().Add(time.Minute))
	}
	stories := map[string]func() *world{
		"rollout": func() *world {
			w := small(func(b *v1alpha1.CallingBot) { b.Spec.Rollout.MaxSurge = ptr.To(intstr.FromInt32(1)) })
			fill(w, 9)
			w.configure(1)
			w.run(w.now().Add(20 * time.Minute))
			w.tellConditions()
			w.run(w.now().Add(3 * time.Hour))
			w.tellConditions()
			return w
		},
		"rollback": func() *world {
			w := small(func(*v1alpha1.CallingBot) {})
			fill(w, 6)
			w.configure(1)
			w.run(w.now().Add(10 * time.Minute))
			w.tellConditions()
			w.configure(0)
			w.run(w.now().Add(2 * time.Hour))
			w.tellConditions()
			return w
		},
		"renewal": func() *world {
			w := small(func(b *v1alpha1.CallingBot) {
				b.Spec.Media.Platform, b.Spec.Media.Endpoint.Domain = v1alpha1.PlatformMicrosoft, "media.contoso.com"
				b.Spec.Template = &apiruntime.RawExtension{Raw: []byte(`{"spec":{"containers":[{"name":"bridge","image":"media-bridge"}]}}`)}
				b.Spec.Rollout.MaxSurge = ptr.To(intstr.FromInt32(1))
			})
			fill(w, 6)
			w.renew()
			w.run(w.now().Add(5 * time.Minute))
			w.tellConditions()
			w.run(w.now().Add(4 * time.Hour))
			w.tellConditions()
			return w
		},
		"deletion": func() *world {
			w := small(func(*v1alpha1.CallingBot) {})
			fill(w, 2)
			for range 2 {
				w.dial()
				w.ring()
			}
			w.run(w.now().Add(10 * time.Minute))
			w.deleteBot(v1alpha1.DeletionDrain)
			w.run(w.now().Add(20 * time.Minute))
			w.tellConditions()
			w.deleteBot(v1alpha1.DeletionForce)
			w.run(w.now().Add(time.Hour))
			w.tellConditions()
			return w
		},
		"node": func() *world {
			w := small(func(*v1alpha1.CallingBot) {})
			fill(w, 9)
			w.cordon("win-01", true)
			w.run(w.now().Add(time.Minute))
			w.tellConditions()
			w.cordon("win-01", false)
			w.run(w.now().Add(10 * time.Minute))
			w.say("nobody hears of node win-02")
			w.hear("win-02", false)
			w.run(w.now().Add(10 * time.Minute))
			w.tellConditions()
			w.say("node win-02 is back")
			w.hear("win-02", true)
			w.run(w.now().Add(2 * time.Hour))
			w.tellConditions()
			return w
		},
		"autoscaling": func() *world {
			w := small(func(b *v1alpha1.CallingBot) {
				b.Spec.Replicas, b.Spec.Autoscaling = nil, &v1alpha1.Autoscaling{Min: 1, Max: 4, FreeSeats: 2, Stabilization: "5m"}
			})
			w.callMin, w.callMax = 10*time.Minute, 10*time.Minute
			for range 7 {
				w.meet(func(b *controllertest.SessionBuilder) { b.Start(dawn.Add(time.Hour)).End(dawn.Add(70 * time.Minute)) })
			}
			w.run(dawn.Add(50 * time.Minute))
			w.tellConditions()
			w.run(dawn.Add(3 * time.Hour))
			w.tellConditions()
			return w
		},
	}
	for name, play := range stories {
		t.Run(name, func(t *testing.T) {
			w := play()
			if len(w.failures) > 0 {
				t.Fatal(strings.Join(w.failures, "\n"))
			}
			got := strings.Join(w.log, "\n") + "\n"
			file := filepath.Join("testdata", name+".golden")
			if *golden {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the story is another (-want +got; -update writes it anew, and then read it):\n%s", diff)
			}
		})
	}
}

// tellConditions puts what the bot says into the log.
func (w *world) tellConditions() {
	bot := w.server.bot()
	w.say("status: %d wanted, %d ready, %d draining, %d unavailable, %d calls", bot.Status.DesiredReplicas, bot.Status.ReadyReplicas,
		bot.Status.DrainingReplicas, bot.Status.UnavailableReplicas, bot.Status.Calls)
	for _, c := range bot.Status.Conditions {
		w.say("status: %s %s/%s: %s", c.Type, c.Status, c.Reason, c.Message)
	}
	ahead := map[string]int{}
	for _, o := range w.server.all("MeetingSession") {
		if c := meta.FindStatusCondition(o.(*v1alpha1.MeetingSession).Status.Conditions, v1alpha1.ConditionCapacityReserved); c != nil {
			ahead[string(c.Status)+"/"+c.Reason]++
		}
	}
	for _, what := range keysOf(ahead) {
		w.say("status: CapacityReserved of %d sessions: %s", ahead[what], what)
	}
}
