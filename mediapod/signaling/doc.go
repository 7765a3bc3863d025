// SPDX-License-Identifier: Apache-2.0

// Package signaling is the Teams side of a media pod: it joins meetings, takes and
// places calls through Microsoft Graph, listens to the notifications about them,
// keeps them alive, steers them and hangs them up. It knows neither Kubernetes nor
// media; what the far side needs to find the media engine is an opaque string to it.
//
// A call is one goroutine with one queue (Call) around one state machine without
// any concurrency in it (machine). Whatever reaches the call, be it a
// notification, an answer from Graph, a timer or the wish to leave, is one input
// to the machine, which answers with the Graph operations to start next.
//
// A call begins in one of four ways: the bot joins a meeting or calls somebody
// (Join), it is called (Config.Incoming decides), or it goes on with a call that
// another process held (Adopt), which is possible where the service hosts the
// media. What is wanted of a call is a state (Want) that the machine works
// towards; what somebody does in it, once, is an action (Act).
//
// Notifications are trusted once the Verifier has accepted their token, and not
// a byte of the body is read before that.
package signaling
