// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/measure"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/teamsim/whip"
	"github.com/callfleet/callfleet/test/rig"
)

// account is a service account with a role, "" for none, and a token for it.
func account(t *testing.T, name, role string) (token string) {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: rig.Namespace, Name: name}
	sa := &corev1.ServiceAccount{ObjectMeta: meta}
	create(t, sa)
	if role != "" {
		create(t, &rbacv1.RoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: rig.Namespace, Name: name}},
		})
	}
	request := &authenticationv1.TokenRequest{}
	must(t, world.Client.SubResource("token").Create(t.Context(), sa, request))
	return request.Status.Token
}

// supervisor listens in, and talks all the while.
type supervisor struct {
	leg     *whip.Leg
	stop    context.CancelFunc
	running sync.WaitGroup

	mu    sync.Mutex
	heard []int16
}

// listenIn connects to a WHEP address with the bot's authority trusted.
func listenIn(t *testing.T, url, token string, says []int16) (*supervisor, error) {
	t.Helper()
	ca := &corev1.Secret{}
	must(t, world.Client.Get(t.Context(), client.ObjectKey{Namespace: rig.Namespace, Name: "reception-media-ca"}, ca))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.Data[corev1.TLSCertKey])
	leg, err := whip.Dial(t.Context(), whip.Config{MPURI: url, Token: token, Log: logr.Discard(), HTTP: &http.Client{
		Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
	}})
	if err != nil {
		return nil, err
	}
	select {
	case <-leg.Connected():
	case <-time.After(patience):
		leg.Close()
		return nil, errors.New("the listener's connection does not come about")
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &supervisor{leg: leg, stop: stop}
	s.running.Go(func() {
		ticker := time.NewTicker(audio.FrameDuration)
		defer ticker.Stop()
		for at := 0; ; at = (at + audio.FrameSamples) % (len(says) - audio.FrameSamples) {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			var frame [audio.FrameSamples]int16
			copy(frame[:], says[at:])
			leg.WriteFrame(&frame)
			if !leg.ReadFrame(&frame) {
				frame = [audio.FrameSamples]int16{}
			}
			s.mu.Lock()
			s.heard = append(s.heard, frame[:]...)
			s.mu.Unlock()
		}
	})
	t.Cleanup(s.leave)
	return s, nil
}

func (s *supervisor) leave() {
	s.stop()
	s.running.Wait()
	s.leg.Close()
}

func (s *supervisor) recording() []int16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.heard)
}

// recent is the level of the last while, dBov.
func (s *supervisor) recent(d time.Duration) float64 {
	all := s.recording()
	n := int(d.Seconds() * audio.SampleRate)
	if len(all) < n {
		return 0
	}
	return audio.DBov(audio.Energy(all[len(all)-n:]), n)
}

func TestSupervisorsHearBothSidesAndAreHeardByNobody(t *testing.T) {
	m, ada := meeting(t)
	_, promptClip := speech(t, "prompt.wav")
	raw, said := speech(t, "standup.wav")
	voice, spoken := promptClip.Resample(audio.SampleRate).Samples, said.Resample(audio.SampleRate).Samples
	// The bot speaks, and is then silent for longer than Ada does.
	var file bytes.Buffer
	must(t, wav.Encode(&file, wav.Clip{SampleRate: audio.SampleRate, Samples: append(slices.Clone(voice), make([]int16, len(spoken)+4*audio.SampleRate)...)}))
	create(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: rig.Namespace, Name: "now-and-then"}, BinaryData: map[string][]byte{"a.wav": file.Bytes()}})
	s := inMeeting(t, m, func(s *callfleetv1.MeetingSession) {
		s.Spec.Behavior = &callfleetv1.Behavior{Play: &callfleetv1.Play{ConfigMap: &callfleetv1.KeyReference{Name: "now-and-then", Key: "a.wav"}, Loop: true}}
	})
	out := value[string](t)(callfleet(t, "listen-url", "ms/"+s.Name))
	url := strings.TrimSpace(out)

	// Who may not is told so, and is nowhere in the story.
	for name, tc := range map[string]struct {
		token  string
		status int
	}{
		"no right":                        {account(t, "bystander", ""), http.StatusForbidden},
		"may act in calls, not hear them": {account(t, "deskhand", "callfleet-edit"), http.StatusForbidden},
		"no token of the cluster's":       {"nonsense", http.StatusUnauthorized},
	} {
		_, err := listenIn(t, url, tc.token, voice)
		var refused *whip.RefusedError
		if !errors.As(err, &refused) || refused.Status != tc.status {
			t.Errorf("%s: %v, want %d", name, err, tc.status)
		}
	}

	backwards := slices.Clone(spoken)
	slices.Reverse(backwards)
	grace, err := listenIn(t, url, account(t, "supervisor", "callfleet-supervisor"), backwards)
	must(t, err)
	who := "system:serviceaccount:" + rig.Namespace + ":supervisor"
	listener := func(event string, count int32) {
		awaitStatus(t, s, event, func(st *callfleetv1.CallStatus) bool {
			return st.Media != nil && st.Media.Listeners == count && slices.ContainsFunc(st.Timeline, func(e callfleetv1.TimelineEvent) bool {
				return e.Event == event && e.Detail == who
			})
		})
	}
	listener("ListenerJoined", 1)
	must(t, world.Teams.ResetHeard(t.Context(), ada))
	must(t, poll(t.Context(), patience, func() error {
		if level := grace.recent(500 * time.Millisecond); level < -40 {
			return errors.New("the bot is not heard")
		}
		return nil
	}))
	must(t, poll(t.Context(), patience, func() error {
		if level := grace.recent(1500 * time.Millisecond); level > -55 {
			return errors.New("the bot does not come to an end")
		}
		return nil
	}))
	value[admin.Utterance](t)(world.Teams.Speak(t.Context(), ada, raw, admin.SpeakOptions{Wait: true}))
	<-time.After(time.Duration(len(voice))*time.Second/audio.SampleRate + 5*time.Second) // the bot speaks once more
	recorded := grace.recording()
	clearVoice(t, "Ada, to the supervisor", value[measure.Report](t)(measure.Compare(spoken, recorded, audio.SampleRate)))
	clearVoice(t, "the bot, to the supervisor", value[measure.Report](t)(measure.Compare(voice, recorded, audio.SampleRate)))

	// The meeting heard the bot, and nothing of the supervisor.
	came := value[wav.Clip](t)(wav.Decode(bytes.NewReader(value[[]byte](t)(world.Teams.Heard(t.Context(), ada))), 64<<20))
	heard := came.Resample(audio.SampleRate).Samples
	clearVoice(t, "the bot, to Ada", value[measure.Report](t)(measure.Compare(voice, heard, audio.SampleRate)))
	if r, err := measure.Compare(backwards, heard, audio.SampleRate); err == nil && r.Correlation > 0.3 {
		t.Errorf("the meeting heard the supervisor: %+v", r)
	}
	if p := value[admin.Meeting](t)(world.Teams.Meeting(t.Context(), m.ID)).Participants; len(p) != 2 {
		t.Errorf("%d are in the meeting, want Ada and the bot", len(p))
	}

	grace.leave()
	listener("ListenerLeft", 0)
	for _, e := range s.Status.Timeline {
		if strings.HasPrefix(e.Event, "Listener") && e.Detail != who {
			t.Errorf("the timeline has a listener who was turned away: %+v", e)
		}
	}
}
