// SPDX-License-Identifier: Apache-2.0

// Package monitoring has Prometheus' own code judge the alerts and dashboards of config/: that they are well-formed, that they name
// documented metrics only, that each alert fires when it should and not otherwise, and that its runbook exists.
package monitoring
