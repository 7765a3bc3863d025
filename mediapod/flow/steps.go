// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"strconv"

	"github.com/callfleet/callfleet/api/callflow"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// beforeAnswer: a call need not be answered for this.
func beforeAnswer(step *callfleetv1.FlowStep) bool {
	return step.Set != nil || step.Branch != nil || step.Redirect != nil || step.Hangup != nil
}

// take begins a step.
func (m *Machine) take(step *callfleetv1.FlowStep) {
	switch {
	case step.Play != nil:
		// A key that waits for the next menu ends what would be played before it: the caller knows the way.
		if step.Play.BargeIn && m.s.Buffer != "" || !m.play(step) {
			m.advance(step.Next)
		}
	case listeningOf(step) != nil:
		m.ask(step, "")
	case step.Record != nil:
		if !m.play(step) {
			m.record(step)
		}
	case step.Transfer != nil:
		m.reach(step, step.Transfer.To, step.Transfer.OnFailure)
	case step.Invite != nil:
		m.reach(step, step.Invite.FlowParty, step.Invite.OnFailure)
	case step.Redirect != nil:
		m.redirect(step.Redirect)
	case step.Hold != nil:
		m.waited()
		m.play(step)
		m.s.Phase, m.deadline = holding, m.now.Add(step.Hold.Duration.Duration())
	case step.Mute != nil:
		m.do(Mute{Muted: step.Mute.Muted})
		m.advance(step.Next)
	case step.Set != nil:
		if m.assign(m.rendered(step.Set)) {
			m.advance(step.Next)
		}
	case step.Branch != nil:
		m.advance(m.branch(step.Branch))
	case step.Webhook != nil:
		m.command(step)
	case step.Subflow != nil:
		m.descend(step)
	case step.Hangup != nil:
		m.hangUp()
	case step.Return != nil:
		m.ascend()
	default:
		m.fail("step %s does nothing that this version knows; upgrade the bot's pods", m.At())
	}
}

// play has the prompts of a step played, if there are any.
func (m *Machine) play(step *callfleetv1.FlowStep) bool {
	prompts := m.prompts(m.sounds(step))
	if len(prompts) == 0 {
		return false
	}
	m.s.Playing, m.s.Phase = m.nextID(), prompting
	m.do(Play{ID: m.s.Playing, Prompts: prompts, Loop: step.Hold != nil})
	return true
}

// stop ends the Play under way; the step goes on once it has ended, so that nothing that follows is stopped with it.
func (m *Machine) stop() {
	if !m.s.Stopping {
		m.s.Stopping = true
		m.do(StopPlaying{ID: m.s.Playing})
	}
}

// sounds are the prompts that a step plays as it stands.
func (m *Machine) sounds(step *callfleetv1.FlowStep) callfleetv1.Prompts {
	switch {
	case step.Play != nil:
		return step.Play.Prompts
	case step.Record != nil:
		return step.Record.Prompts
	case step.Hold != nil:
		return callfleetv1.Prompts{step.Hold.Music}
	}
	l := listeningOf(step)
	switch {
	case m.s.Again == againNoInput && len(l.NoInput.Prompts) > 0:
		return l.NoInput.Prompts
	case m.s.Again == againNoMatch && len(l.NoMatch.Prompts) > 0:
		return l.NoMatch.Prompts
	}
	return l.Prompts
}

func (m *Machine) record(step *callfleetv1.FlowStep) {
	m.s.Recordings++
	m.command(step)
}

// reach transfers to or invites somebody, if they can be somebody.
func (m *Machine) reach(step *callfleetv1.FlowStep, who callfleetv1.FlowParty, onFailure callfleetv1.StepName) {
	if _, ok := m.party(who); !ok {
		m.s.Error = FailedInvalid
		m.advance(onFailure)
		return
	}
	m.command(step)
}

// command gives the one command of a step that waits for its answer.
func (m *Machine) command(step *callfleetv1.FlowStep) {
	m.s.Waiting, m.s.Phase = m.nextID(), waiting
	m.do(m.underWay(step))
}

// underWay is the command that a step waits for. It is made of the state alone, so that it can be given again.
func (m *Machine) underWay(step *callfleetv1.FlowStep) Command {
	id := m.s.Waiting
	switch {
	case step.Record != nil:
		r := step.Record
		return Record{
			ID: id, Name: string(m.s.At.Step) + "-" + strconv.FormatInt(m.s.Recordings, 10), Beep: yes(r.Beep),
			MaxDuration: r.MaxDuration.Duration(), InitialSilence: r.InitialSilence.Duration(), MaxSilence: r.MaxSilence.Duration(),
			StopTones: r.StopTones,
		}
	case step.Transfer != nil:
		who, _ := m.party(step.Transfer.To)
		return Transfer{
			ID: id, To: who, Consultative: step.Transfer.Type == callfleetv1.TransferConsultative, Timeout: step.Transfer.Timeout.Duration(),
		}
	case step.Invite != nil:
		who, _ := m.party(step.Invite.FlowParty)
		return Invite{ID: id, Who: who, Hidden: step.Invite.Hidden, Timeout: step.Invite.Timeout.Duration()}
	default:
		return Ask{ID: id, Step: m.At(), Key: m.key(id), Webhook: step.Webhook, Data: m.rendered(step.Webhook.Data)}
	}
}

// key of a question: the same in whatever process it is asked.
func (m *Machine) key(id int64) string {
	return m.call.UID + "/" + m.s.At.Flow + "/" + string(m.s.At.Step) + "/" + strconv.FormatInt(id, 10)
}

func (m *Machine) redirect(to *callfleetv1.RedirectTo) {
	switch {
	case !m.call.Incoming:
		m.fail("step %s redirects, and the call did not come in; use transfer there", m.At())
	case m.call.Answered:
		m.fail("step %s redirects, and the call was answered already; use transfer there", m.At())
	default:
		m.end(callfleetv1.FlowRedirected)
		m.do(Redirect{To: to})
	}
}

// branch finds where the first condition that holds leads. When one cannot be told, those after it are not asked: they were written in
// the belief that it does not hold.
func (m *Machine) branch(b *callfleetv1.BranchStep) callfleetv1.StepName {
	for i := range b.Cases {
		holds, err := m.program.Holds(callflow.Ref(m.s.At), i, m.scope())
		if err != nil {
			return b.Else
		}
		if holds {
			return b.Cases[i].Next
		}
	}
	return b.Else
}

func (m *Machine) descend(step *callfleetv1.FlowStep) {
	name := step.Subflow.FlowRef.Name
	switch {
	case len(m.s.Stack) >= maxDepth:
		m.fail("step %s would be subflow %d in another; at most %d", m.At(), maxDepth+1, maxDepth)
		return
	case m.program.Flow(name) == nil:
		m.fail("step %s runs flow %s, which is not there; apply it", m.At(), name)
		return
	}
	m.s.Stack = append(m.s.Stack, place{m.s.At.Flow, step.Next})
	m.enterAt(place(m.program.Enter(name)))
	m.initials(name)
}

func (m *Machine) ascend() {
	top := len(m.s.Stack) - 1
	if top < 0 {
		m.end(callfleetv1.FlowReturned)
		return
	}
	back := m.s.Stack[top]
	m.s.Stack = m.s.Stack[:top]
	m.enterAt(back)
}

func yes(b *bool) bool { return b == nil || *b }
