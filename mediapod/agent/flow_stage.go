// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/flow/engine"
	hosted "github.com/callfleet/callfleet/mediapod/flow/service"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/rules"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// flowSounds finds the prompts of flows: as files, and as the service is told of them.
type flowSounds interface {
	hosted.Library
	engine.Prompts
}

// webhooks asks web servers, for calls that run a flow.
type webhooks interface{ Flow(name string) flow.Asker }

// clipsKept is how much sound of prompts a process keeps decoded: 58 MB.
const clipsKept = 30 * time.Minute

// stageOf makes the stage of a call, by who has its media.
func (r *runner) stageOf(both legs, keeper *flowKeeper, m *flow.Machine) func(tell func(flow.Event)) flow.Stage {
	signals := hosted.SignalsConfig{
		Call: both.signal, Wish: r.wishForFlow, HangUp: func() { r.leaveForFlow(m.End()) }, Consult: r.consult(both),
		Clock: r.agent.clock, Log: r.log,
	}
	return func(tell func(flow.Event)) flow.Stage {
		if both.sound == nil {
			s := hosted.New(hosted.Config{
				SignalsConfig: signals, Library: r.agent.flowSounds, Keeper: keeper, Silent: func() bool { return r.silent(both.signal.Snapshot()) },
				Trouble: func(message string) { r.noteFlow(eventFlowTrouble, "%s", message) },
			}, tell)
			r.flow.heed(s)
			r.flow.mu.Lock()
			r.flow.keeping = s
			r.flow.mu.Unlock()
			return s
		}
		return engine.New(engine.Config{
			Sound: both.sound, Clips: r.agent.clips, Recorder: keeper, Clock: r.agent.clock,
			Signals: func(tell func(flow.Event)) engine.Signals {
				s := hosted.NewSignals(signals, tell)
				r.flow.heed(s)
				return s
			},
		}, tell)
	}
}

// heed has signals told when the call has changed.
func (f *flowRun) heed(s interface{ Changed() }) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.signals = s
}

// wishForFlow takes what the flow wants of the call beside the spec.
func (r *runner) wishForFlow(w hosted.Wishes) {
	r.flow.mu.Lock()
	r.flow.wishes = w
	r.flow.mu.Unlock()
	r.poke()
}

// keeps makes what keeps the recordings of the flow.
func (r *runner) keeps(call signalCall) *flowKeeper {
	if r.keeper == nil {
		r.keeper = newFlowKeeper(r, call)
	}
	return r.keeper
}

// silent: the pod itself keeps silent, as the service mutes nobody in a call of two.
func (r *runner) silent(s signaling.Snapshot) bool {
	return (r.wanted().Muted || r.flow.wished().Muted) && !s.Group
}

// consult calls somebody in a second call of the pod, which the caller's call takes the place of. Nothing is said in it: whoever
// answers is put through at once.
func (r *runner) consult(both legs) func(graph.IdentitySet, time.Duration, func()) (hosted.Call, error) {
	return func(to graph.IdentitySet, ringing time.Duration, changed func()) (hosted.Call, error) {
		ctx, cancel := context.WithTimeout(r.agent.life, requestTimeout)
		defer cancel()
		req := signaling.JoinRequest{
			UID: uuid.NewString(), ScenarioID: newScenario(), TenantID: both.signal.Snapshot().TenantID, Source: r.consultSource(),
			Targets: []graph.InvitationParticipantInfo{{Identity: to}}, RingingTimeout: ringing, OnChange: changed,
		}
		sound, err := r.consultSound(ctx, both, &req)
		if err != nil {
			return nil, err
		}
		call, err := r.agent.calls.Join(req)
		if err != nil {
			if sound != nil {
				sound.Close()
			}
			return nil, err
		}
		if sound != nil {
			go func() {
				<-call.Done()
				sound.Close()
			}()
		}
		return call, nil
	}
}

// consultSound is the media of the second call, where the pod has the first one's.
func (r *runner) consultSound(ctx context.Context, both legs, req *signaling.JoinRequest) (mediaCall, error) {
	if both.sound == nil {
		return nil, nil
	}
	sound, err := r.agent.sound.NewCall(media.CallOptions{ID: req.UID})
	if err != nil {
		return nil, fmt.Errorf("the media engine cannot take a second call: %w", err)
	}
	if p := r.agent.platform; p != nil {
		held, locate := p.open(req.UID, sound, []graph.Modality{graph.ModalityAudio})
		if req.Blob, err = locate(ctx); err != nil {
			held.Close()
			return nil, fmt.Errorf("the media platform gives no place for a second call: %w", err)
		}
		return held, nil
	}
	if req.Blob, err = graph.NewBlob(sound.Endpoint()); err != nil {
		sound.Close()
		return nil, err
	}
	return sound, nil
}

// consultSource is whom the second call is shown to come from: as whoever made the first one, or, of a call that came in, as the
// resource account that was called. Telephones can be called no other way.
func (r *runner) consultSource() *graph.ParticipantInfo {
	appID := string(r.agent.mediaPod().Spec.Identity.AppID)
	o := r.object.call
	switch {
	case o == nil:
		return nil
	case o.Spec.Incoming == nil:
		return source(o.Spec.From, appID)
	}
	if to := callerOf(o.Spec.Incoming.To); to.Kind == callfleetv1.CallerApplication && to.ID != "" && !graph.SameID(to.ID, appID) {
		return &graph.ParticipantInfo{Identity: graph.IdentitySet{ApplicationInstance: &graph.Identity{ID: to.ID}}}
	}
	return nil
}

// wantedRecording is what everybody in the call is to be told: the spec's own word comes first.
func (r *runner) wantedRecording(spec callfleetv1.CallSpec) callfleetv1.RecordingStatus {
	if spec.RecordingStatus == "" && r.flow.wished().Recording {
		return callfleetv1.Recording
	}
	return r.tape.wantedStatus(spec.RecordingStatus)
}

// invites are those of the spec, and those of the flow that the spec does not name.
func (r *runner) invites(spec callfleetv1.CallSpec) (list []graph.InvitationParticipantInfo) {
	for _, who := range spec.Invite {
		list = append(list, graph.InvitationParticipantInfo{Identity: rules.Party(who.Identity), Hidden: who.Hidden})
	}
	return append(list, r.flow.wished().Invite...)
}
