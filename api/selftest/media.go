// SPDX-License-Identifier: Apache-2.0

package selftest

import "crypto/hmac"

// MediaPath is asked of the media port, with GET, and answered with an Answer that proves the UID of the Pod.
const MediaPath = "/healthz"

// ReachPath is asked of the router, with GET: it connects to the media pod by its public name, as a far side does, and tells what
// it found there.
func ReachPath(namespace, bot, mediaPod string) string {
	return "/" + namespace + "/" + bot + "/pods/" + mediaPod + "/healthz"
}

// Hop is where a connection to a media port failed.
type Hop string

const (
	HopNone     Hop = ""         // nowhere
	HopAddress  Hop = "Address"  // the router knows none of the pod yet
	HopName     Hop = "Name"     // the name does not resolve
	HopConnect  Hop = "Connect"  // nothing takes the connection
	HopTLS      Hop = "TLS"      // what takes it does not speak TLS, or breaks it off
	HopExchange Hop = "Exchange" // what speaks TLS answers otherwise than a media pod
)

// Reach is the router's answer, as JSON.
type Reach struct {
	// Nonce as it was asked.
	Nonce string `json:"nonce"`
	// Hop that failed, and why, in words without addresses of other places.
	Hop    Hop    `json:"hop,omitempty"`
	Detail string `json:"detail,omitempty"`
	// At is the address that the name led to.
	At string `json:"at,omitempty"`
	// Shown are the certificates that were shown, DER, the pod's first. The router does not judge them: the pod knows best.
	Shown [][]byte `json:"shown,omitempty"`
	// Proof is that of the Pod.
	Proof string `json:"proof,omitempty"`
}

// Proves reports whether the answer is to this nonce and comes from the Pod.
func (r Reach) Proves(nonce, podUID string) bool {
	return r.Nonce == nonce && hmac.Equal([]byte(r.Proof), []byte(Prove(nonce, podUID)))
}
