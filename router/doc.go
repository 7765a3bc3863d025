// SPDX-License-Identifier: Apache-2.0

// Package router is the public door of the fleets: it decides which media pod gets a request of Microsoft's calling
// service, and forwards it.
//
//	POST /<namespace>/<bot>/calls                       a new call: a pod with room, another one if that fails
//	POST /<namespace>/<bot>/pods/<mediapod>/calls/<uid> a call's own callback: the pod that holds the call, draining or not
//	GET  /<namespace>/<bot>/prompts/<digest>/<map>/<key> a recording to play: any pod
//	GET  /<namespace>/<bot>/prompts/<digest>/_spoken/<mediapod> what a speech service made: the pod that had it made
//	GET  /<namespace>/<bot>/healthz?nonce=…             answered here: it proves that the public name leads to this cluster
//	GET  /<namespace>/<bot>/pods/<mediapod>/healthz?nonce=… answered here: what a far side finds at the pod's media port
//
// It keeps no state but a copy of the MediaPods, so any number of routers behave as one, and it goes on with that copy
// while the API server is away. What it remembers besides, such as tokens that pods found good, only makes it quicker.
//
// It does not judge tokens: the pod does, before it takes the body. Until then the body stays with its sender, because the
// router asks the pod first (Expect: 100-continue), so junk costs little memory and next to no bandwidth. Requests whose
// token no pod has found good yet queue in a lane of their own, so that a flood of them does not hold up calls.
package router
