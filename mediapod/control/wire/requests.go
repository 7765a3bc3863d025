// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// Limits of the service (Graph, "call: playPrompt", "call: recordResponse", "call: sendDtmfTones").
const (
	MaxPrompts = 20
	// MaxTones and MaxToneDelay keep one request within a time somebody waits for; Graph names no bounds.
	MaxTones     = 100
	MaxToneDelay = 10 * time.Second

	minRecord = time.Second
	maxRecord = 120 * time.Second
)

// Request is the body of an action. Validate says what is wrong with it, in words for its author.
type Request interface{ Validate() error }

// Requests makes an empty body for each action.
var Requests = map[Action]func() Request{
	ActionTransfer:          func() Request { return &Transfer{} },
	ActionPlay:              func() Request { return &Play{} },
	ActionStop:              func() Request { return &Nothing{} },
	ActionRecord:            func() Request { return &Record{} },
	ActionSendTones:         func() Request { return &SendTones{} },
	ActionSubscribeTones:    func() Request { return &Nothing{} },
	ActionMuteParticipant:   func() Request { return &OfParticipant{} },
	ActionRemoveParticipant: func() Request { return &OfParticipant{} },
	ActionStartHold:         func() Request { return &StartHold{} },
	ActionStopHold:          func() Request { return &OfParticipant{} },
	ActionLargeGallery:      func() Request { return &Nothing{} },
}

// Nothing more needs to be said.
type Nothing struct{}

// Validate is fine with it.
func (Nothing) Validate() error { return nil }

// Transfer gives the call to somebody else.
type Transfer struct {
	To callfleetv1.Identity `json:"to"`
	// Participant to be transferred out of a group call or meeting, by id.
	Participant string `json:"participant,omitempty"`
	// ReplacesCallID is the id in Graph of the bot's own call with the target: a consultative transfer.
	ReplacesCallID string `json:"replacesCallID,omitempty"`
}

// Validate the transfer.
func (t Transfer) Validate() error {
	if err := identity(t.To); err != nil {
		return fmt.Errorf("to: %w", err)
	}
	return errors.Join(optionalID("participant", t.Participant), optionalID("replacesCallID", t.ReplacesCallID))
}

// Prompt is a sound file: exactly one of the members.
type Prompt struct {
	ConfigMap *callfleetv1.KeyReference `json:"configMap,omitempty"`
	URL       callfleetv1.HTTPSURL      `json:"url,omitempty"`
}

// Play is the behaviour that names the same file.
func (p Prompt) Play() *callfleetv1.Play {
	return &callfleetv1.Play{ConfigMap: p.ConfigMap, URL: p.URL}
}

// Validate the prompt.
func (p Prompt) Validate() error {
	switch {
	case (p.ConfigMap != nil) == (p.URL != ""):
		return errors.New("a prompt needs exactly one of configMap and url")
	case p.ConfigMap != nil && (p.ConfigMap.Name == "" || p.ConfigMap.Key == ""):
		return errors.New("a prompt's configMap needs name and key")
	case p.ConfigMap != nil:
		return nil
	}
	if u, err := url.Parse(string(p.URL)); err != nil || u.Scheme != "https" || u.Host == "" || len(p.URL) > maxURL {
		return fmt.Errorf("a prompt's url must begin with https:// and have at most %d characters", maxURL)
	}
	return nil
}

const maxURL = 2048

// Play plays prompts one after the other.
type Play struct {
	Prompts []Prompt `json:"prompts"`
}

// Validate the prompts.
func (p Play) Validate() error {
	if n := len(p.Prompts); n < 1 || n > MaxPrompts {
		return fmt.Errorf("prompts: %d given; the service plays 1 to %d at a time", n, MaxPrompts)
	}
	for i, prompt := range p.Prompts {
		if err := prompt.Validate(); err != nil {
			return fmt.Errorf("prompts[%d]: %w", i, err)
		}
	}
	return nil
}

// Record records what the other party says. Durations are 1 s to 120 s; the service's own are five seconds.
type Record struct {
	Prompt         *Prompt          `json:"prompt,omitempty"`
	BargeIn        bool             `json:"bargeIn,omitempty"`
	InitialSilence *metav1.Duration `json:"initialSilence,omitempty"`
	MaxSilence     *metav1.Duration `json:"maxSilence,omitempty"`
	MaxDuration    *metav1.Duration `json:"maxDuration,omitempty"`
	NoBeep         bool             `json:"noBeep,omitempty"`
	// StopTones are keys, each of which ends the recording.
	StopTones string `json:"stopTones,omitempty"`
}

// Validate the recording.
func (r Record) Validate() error {
	if r.Prompt != nil {
		if err := r.Prompt.Validate(); err != nil {
			return err
		}
	}
	for _, d := range []struct {
		name   string
		length *metav1.Duration
	}{{"initialSilence", r.InitialSilence}, {"maxSilence", r.MaxSilence}, {"maxDuration", r.MaxDuration}} {
		if d.length != nil && (d.length.Duration < minRecord || d.length.Duration > maxRecord) {
			return fmt.Errorf("%s is %s; the service takes %s to %s", d.name, d.length.Duration, minRecord, maxRecord)
		}
	}
	if r.StopTones == "" {
		return nil
	}
	return keys("stopTones", r.StopTones)
}

// SendTones presses keys.
type SendTones struct {
	// Tones are keys: 0 to 9, *, #, A to D.
	Tones string `json:"tones"`
	// Delay between them; absent, the service's own.
	Delay *metav1.Duration `json:"delay,omitempty"`
}

// Validate the tones.
func (s SendTones) Validate() error {
	if s.Delay != nil && (s.Delay.Duration < 0 || s.Delay.Duration > MaxToneDelay) {
		return fmt.Errorf("delay is %s; it must be 0s to %s", s.Delay.Duration, MaxToneDelay)
	}
	return keys("tones", s.Tones)
}

// OfParticipant names a participant by id, as status.participants.list of the session or call has it.
type OfParticipant struct {
	Participant string `json:"participant"`
}

// Validate the id.
func (p OfParticipant) Validate() error {
	if p.Participant == "" {
		return errors.New("participant: an id is needed, as status.participants.list of the session or call has it")
	}
	return optionalID("participant", p.Participant)
}

// StartHold puts a participant on hold.
type StartHold struct {
	OfParticipant `json:",inline"`
	// Prompt to be played instead of the service's own music.
	Prompt *Prompt `json:"prompt,omitempty"`
}

// Validate the hold.
func (h StartHold) Validate() error {
	if err := h.OfParticipant.Validate(); err != nil || h.Prompt == nil {
		return err
	}
	return h.Prompt.Validate()
}

var (
	guid  = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	phone = regexp.MustCompile(`^\+[1-9][0-9]{1,14}$`)
	// An id of Graph goes into a path.
	graphID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:@~=-]{0,127}$`)
)

func identity(i callfleetv1.Identity) error {
	given := 0
	for _, s := range []string{string(i.User), string(i.Phone), string(i.Application)} {
		if s != "" {
			given++
		}
	}
	switch {
	case given != 1:
		return errors.New("exactly one of user, phone and application is needed")
	case i.Phone != "" && !phone.MatchString(string(i.Phone)):
		return fmt.Errorf("phone %q is not a number in E.164 form, such as +12065550100", i.Phone)
	case i.User != "" && !guid.MatchString(string(i.User)):
		return fmt.Errorf("user %q is not an object id, such as 1fdd12d0-4620-44ed-baec-459b611f84b2", i.User)
	case i.Application != "" && !guid.MatchString(string(i.Application)):
		return fmt.Errorf("application %q is not an id, such as 1fdd12d0-4620-44ed-baec-459b611f84b2", i.Application)
	}
	return nil
}

func optionalID(what, id string) error {
	if id != "" && !graphID.MatchString(id) {
		return fmt.Errorf("%s: %q is not an id of Graph", what, id)
	}
	return nil
}

// keys checks them as graph.ParseTones reads them.
func keys(what, pressed string) error {
	n := 0
	for _, key := range pressed {
		switch {
		case strings.ContainsRune("0123456789*#abcdABCD", key):
			n++
		case strings.ContainsRune(" ,-", key):
		default:
			return fmt.Errorf("%s: there is no key %q; there are 0 to 9, *, #, and A to D", what, key)
		}
	}
	if n < 1 || n > MaxTones {
		return fmt.Errorf("%s: %d keys given; 1 to %d can be pressed at once", what, n, MaxTones)
	}
	return nil
}
