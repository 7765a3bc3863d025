// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"strings"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

const (
	// maxBuffer is how many keys are remembered that nobody took. Those pressed past it are dropped: what was pressed first counts.
	maxBuffer = 32
	// swallowFor is how long after a recording its stop tone may still be told: the service tells the end of a recording and the key
	// in two notifications, in any order (Graph, "call: recordResponse" and "call: subscribeToTone").
	swallowFor = time.Second
	// phoneKeys are those of ITU-T Q.23.
	phoneKeys = "0123456789*#ABCD"
)

func (m *Machine) tone(k callfleetv1.PhoneKey) {
	if len(k) != 1 || !strings.Contains(phoneKeys, string(k)) || m.swallowed(k[0]) {
		return
	}
	step, key := m.step(), k[0]
	switch m.s.Phase {
	case prompting:
		switch l := listeningOf(step); {
		case l != nil && yes(l.BargeIn) && !m.s.Decided:
			m.stop()
			m.pressed(step, key)
			return
		case step.Play != nil && step.Play.BargeIn:
			m.stop()
		}
	case listening:
		m.pressed(step, key)
		return
	case holding:
		if m.s.Leads == "" && m.leave(step, key) {
			return
		}
	case waiting:
		if step.Record != nil {
			m.s.StopTone = m.s.StopTone || isStopTone(step.Record, key)
			return
		}
	}
	if len(m.s.Buffer) < maxBuffer {
		m.s.Buffer += string(key)
	}
}

// leave goes where a key leads that is pressed on hold, if it leads anywhere.
func (m *Machine) leave(step *callfleetv1.FlowStep, key byte) bool {
	for _, c := range step.Hold.Choices {
		if c.Key[0] == key {
			m.unhold(c.Next)
			return true
		}
	}
	return false
}

// unhold ends the music, and then goes on.
func (m *Machine) unhold(next callfleetv1.StepName) {
	if m.s.Playing == 0 {
		m.advance(next)
		return
	}
	m.s.Leads, m.deadline = next, time.Time{}
	m.stop()
}

// swallow keys: the next of them ends what is over already, a recording or digits that were complete without it. Adjacent: not when
// another key comes before it.
func (m *Machine) swallow(keys string, within time.Duration, adjacent bool) {
	m.s.Swallow, m.s.Adjacent, m.swallowing = keys, adjacent, m.now.Add(within)
}

func (m *Machine) swallowed(key byte) bool {
	found := strings.IndexByte(m.s.Swallow, key) >= 0
	if found || m.s.Adjacent {
		m.s.Swallow, m.s.Adjacent = "", false
	}
	return found
}

func isStopTone(r *callfleetv1.RecordStep, key byte) bool {
	return strings.IndexByte(stopTones(r), key) >= 0
}

func stopTones(r *callfleetv1.RecordStep) string {
	var keys strings.Builder
	for _, k := range r.StopTones {
		keys.WriteString(string(k))
	}
	return keys.String()
}
