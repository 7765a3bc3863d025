// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/teamsim/admin"
)

// do does something in the call. What the local Teams has against it does not matter: the call may be over.
func (s *scene) do(ctx context.Context, what string) error {
	if slices.Contains(throughPod, what) {
		return s.through(ctx, what)
	}
	set := func(how func(*callfleetv1.CallSpec)) error { return s.change(ctx, how) }
	switch what {
	case mute, unmute:
		return set(func(spec *callfleetv1.CallSpec) { spec.Muted = what == mute })
	case announce:
		return set(func(spec *callfleetv1.CallSpec) { spec.RecordingStatus = callfleetv1.Recording })
	case withdraw:
		s.withdrawn = true
		return set(func(spec *callfleetv1.CallSpec) { spec.RecordingStatus = callfleetv1.NotRecording })
	case keepMedia:
		return s.keep(ctx)
	case view:
		return set(func(spec *callfleetv1.CallSpec) { spec.ScreenSharing = callfleetv1.ScreenSharingViewer })
	case share:
		return set(func(spec *callfleetv1.CallSpec) { spec.ScreenSharing = callfleetv1.ScreenSharingSharer })
	case noShare:
		return set(func(spec *callfleetv1.CallSpec) { spec.ScreenSharing = callfleetv1.ScreenSharingNone })
	case inviteOne:
		id, err := s.user(ctx, []string{admin.Answers, admin.Declines, admin.Ignores}[s.number%3])
		if err != nil {
			return err
		}
		return set(func(spec *callfleetv1.CallSpec) {
			spec.Invite = append(spec.Invite, callfleetv1.Invitee{Identity: callfleetv1.Identity{User: callfleetv1.GUID(id)}})
		})
	case uninvite:
		return set(func(spec *callfleetv1.CallSpec) { spec.Invite = nil })
	case flip:
		for _, on := range []bool{true, false} {
			if err := set(func(spec *callfleetv1.CallSpec) { spec.Muted = on }); err != nil {
				return err
			}
		}
		return nil
	}
	if s.about != meets && s.about != keeps {
		return nil
	}
	switch what {
	case comes:
		_, _ = world.Teams.AddPerson(ctx, s.meeting.ID, "Mary")
	case goes:
		_ = world.Teams.PersonLeaves(ctx, s.person)
	case churn:
		_ = world.Teams.Churn(ctx, s.meeting.ID, admin.Churn{Seed: s.weather.seed, Steps: 20, People: 5, IntervalMs: 10})
	case mutedBy:
		if bot, ok := s.botIn(ctx); ok {
			_ = world.Teams.ShareScreen(ctx, s.meeting.ID, bot.ID, true)
			_ = world.Teams.Unmute(ctx, s.meeting.ID, bot.ID)
		}
	}
	return nil
}

// keep tells the local Teams that media was kept, as somebody does who keeps to the condition Recording. Who has taken it
// back keeps nothing more, whatever the status still says.
func (s *scene) keep(ctx context.Context) error {
	recording := func() (*callfleetv1.CallStatus, bool) {
		c, gone := s.recorder.subject(s.name)
		if c == nil || gone {
			return nil, false
		}
		spec, st := c.CallParts()
		return st, spec.RecordingStatus == callfleetv1.Recording && st.Phase == callfleetv1.PhaseEstablished && st.Call != nil &&
			meta.IsStatusConditionTrue(st.Conditions, callfleetv1.ConditionRecording)
	}
	st, ok := recording()
	if !ok || s.withdrawn {
		return nil
	}
	c, found := s.sky.call(ctx, st.Call.ID) // which may be written otherwise there
	if !found {
		return nil
	}
	now := time.Now()
	_, err := world.Teams.ReportPersisted(ctx, c.ID, admin.Persisted{From: now, To: now, Frames: 1})
	return err
}

// finish does what is planned for the end.
func (s *scene) finish(ctx context.Context) error {
	call := s.live(ctx)
	switch s.end.what {
	case endWished:
		return s.change(ctx, func(spec *callfleetv1.CallSpec) { spec.DesiredState = callfleetv1.DesiredEnded })
	case endDeleted:
		return s.remove(ctx)
	case endRemotely:
		if call != "" {
			_ = world.Teams.EndCall(ctx, call, s.end.code)
		}
	case endHungUp:
		s.leaveAll(ctx)
		if call != "" {
			_ = world.Teams.HangUp(ctx, call, "")
			for _, u := range s.users {
				_ = world.Teams.HangUp(ctx, call, u)
			}
		}
	case endMeeting:
		_ = world.Teams.EndMeeting(ctx, s.meeting.ID)
	case endRemoved:
		if bot, ok := s.botIn(ctx); ok {
			_ = world.Teams.Remove(ctx, s.meeting.ID, bot.ID)
		}
	case endByRule:
		if s.about == meets && s.leave.AloneTimeout != "" {
			m, err := world.Teams.Meeting(ctx, s.meeting.ID)
			if err != nil {
				return err
			}
			for _, p := range m.Participants {
				if p.Kind == "Person" {
					_ = world.Teams.PersonLeaves(ctx, admin.Person{ID: p.ID, MeetingID: m.ID})
				}
			}
		}
	}
	return nil
}

func (s *scene) remove(ctx context.Context) error {
	return steadily(ctx, func() error {
		c, gone := s.recorder.subject(s.name)
		if c == nil || gone {
			return nil
		}
		return client.IgnoreNotFound(world.Client.Delete(ctx, c.(client.Object)))
	})
}

// sky is what is seen of the local Teams: everybody looks at the same picture, which is a moment old at the most.
type sky struct {
	mu    sync.Mutex
	at    time.Time
	calls map[string]admin.Call
}

const pictureLasts = 250 * time.Millisecond

func (k *sky) call(ctx context.Context, id string) (admin.Call, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.at) > pictureLasts {
		list, err := world.Teams.Calls(ctx)
		if err != nil {
			return admin.Call{}, false
		}
		k.calls, k.at = map[string]admin.Call{}, time.Now()
		for _, c := range list {
			k.calls[plain(c.ID)] = c
		}
	}
	c, ok := k.calls[plain(id)]
	return c, ok
}

func inJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}
