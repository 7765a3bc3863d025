// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// Requests that may be sent twice are retried by azcore's own rule: on 408, 429, 500, 502, 503, 504 and on failed connections, after
// Retry-After or with exponential back-off. Creating a call is not one of them: a second POST is a second bot in the meeting.

// notYetDone reports whether a request that must not be done twice has certainly not been done once: it was turned away by
// throttling, or no connection was made for it. 503 is not proof: a gateway answers so after the service behind it has acted.
func notYetDone(resp *http.Response, err error) bool {
	if err != nil {
		var op *net.OpError
		return errors.As(err, &op) && op.Op == "dial"
	}
	return resp.StatusCode == http.StatusTooManyRequests
}

// retryAfter reads Retry-After in both of its forms, seconds and a date (RFC 9110, 10.2.3).
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// maxResponseBytes bounds an answer. The largest are rosters, see MaxNotificationBytes.
const maxResponseBytes = 8 << 20

// boundedTransport stops reading an answer that does not end.
type boundedTransport struct {
	policy.Transporter
	bytes int64
}

func (t boundedTransport) Do(req *http.Request) (*http.Response, error) {
	resp, err := t.Transporter.Do(req)
	if err == nil && resp.Body != nil {
		resp.Body = &boundedBody{ReadCloser: resp.Body, left: t.bytes, most: t.bytes}
	}
	return resp, err
}

type boundedBody struct {
	io.ReadCloser
	left, most int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		// The bound is reached; an answer of exactly that size still ends well.
		var one [1]byte
		if n, err := b.ReadCloser.Read(one[:]); n == 0 {
			return 0, err
		}
		return 0, tooLongError(b.most)
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}

type tooLongError int64

func (most tooLongError) Error() string {
	return fmt.Sprintf("the answer is longer than %d MiB", int64(most)>>20)
}

// NonRetriable tells azcore that asking again would bring the same.
func (tooLongError) NonRetriable() {}
