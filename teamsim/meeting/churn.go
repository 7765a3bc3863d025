// SPDX-License-Identifier: Apache-2.0

package meeting

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Churn is people coming and going, and doing what shows in a roster.
type Churn struct {
	Seed     uint64
	Steps    int
	People   int // at most so many at once
	Interval time.Duration
}

// Churn runs until all steps are done, and takes everybody out again who came.
func (m *Meeting) Churn(ctx context.Context, c Churn) error {
	if c.Steps <= 0 || c.People <= 0 || c.Interval < 0 {
		return errors.New("churn needs steps and people, and no negative interval")
	}
	draw := rand.New(rand.NewPCG(c.Seed, 0)) //nolint:gosec // chance is wanted, not secrecy
	var here []*Person
	defer func() {
		for _, p := range here {
			p.Leave()
		}
	}()
	for step := range c.Steps {
		var err error
		switch what := draw.IntN(6); {
		case len(here) == 0 || what < 2 && len(here) < c.People:
			var p *Person
			if p, err = m.AddPerson(fmt.Sprintf("Visitor %d", step+1)); err == nil {
				here = append(here, p)
			}
		case what < 3:
			i := draw.IntN(len(here))
			here[i].Leave()
			here = append(here[:i], here[i+1:]...)
		default:
			err = m.fidget(here[draw.IntN(len(here))].ID, what, draw.IntN(2) == 0)
		}
		if err != nil {
			return fmt.Errorf("churn, step %d: %w", step+1, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(c.Interval):
		}
	}
	return nil
}

// fidget does one of the small things people do. Somebody who was removed meanwhile does none.
func (m *Meeting) fidget(id string, what int, on bool) error {
	if _, here := m.Find(id); !here {
		return nil
	}
	switch what {
	case 3:
		return m.Mute(id, on)
	case 4:
		return m.ShareScreen(id, on)
	}
	direction := "inactive"
	if on {
		direction = "sendReceive"
	}
	return m.SetStream(id, Video, "main-video", direction, "")
}
