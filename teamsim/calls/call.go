// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/callfleet/callfleet/teamsim/callback"
	"github.com/callfleet/callfleet/teamsim/directory"
	"github.com/callfleet/callfleet/teamsim/meeting"
	"github.com/callfleet/callfleet/teamsim/people"
	"github.com/callfleet/callfleet/teamsim/roster"
	"github.com/callfleet/callfleet/teamsim/servicemedia"
	"github.com/callfleet/callfleet/teamsim/simclock"
	"github.com/callfleet/callfleet/teamsim/whip"
)

// The states of a call that occur here (reference section 1.6).
const (
	stateIncoming         = "incoming"
	stateEstablishing     = "establishing"
	stateEstablished      = "established"
	stateTransferring     = "transferring"
	stateTransferAccepted = "transferAccepted"
	stateRedirecting      = "redirecting"
	stateTerminating      = "terminating"
	stateTerminated       = "terminated"
)

// call is one bot's leg. Fields above mu never change.
type call struct {
	service       *Service
	id            string
	app           directory.App
	tenantID      string
	participantID string
	chainID       string
	direction     string
	scenarioID    string
	meeting       *meeting.Meeting // or the conversation of the call
	from          *Incoming        // nil for a call by the bot
	queue         *callback.Queue
	done          chan struct{} // closed when the call has ended
	entered       chan struct{} // closed when a recorder is in the meeting; nil for others

	mu            sync.Mutex
	state         string
	mediaActive   bool
	inLobby       bool
	leg           *whip.Leg       // nil without media, and when it was closed
	lastMedia     *whip.Stats     // of the leg that was closed
	deadline      *simclock.Timer // keepAlive, or answer while incoming
	keepAlives    int
	lastKeepAlive time.Time
	created       time.Time
	established   time.Time
	ended         time.Time
	result        *Result
	endDetail     string
	etag          int
	operations    map[string]*operation
	callbackURI   string        // the webhook's until the call is answered
	request       createRequest // filled by the answer if it is an incoming call
	blob          blob
	capacity      int                  // participantCapacity of the answer
	people        []*meeting.Person    // who was called or called
	rings         []*people.Ring       // phones that ring because of this call
	terminal      document             // what the last notification has besides the result
	player        *servicemedia.Player // nil with application-hosted media
	tones         toneSubscription
	invited       map[string]*people.Ring // whose phones ring for an invitation, by the participant they will be
	onHold        string                  // the participant
	gallery       string                  // the participant the large gallery view is
	delta         roster.Tracker
	sharing       string          // content sharing session the bot knows of
	observedIDs   []string        // participants whom the call records for a policy
	observedSeen  map[string]bool // and who have been in the meeting
	recording     recording       // locks itself, as does the next
	routing       routingGroups
}

// run makes the call happen: reach the people, connect to the bot's media, then bring all together.
func (c *call) run() {
	c.advance(stateEstablishing)
	if !c.reach() {
		return
	}
	entry := meeting.Entry{Participant: c.participant(), Member: c, Invited: c.from != nil}
	var leg *whip.Leg
	if c.request.MediaConfig.appHosted() {
		if leg = c.connectMedia(); leg == nil {
			return
		}
		entry.Audio = leg
	} else {
		entry.Audio = c.player
		c.advance(stateEstablished)
	}
	if err := c.enter(entry); errors.Is(err, meeting.ErrOver) {
		return // and the end of the call is told already
	} else if err != nil {
		c.end(result(500, 7112, "MediaControllerAddParticipantFailed"), err.Error(), false)
		return
	}
	select {
	case <-c.done: // ended before it was in: take it out again
		c.meeting.Leave(c.participantID)
		return
	default:
	}
	if leg == nil {
		return
	}
	select {
	case <-c.done:
		return
	case <-leg.Lost():
	}
	select {
	case <-c.done:
	case <-time.After(lostGrace):
		c.end(mediaLost, "the media connection to the bot was lost", false)
	}
}

// connectMedia dials the endpoint the blob names. It returns nil when the call has ended instead.
func (c *call) connectMedia() *whip.Leg {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	go func() { // hanging up stops the attempt
		select {
		case <-c.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	leg, err := whip.Dial(ctx, whip.Config{
		MPURI: c.blob.MPURI, Token: c.blob.Token, HTTP: c.service.Network.Client(dialTimeout),
		MediaTimeout: c.service.MediaTimeout, Log: c.service.Log.WithValues("call", c.id),
	})
	if err != nil {
		c.end(dialResult(err), err.Error(), false)
		return nil
	}
	c.mu.Lock()
	c.leg = leg
	over := c.state == stateTerminated
	c.mu.Unlock()
	if over {
		c.closeMedia(leg)
		return nil
	}
	c.advance(stateEstablished)
	select {
	case <-leg.Connected():
		return leg
	case <-c.done:
		return nil
	case <-leg.Lost():
	case <-time.After(connectTimeout):
	}
	c.end(mediaNoReach, "the bot answered the offer, but ICE or DTLS did not connect: are the candidates of its answer reachable over UDP?", false)
	return nil
}

// closeMedia lets go of a leg, which is big, and keeps its figures.
func (c *call) closeMedia(leg *whip.Leg) {
	leg.Close()
	last := leg.Stats()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leg, c.lastMedia = nil, &last
}

func (c *call) participant() meeting.Participant {
	p := meeting.Participant{
		ID: c.participantID, Kind: meeting.KindBot, IdentityID: c.app.ID, DisplayName: c.app.Name(), TenantID: c.app.TenantID, CallID: c.id,
	}
	if g := c.request.guest(); g != nil {
		p.Kind, p.IdentityID, p.DisplayName, p.TenantID = meeting.KindGuest, g.ID, g.DisplayName, ""
	}
	return p
}

// advance moves to a state and tells the bot.
func (c *call) advance(state string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == stateTerminated {
		return
	}
	c.state = state
	if state == stateEstablished {
		c.established = time.Now()
	}
	c.notify("updated", state, c.stateData())
}

// Admitted implements meeting.Member: the bot is in the meeting and its audio flows.
func (c *call) Admitted() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == stateTerminated {
		return
	}
	c.mediaActive, c.inLobby = true, false
	if c.entered != nil {
		close(c.entered)
	}
	c.notify("updated", "established, media active", c.stateData())
}

// Roster implements meeting.Member.
func (c *call) Roster(seen []meeting.Participant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == stateTerminated {
		return
	}
	for _, p := range seen {
		if p.ID == c.participantID {
			c.inLobby = p.InLobby
		}
	}
	c.notifyRoster(seen)
	c.notifyLeft(seen)
}

// Gone implements meeting.Member.
func (c *call) Gone(cause meeting.Cause) { c.end(c.goneResult(cause), string(cause), false) }

// keepAlive postpones the end of the call; it reports false when the call has ended.
func (c *call) keepAlive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == stateTerminated || !c.deadline.Reset(KeepAliveDeadline) {
		return false
	}
	c.keepAlives++
	c.lastKeepAlive = time.Now()
	return true
}

// end ends the call, once. The bot hears of it as terminating, if it asked for it, and terminated.
func (c *call) end(r Result, detail string, asked bool) bool {
	c.mu.Lock()
	if c.state == stateTerminated {
		c.mu.Unlock()
		return false
	}
	if asked {
		c.state = stateTerminating
		c.notify("updated", stateTerminating, c.stateData())
	}
	c.state, c.ended, c.result, c.endDetail, c.mediaActive = stateTerminated, time.Now(), &r, detail, false
	c.notify("deleted", stateTerminated, c.stateData())
	c.deadline.Stop()
	leg, rings, player := c.leg, c.rings, c.player
	close(c.done)
	c.mu.Unlock()

	c.service.retire(c)
	for _, g := range rings {
		g.Cancel()
	}
	if player != nil {
		player.Close()
		c.service.Clock.AfterFunc(recordingKept, func() { c.service.Recordings.Forget(c.id) })
	}
	c.meeting.Leave(c.participantID)
	c.leaveBehind()
	c.recorderGone()
	c.service.Journal.Add(c.meetingID(), c.id, "CallEnded", r.Message)
	c.service.Log.Info("call ended", "call", c.id, "code", r.Code, "subcode", r.Subcode, "detail", detail)
	if leg != nil {
		c.service.background(func() { c.closeMedia(leg) })
	}
	return true
}

func (c *call) mediaGone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leg == nil || time.Since(c.created) < ghostAfter {
		return false
	}
	s := c.leg.Stats()
	return !s.Connected || s.Lost
}
