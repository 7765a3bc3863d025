// SPDX-License-Identifier: Apache-2.0

// Package router is the public door of the fleets: it decides which media pod gets a notification of Microsoft's calling
// service, and forwards it.
//
//	POST /<namespace>/<bot>/calls                       a new call: a pod with room, another one if that fails
//	POST /<namespace>/<bot>/pods/<mediapod>/calls/<uid> a call's own callback: the pod that holds the call, draining or not
//
// It keeps no state but a copy of the MediaPods, so any number of routers behave as one, and it goes on with that copy
// while the API server is away. It does not judge tokens: the pod does, before it reads the body.
package router
