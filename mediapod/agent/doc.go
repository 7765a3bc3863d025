// SPDX-License-Identifier: Apache-2.0

// Package agent runs the calls of one media pod, as a kubelet runs the Pods bound to its node: those that MeetingSessions
// and Calls bound to the pod ask for, those that come in, and those that another process of the bot left behind.
//
// It watches the objects whose status.mediaPod names it, claims each before anything is sent to Graph, hands the
// signalling to package signaling and the sound to package media, and writes what happens back into the status of the
// object. Resources are its only channel to the manager.
//
//	MeetingSession, Call ──watch──▶ Agent ──▶ runner (one per call) ──▶ signaling, media
//	      ▲                          ▲              │
//	      │      incoming call ──────┘              │
//	      └────── statusWriter ◀── story ◀──────────┘   at most one write a second for a call
//
// Calls never wait for the API server: a runner keeps its call going while writes fail, and the writer catches up with
// the newest state when the server is back. A call that comes in is decided about from memory (rulebook, package rules);
// its object is made while it goes on.
//
// Where the service hosts the media, a call outlives its process: a process that stops hands its calls on, and one that is
// bound such a call, or finds its notifications, adopts it. Other calls of a process that is gone are buried.
package agent
