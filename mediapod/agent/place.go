// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/rules"
	"github.com/callfleet/callfleet/mediapod/signaling"
	"github.com/callfleet/callfleet/mediapod/story"
)

// meetingFinder finds the meeting of a session.
type meetingFinder interface {
	Find(ctx context.Context, s *callfleetv1.MeetingSession) (graph.Meeting, *callfleetv1.CallEnd)
}

// place makes the call that the object asks for.
func (r *runner) place(ctx context.Context) (legs, *callfleetv1.CallEnd) {
	if end := r.calledOff(); end != nil {
		return legs{}, end
	}
	req, end := r.request(ctx)
	if end != nil {
		return legs{}, end
	}
	does, err := r.agent.prepare(ctx, r.hosting, r.object.spec.Behavior, r.agent.flows.awaitNewest)
	if err != nil {
		return legs{}, endOfBehavior(err)
	}
	// Looking things up may have taken its time, and a call that is not made need not be left.
	if end := r.calledOff(); end != nil {
		return legs{}, end
	}
	both, place, end := r.openSound(does, req.Modalities)
	if end != nil {
		return legs{}, end
	}
	if place.locate != nil {
		if place.blob, err = place.locate(ctx); err != nil {
			return both, story.Failure(callfleetv1.EndServiceError, true, "the media platform gives no place for the call: "+err.Error())
		}
	}
	req.Blob, req.PreFetch = place.blob, r.player.load(does, false)
	r.flow.load(does.flow)
	if both.signal, err = r.agent.calls.Join(req); err != nil {
		return both, story.Failure(callfleetv1.EndServiceError, true, err.Error())
	}
	return both, nil
}

// calledOff is the end of a call that need not be made.
func (r *runner) calledOff() *callfleetv1.CallEnd {
	if why := r.leaving(); why != "" {
		return story.EndOf(why)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.passing { // the process stops, and there is nothing to hand on yet
		return story.EndOf(callfleetv1.EndPodStopped)
	}
	return nil
}

// request says where to: into a meeting, or to somebody.
func (r *runner) request(ctx context.Context) (signaling.JoinRequest, *callfleetv1.CallEnd) {
	req := signaling.JoinRequest{UID: r.uid, ScenarioID: r.scenario, OnChange: r.poke}
	req.Modalities = rules.Modalities(r.agent.mediaPod().Spec.Media, *r.object.spec)
	if s := r.object.session; s != nil {
		var end *callfleetv1.CallEnd
		req.GuestName = s.Spec.GuestName
		req.Meeting, end = r.agent.meetings.Find(ctx, s)
		return req, end
	}
	spec := r.object.call.Spec
	req.TenantID = string(spec.TenantID)
	for _, who := range spec.To {
		req.Targets = append(req.Targets, graph.InvitationParticipantInfo{Identity: rules.Party(who)})
	}
	req.Source, req.Subject, req.RingingTimeout = source(spec.From, string(r.agent.mediaPod().Spec.Identity.AppID)), spec.Subject, spec.RingingTimeout.Duration()
	return req, nil
}

// source is whom the call is shown to come from: an application instance, or the bot under another name.
func source(from *callfleetv1.CallSource, appID string) *graph.ParticipantInfo {
	switch {
	case from == nil:
		return nil
	case from.Application != "":
		return &graph.ParticipantInfo{Identity: graph.IdentitySet{
			ApplicationInstance: &graph.Identity{ID: string(from.Application), DisplayName: from.DisplayName},
		}}
	case from.DisplayName != "":
		return &graph.ParticipantInfo{Identity: graph.IdentitySet{Application: &graph.Identity{ID: appID, DisplayName: from.DisplayName}}}
	}
	return nil
}

// mediaPlace is how the far side of a call learns where its media is: by the blob, or by one that is to be asked for.
type mediaPlace struct {
	blob   string
	locate func(ctx context.Context) (blob string, err error)
}

// openSound makes the media of a call, and its place; neither, if the service has it.
func (r *runner) openSound(does behavior, modalities []graph.Modality) (legs, mediaPlace, *callfleetv1.CallEnd) {
	if r.hosting == callfleetv1.HostingService {
		return legs{}, mediaPlace{}, nil
	}
	sound, err := r.agent.sound.NewCall(media.CallOptions{
		ID: r.uid, Behavior: does.media, OnChange: r.poke, Authorize: r.mayListen, OnListener: r.listened,
	})
	if err != nil {
		return legs{}, mediaPlace{}, story.Failure(callfleetv1.EndServiceError, true, "the media engine cannot take the call: "+err.Error())
	}
	r.tape.asked = does.recording
	if p := r.agent.platform; p != nil {
		held, locate := p.open(r.uid, sound, modalities)
		return legs{sound: held}, mediaPlace{locate: locate}, nil
	}
	blob, err := graph.NewBlob(sound.Endpoint())
	if err != nil {
		return legs{sound: sound}, mediaPlace{}, story.Failure(callfleetv1.EndServiceError, false, err.Error())
	}
	return legs{sound: sound}, mediaPlace{blob: blob}, nil
}
