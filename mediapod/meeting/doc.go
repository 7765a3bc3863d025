// SPDX-License-Identifier: Apache-2.0

// Package meeting finds out which meeting a session is in: from what the session says of it, by asking Graph, or by
// making it. Meetings are secrets; no error or message of this package quotes one.
package meeting
