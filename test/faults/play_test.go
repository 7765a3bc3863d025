// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/test/rig"
)

const (
	// standsWithin is how long a settled scenario waits for its call to stand; some never do.
	standsWithin = 6 * time.Second
	// endsWithin is how long the planned end may take before the bot is told to leave.
	endsWithin = 4 * time.Second
	// overWithin is how long everything may take after that. Longest takes a call of which the pod that took it was killed
	// before it could say so: the controller waits a minute for its word.
	overWithin = 90 * time.Second
)

// scene is a scenario being played.
type scene struct {
	plan
	weather  weather
	recorder *recorder
	sky      *sky
	meeting  admin.Meeting
	person   admin.Person
	users    []string // ids of people who were called or invited
	name     string   // kind/name of its object; empty while there is none
	callID   string   // of a call that came in
	done     *deeds
	// recordedPeople are those who came in under a policy.
	recordedPeople *crowd
	// withdrawn: that the call is recorded was taken back.
	withdrawn bool
}

// play plays a plan to its end and says what is wrong with how it went.
func play(ctx context.Context, p plan, w weather, r *recorder, k *sky, done *deeds) error {
	s := &scene{plan: p, weather: w, recorder: r, sky: k, done: done, recordedPeople: &crowd{}}
	if err := pause(ctx, p.start); err != nil {
		return err
	}
	switch p.about {
	case taken:
		return s.playIncoming(ctx)
	case keeps:
		return s.playRecorded(ctx)
	}
	var object callfleetv1.AnyCall
	var err error
	if p.about == meets {
		object, err = s.session(ctx)
	} else {
		object, err = s.outgoing(ctx)
	}
	if err != nil {
		return err
	}
	err = steadily(ctx, func() error {
		if err := world.Client.Create(ctx, object); !apierrors.IsAlreadyExists(err) {
			return err
		}
		return nil // by a request whose answer was lost
	})
	if err != nil {
		return fmt.Errorf("making %s: %w", nameOf(object), err)
	}
	s.name = nameOf(object)
	s.watchLobby(ctx)
	return s.goOn(ctx)
}

// goOn does in the call what is planned, and ends it.
func (s *scene) goOn(ctx context.Context) error {
	if s.settled {
		s.wait(ctx, standsWithin, func(st *callfleetv1.CallStatus) bool { return st.Phase == callfleetv1.PhaseEstablished })
	}
	var errs []error
	for _, a := range s.acts {
		_ = pause(ctx, a.after)
		if err := s.do(ctx, a.what); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", a.what, err))
		}
	}
	_ = pause(ctx, s.end.after)
	if err := s.finish(ctx); err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", s.end.what, err))
	}
	if s.wait(ctx, endsWithin, nil) {
		if c, gone := s.recorder.subject(s.name); c == nil || gone || !abandoned(c) {
			return errors.Join(errs...)
		} // should anybody take it up after all, nobody ends it any more
	}
	if err := s.change(ctx, func(spec *callfleetv1.CallSpec) { spec.DesiredState = callfleetv1.DesiredEnded }); err != nil {
		return errors.Join(append(errs, err)...)
	}
	if s.wait(ctx, overWithin, nil) {
		return errors.Join(errs...)
	}
	c, gone := s.recorder.subject(s.name)
	return fmt.Errorf("not over %s after it was told to end (gone: %v): %s", overWithin, gone, story(c))
}

// wait waits until so, or the end if that is nil; an end it waits for in any case. It reports whether it came.
func (s *scene) wait(ctx context.Context, patience time.Duration, so func(*callfleetv1.CallStatus) bool) bool {
	deadline := time.Now().Add(patience)
	for ctx.Err() == nil && time.Now().Before(deadline) {
		c, gone := s.recorder.subject(s.name)
		if gone {
			return true
		}
		if c != nil {
			_, st := c.CallParts()
			if deleted := c.GetDeletionTimestamp() != nil; st.Phase.Finished() && !deleted || so != nil && so(st) {
				return true
			}
			if abandoned(c) && time.Since(c.GetCreationTimestamp().Time) > endsWithin {
				return true // it waits for the word of a dead process
			}
		}
		_ = pause(ctx, 25*time.Millisecond)
	}
	return false
}

func (s *scene) session(ctx context.Context) (callfleetv1.AnyCall, error) {
	names := []string{"Ada", "Grace", "Alan"}[:s.people]
	m, err := world.Teams.CreateMeeting(ctx, admin.NewMeeting{
		Subject: fmt.Sprintf("Round %d, scenario %d", s.weather.seed, s.number), TenantID: rig.TenantID, OrganizerID: uuid.NewString(),
		Lobby: s.lobby != "", LobbyTimeoutSeconds: 30, People: names,
	})
	if err != nil {
		return nil, err
	}
	s.meeting = m
	s.person, _ = m.Person(names[0])
	o, err := world.Session(fmt.Sprintf("r%d-s%d", s.weather.seed, s.number), m.JoinURL)
	if err != nil {
		return nil, err
	}
	spec := &o.Spec.Meeting
	switch s.form {
	case "shortURL":
		*spec = callfleetv1.Meeting{JoinURL: callfleetv1.HTTPSURL(m.ShortJoinURL), Organizer: callfleetv1.GUID(m.OrganizerID)}
	case "number":
		*spec = callfleetv1.Meeting{JoinMeetingID: &callfleetv1.JoinMeetingID{ID: m.JoinMeetingID, Passcode: m.Passcode}}
	case "coordinates":
		*spec = callfleetv1.Meeting{Coordinates: &callfleetv1.MeetingCoordinates{
			ThreadID: m.ThreadID, MessageID: m.MessageID, OrganizerID: callfleetv1.GUID(m.OrganizerID), TenantID: callfleetv1.GUID(m.TenantID),
		}}
	case "vtc":
		*spec = callfleetv1.Meeting{VideoTeleconferenceID: m.VTCID}
	case "guest":
		o.Spec.GuestName = "Callfleet"
	case "created":
		*spec = callfleetv1.Meeting{Create: &callfleetv1.NewMeeting{Organizer: callfleetv1.GUID(m.OrganizerID), Subject: m.Subject}}
	}
	s.settle(&o.Spec.CallSpec)
	return o, nil
}

func (s *scene) outgoing(ctx context.Context) (callfleetv1.AnyCall, error) {
	c := &callfleetv1.Call{ObjectMeta: metav1.ObjectMeta{Namespace: rig.Namespace, Name: fmt.Sprintf("r%d-s%d", s.weather.seed, s.number)}}
	for _, reaction := range s.callees {
		id, err := s.user(ctx, reaction)
		if err != nil {
			return nil, err
		}
		c.Spec.To = append(c.Spec.To, callfleetv1.Identity{User: callfleetv1.GUID(id)})
	}
	c.Spec.RingingTimeout = s.ring
	s.settle(&c.Spec.CallSpec)
	return c, nil
}

// user makes somebody who can be called.
func (s *scene) user(ctx context.Context, reaction string) (string, error) {
	u := admin.User{ID: uuid.NewString(), DisplayName: "Mary", TenantID: rig.TenantID, Reaction: reaction, AfterSeconds: 2}
	s.users = append(s.users, u.ID)
	return u.ID, world.Teams.PutUser(ctx, u)
}

// settle fills in what all objects have.
func (s *scene) settle(spec *callfleetv1.CallSpec) {
	spec.BotRef.Name = s.bot
	spec.Behavior = nil
	switch {
	case s.plays:
		spec.Behavior = &callfleetv1.Behavior{Play: &callfleetv1.Play{ConfigMap: &prompt, Loop: s.number%2 == 0}}
	case s.bot == ownMedia:
		spec.Behavior = &callfleetv1.Behavior{Echo: &callfleetv1.Echo{}}
	}
	spec.Leave, spec.Rejoin = s.leave, callfleetv1.Rejoin{Policy: s.rejoin, MaxAttempts: 2}
	for _, what := range s.settings {
		switch what {
		case mute:
			spec.Muted = true
		case announce:
			spec.RecordingStatus = callfleetv1.Recording
		case view:
			if s.bot == ownMedia && (s.about == meets || len(s.callees) > 1) {
				spec.ScreenSharing = callfleetv1.ScreenSharingViewer
			}
		case inviteOne:
			spec.Invite = []callfleetv1.Invitee{{Identity: callfleetv1.Identity{User: callfleetv1.GUID(uuid.NewString())}}}
		}
	}
}

// watchLobby does with a bot in the lobby what is planned.
func (s *scene) watchLobby(ctx context.Context) {
	if s.about != meets || s.lobby != "admitted" && s.lobby != "denied" {
		return
	}
	deadline := time.Now().Add(standsWithin)
	for ctx.Err() == nil && time.Now().Before(deadline) {
		if bot, ok := s.botIn(ctx); ok && bot.InLobby {
			if s.lobby == "admitted" {
				_ = world.Teams.Admit(ctx, s.meeting.ID, bot.ID)
			} else {
				_ = world.Teams.Deny(ctx, s.meeting.ID, bot.ID)
			}
			return
		}
		_ = pause(ctx, 100*time.Millisecond)
	}
}

// botIn is the bot in the meeting.
func (s *scene) botIn(ctx context.Context) (admin.Participant, bool) {
	m, err := world.Teams.Meeting(ctx, s.meeting.ID)
	if err != nil {
		return admin.Participant{}, false
	}
	for _, p := range m.Participants {
		if p.Kind != "Person" {
			return p, true
		}
	}
	return admin.Participant{}, false
}

func (s *scene) playIncoming(ctx context.Context) error {
	var all sync.WaitGroup
	errs := make([]error, s.ringAs)
	for i := range errs {
		all.Go(func() {
			one := *s
			if i > 0 {
				one.acts = nil // too many writes for the API server of a small machine
			}
			errs[i] = one.playCaller(ctx)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (s *scene) playCaller(ctx context.Context) error {
	in := admin.IncomingCall{AppID: appOf(s.bot), TenantID: rig.TenantID, UserID: s.caller, DisplayName: "Grace"}
	if in.UserID == "" {
		in.UserID = uuid.NewString()
	}
	for i := range s.others {
		in.Others = append(in.Others, fmt.Sprintf("Other %d", i))
	}
	id, err := world.Teams.Ring(ctx, in)
	if err != nil {
		return fmt.Errorf("ringing: %w", err)
	}
	s.callID = id
	if s.giveUp {
		_ = pause(ctx, s.end.after/4)
		_ = world.Teams.HangUp(ctx, id, "")
	}
	deadline := time.Now().Add(standsWithin + outage)
	for s.name = s.recorder.taken(id); s.name == ""; s.name = s.recorder.taken(id) {
		if c, ok := s.sky.call(ctx, id); ctx.Err() != nil || ok && !c.Live() && c.Established.IsZero() {
			if s.caller == callerForMany && strings.HasPrefix(c.EndDetail, "redirected to ") {
				s.done.add("redirected to several")
			}
			return nil // taken by nobody
		}
		if time.Now().After(deadline) { // taken by a process that was killed at once
			_ = world.Teams.EndCall(ctx, id, admin.Result{Code: 200})
			return nil
		}
		_ = pause(ctx, 25*time.Millisecond)
	}
	return s.goOn(ctx)
}

// live is the call of the scene as the local Teams knows it; empty if there is none.
func (s *scene) live(ctx context.Context) string {
	if s.callID != "" {
		return s.callID
	}
	if c, _ := s.recorder.subject(s.name); c != nil {
		if _, st := c.CallParts(); st.Call != nil {
			if c, ok := s.sky.call(ctx, st.Call.ID); ok { // there it may be written otherwise
				return c.ID
			}
		}
	}
	return ""
}

// change patches the spec of the object; one that is gone needs no change.
func (s *scene) change(ctx context.Context, how func(*callfleetv1.CallSpec)) error {
	return steadily(ctx, func() error {
		c, gone := s.recorder.subject(s.name)
		if c == nil || gone {
			return nil
		}
		after := c.DeepCopyObject().(callfleetv1.AnyCall)
		spec, _ := after.CallParts()
		how(spec)
		err := world.Client.Patch(ctx, after.(client.Object), client.MergeFrom(c.(client.Object)))
		if apierrors.IsInvalid(err) && strings.Contains(err.Error(), "ended call") {
			return nil
		}
		return client.IgnoreNotFound(err)
	})
}
