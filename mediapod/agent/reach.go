// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"k8s.io/utils/clock"

	"github.com/callfleet/callfleet/api/selftest"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/story"
)

// The pod asks the router, which is another pod, to connect to its public name and port as a far side does. The router tells what
// it met; what that means is judged here, where the certificate and the Pod's UID are known.
const (
	// reachAgain is when a pod that is reached is tried again, reachSoon one that is not, reachFirst one that never was.
	reachAgain, reachSoon, reachFirst = 30 * time.Second, 5 * time.Second, time.Second
	// reachPatience is how often in a row it must fail before a pod that was reached counts as not: a probe may be lost.
	reachPatience = 3
	// maxReach is above any answer of the router: eight certificates of 4 KiB, in base64.
	maxReach = 64 << 10
)

// reached is the outcome of one probe. known is false when nobody could say.
type reached struct {
	known, ok       bool
	reason, message string
}

// reachJudge is what an answer is judged by.
type reachJudge struct {
	podUID string
	// endpoint as it is announced; nil while there is none.
	endpoint *callfleetv1.Endpoint
	// own is the certificate that the media port shows now, DER.
	own []byte
	// roots that far sides trust.
	roots *x509.CertPool
	now   time.Time
}

func (j reachJudge) judge(nonce string, answer selftest.Reach) reached {
	if answer.Nonce != nonce || j.endpoint == nil {
		return reached{reason: callfleetv1.ReasonNotChecked, message: "what answers for the router is something else"}
	}
	e := j.endpoint
	at := fmt.Sprintf("%s, port %d", e.Host, e.Port)
	if answer.At != "" && answer.At != e.Host {
		at += fmt.Sprintf(" (the name leads to %s)", answer.At)
	}
	no := func(reason, format string, args ...any) reached {
		return reached{known: true, reason: reason, message: fmt.Sprintf(format, args...)}
	}
	switch answer.Hop {
	case selftest.HopAddress:
		return no(callfleetv1.ReasonWaitingForAddress, "%s", answer.Detail)
	case selftest.HopName:
		return no(callfleetv1.ReasonNameNotResolved, "%s does not resolve; have DNS lead it to %s", e.Host, e.Address)
	case selftest.HopConnect:
		return no(callfleetv1.ReasonNoAnswer, "no connection to %s: %s; open the port for TCP and UDP, and see that the name leads to %s", at, answer.Detail, e.Address)
	case selftest.HopTLS:
		return no(callfleetv1.ReasonWrongAnswer, "no TLS with %s: %s; see what answers there", at, answer.Detail)
	case selftest.HopExchange:
		return no(callfleetv1.ReasonWrongAnswer, "not a media pod answers at %s: %s; see that the name leads to %s", at, answer.Detail, e.Address)
	}
	if !answer.Proves(nonce, j.podUID) {
		return no(callfleetv1.ReasonWrongAnswer, "another media pod answers at %s; see that the name leads to %s", at, e.Address)
	}
	return j.judgeShown(at, answer.Shown)
}

func (j reachJudge) judgeShown(at string, shown [][]byte) reached {
	no := func(reason, format string, args ...any) reached {
		return reached{known: true, reason: reason, message: fmt.Sprintf(format, args...)}
	}
	if len(shown) == 0 || !bytes.Equal(shown[0], j.own) {
		return no(callfleetv1.ReasonUntrustedCertificate, "%s shows another certificate than the pod's; nothing may stand between that ends TLS", at)
	}
	chain := make([]*x509.Certificate, 0, len(shown))
	for _, raw := range shown {
		c, err := x509.ParseCertificate(raw)
		if err != nil {
			return no(callfleetv1.ReasonUntrustedCertificate, "%s shows a chain that cannot be read; store the certificate anew", at)
		}
		chain = append(chain, c)
	}
	if err := chain[0].VerifyHostname(j.endpoint.Host); err != nil {
		return no(callfleetv1.ReasonNameMismatch, "the certificate shown at %s is not for that name; have it issued for %s", at, j.endpoint.Host)
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{Roots: j.roots, Intermediates: between, CurrentTime: j.now}); err != nil {
		return no(callfleetv1.ReasonUntrustedCertificate,
			"the certificates shown at %s lead to no authority that is trusted (%v); store the whole chain in tls.crt, and an authority of your own in ca.crt", at, err)
	}
	return reached{known: true, ok: true, reason: callfleetv1.ReasonAnswered, message: "answered at " + at}
}

// reachState is what is made of one probe after the other.
type reachState struct {
	ever             bool // it was reached
	failures, doubts int  // in a row
	last             reached
}

// note takes in a probe, and says what keeps the pod from taking calls; nil for nothing. A pod that never was reached waits,
// unless nobody can say: a fleet must not stand still because its router cannot be asked. One that was reached is held only after
// several failures, and not while it has calls: those prove more than a probe.
func (s *reachState) note(r reached, calls int) *health {
	switch {
	case !r.known:
		s.doubts++
		if s.ever || s.doubts >= reachPatience {
			return nil
		}
		return &health{reason: r.reason, message: r.message}
	case r.ok:
		*s = reachState{ever: true, last: r}
		return nil
	}
	s.failures, s.doubts, s.last = s.failures+1, 0, r
	if s.ever && (s.failures < reachPatience || calls > 0) {
		return nil
	}
	return &health{reason: r.reason, message: r.message}
}

// report is the state for the MediaPod's status.
func (s *reachState) report(newest reached) *callfleetv1.Reachability {
	m := &callfleetv1.Reachability{Reason: story.Clip(newest.reason, 64), Message: story.Clip(newest.message, maxMessage)}
	switch {
	case newest.known && newest.ok:
		m.Reachable = new(true)
	case newest.known && (!s.ever || s.failures >= reachPatience):
		m.Reachable = new(false)
	case s.ever: // one probe that was lost is no news
		m.Reachable, m.Reason, m.Message = new(true), callfleetv1.ReasonAnswered, "answered a while ago; a probe since has failed and is repeated"
	}
	return m
}

// reacher probes until the process ends.
type reacher struct {
	web    *http.Client
	where  string // the router's answer is there
	known  func() bool
	calls  func() int
	facts  func() reachJudge
	clock  clock.WithTicker
	report func(*callfleetv1.Reachability)
}

// run tells what holds the pod back, until ctx is done.
func (r *reacher) run(ctx context.Context, tell func(held *health)) {
	var state reachState
	for {
		wait := reachFirst
		if r.known() {
			newest := r.try(ctx)
			if ctx.Err() != nil {
				return
			}
			held := state.note(newest, r.calls())
			r.report(state.report(newest))
			tell(held)
			switch {
			case newest.ok || !newest.known && held == nil:
				wait = reachAgain
			case state.ever:
				wait = reachSoon
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-r.clock.After(wait):
		}
	}
}

func (r *reacher) try(ctx context.Context) reached {
	doubt := func(why string) reached {
		return reached{reason: callfleetv1.ReasonNotChecked, message: "the router cannot be asked whether it reaches the pod: " + why +
			"; see that pods reach signaling.host, or set media.endpoint.probe: None"}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	nonce := rand.Text()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.where+"?"+url.Values{selftest.Parameter: {nonce}}.Encode(), nil)
	if err != nil {
		return doubt("its name makes no address")
	}
	resp, err := r.web.Do(req)
	if err != nil {
		return doubt(withoutURL(err).Error())
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return doubt("it says " + resp.Status)
	}
	var answer selftest.Reach
	if json.NewDecoder(io.LimitReader(resp.Body, maxReach)).Decode(&answer) != nil {
		return doubt("what answers is something else")
	}
	return r.facts().judge(nonce, answer)
}

// answerProbes proves to whoever asks at the media port that this very Pod is there.
func answerProbes(podUID string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nonce := r.URL.Query().Get(selftest.Parameter)
		if r.Method != http.MethodGet || !selftest.ValidNonce(nonce) {
			http.Error(w, "a GET with a nonce of 16 to 64 letters and digits is needed", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(selftest.Answer{Nonce: nonce, Proofs: []string{selftest.Prove(nonce, podUID)}})
	})
}
