// SPDX-License-Identifier: Apache-2.0

// Package agent runs the calls that are bound to one media pod, as a kubelet runs the Pods bound to its node.
//
// It watches the MeetingSessions whose status.mediaPod names it, claims each before anything is sent to Graph, hands
// the signalling to package signaling and the sound to package media, and writes what happens back into the status of
// the resource. Resources are its only channel to the manager.
//
//	MeetingSession ──watch──▶ Agent ──▶ runner (one per call) ──▶ signaling, media
//	      ▲                                   │
//	      └───────── statusWriter ◀───────────┘   at most one write a second for a call
//
// Calls never wait for the API server: a runner keeps its call going while writes fail, and the writer catches up with
// the newest state when the server is back.
package agent
