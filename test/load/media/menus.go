// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/callfleet/callfleet/api/callflow"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/flow/engine"
	"github.com/callfleet/callfleet/mediapod/media"
)

// menuCount is how many menus there are: one for each digit.
const menuCount = 10

// promptLasts is shorter than most callers wait: some press while it is played, and some when it is over.
const promptLasts = 2 * time.Second

// promptDBov is the level by which a caller tells the prompt of a menu from others': 3 dB apart.
func promptDBov(menu int) float64 { return -9 - 3*float64(menu) }

// menus is a flow of ten menus. Each key leads to its own, over a variable that is set and a condition, as flows do.
func menus() (*callflow.Program, error) {
	spec := &callfleetv1.CallFlowSpec{Start: "menu-0"}
	step := func(format string, n int) callfleetv1.StepName { return callfleetv1.StepName(fmt.Sprintf(format, n)) }
	for n := range menuCount {
		m := &callfleetv1.MenuStep{}
		m.Prompts = callfleetv1.Prompts{{ConfigMap: &callfleetv1.KeyReference{Name: "menus", Key: strconv.Itoa(n)}}}
		m.Timeout = "60s"
		for k := range menuCount {
			m.Choices = append(m.Choices, callfleetv1.MenuChoice{Key: callfleetv1.PhoneKey(strconv.Itoa(k)), Next: step("note-%d", k)})
		}
		spec.Steps = append(spec.Steps,
			callfleetv1.FlowStep{Name: step("menu-%d", n), Menu: m},
			callfleetv1.FlowStep{Name: step("note-%d", n), Set: map[callfleetv1.VariableName]callfleetv1.Template{"last": callfleetv1.Template(strconv.Itoa(n))}, Next: step("which-%d", n)},
			callfleetv1.FlowStep{Name: step("which-%d", n), Branch: &callfleetv1.BranchStep{
				Cases: []callfleetv1.BranchCase{{When: fmt.Sprintf("vars.last == '%d' && caller.kind != 'Phone'", n), Next: step("menu-%d", n)}},
				Else:  step("menu-%d", n),
			}})
	}
	p, errs := callflow.Compile("menus", map[string]*callfleetv1.CallFlowSpec{"menus": spec})
	return p, errs.ToAggregate()
}

// sounds are the prompts of the menus, by their number.
type sounds map[string][]byte

// Prompt implements engine.Prompts.
func (s sounds) Prompt(_ context.Context, p flow.Prompt) ([]byte, error) {
	if file, ok := s[p.ConfigMap.Key]; ok {
		return file, nil
	}
	return nil, fmt.Errorf("there is no prompt %s", p.ConfigMap.Key)
}

// newSounds makes them: tones of 200 Hz, which fill frames with whole periods.
func newSounds() (sounds, error) {
	all := sounds{}
	for n := range menuCount {
		var err error
		if all[strconv.Itoa(n)], err = sound(promptDBov(n)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func sound(dBov float64) ([]byte, error) {
	samples := make([]int16, int(promptLasts.Seconds()*audio.SampleRate))
	for i := range samples {
		samples[i] = int16(32768 * math.Sqrt2 * math.Pow(10, dBov/20) * math.Sin(2*math.Pi*200*float64(i)/audio.SampleRate))
	}
	var b bytes.Buffer
	err := wav.Encode(&b, wav.Clip{SampleRate: audio.SampleRate, Samples: samples})
	return b.Bytes(), err
}

// answering runs the menus in calls.
type answering struct {
	ctx     context.Context
	program *callflow.Program
	clips   *engine.Clips
	running sync.WaitGroup
}

func newAnswering(ctx context.Context) (*answering, error) {
	p, err := menus()
	if err != nil {
		return nil, err
	}
	prompts, err := newSounds()
	if err != nil {
		return nil, err
	}
	return &answering{ctx: ctx, program: p, clips: engine.NewClips(prompts, clock.RealClock{}, time.Hour)}, nil
}

// onChange begins the flow of a call once it is connected.
func (a *answering) onChange(call func() *media.Call, id string) func() {
	var once sync.Once
	return func() {
		if c := call(); c != nil && c.State() == media.StateConnected {
			once.Do(func() { a.running.Go(func() { a.answer(c, id) }) })
		}
	}
}

func (a *answering) answer(c *media.Call, id string) {
	flow.Run(a.ctx, flow.Config{
		Machine: flow.New(a.program, flow.Call{ID: id, UID: id, Incoming: true, Answered: true}),
		Stage: func(tell func(flow.Event)) flow.Stage {
			return engine.New(engine.Config{
				Sound: c, Signals: func(func(flow.Event)) engine.Signals { return mute{} }, Clips: a.clips, Clock: clock.RealClock{},
			}, tell)
		},
		Clock: clock.RealClock{},
	})
}

// mute is a service that is not asked for anything.
type mute struct{}

func (mute) Do(flow.Command) bool           { return false }
func (mute) Announce(context.Context) error { return nil }
func (mute) Withdraw()                      {}
func (mute) Close()                         {}
