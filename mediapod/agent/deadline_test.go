// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// drainUntil is the fleet controller's write: a drain mark that ends then, or, for the zero time, when the calls do.
func (b *bench) drainUntil(at time.Time) {
	b.t.Helper()
	b.remark(func(p *callfleetv1.MediaPod) {
		since := metav1.NewTime(time.Now().Truncate(time.Second))
		if p.Spec.Drain != nil {
			since = p.Spec.Drain.Since
		}
		p.Spec.Drain = &callfleetv1.Drain{Reason: callfleetv1.DrainRollout, Since: since}
		if !at.IsZero() {
			p.Spec.Drain.HangUpAt = &metav1.Time{Time: at.Truncate(time.Second)}
		}
	})
}

func (b *bench) remark(change func(*callfleetv1.MediaPod)) {
	b.t.Helper()
	mp := &callfleetv1.MediaPod{}
	if err := b.api.Get(b.t.Context(), client.ObjectKeyFromObject(b.pod), mp); err != nil {
		b.t.Fatal(err)
	}
	before := mp.DeepCopy()
	change(mp)
	if err := b.api.Patch(b.t.Context(), mp, client.MergeFrom(before)); err != nil {
		b.t.Fatal(err)
	}
	b.awaitPod("the mark to be acknowledged", func(p *callfleetv1.MediaPod) bool {
		return p.Status.Agent.ObservedGeneration >= mp.Generation
	})
}

func TestADeadlineThatIsTakenAwayEndsNoCall(t *testing.T) {
	b := newBench(t, 2)
	s := b.bind(b.session("standup"))
	b.awaitSession(s, "Established", established)
	at := time.Now().Add(4 * time.Second)
	b.drainUntil(at)
	b.drainUntil(time.Time{})
	time.Sleep(time.Until(at) + time.Second)
	if b.service.call(t, string(s.UID)).leaving() {
		t.Error("the call was left at a deadline that does not hold any more")
	}
}

func TestADrainMarkThatIsTakenBackGivesTheSeatsBack(t *testing.T) {
	b := newBench(t, 3)
	stays := b.bind(b.session("stays"))
	b.awaitSession(stays, "Established", established)
	b.drainUntil(time.Time{})
	turnedAway := b.bind(b.session("turned-away"))
	st := b.awaitSession(turnedAway, "a refusal", func(st callfleetv1.CallStatus) bool { return refused(&subject{status: &st}) })
	if why := st.Timeline[len(st.Timeline)-1].Detail; !strings.Contains(why, "draining") {
		t.Errorf("refused because %q", why)
	}
	b.remark(func(p *callfleetv1.MediaPod) { p.Spec.Drain = nil })
	b.awaitSession(b.bind(b.session("again")), "Established", established)
	if b.service.call(t, string(stays.UID)).leaving() {
		t.Error("the call that was there was left")
	}
}
