// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"context"
)

// prefetch fetches the prompts a bot will play soon (reference section 5); what fails then fails again when it is played.
func (s *Service) prefetch(appID string, m mediaConfig) {
	if len(m.PreFetchMedia) == 0 {
		return
	}
	s.background(func() {
		if _, err := s.Prompts.Get(context.Background(), appID, m.PreFetchMedia); err != nil {
			s.Log.V(1).Info("cannot prefetch a prompt", "error", err.Error())
		}
	})
}
