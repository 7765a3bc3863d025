// SPDX-License-Identifier: Apache-2.0

package story

import (
	"math"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// Bounds of the API's schema.
const (
	maxTimeline     = 50
	maxParticipants = 50
	maxDetail       = 512
	maxMessage      = 1024
	maxListenURL    = 512
)

// Story is what the pod knows of one attempt at a call, at one moment.
type Story struct {
	// ClaimedBy is this process.
	ClaimedBy string
	// Taken is set for a call that came in: nobody bound it to the pod, the pod tells that it has it.
	Taken *Taken
	// Hosting of the call's media.
	Hosting v1alpha1.Hosting
	// HomeTenant is the bot's; the record tells a call's tenant only if it is another.
	HomeTenant string

	Scenario string
	Created  time.Time
	Signal   signaling.Snapshot
	// Muted: the pod itself keeps silent, in a call where the service cannot be told to.
	Muted bool

	Media   *media.Stats // nil before media exists, and where the service has it
	Flowing Flow
	// ListenURL is where people listen in, and Listeners how many do.
	ListenURL string
	Listeners int

	// Unplayed is why the service does not play the prompt it should; "" if it does.
	Unplayed string
	// PromptOver: the prompt was heard, or stopped for good. The timeline tells.
	PromptOver bool

	// Recordings are the files of this attempt; Recorded is the name of the recording once it is over, and they are complete.
	// Unrecorded is why the call should be recorded and is not.
	Recordings []v1alpha1.RecordedFile
	Recorded   string
	Unrecorded string

	// Asked is what the spec asks for, as far as the status tells what became of it.
	Asked Asked

	// Flow is where the call is in its flow; nil if it has none. FlowProgress counts what it has told of it.
	Flow         *v1alpha1.FlowStatus
	FlowProgress int64

	// Released: the call goes on without this process, and another is to take it over.
	Released bool
	End      *v1alpha1.CallEnd // nil while it goes on
	Ended    time.Time

	own []v1alpha1.TimelineEvent // the pod's own events, besides signalling's
}

// Taken is a call that came in, seen by the pod that has it.
type Taken struct {
	MediaPod string
	// Seats it takes there.
	Seats int32
}

// Asked is what the spec asks for.
type Asked struct {
	Recording v1alpha1.RecordingStatus
	Invite    []v1alpha1.Invitee
	// SilenceTimeout after which the bot is to leave.
	SilenceTimeout time.Duration
	// Unshown is the video that is to be recorded, if the call cannot have any of it.
	Unshown v1alpha1.RecordingVideo
}

// Note adds an event of the pod's own. Copies of the story share the old list, and a path that comes and goes makes
// events for as long as the call lasts.
func (s *Story) Note(e v1alpha1.TimelineEvent) { s.own = bounded(append(slices.Clone(s.own), e)) }

// Tell writes the pod's part of the status: see CallStatus for who owns what.
func (s Story) Tell(st *v1alpha1.CallStatus, generation int64) {
	if st.Call == nil {
		st.Call = &v1alpha1.CallRecord{}
	}
	if s.Taken != nil {
		st.MediaPod, st.Seats, st.Attempts = s.Taken.MediaPod, s.Taken.Seats, 1
	}
	s.tellCall(st.Call)
	st.Timeline = Merge(st.Timeline, s.Events())
	st.Recordings = MergeRecordings(closed(st.Recordings, s.Recordings, s.Recorded), s.Recordings)
	TellStored(st, generation)
	if s.Flow != nil {
		st.Flow = s.Flow.DeepCopy()
	}
	if s.Released {
		s.tellRelease(st, generation)
		return
	}
	st.Phase = s.Phase()
	s.tellParticipants(st)
	s.tellMedia(st)
	s.tellWishes(st)
	for _, c := range s.conditions() {
		c.ObservedGeneration = generation
		meta.SetStatusCondition(&st.Conditions, c)
	}
	s.tellRecording(st, generation)
	s.tellAttention(st, generation)
}

// tellRelease has the controller look for another pod at once. What the call is like is for the next process to tell.
func (s Story) tellRelease(st *v1alpha1.CallStatus, generation int64) {
	meta.SetStatusCondition(&st.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionAssigned, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonPodRefused,
		Message: "the pod stops; the call goes on, and another pod is looked for to take it over", ObservedGeneration: generation,
	})
}

// Phase is the call in one word.
func (s Story) Phase() v1alpha1.CallPhase {
	switch {
	case s.End != nil:
		// The controller turns an ended attempt into Completed, Failed or another attempt.
		return v1alpha1.PhaseLeaving
	case s.Signal.Phase == signaling.PhaseInLobby:
		return v1alpha1.PhaseInLobby
	case s.Signal.Phase == signaling.PhaseEstablished:
		return v1alpha1.PhaseEstablished
	case s.Signal.Phase == signaling.PhaseLeaving, s.Signal.Phase == signaling.PhaseEnded:
		return v1alpha1.PhaseLeaving
	default:
		return v1alpha1.PhaseJoining
	}
}

func (s Story) tellCall(c *v1alpha1.CallRecord) {
	c.ClaimedBy = s.ClaimedBy
	if s.Released {
		c.ClaimedBy = ""
	}
	c.Hosting = s.Hosting
	c.ScenarioID = s.Scenario
	c.ID = Clip(s.Signal.CallID, 128)
	c.ChainID = Clip(s.Signal.ChainID, 128)
	c.TenantID = ""
	if t := s.Signal.TenantID; t != "" && !graph.SameID(t, s.HomeTenant) {
		c.TenantID = v1alpha1.GUID(Clip(t, 36))
	}
	c.State = Clip(string(s.Signal.State), 64)
	c.CreatedTime = MicroTime(s.Created)
	c.EstablishedTime = MicroTime(s.Signal.Established)
	c.EndedTime = MicroTime(s.Ended)
	c.End = s.End
	if r := s.Signal.Result; r != nil {
		c.Result = &v1alpha1.CallResult{Code: int32(r.Code), Subcode: int32(r.Subcode), Message: Clip(r.Text(), maxMessage)}
	}
}

// tellParticipants keeps the last roster seen: when the bot has left, who was there is still of interest.
func (s Story) tellParticipants(st *v1alpha1.CallStatus) {
	if len(s.Signal.Participants) == 0 {
		return
	}
	p := &v1alpha1.Participants{
		Count:   int32(s.Signal.ParticipantCount),
		InLobby: int32(s.Signal.InLobby),
	}
	for _, gp := range s.Signal.Participants[:min(len(s.Signal.Participants), maxParticipants)] {
		p.List = append(p.List, participantOf(gp))
	}
	st.Participants = p
}

func participantOf(p graph.Participant) v1alpha1.Participant {
	out := v1alpha1.Participant{ID: Clip(p.ID, 128), InLobby: p.IsInLobby, Muted: p.IsMuted}
	if kind, identity := p.Info.Identity.Primary(); identity != nil {
		out.Kind, out.DisplayName = Clip(kind, 32), Clip(identity.DisplayName, 256)
	}
	return out
}

func (s Story) tellMedia(st *v1alpha1.CallStatus) {
	if s.Media == nil {
		return
	}
	a := s.Media.Audio
	st.Media = &v1alpha1.MediaStatus{}
	if s.End == nil { // nobody can any more
		st.Media.ListenURL, st.Media.Listeners = Clip(s.ListenURL, maxListenURL), int32(s.Listeners)
	}
	st.Media.Audio = &v1alpha1.AudioStatus{
		Codec:           a.Codec,
		PacketsReceived: int64(a.PacketsReceived),
		PacketsSent:     int64(a.PacketsSent),
		LossPercent:     decimal(a.LossPercent, 1),
		JitterMs:        int32(math.Round(a.JitterMs)),
		RoundTripMs:     int32(math.Ceil(a.RoundTripMs)), // 0 means unknown
		MOS:             decimal(a.MOS, 2),
		Energy:          int32(math.Round(a.EnergyDB)),
	}
	if a.PacketsSent > 0 {
		st.Media.Audio.ReportedLossPercent = decimal(a.ReportedLossPercent, 1)
	}
	if a.PlayedOut > 0 {
		st.Media.Audio.ConcealedPercent, st.Media.Audio.PlayoutDelayMs = decimal(a.ConcealedPercent, 1), int32(math.Round(a.PlayoutDelayMs))
	}
}

// MicroTime is a time as the API server keeps it; nil if there is none.
func MicroTime(t time.Time) *metav1.MicroTime {
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

// Clip shortens s to at most n bytes without cutting a character in two.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}
