// SPDX-License-Identifier: Apache-2.0

//go:build !race

package media

import "time"

// longCall is how long the calls of simulated time last.
const longCall = 10 * time.Minute
