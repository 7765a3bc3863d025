// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"context"

	"github.com/callfleet/callfleet/teamsim/whip"
)

// legOf is the connection to the bot's media in a live call; nil without.
func (s *Service) legOf(id string) *whip.Leg {
	s.mu.Lock()
	c := s.live[id]
	s.mu.Unlock()
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leg
}

// CutMedia loses what is sent to the bot's media in a call, or lets it through again. It reports false if there is none.
func (s *Service) CutMedia(id string, on bool) bool {
	leg := s.legOf(id)
	if leg == nil {
		return false
	}
	leg.Cut(on)
	detail := "nothing reaches the bot any more"
	if !on {
		detail = "what is sent reaches the bot again"
	}
	s.Journal.Add("", id, "MediaCut", detail)
	return true
}

// RestartMedia restarts ICE with the bot's media in a call. It reports false if there is none.
func (s *Service) RestartMedia(ctx context.Context, id string) (found bool, err error) {
	leg := s.legOf(id)
	if leg == nil {
		return false, nil
	}
	s.Journal.Add("", id, "MediaRestart", "restarting ICE")
	return true, leg.Restart(ctx)
}
