// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

const (
	maxTimeline     = 50
	maxParticipants = 50
	maxDetail       = 512
	maxMessage      = 1024
)

// story is what the agent knows of one attempt at a call, at one moment. It is a value: telling it needs no clock, no
// lock and no API server.
type story struct {
	claimedBy string
	scenario  string
	created   time.Time
	signal    signaling.Snapshot
	media     *media.Stats // nil before media exists
	flowing   flow
	end       *callfleetv1.CallEnd // nil while it goes on
	ended     time.Time
	own       []callfleetv1.TimelineEvent // the agent's own events, besides signalling's
}

// note adds an event of the agent's own. Copies of the story share the old list, and a path that comes and goes makes
// events for as long as the call lasts.
func (s *story) note(e callfleetv1.TimelineEvent) { s.own = bounded(append(slices.Clone(s.own), e)) }

// tell writes the agent's part of the status: see CallStatus for who owns what.
func (s story) tell(st *callfleetv1.CallStatus, generation int64) {
	if st.Call == nil {
		st.Call = &callfleetv1.CallRecord{}
	}
	st.Phase = s.phase()
	s.tellCall(st.Call)
	s.tellParticipants(st)
	s.tellMedia(st)
	st.Timeline = mergeTimeline(st.Timeline, s.events())
	for _, c := range s.conditions() {
		c.ObservedGeneration = generation
		meta.SetStatusCondition(&st.Conditions, c)
	}
}

func (s story) phase() callfleetv1.CallPhase {
	switch {
	case s.end != nil:
		// The controller turns an ended attempt into Completed, Failed or another attempt.
		return callfleetv1.PhaseLeaving
	case s.signal.Phase == signaling.PhaseInLobby:
		return callfleetv1.PhaseInLobby
	case s.signal.Phase == signaling.PhaseEstablished:
		return callfleetv1.PhaseEstablished
	case s.signal.Phase == signaling.PhaseLeaving, s.signal.Phase == signaling.PhaseEnded:
		return callfleetv1.PhaseLeaving
	default:
		return callfleetv1.PhaseJoining
	}
}

func (s story) tellCall(c *callfleetv1.CallRecord) {
	c.ClaimedBy = s.claimedBy
	c.ScenarioID = s.scenario
	c.ID = clip(s.signal.CallID, 128)
	c.ChainID = clip(s.signal.ChainID, 128)
	c.State = clip(string(s.signal.State), 64)
	c.CreatedTime = microTime(s.created)
	c.EstablishedTime = microTime(s.signal.Established)
	c.EndedTime = microTime(s.ended)
	c.End = s.end
	if r := s.signal.Result; r != nil {
		c.Result = &callfleetv1.CallResult{Code: int32(r.Code), Subcode: int32(r.Subcode), Message: clip(r.Text(), maxMessage)}
	}
}

// tellParticipants keeps the last roster seen: when the bot has left, who was there is still of interest.
func (s story) tellParticipants(st *callfleetv1.CallStatus) {
	if len(s.signal.Participants) == 0 {
		return
	}
	p := &callfleetv1.Participants{
		Count:   int32(s.signal.ParticipantCount),
		InLobby: int32(s.signal.InLobby),
	}
	for _, gp := range s.signal.Participants[:min(len(s.signal.Participants), maxParticipants)] {
		p.List = append(p.List, participantOf(gp))
	}
	st.Participants = p
}

func participantOf(p graph.Participant) callfleetv1.Participant {
	out := callfleetv1.Participant{ID: clip(p.ID, 128), InLobby: p.IsInLobby, Muted: p.IsMuted}
	if kind, identity := p.Info.Identity.Primary(); identity != nil {
		out.Kind, out.DisplayName = clip(kind, 32), clip(identity.DisplayName, 256)
	}
	return out
}

func (s story) tellMedia(st *callfleetv1.CallStatus) {
	if s.media == nil {
		return
	}
	a := s.media.Audio
	st.Media = &callfleetv1.MediaStatus{Audio: &callfleetv1.AudioStatus{
		Codec:           a.Codec,
		PacketsReceived: int64(a.PacketsReceived),
		PacketsSent:     int64(a.PacketsSent),
		LossPercent:     decimal(a.LossPercent, 1),
		JitterMs:        int32(math.Round(a.JitterMs)),
		RoundTripMs:     int32(math.Ceil(a.RoundTripMs)), // 0 means unknown
		MOS:             decimal(a.MOS, 2),
		Energy:          int32(math.Round(a.EnergyDB)),
	}}
}

func (s story) conditions() []metav1.Condition {
	connected := metav1.Condition{Type: callfleetv1.ConditionConnected, Status: metav1.ConditionFalse}
	switch {
	case s.end != nil:
		connected.Reason, connected.Message = string(s.end.Reason), s.end.Message
	case s.phase() == callfleetv1.PhaseEstablished:
		connected.Status = metav1.ConditionTrue
		connected.Reason, connected.Message = callfleetv1.ReasonEstablished, "the bot is in the call"
	case s.phase() == callfleetv1.PhaseInLobby:
		connected.Reason, connected.Message = callfleetv1.ReasonInLobby, "the bot waits in the lobby; somebody in the meeting has to admit it"
	case s.phase() == callfleetv1.PhaseLeaving:
		connected.Reason, connected.Message = callfleetv1.ReasonLeaving, "the bot is leaving"
	default:
		connected.Reason, connected.Message = callfleetv1.ReasonJoining, "the call is being set up"
	}
	flowing := metav1.Condition{Type: callfleetv1.ConditionMediaFlowing, Status: metav1.ConditionFalse}
	switch {
	case s.end != nil:
		flowing.Reason, flowing.Message = callfleetv1.ReasonEnded, "the call is over"
	case s.media == nil || s.phase() != callfleetv1.PhaseEstablished:
		flowing.Status = metav1.ConditionUnknown
		flowing.Reason, flowing.Message = callfleetv1.ReasonNotMeasured, "the call is not established yet"
	default:
		flowing.Status, flowing.Reason, flowing.Message = s.flowing.condition()
	}
	return []metav1.Condition{connected, flowing}
}

// flow is the verdict on the media path.
type flow int

const (
	flowUnknown flow = iota
	flowProven
	flowNoPackets
	flowSilent
)

// flowOf judges by packets and energy, never by a process being alive.
func flowOf(a media.AudioStats, now time.Time) flow {
	switch {
	case a.Flowing:
		return flowProven
	case a.LastReceived.IsZero() || now.Sub(a.LastReceived) > 2*time.Second:
		return flowNoPackets
	default:
		return flowSilent
	}
}

func (f flow) condition() (metav1.ConditionStatus, string, string) {
	switch f {
	case flowProven:
		return metav1.ConditionTrue, callfleetv1.ReasonFlowing, "packets arrive and sound was heard"
	case flowNoPackets:
		return metav1.ConditionFalse, callfleetv1.ReasonNoPackets,
			"no audio packet arrived for two seconds; check that the far side reaches the pod's UDP port (kubectl get mp shows it)"
	case flowSilent:
		return metav1.ConditionFalse, callfleetv1.ReasonSilence, "packets arrive but no sound was heard yet; is everybody muted?"
	default:
		return metav1.ConditionUnknown, callfleetv1.ReasonNotMeasured, "nothing was measured yet"
	}
}

func (s story) events() []callfleetv1.TimelineEvent {
	out := slices.Clone(s.own)
	for _, e := range s.signal.Events {
		out = append(out, callfleetv1.TimelineEvent{
			Time: metav1.NewMicroTime(e.Time.Truncate(time.Microsecond)), Event: clip(e.Event, 64), Detail: clip(e.Detail, maxDetail),
		})
	}
	return out
}

// mergeTimeline adds what is new, keeps the order of time and drops from the middle when there is too much: the
// beginning and the end of a call are what people ask about.
func mergeTimeline(have, more []callfleetv1.TimelineEvent) []callfleetv1.TimelineEvent {
	out := slices.Clone(have)
	for _, e := range more {
		known := slices.ContainsFunc(have, func(h callfleetv1.TimelineEvent) bool {
			return h.Event == e.Event && h.Time.Time.Equal(e.Time.Time)
		})
		if !known {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b callfleetv1.TimelineEvent) int { return a.Time.Time.Compare(b.Time.Time) })
	return bounded(out)
}

// bounded drops from the middle.
func bounded(events []callfleetv1.TimelineEvent) []callfleetv1.TimelineEvent {
	if extra := len(events) - maxTimeline; extra > 0 {
		mid := maxTimeline / 2
		events = slices.Delete(events, mid, mid+extra)
	}
	return events
}

func microTime(t time.Time) *metav1.MicroTime {
	if t.IsZero() {
		return nil
	}
	m := metav1.NewMicroTime(t.Truncate(time.Microsecond))
	return &m
}

func decimal(v float64, digits int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return ""
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// clip shortens s to at most n bytes without cutting a character in two.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}

func event(now time.Time, name, format string, args ...any) callfleetv1.TimelineEvent {
	return callfleetv1.TimelineEvent{
		Time: metav1.NewMicroTime(now.Truncate(time.Microsecond)), Event: name, Detail: clip(fmt.Sprintf(format, args...), maxDetail),
	}
}
