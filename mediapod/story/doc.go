// SPDX-License-Identifier: Apache-2.0

// Package story puts what a media pod knows of a call into the status of its object. A Story is a value: telling it
// needs no clock, no lock and no API server, and telling it twice changes nothing.
package story
