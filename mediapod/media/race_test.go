// SPDX-License-Identifier: Apache-2.0

//go:build race

package media

import "time"

// longCall is how long the calls of simulated time last: the race detector takes ten times as long, and would see nothing in
// ten minutes of them that it does not see in one.
const longCall = 3 * time.Minute
