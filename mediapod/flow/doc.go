// SPDX-License-Identifier: Apache-2.0

// Package flow runs CallFlows. A Machine is a pure state machine: events in, commands out, its state a value that another process can
// go on from. A Stage carries commands out in a call: package service has Microsoft Graph do it, package engine the pod's own media.
// What a flow does is decided by the machine alone, so that it is the same on every stage but for time.
package flow
