// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/control"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// judge plays the API server's word on listening: the token is the name.
type judge struct{ asked string }

func (j *judge) Allow(_ context.Context, token, kind, namespace, name string) (string, error) {
	j.asked = kind + " " + namespace + "/" + name
	switch token {
	case "grace":
		return token, nil
	case "mallory":
		return "", fmt.Errorf("%w: mallory may not", control.ErrMayNot)
	case "outage":
		return "", errors.New("the API server is away")
	}
	return "", control.ErrUnknownCaller
}

func TestWhoListensInIsAskedAboutByTheCallsObject(t *testing.T) {
	a, service, m := desk(t)
	j := &judge{}
	a.listening = j
	a.changed(m.newest())
	m.awaitPhase(t, callfleetv1.PhaseEstablished)
	service.call(t, "uid-1")
	authorize := a.sound.(*ears).opened[0].Authorize
	if who, err := authorize(t.Context(), "grace"); who != "grace" || err != nil {
		t.Errorf("%q, %v", who, err)
	}
	if want := "MeetingSession voice/standup"; j.asked != want {
		t.Errorf("asked about %s, want %s", j.asked, want)
	}
	for token, want := range map[string]error{"mallory": media.ErrForbidden, "nobody": media.ErrUnauthenticated, "outage": media.ErrUnavailable} {
		if who, err := authorize(t.Context(), token); who != "" || !errors.Is(err, want) {
			t.Errorf("%s: %q, %v, want %v", token, who, err, want)
		}
	}
}

// TestWhoListensInIsInTheStatus, with their coming and going, up to those who are sent away by the call's end.
func TestWhoListensInIsInTheStatus(t *testing.T) {
	a, service, m := desk(t)
	a.changed(m.newest())
	m.awaitPhase(t, callfleetv1.PhaseEstablished)
	call, sound := service.call(t, "uid-1"), a.sound.(*ears)
	tell := sound.opened[0].OnListener
	status := func() *callfleetv1.MediaStatus {
		if s := m.status().Media; s != nil {
			return s
		}
		return &callfleetv1.MediaStatus{}
	}
	story := func() string {
		var all []string
		for _, e := range m.status().Timeline {
			if strings.HasPrefix(e.Event, "Listener") {
				all = append(all, e.Event+" "+e.Detail)
			}
		}
		return strings.Join(all, ", ")
	}
	await(t, "the address", func() bool { return status().ListenURL == sound.ListenURL() })
	sound.listens(1)
	tell("grace", true)
	await(t, "one who listens", func() bool { return status().Listeners == 1 && story() == "ListenerJoined grace" })
	sound.listens(0)
	tell("grace", false)
	await(t, "nobody listens", func() bool { return status().Listeners == 0 && story() == "ListenerJoined grace, ListenerLeft grace" })

	sound.onClose(func() { tell("linus", false) })
	call.HangUp(signaling.EndedByBot)
	await(t, "the end", func() bool { c := m.status().Call; return c != nil && c.End != nil })
	if s := status(); s.ListenURL != "" || s.Listeners != 0 || !strings.HasSuffix(story(), "ListenerLeft linus") {
		t.Errorf("afterwards %+v, %s", s, story())
	}
}
