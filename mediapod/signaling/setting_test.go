// SPDX-License-Identifier: Apache-2.0

package signaling

import "github.com/callfleet/callfleet/graph"

// meetingSetting is that of a bot that joins a meeting.
func meetingSetting() setting {
	return setting{group: true, hosting: graph.AppHosted, tenant: testTenant, scenario: "scenario", keepAliveEvery: defaultKeepAlive}
}
