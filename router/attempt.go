// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// Headers between router and pod. From outside none is let in, and to the outside none goes out.
const (
	headerPrefix = "Callfleet-"
	// headerLast tells a pod that nobody else is left to take a new call: it disposes of it itself.
	headerLast = "Callfleet-Last"
	// headerOwner of a 421 (Misdirected Request) names the media pod that holds the call.
	headerOwner = "Callfleet-Owner"
	// headerUnjudged of a 503 says that the pod does not know the key of the token, and may not look for it yet.
	headerUnjudged = "Callfleet-Unjudged"
)

const (
	// dialTimeout is no shorter than who is asked last may take: a SYN that was lost is sent again after one second and three.
	dialTimeout = verdictBudget
	// verdictTimeout is how long a pod may take to judge token and seats while there is another to ask. It takes milliseconds; one
	// that takes this long hangs, or fetches a new signing key, which the next pod may know.
	verdictTimeout = time.Second
	// verdictBudget is how long all pods together may take to do so. The shorter deadline of the service, that of policy-based
	// recording, is 5 s from the notification to the answer, and who takes the call still has to answer it.
	verdictBudget = 4 * time.Second
	// answerTimeout is how long it may take after that: it answers as soon as a notification is queued.
	answerTimeout = 10 * time.Second
)

var (
	errNoVerdict = errors.New("the pod neither asked for the body nor refused it in time")
	errNoAnswer  = errors.New("the pod did not answer in time")
)

func newTransport() *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second,
		// The body never goes out unasked: who waits for the pod's word is bounded by try. The transport itself does
		// the rest: a final answer that ends the connection, as a Go server's does that has not read the body, ends the
		// request without sending it.
		ExpectContinueTimeout: time.Hour,
		DisableCompression:    true, MaxResponseHeaderBytes: 64 << 10,
	}
}

// outcome of asking one pod.
type outcome struct {
	resp *http.Response // nil if err is set
	err  error
	// proved: the pod asked for the body, so it had found the token good.
	proved bool
	// untouched: nothing of the body went out, so that the pod cannot have acted.
	untouched bool
	// repeatable: the body can be sent once more, whether it went out or not.
	repeatable bool
}

// full: the pod does not take the request, and another may get it.
func (o outcome) full() bool {
	return o.err == nil && o.resp.StatusCode == http.StatusServiceUnavailable && o.repeatable && !o.unjudged()
}

// unjudged: the token may be good or forged, so that asking one pod after the other would only make more of a flood.
func (o outcome) unjudged() bool { return o.err == nil && o.resp.Header.Get(headerUnjudged) != "" }

// unreachable: no answer, and the pod got too little to act on. Once it has the body, it may have taken the call although
// no answer came: asked again, two would answer one call.
func (o outcome) unreachable() bool { return o.err != nil && o.untouched }

// owner is the media pod that a pod says holds the call, if it says so without having taken the body.
func (o outcome) owner() (string, bool) {
	if o.err != nil || o.resp.StatusCode != http.StatusMisdirectedRequest {
		return "", false
	}
	return o.resp.Header.Get(headerOwner), true
}

func (o outcome) discard() {
	if o.resp != nil {
		_ = o.resp.Body.Close()
	}
}

// silent: the pod said nothing in the time it was given, which is time that the request has lost.
func (o outcome) silent() bool {
	return errors.Is(o.err, errNoVerdict) || errors.Is(o.err, errNoAnswer)
}

// ask sends the request to one pod, which has so long to judge it. b is nil for a request without a body. An answer's body must
// be closed.
func (r *Router) ask(in *http.Request, header http.Header, to target, b *body, last bool, verdict time.Duration) outcome {
	for {
		o, stale := r.try(in, header, to, b, last, verdict)
		if !stale {
			return o
		}
	}
}

// try reports with stale that a connection kept from earlier had been closed by the pod: that says nothing of the pod.
func (r *Router) try(in *http.Request, header http.Header, to target, b *body, last bool, verdict time.Duration) (o outcome, stale bool) {
	ctx, cancel := context.WithCancelCause(in.Context())
	var reused, slow atomic.Bool
	giveUp := func(why error) func() {
		return func() {
			slow.Store(true)
			cancel(why)
		}
	}
	// The pod asks for the body, or is given up: whichever comes first. A body that went out to a pod given up meanwhile could not go
	// to another one.
	const waiting, asked, tooLate = 0, 1, 2
	var verdictIs atomic.Int32
	var reads *reading
	var timer *time.Timer
	if b == nil {
		timer = time.AfterFunc(answerTimeout, giveUp(errNoAnswer))
	} else {
		reads = b.open()
		timer = time.AfterFunc(verdict, func() {
			if verdictIs.CompareAndSwap(waiting, tooLate) {
				reads.end()
				giveUp(errNoVerdict)()
			}
		})
	}
	var answer atomic.Pointer[time.Timer]
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { reused.Store(info.Reused) },
		Got100Continue: func() {
			if verdictIs.CompareAndSwap(waiting, asked) {
				answer.Store(time.AfterFunc(answerTimeout, giveUp(errNoAnswer)))
			}
		},
	})
	out := (&http.Request{
		Method: in.Method, Host: in.Host, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		URL: &url.URL{Scheme: "http", Host: to.addr, Path: in.URL.Path, RawPath: in.URL.RawPath, RawQuery: in.URL.RawQuery},
	}).WithContext(ctx)
	if reads != nil {
		out.Body, out.ContentLength = reads, in.ContentLength
	}
	if last {
		out.Header = header.Clone()
		out.Header.Set(headerLast, "true")
	}
	resp, err := r.transport.RoundTrip(out)
	timer.Stop()
	if t := answer.Load(); t != nil {
		t.Stop()
	}
	o = outcome{resp: resp, err: err, proved: verdictIs.Load() == asked, untouched: true, repeatable: true}
	if reads != nil {
		o.untouched, o.repeatable = reads.untouched(), reads.repeatable()
	}
	if err != nil {
		if slow.Load() {
			o.err = context.Cause(ctx)
		}
		cancel(nil)
		return o, reused.Load() && !slow.Load() && o.untouched && in.Context().Err() == nil
	}
	resp.Body = &answerBody{resp.Body, cancel, reads}
	return o, false
}

// answerBody ends everything of its request when it is closed.
type answerBody struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
	reads  *reading
}

func (a *answerBody) Close() error {
	if a.reads != nil {
		a.reads.end()
	}
	err := a.ReadCloser.Close()
	a.cancel(nil)
	return err
}

// serviceHosted bots' calls outlive their pods.
func serviceHosted(mp *callfleetv1.MediaPod) bool {
	return mp.Spec.Media.Hosting == callfleetv1.HostingService
}
