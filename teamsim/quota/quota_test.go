// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"errors"
	"testing"
	"time"
)

func TestLimits(t *testing.T) {
	now := time.Date(2026, 1, 30, 0, 0, 0, 0, time.UTC)
	b := &Book{Now: func() time.Time { return now }}
	if err := b.Set("APP", Limits{Concurrent: 2, Monthly: 3, RetryAfter: time.Second}); err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		app     string
		live    int
		after   time.Duration
		monthly bool
		refused bool
	}{
		{app: "app", live: 0},
		{app: "app", live: 1},
		{app: "app", live: 2, refused: true},
		{app: "other", live: 99},
		{app: "other", live: 100, refused: true},
		{app: "app", live: 1},
		{app: "app", live: 0, refused: true, monthly: true},
		{app: "app", live: 0, after: 3 * 24 * time.Hour},
	} {
		now = now.Add(step.after)
		err := b.Take(step.app, step.live)
		var exceeded *ExceededError
		if errors.As(err, &exceeded) != step.refused || step.refused && (exceeded.Monthly != step.monthly || (exceeded.RetryAfter == 0) != step.monthly) {
			t.Errorf("step %d: %v", i, err)
		}
	}
	if b.Set("app", Limits{Monthly: -1}) == nil {
		t.Error("a negative limit was accepted")
	}
}
