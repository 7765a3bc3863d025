// SPDX-License-Identifier: Apache-2.0

// Package servicemedia is the media of calls that the service hosts itself: prompts that are played, answers that are
// recorded, one after the other as they were asked for (reference section 2.4, 9).
package servicemedia

import (
	"slices"
	"sync"

	"github.com/callfleet/callfleet/audio"
)

// Frame is 20 ms of audio.
type Frame = [audio.FrameSamples]int16

// Reason says how a job ended: completionReason of the operation.
type Reason string

// The reasons (reference section 1.3).
const (
	Completed          Reason = "completedSuccessfully"
	PlayCancelled      Reason = "mediaOperationCanceled"
	RecordCancelled    Reason = "operationCanceled"
	StopTone           Reason = "stopToneDetected"
	MaxDuration        Reason = "maxRecordDurationReached"
	InitialSilence     Reason = "initialSilenceTimeout"
	MaxSilence         Reason = "maxSilenceTimeout"
	PlayPromptFailed   Reason = "playPromptFailed"
	UnspecifiedFailure Reason = "unspecifiedError"
)

// Ending is what became of a job.
type Ending struct {
	Reason    Reason
	Cancelled bool
	Failure   error   // the prompts could not be had
	Recording []int16 // of a record job that got as far
}

// Job is one prompt or recording in the queue.
type Job struct {
	record *RecordOptions // nil: play only
	done   func(Ending)

	loaded bool
	clip   []int16
	at     int
	taken  recording
}

// Player is what a bot with service-hosted media says and hears. It is safe for concurrent use; its frames are drawn by
// the mixer of the meeting.
type Player struct {
	mu      sync.Mutex
	queue   []*Job
	closed  bool
	ends    []func() // to be told, in this order
	telling bool
}

// New returns a player with nothing to do.
func New() *Player { return &Player{} }

// Play queues prompts, which are handed in with Load. done is called once.
func (p *Player) Play(done func(Ending)) *Job { return p.add(&Job{done: done}, false) }

// Record queues a recording after its prompt. With bargeIn it does not wait for what was queued before, which is
// cancelled.
func (p *Player) Record(o RecordOptions, bargeIn bool, done func(Ending)) *Job {
	return p.add(&Job{record: &o, done: done}, bargeIn)
}

func (p *Player) add(j *Job, bargeIn bool) *Job {
	p.mu.Lock()
	defer p.mu.Unlock()
	if bargeIn {
		p.cancel()
	}
	if p.closed {
		p.tell(j, j.cancelled())
		return j
	}
	p.queue = append(p.queue, j)
	return j
}

// Load gives a job its audio; nothing is played before. An error ends the job.
func (p *Player) Load(j *Job, clip []int16, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.end(j, Ending{Reason: PlayPromptFailed, Failure: err})
		return
	}
	j.clip, j.loaded = clip, true
}

// Cancel ends all that is queued or active.
func (p *Player) Cancel() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel()
}

// Close is for the end of the call.
func (p *Player) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.cancel()
}

func (p *Player) cancel() {
	ended := p.queue
	p.queue = nil
	for _, j := range ended {
		p.tell(j, j.cancelled())
	}
}

// tell says how a job ended, without the lock and after those that ended before; the caller holds the lock.
func (p *Player) tell(j *Job, e Ending) {
	p.ends = append(p.ends, func() { j.done(e) })
	if p.telling {
		return
	}
	p.telling = true
	go func() {
		for {
			p.mu.Lock()
			if len(p.ends) == 0 {
				p.telling = false
				p.mu.Unlock()
				return
			}
			next := p.ends[0]
			p.ends = p.ends[1:]
			p.mu.Unlock()
			next()
		}
	}()
}

func (j *Job) cancelled() Ending {
	if j.record != nil {
		return Ending{Reason: RecordCancelled, Cancelled: true}
	}
	return Ending{Reason: PlayCancelled, Cancelled: true}
}

// end takes a job out of the queue; the caller holds the lock.
func (p *Player) end(j *Job, e Ending) {
	if i := slices.Index(p.queue, j); i >= 0 {
		p.queue = slices.Delete(p.queue, i, i+1)
		p.tell(j, e)
	}
}

// current is the job whose turn it is, nil while there is none or its prompts are on the way.
func (p *Player) current() *Job {
	if len(p.queue) == 0 || !p.queue[0].loaded {
		return nil
	}
	return p.queue[0]
}

// ReadFrame is the next frame of the prompts, or of the beep before a recording.
func (p *Player) ReadFrame(frame *Frame) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	j := p.current()
	if j == nil {
		return false
	}
	if j.at >= len(j.clip) {
		if j.record == nil {
			p.end(j, Ending{Reason: Completed}) // it had nothing to say
		}
		return false
	}
	n := copy(frame[:], j.clip[j.at:])
	clear(frame[n:])
	j.at += n
	if j.at >= len(j.clip) && j.record == nil {
		p.end(j, Ending{Reason: Completed})
	}
	return true
}

// WriteFrame is what the others say.
func (p *Player) WriteFrame(frame *Frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	j := p.current()
	if j == nil || j.record == nil || j.at < len(j.clip) {
		return
	}
	if reason := j.taken.add(frame, j.record); reason != "" {
		p.end(j, Ending{Reason: reason, Recording: j.taken.samples})
	}
}

// Tone is a key that somebody pressed. It ends a recording that waits for it.
func (p *Player) Tone(tone string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	j := p.current()
	if j != nil && j.record != nil && j.at >= len(j.clip) && slices.Contains(j.record.StopTones, tone) {
		p.end(j, Ending{Reason: StopTone, Recording: j.taken.samples})
	}
}
