// SPDX-License-Identifier: Apache-2.0

// Package callflow reads CallFlows: it checks them, compiles their templates and conditions, and draws them. It runs nothing; the
// admission webhook, the controller, media pods and kubectl callfleet all read flows with it, so that what one accepts the others do.
package callflow
