// SPDX-License-Identifier: Apache-2.0

package router

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// orphanTries bounds how many pods are asked to take over a call whose pod is gone, promptTries those asked for a recording.
	orphanTries = 3
	promptTries = 3
	// maxHops bounds how often pods may send a callback on to each other.
	maxHops = 2

	// Notifications are streamed, so these bound what a pod has to read. The roster of a meeting with a thousand people is about
	// 1 MB; a new call brings no roster.
	maxNewCall  = 256 << 10
	maxCallback = 4 << 20
)

func maxBody(k kind) int64 {
	if k == kindNewCall {
		return maxNewCall
	}
	return maxCallback
}

// exchange is one request and what is known of it.
type exchange struct {
	*Router
	w      http.ResponseWriter
	in     *http.Request
	route  route
	header http.Header // for pods
	body   *body       // nil: none
	proved bool        // a pod found its token good
	denied bool        // a pod found it bad

	began time.Time
	asked map[string]bool // pods that were asked, by name: whether the pod answered
}

func (r *Router) newExchange(w http.ResponseWriter, in *http.Request, rt route) *exchange {
	x := &exchange{Router: r, w: w, in: in, route: rt, header: headerForPods(in), began: time.Now(), asked: map[string]bool{}}
	if in.Method == http.MethodPost && in.ContentLength != 0 {
		x.body = &body{source: http.MaxBytesReader(nil, in.Body, maxBody(rt.kind))}
		if rt.kind == kindNewCall {
			x.body.keep = maxReplay
		}
		x.header.Set("Expect", "100-continue")
	}
	return x
}

func (x *exchange) forward() {
	switch x.route.kind {
	case kindNewCall:
		x.newCall()
	case kindCallback:
		x.callback()
	default:
		x.prompt()
	}
}

// newCall asks the pods with room one after the other, and if none takes the call tells one to dispose of it: a caller should
// hear that the bot is busy, rather than ring until the service gives up. Time alone bounds how many are asked: full pods say so
// in a millisecond, and to say busy while the next one has seats would be wrong.
func (x *exchange) newCall() {
	// Balancers in front of several routers would pin every call to one of them by a kept connection.
	x.w.Header().Set("Connection", "close")
	for _, to := range x.table.withRoom(x.route.bot) {
		if x.timeLeft() <= 0 {
			break
		}
		if x.settled(to, x.ask(to, false)) {
			return
		}
	}
	for _, to := range x.table.lastResorts(x.route.bot, x.asked) {
		if x.timeLeft() <= 0 {
			break
		}
		o := x.ask(to, true)
		if o.full() { // nobody is left to ask
			x.answer(o)
			return
		}
		if x.settled(to, o) {
			return
		}
	}
	x.unavailable("no media pod of the bot can be reached")
}

// timeLeft is what remains for pods to judge the request.
func (x *exchange) timeLeft() time.Duration { return verdictBudget - time.Since(x.began) }

// verdict is how long a pod may take to judge the request: all there is if nobody else is left to ask.
func (x *exchange) verdict(to target) time.Duration {
	if x.route.kind == kindCallback && !x.table.serviceHosted(x.route.bot) {
		return x.timeLeft()
	}
	if len(x.table.lastResorts(x.route.bot, x.asked, to)) == 0 {
		return x.timeLeft()
	}
	return min(verdictTimeout, x.timeLeft())
}

// callback goes to the pod that holds the call. Calls whose media the service handles outlive their pod: any pod of the bot
// finds out who has them now, or takes them over.
func (x *exchange) callback() {
	owner, known := x.table.owner(x.route.bot, x.route.mediaPod)
	if owner.addr != "" && x.deliver(owner, maxHops) {
		return
	}
	switch {
	case x.table.serviceHosted(x.route.bot):
	case !known:
		x.refuse(http.StatusNotFound, "no such media pod")
		return
	default:
		x.unavailable("the media pod is restarting")
		return
	}
	for i, to := range x.table.reachable(x.route.bot) {
		if i == orphanTries || x.timeLeft() <= 0 {
			break
		}
		if _, asked := x.asked[to.name]; !asked && x.deliver(to, maxHops) {
			return
		}
	}
	x.unavailable("no media pod of the bot can be reached")
}

// deliver brings a callback to a pod, and on to the one it names as the owner of the call. It reports false if no
// answer was had, and another pod may be asked.
func (x *exchange) deliver(to target, hops int) bool {
	o := x.ask(to, false)
	switch {
	case x.in.Context().Err() != nil:
		o.discard()
		x.w.WriteHeader(statusGone)
		return true
	case o.unreachable():
		x.missed(to, o)
		return false
	}
	name, elsewhere := o.owner()
	if !elsewhere {
		x.answer(o)
		return true
	}
	o.discard()
	next, known := x.table.owner(x.route.bot, name)
	switch {
	case !o.untouched, !known, next.addr == "", hops == 0, next.name == to.name:
		// Ownership is changing; by the time the notification is sent again it will have settled.
		x.unavailable("the call is changing hands")
		return true
	case x.deliver(next, hops-1):
		return true
	}
	x.unavailable("the media pod that holds the call cannot be reached")
	return true
}

// prompt fetches a recording from any pod; what was spoken, from the pod that had it made, draining or not.
func (x *exchange) prompt() {
	if x.route.mediaPod != "" {
		switch owner, known := x.table.owner(x.route.bot, x.route.mediaPod); {
		case !known:
			x.refuse(http.StatusNotFound, "no such media pod")
		case owner.addr == "" || !x.settled(owner, x.ask(owner, false)):
			x.unavailable("the media pod that has the prompt cannot be reached")
		}
		return
	}
	for i, to := range x.table.reachable(x.route.bot) {
		if i == promptTries {
			break
		}
		if x.settled(to, x.ask(to, false)) {
			return
		}
	}
	x.unavailable("no media pod of the bot can be reached")
}

func (x *exchange) ask(to target, last bool) outcome {
	if x.route.kind == kindNewCall {
		x.table.asks(x.route.bot, to)
	}
	o := x.Router.ask(x.in, x.header, to, x.body, last, x.verdict(to))
	if x.route.kind == kindNewCall {
		x.table.asked(x.route.bot, to, o.err == nil && o.resp.StatusCode == http.StatusAccepted)
	}
	x.asked[to.name] = o.err == nil
	switch {
	case o.err == nil:
		x.table.spoke(x.route.bot, to)
	case o.silent():
		x.table.silent(x.route.bot, to)
	}
	switch {
	case o.err == nil && o.resp.StatusCode == http.StatusUnauthorized:
		x.denied = true
	case o.proved:
		x.proved = true
	}
	return o
}

// settled answers, unless another pod may be asked.
func (x *exchange) settled(to target, o outcome) bool {
	switch {
	case x.in.Context().Err() != nil:
		o.discard()
		x.w.WriteHeader(statusGone)
	case o.full():
		o.discard()
		x.retries.WithLabelValues("full").Inc()
		return false
	case o.unreachable():
		x.missed(to, o)
		return false
	default:
		x.answer(o)
	}
	return true
}

func (x *exchange) missed(to target, o outcome) {
	if !o.silent() {
		x.table.failed(x.route.bot, to)
	}
	x.retries.WithLabelValues("unreachable").Inc()
	x.complain(to, o.err)
}

// complain logs, but not each time: it could be many a second.
func (x *exchange) complain(to target, err error) {
	x.sometimes.Do(func() {
		x.log.Info("a media pod did not answer", "bot", x.route.bot.Namespace+"/"+x.route.bot.Name, "mediaPod", to.name, "cause", err.Error())
	})
}

// statusGone is what nginx logs for a sender that hung up; nobody reads it but the metrics.
const statusGone = 499

// answer passes on what a pod said, redirects too.
func (x *exchange) answer(o outcome) {
	if o.err != nil {
		x.failed(o.err)
		return
	}
	defer o.discard()
	copyHeader(x.w.Header(), o.resp.Header, nil)
	switch {
	case o.resp.StatusCode < http.StatusBadRequest, x.body == nil, x.body.complete():
	case (o.resp.StatusCode == http.StatusUnauthorized || o.unjudged()) && small(x.in):
		x.w.Header().Del("Connection")
	default:
		x.w.Header().Set("Connection", "close") // rather than read on for nothing
	}
	x.w.WriteHeader(o.resp.StatusCode)
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	if _, err := io.CopyBuffer(writerOnly{x.w}, o.resp.Body, *buf); err != nil {
		panic(http.ErrAbortHandler) // half an answer must not look like a whole one
	}
}

func (x *exchange) failed(err error) {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		x.refuse(http.StatusRequestEntityTooLarge, fmt.Sprintf("a notification is at most %d bytes long", tooLarge.Limit))
	default:
		x.sometimes.Do(func() { x.log.Info("a notification was not answered", "kind", x.route.kind, "cause", err.Error()) })
		x.unavailable("the media pod did not answer")
	}
}

func (x *exchange) unavailable(why string) { unavailable(x.w, why) }

func (x *exchange) refuse(code int, why string) { refuse(x.w, code, why) }

// refuse does not read on for a request that is not wanted.
func refuse(w http.ResponseWriter, code int, why string) {
	w.Header().Set("Connection", "close")
	http.Error(w, why, code)
}

func unavailable(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", "1")
	refuse(w, http.StatusServiceUnavailable, why)
}

// smallBody is read on for, by net/http, when its request is refused for want of a token.
const smallBody = 16 << 10

// small: to read the rest costs less than the TLS handshake of a new connection, which is what a flood would make next.
func small(in *http.Request) bool { return 0 <= in.ContentLength && in.ContentLength <= smallBody }

var buffers = sync.Pool{New: func() any { b := make([]byte, 8<<10); return &b }}

// writerOnly hides ReadFrom, which would bring a buffer of its own.
type writerOnly struct{ io.Writer }
