// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/control/wire"
	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/test/rig"
)

// The prompt that is played in calls.
var prompt = callfleetv1.KeyReference{Name: "prompts", Key: "hello.wav"}

func putPrompt(ctx context.Context) error {
	raw, err := os.ReadFile(filepath.Join(world.Root, "audio", "testdata", "prompt.wav"))
	if err != nil {
		return err
	}
	return world.Apply(ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: rig.Namespace, Name: prompt.Name}, BinaryData: map[string][]byte{prompt.Key: raw},
	})
}

// operator acts in calls; its token is good for longer than a run takes.
var operator string

func makeOperator(ctx context.Context) error {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: rig.Namespace, Name: "operator"}}
	may := &rbacv1.RoleBinding{
		ObjectMeta: account.ObjectMeta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "callfleet-edit"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: rig.Namespace, Name: account.Name}},
	}
	if err := world.Apply(ctx, account, may); err != nil {
		return err
	}
	seconds := int64(3600)
	token := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	if err := world.Client.SubResource("token").Create(ctx, account, token); err != nil {
		return err
	}
	operator = token.Status.Token
	return nil
}

// controls dials the control ports of media pods, which make their certificates themselves.
var controls = &http.Client{Transport: &http.Transport{
	TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}, //nolint:gosec // as the API server's proxy does
	DialContext:     (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
}}

// What an action comes to, besides the reasons of refusals.
const (
	done      = "done"
	notInTime = "not done in time" // by us: a prompt takes as long as it takes
)

// answersWithin is how long somebody waits for how an action went.
const answersWithin = 4 * time.Second

// controlled does something and counts what it came to: "transfer done", "transfer NotEstablished", or "transfer without an
// answer" from a pod that is not there.
func (s *scene) controlled(ctx context.Context, action wire.Action, body wire.Request) error {
	came, err := s.post(ctx, action, body)
	if err == nil {
		s.done.add(string(action) + " " + came)
		if came == done || came == notInTime {
			s.done.add(string(action) + " taken on")
		}
	}
	return err
}

func (s *scene) post(ctx context.Context, action wire.Action, body wire.Request) (came string, err error) {
	const nobody = "without an answer"
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	c, gone := s.recorder.subject(s.name)
	if c == nil || gone {
		return "when the call was over", nil
	}
	_, st := c.CallParts()
	ip := s.recorder.addressOf(st.MediaPod)
	if ip == "" {
		return "before a pod had the call", nil
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	u := url.URL{Scheme: "https", Host: net.JoinHostPort(ip, strconv.Itoa(wire.Port)), Path: wire.ActionPath(string(c.GetUID()), action)}
	if _, ok := c.(*callfleetv1.Call); ok {
		u.RawQuery = url.Values{wire.ParamCall: {c.GetName()}}.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(raw))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(wire.HeaderAuthorization, "Bearer "+operator)
	resp, err := controls.Do(r)
	if errors.Is(err, context.DeadlineExceeded) {
		return notInTime, nil
	}
	if err != nil {
		return nobody, nil
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil {
		return nobody, nil
	}
	if resp.StatusCode == http.StatusOK {
		return done, nil
	}
	var refusal wire.Refusal
	if err := json.Unmarshal(said, &refusal); err != nil || refusal.Reason == "" || refusal.Message == "" {
		return "", fmt.Errorf("the media pod answered %d without saying why: %q", resp.StatusCode, said)
	}
	// Somebody invited may have made a group of the call, in which the participant has to be named who is transferred. And an
	// API server that has just come back forbids everything until it has read who may do what.
	invalid := refusal.Reason == wire.ReasonInvalid && action != wire.ActionTransfer
	if invalid || refusal.Reason == wire.ReasonForbidden && !s.weather.brings(noAPIServer) {
		return "", fmt.Errorf("the media pod would not: %s: %s", refusal.Reason, refusal.Message)
	}
	return string(refusal.Reason), nil
}

// through does something in the call through its pod. What comes of it does not matter, as long as it is said.
func (s *scene) through(ctx context.Context, what string) error {
	s.wait(ctx, standsWithin, func(st *callfleetv1.CallStatus) bool { return st.Phase == callfleetv1.PhaseEstablished })
	file := wire.Prompt{ConfigMap: &prompt}
	switch what {
	case handOn, handOnVain:
		reaction := admin.Answers
		if what == handOnVain {
			reaction = admin.Declines
		}
		id, err := s.user(ctx, reaction)
		if err != nil {
			return err
		}
		to := wire.Transfer{To: callfleetv1.Identity{User: callfleetv1.GUID(id)}}
		if s.about == meets || s.about == keeps || len(s.callees) > 1 || s.others > 0 {
			if to.Participant = s.somebody(); to.Participant == "" {
				return nil // nobody could be named yet
			}
		}
		return s.controlled(ctx, wire.ActionTransfer, to)
	case playOne:
		return s.controlled(ctx, wire.ActionPlay, wire.Play{Prompts: []wire.Prompt{file}})
	case playStop:
		began := make(chan error, 1)
		go func() {
			began <- s.controlled(ctx, wire.ActionPlay, wire.Play{Prompts: []wire.Prompt{file, file, file}})
		}()
		_ = pause(ctx, 200*time.Millisecond)
		if err := s.controlled(ctx, wire.ActionStop, wire.Nothing{}); err != nil {
			return err
		}
		return <-began
	case recordOne:
		brief := &metav1.Duration{Duration: time.Second}
		return s.controlled(ctx, wire.ActionRecord, wire.Record{InitialSilence: brief, MaxSilence: brief, MaxDuration: brief, StopTones: "#"})
	case sendKeys:
		return s.controlled(ctx, wire.ActionSendTones, wire.SendTones{Tones: "12#"})
	case hearKeys:
		if err := s.controlled(ctx, wire.ActionSubscribeTones, wire.Nothing{}); err != nil {
			return err
		}
		if c, ok := s.sky.call(ctx, s.live(ctx)); ok && len(c.People) > 0 {
			_ = world.Teams.Press(ctx, c.People[0], "tone4", "tone2", "pound")
		}
		return nil
	case gallery:
		return s.controlled(ctx, wire.ActionLargeGallery, wire.Nothing{})
	}
	who := wire.OfParticipant{Participant: s.somebody()}
	if who.Participant == "" {
		return nil
	}
	switch what {
	case muteOne:
		return s.controlled(ctx, wire.ActionMuteParticipant, who)
	case removeOne:
		return s.controlled(ctx, wire.ActionRemoveParticipant, who)
	case holdOne:
		if err := s.controlled(ctx, wire.ActionStartHold, wire.StartHold{OfParticipant: who}); err != nil {
			return err
		}
		return s.controlled(ctx, wire.ActionStopHold, who)
	}
	return fmt.Errorf("nobody knows how to %s", what)
}

// somebody is a participant the status knows who is not the bot; empty if there is none.
func (s *scene) somebody() string {
	c, _ := s.recorder.subject(s.name)
	if c == nil {
		return ""
	}
	_, st := c.CallParts()
	if st.Participants == nil {
		return ""
	}
	for _, p := range st.Participants.List {
		if !strings.EqualFold(p.Kind, "Application") {
			return p.ID
		}
	}
	return ""
}
