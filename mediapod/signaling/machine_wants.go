// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/callfleet/callfleet/graph"
)

const (
	// operationWait is how long to wait for the notification that ends an operation
	// before its outcome counts as unknown.
	operationWait = 15 * time.Second

	// maxPursuitWait is the longest wait between tries to get what is wanted.
	maxPursuitWait = time.Minute

	// maxOperationsEnded is how many ended operations are remembered: their
	// notification may overtake the answer that names them.
	maxOperationsEnded = 16
)

// pursuit moves one thing the service keeps for the bot to where it is wanted.
type pursuit struct {
	task  task
	has   string // what the service was last known to have
	wants string
	// unsure: a request may have been done although its answer was lost.
	unsure bool
	asking string    // what the request under way, or its operation, is for
	op     string    // id of the operation whose end is awaited
	lost   string    // the same of one whose end was awaited for too long
	next   time.Time // not before
	tries  int

	refused string // what was refused
	message string // why
	early   bool   // by us: it may be possible later
}

func (p *pursuit) role() graph.ScreenSharingRole { return graph.ScreenSharingRole(p.has) }

// Values of pursuits.
const (
	unmuted = "unmuted"
	muted   = "muted"
)

// wants is what is wanted of the call, and how far that has come.
type wants struct {
	told bool // what is wanted; before that, all is well as it is

	mute, share, record pursuit

	invited     []*invite
	inviting    *invite // the request is under way
	withdrawing *invite

	ended []graph.Operation // the latest operations that ended
}

func (w *wants) begin(now time.Time, s setting) {
	w.mute = pursuit{task: taskMute, has: unmuted, wants: unmuted}
	w.share = pursuit{task: taskShare, has: string(s.before.ScreenSharing)}
	w.record = pursuit{task: taskRecord, has: string(graph.NotRecording), wants: string(graph.NotRecording)}
	if s.before.Muted {
		w.mute.has = muted
	}
	if s.before.Recording != "" {
		w.record.has = string(s.before.Recording)
	}
	w.invited = invitedBefore(now, s)
}

// want is told what is wanted from now on.
func (m *machine) want(now time.Time, w Wants) {
	m.wants.told = true
	m.wants.mute.wants, m.wants.share.wants, m.wants.record.wants = unmuted, string(w.ScreenSharing), string(w.Recording)
	if w.Muted {
		m.wants.mute.wants = muted
	}
	if w.Recording == "" {
		m.wants.record.wants = string(graph.NotRecording)
	}
	m.wantInvites(w.Invite)
	for _, p := range m.wants.pursuits() {
		if p.refused != p.wants {
			m.changed = m.changed || p.refused != ""
			p.refused, p.message, p.early = "", "", false
		}
		if p.asking != p.wants && p.op == "" {
			p.next, p.tries = time.Time{}, 0 // what failed before says nothing of this
		}
	}
}

func (w *wants) pursuits() []*pursuit { return []*pursuit{&w.mute, &w.share, &w.record} }

func (w *wants) of(t task) *pursuit {
	for _, p := range w.pursuits() {
		if p.task == t {
			return p
		}
	}
	return nil
}

// pursue asks for what is wanted and is not there.
func (m *machine) pursue(now time.Time) {
	if !m.wants.told {
		return
	}
	// What the service has been told is no reason to go on writing: the gate closes before it is told otherwise.
	if m.wants.record.wants != string(graph.Recording) {
		m.closeGate()
	}
	m.cancel(timerPursue)
	if m.snap.Phase != PhaseEstablished || m.leaving.reason != "" {
		return
	}
	if m.group { // the service mutes nobody in a call of two
		m.pursueOne(now, &m.wants.mute, order{task: taskMute, muted: m.wants.mute.wants == muted})
	}
	if role := m.roleWanted(); role != "" {
		m.pursueOne(now, &m.wants.share, order{task: taskShare, role: role})
	}
	m.openGate() // the bot was taken for one that waits in the lobby, and is not
	m.pursueOne(now, &m.wants.record, order{task: taskRecord, recording: graph.RecordingStatus(m.wants.record.wants)})
	m.pursueInvites(now)
}

// roleWanted is the role to ask for in screen sharing; empty for none.
func (m *machine) roleWanted() graph.ScreenSharingRole {
	p := &m.wants.share
	switch {
	case p.wants == "" && p.has != string(graph.ScreenSharingSharer):
		return "" // there is no role for not taking part; whoever does not send only watches
	case p.wants == "":
		return graph.ScreenSharingViewer
	case m.hosting != graph.AppHosted:
		m.refuseEarly(p, "The service lets bots share screens only with media they host themselves. Set media.hosting of the bot to Application.")
		return ""
	case !slices.Contains(m.modalities, graph.ModalityVideoScreenSharing):
		m.refuseEarly(p, "This call began without screen sharing, and gets none while it goes on. Set screenSharing before the call begins, or ScreenSharing in media.modalities of the bot or modalities of the call, and make a new one.")
		return ""
	case !m.group:
		m.refuseEarly(p, "The service lets bots share screens only in meetings and group calls. Invite somebody, which makes this one a group call.")
		return ""
	}
	if p.early { // it was no group call before
		p.refused, p.message, p.early, m.changed = "", "", false, true
	}
	return graph.ScreenSharingRole(p.wants)
}

func (m *machine) pursueOne(now time.Time, p *pursuit, o order) {
	target := p.wants
	if o.task == taskShare {
		target = string(o.role)
	}
	switch {
	case m.running[p.task]:
	case p.op != "" && now.Before(p.next), p.op == "" && target != p.refused && (target != p.has || p.unsure) && now.Before(p.next):
		m.pursueAt(p.next)
	case p.op != "": // its end did not come
		m.operationLost(now, p)
		m.pursueAt(now)
	case target == p.has && !p.unsure, target == p.refused:
	default:
		p.asking = target
		m.order(o)
	}
}

func (m *machine) pursueAt(at time.Time) {
	if due := m.due[timerPursue]; due.IsZero() || at.Before(due) {
		m.wake(timerPursue, at)
	}
}

// wanted is the answer to a request for something wanted.
func (m *machine) wanted(now time.Time, t task, op *graph.Operation, err error) {
	m.finished(t)
	if m.ended() {
		return
	}
	p := m.wants.of(t)
	switch {
	case err == nil && (op == nil || op.Ended()):
		m.settlePursuit(now, p, op)
	case err == nil:
		if ended := m.wants.endedOperation(op.ID); ended != nil {
			m.settlePursuit(now, p, ended)
			return
		}
		p.op, p.next = op.ID, now.Add(operationWait)
	case graph.IsNotFound(err):
		m.start(taskGet)
		m.retryPursuit(now, p)
	case refused(err):
		m.refuse(p, graph.ExplainError(err).Message())
	default:
		p.unsure = true
		m.retryPursuit(now, p)
	}
}

// refused reports whether Graph's error is its last word: asking again brings the same.
func refused(err error) bool {
	var answer *graph.Error
	if !errors.As(err, &answer) {
		return graph.ExplainError(err).Class == graph.ClassConfiguration
	}
	switch answer.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusUnauthorized, http.StatusConflict, http.StatusNotFound:
		return false
	}
	return answer.StatusCode < http.StatusInternalServerError
}

// settlePursuit takes the end of an operation.
func (m *machine) settlePursuit(now time.Time, p *pursuit, op *graph.Operation) {
	p.op, p.lost, p.next = "", "", time.Time{}
	if op != nil && op.Status == graph.OperationFailed {
		var result graph.ResultInfo
		if op.ResultInfo != nil {
			result = *op.ResultInfo
		}
		m.refuse(p, graph.ExplainOperation(result).Message())
		return
	}
	p.has, p.unsure, p.tries = p.asking, false, 0
	m.took(now, p)
}

// took tells what the service has taken in.
func (m *machine) took(now time.Time, p *pursuit) {
	m.changed = true
	switch p.task {
	case taskMute:
		if p.has == muted {
			m.event(now, EventMuted, "")
		} else {
			m.event(now, EventUnmuted, "")
		}
	case taskShare:
		m.event(now, EventScreenSharing, p.has)
	case taskRecord:
		m.event(now, EventRecording, p.has)
		m.openGate()
	}
}

// openGate lets media be persisted if the service has taken in that it is, and it is still wanted. Else the gate stays
// closed, and the service is told so at once.
func (m *machine) openGate() {
	p := &m.wants.record
	if p.has != p.wants || p.unsure || m.snap.Phase != PhaseEstablished || m.snap.Recording == graph.RecordingStatus(p.has) {
		return
	}
	m.snap.Recording, m.changed = graph.RecordingStatus(p.has), true
}

// closeGate: nothing of the call may be persisted from now on.
func (m *machine) closeGate() {
	if m.snap.Recording == graph.Recording {
		m.snap.Recording, m.changed = graph.NotRecording, true
		if m.snap.Phase == PhaseEstablished { // else it closes because the call does, and everybody was told all along
			m.snap.RecordingGaps++
		}
	}
}

func (m *machine) refuse(p *pursuit, message string) {
	if p.message != message {
		m.changed = true
	}
	p.refused, p.message, p.early, p.tries = p.asking, message, false, 0
	p.asking = ""
}

// refuseEarly refuses what need not be asked for.
func (m *machine) refuseEarly(p *pursuit, message string) {
	p.asking = p.wants
	m.refuse(p, message)
	p.early = true
}

func (m *machine) retryPursuit(now time.Time, p *pursuit) {
	p.tries++
	p.next = now.Add(min(time.Second<<min(p.tries-1, 6), maxPursuitWait))
}

// operationLost: the notification that ends an operation did not come. Of recording only the service's own word counts.
func (m *machine) operationLost(now time.Time, p *pursuit) {
	if p.task != taskRecord {
		m.settlePursuit(now, p, nil)
		return
	}
	p.op, p.lost, p.unsure = "", p.op, true
	m.retryPursuit(now, p)
}

// notifyOperation takes what is said about an operation, whoever asked for it.
func (m *machine) notifyOperation(now time.Time, n graph.Notification) outcome {
	m.world.operation(n)
	op := n.Operation
	if op == nil || !op.Ended() {
		return outcomeIgnored
	}
	if m.wants.endedOperation(op.ID) != nil {
		return outcomeDuplicate
	}
	m.wants.ended = append(m.wants.ended, *op)
	if extra := len(m.wants.ended) - maxOperationsEnded; extra > 0 {
		m.wants.ended = slices.Delete(m.wants.ended, 0, extra)
	}
	for _, p := range m.wants.pursuits() {
		if graph.SameID(p.op, op.ID) || graph.SameID(p.lost, op.ID) && p.unsure && p.asking == p.wants {
			m.settlePursuit(now, p, op)
		}
	}
	m.inviteEnded(now, op)
	return outcomeApplied
}

func (w *wants) endedOperation(id string) *graph.Operation {
	for i := range w.ended {
		if graph.SameID(w.ended[i].ID, id) {
			return &w.ended[i]
		}
	}
	return nil
}

// muted is whether the service drops the bot's audio: as it was told to, or as others in the call have done.
func (m *machine) muted() bool {
	if self := m.roster.find(m.self); self != nil && m.wants.mute.has == unmuted {
		return self.IsMuted && m.group && m.serverMuted(self)
	}
	return m.wants.mute.has == muted
}

func (m *machine) serverMuted(self *graph.Participant) bool {
	return slices.ContainsFunc(self.MediaStreams, func(s graph.MediaStream) bool { return s.MediaType == graph.ModalityAudio && s.ServerMuted })
}

// refusals are those that still stand in the way of what is wanted.
func (w *wants) refusals() []Refusal {
	var list []Refusal
	for _, p := range []struct {
		what string
		*pursuit
	}{{WantMuted, &w.mute}, {WantRecording, &w.record}, {WantScreenSharing, &w.share}} {
		if p.message != "" {
			list = append(list, Refusal{p.what, p.message})
		}
	}
	return list
}
