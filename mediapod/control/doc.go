// SPDX-License-Identifier: Apache-2.0

// Package control lets people act in the calls of a media pod: transfer, play, record, press keys.
//
// It is reached through the API server's pod proxy, which asks for the right to proxy to the pod, drops the caller's
// credentials and does not say who calls. And whoever is in the cluster's network can dial the port. So each request
// carries the caller's own Kubernetes token in a header, and with that token the pod asks the API server who it is
// (SelfSubjectReview) and whether they may `control` the session or call (SelfSubjectAccessReview). The pod needs no
// rights of its own for this.
package control
