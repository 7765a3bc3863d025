// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/teamsim/quota"
)

// earlyPatience is how long the reply waits for the first notification, if that is to come before it. A bot that keeps
// the notification until it knows the call has to be let go.
const earlyPatience = time.Second

// launch replies and lets a call happen. On demand the first notification comes before the reply, which is so at the
// real service now and then (reference section 2.3).
func (s *Service) launch(c *call, reply func()) {
	if !s.Sender.Chaos.Early(c.app.ID, c.queue.Number()) {
		reply()
		s.background(c.run)
		return
	}
	s.background(c.run)
	select {
	case <-c.queue.First():
	case <-time.After(earlyPatience):
	}
	reply()
}

// book refuses calls beyond the app's limits. Graph answers 429 when it throttles; for the month only the text is known
// (reference section 4).
func (s *Service) book(w http.ResponseWriter, appID string) *apiError {
	live := 0
	s.mu.Lock()
	for _, c := range s.live {
		if c.app.ID == appID {
			live++
		}
	}
	s.mu.Unlock()
	var exceeded *quota.ExceededError
	if err := s.Quotas.Take(appID, live); !errors.As(err, &exceeded) {
		return nil
	}
	if exceeded.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(exceeded.RetryAfter.Seconds())))
	}
	return &apiError{http.StatusTooManyRequests, "TooManyRequests", exceeded.Error()}
}

// Live is how many calls go on.
func (s *Service) Live() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.live)
}

// dashed is the id as the service writes it mostly, of one without dashes; what is no such id stays.
func dashed(id string) string {
	if u, err := uuid.Parse(id); err == nil && len(id) == 32 {
		return u.String()
	}
	return id
}
