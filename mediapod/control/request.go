// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	strict "sigs.k8s.io/json"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/control/wire"
	"github.com/callfleet/callfleet/mediapod/prompts"
	"github.com/callfleet/callfleet/mediapod/rules"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

const (
	// maxBody is ten times the largest that makes sense: twenty prompts with long addresses.
	maxBody = 64 << 10
	// maxToken: a token of an identity provider with many groups has a few KiB.
	maxToken = 32 << 10
	// maxGroups bounds impersonation.
	maxGroups = 64
)

// callerOf reads the caller's credentials.
func callerOf(h http.Header) (caller, error) {
	scheme, token, _ := strings.Cut(h.Get(wire.HeaderAuthorization), " ")
	token = strings.TrimSpace(token)
	switch {
	case !strings.EqualFold(scheme, "Bearer") || token == "":
		return caller{}, refuse(http.StatusUnauthorized, wire.ReasonUnauthenticated,
			"No token came with the request, so the media pod cannot tell who calls. Use kubectl callfleet, which sends your Kubernetes token in the header "+wire.HeaderAuthorization+".")
	case !plausible(token):
		return caller{}, errUnknownCaller
	}
	c := caller{token: token, asUser: h.Get(wire.HeaderImpersonateUser), asUID: h.Get(wire.HeaderImpersonateUID), asGroups: h.Values(wire.HeaderImpersonateGroup)}
	if len(c.asGroups) > maxGroups {
		return caller{}, refuse(http.StatusBadRequest, wire.ReasonInvalid, fmt.Sprintf("At most %d groups can be impersonated.", maxGroups))
	}
	return c, nil
}

// plausible: the token can be put into a header of a request to the API server.
func plausible(token string) bool {
	return len(token) <= maxToken && !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}

// readBody takes a bounded JSON body.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, refuse(http.StatusRequestEntityTooLarge, wire.ReasonInvalid, fmt.Sprintf("The body is larger than %d bytes.", tooLarge.Limit))
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, wire.ReasonInvalid, "The body did not arrive.").because(err)
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); len(raw) > 0 && (err != nil || media != "application/json") {
		return nil, refuse(http.StatusUnsupportedMediaType, wire.ReasonInvalid, "The body must be application/json.")
	}
	return raw, nil
}

// parse reads the body of an action: nothing unknown in it, nothing twice, nothing behind it.
func parse(action wire.Action, raw []byte) (wire.Request, error) {
	empty, ok := wire.Requests[action]
	if !ok {
		return nil, refuse(http.StatusNotFound, wire.ReasonNotFound, "This media pod knows no such action. It may be older or newer than your kubectl callfleet.")
	}
	body := empty()
	if len(raw) > 0 {
		problems, err := strict.UnmarshalStrict(raw, body)
		if err == nil {
			err = errors.Join(problems...)
		}
		if err != nil {
			return nil, refuse(http.StatusBadRequest, wire.ReasonInvalid, "The body cannot be read: "+oneLine(err)+".")
		}
	}
	if err := body.Validate(); err != nil {
		return nil, refuse(http.StatusBadRequest, wire.ReasonInvalid, oneLine(err))
	}
	return body, nil
}

func oneLine(err error) string {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("it is not JSON at byte %d", syntax.Offset)
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

// action turns a body into what a call is asked to do, looking for the prompts it names.
func (s *Server) action(ctx context.Context, name wire.Action, body wire.Request) (signaling.Action, error) {
	switch b := body.(type) {
	case *wire.Transfer:
		return transfer(b), nil
	case *wire.Play:
		var infos []graph.MediaInfo
		for i := range b.Prompts {
			info, err := s.prompt(ctx, &b.Prompts[i])
			if err != nil {
				return nil, err
			}
			infos = append(infos, *info)
		}
		return signaling.PlayPrompt{Prompts: infos}, nil
	case *wire.Record:
		info, err := s.prompt(ctx, b.Prompt)
		if err != nil {
			return nil, err
		}
		tones, err := graph.ParseTones(b.StopTones)
		return signaling.Record{
			Prompt: info, BargeIn: b.BargeIn, NoBeep: b.NoBeep, StopTones: tones,
			InitialSilence: length(b.InitialSilence), MaxSilence: length(b.MaxSilence), MaxDuration: length(b.MaxDuration),
		}, err
	case *wire.SendTones:
		tones, err := graph.ParseTones(b.Tones)
		return signaling.SendTones{Tones: tones, Delay: length(b.Delay)}, err
	case *wire.StartHold:
		info, err := s.prompt(ctx, b.Prompt)
		return signaling.StartHoldMusic{ID: b.Participant, Prompt: info}, err
	case *wire.OfParticipant:
		switch name {
		case wire.ActionMuteParticipant:
			return signaling.MuteParticipant{ID: b.Participant}, nil
		case wire.ActionRemoveParticipant:
			return signaling.RemoveParticipant{ID: b.Participant}, nil
		case wire.ActionStopHold:
			return signaling.StopHoldMusic{ID: b.Participant}, nil
		}
	case *wire.Nothing:
		switch name {
		case wire.ActionStop:
			return signaling.StopMedia{}, nil
		case wire.ActionSubscribeTones:
			return signaling.SubscribeToTones{}, nil
		case wire.ActionLargeGallery:
			return signaling.LargeGallery{}, nil
		}
	}
	return nil, fmt.Errorf("action %s has no meaning here", name)
}

func transfer(b *wire.Transfer) signaling.Transfer {
	t := signaling.Transfer{ReplacesCallID: b.ReplacesCallID, Target: graph.InvitationParticipantInfo{Identity: rules.Party(b.To)}}
	if b.Participant != "" {
		t.Transferee = &graph.ParticipantInfo{ParticipantID: b.Participant}
	}
	return t
}

// prompt finds a sound file and says why the service could not play it.
func (s *Server) prompt(ctx context.Context, p *wire.Prompt) (*graph.MediaInfo, error) {
	if p == nil {
		return nil, nil
	}
	info, err := s.cfg.Prompts.MediaInfo(ctx, p.Play())
	switch {
	case prompts.Temporary(err):
		return nil, refuse(http.StatusServiceUnavailable, wire.ReasonUnavailable, "The prompt cannot be had now: "+oneLine(err)+". Try again.")
	case err != nil:
		return nil, refuse(http.StatusBadRequest, wire.ReasonInvalid, "The prompt cannot be played: "+oneLine(err)+".")
	}
	return &info, nil
}

func length(d *metav1.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return d.Duration
}
