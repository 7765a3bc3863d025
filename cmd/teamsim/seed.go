// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"

	"sigs.k8s.io/yaml"

	"github.com/callfleet/callfleet/teamsim/admin"
)

// seed is what a seed file holds.
type seed struct {
	Apps     []admin.App        `json:"apps"`
	Meetings []admin.NewMeeting `json:"meetings"`
}

// plant registers the apps and creates the meetings of a seed file.
func plant(ctx context.Context, client *admin.Client, file string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read seed: %w", err)
	}
	var s seed
	if err := yaml.UnmarshalStrict(raw, &s); err != nil {
		return fmt.Errorf("seed %s: %w", file, err)
	}
	for _, a := range s.Apps {
		if err := client.PutApp(ctx, a); err != nil {
			return fmt.Errorf("seed %s: app %s: %w", file, a.ID, err)
		}
	}
	for _, m := range s.Meetings {
		if _, err := client.CreateMeeting(ctx, m); err != nil {
			return fmt.Errorf("seed %s: meeting %q: %w", file, m.Subject, err)
		}
	}
	return nil
}
