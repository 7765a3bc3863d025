// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/controllers/session/placement"
)

// BenchmarkDecideAndApply is a binding without API server: decide among 100 pods, take the seat, write the status.
func BenchmarkDecideAndApply(b *testing.B) {
	ledger := placement.NewLedger()
	f := facts{bot: botFacts{exists: true}}
	for i := range 100 {
		f.fleet = append(f.fleet, podFacts{name: podNamed(fmt.Sprintf("reception-%d", i)), ready: true, capacity: 2000, media: &v1alpha1.Media{}})
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s := meetingSessions.subject(controllertest.Session("voice", "standup", "reception").UID(fmt.Sprint(i)).
			JoinMeetingID(fmt.Sprint(100+i), "").Object())
		d := decide(s, f, noon)
		r, ok := ledger.Reserve(s.seeker(), d.candidates, placement.Packed)
		if !ok {
			b.Fatal("no seat")
		}
		apply(s, decision{verdict: bind, pod: r.Pod.Name}, noon)
		ledger.Confirm(s.binding())
		ledger.Forget(types.UID(fmt.Sprint(i - 10_000)))
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "binds/s")
}

// BenchmarkBind binds sessions that were created beforehand, against a real API server: two writes each.
func BenchmarkBind(b *testing.B) {
	w := emptyWorld(b)
	for i := range b.N {
		w.create(w.session(fmt.Sprintf("s%d", i)))
	}
	controllertest.Create(b, w.Client, controllertest.Bot(w.ns, bot).Object())
	for slot := range int32(1 + b.N/2000) {
		w.addPod(slot, 2000)
	}
	watch, err := w.Client.Watch(context.Background(), &v1alpha1.MeetingSessionList{}, client.InNamespace(w.ns))
	if err != nil {
		b.Fatal(err)
	}
	defer watch.Stop()
	b.ResetTimer()
	w.startManager()
	for bound := map[string]bool{}; len(bound) < b.N; {
		e := <-watch.ResultChan()
		if ms, ok := e.Object.(*v1alpha1.MeetingSession); ok && ms.Status.MediaPod != "" {
			bound[ms.Name] = true
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "binds/s")
}
