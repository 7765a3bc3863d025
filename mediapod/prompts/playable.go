// SPDX-License-Identifier: Apache-2.0

package prompts

import (
	"fmt"

	"github.com/callfleet/callfleet/audio/wav"
)

// playable says what keeps the service from playing a file.
func playable(file File) error {
	if len(file.Raw) > MaxBytes {
		return fmt.Errorf("%s is larger than %d MiB; make it shorter", file.From, MaxBytes>>20)
	}
	if err := wav.CheckPrompt(file.Raw); err != nil {
		return fmt.Errorf("%s %w", file.From, err)
	}
	return nil
}
