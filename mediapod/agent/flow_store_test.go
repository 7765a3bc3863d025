// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

func newShelfStore(t *testing.T) (*flowStore, *flowShelf, *atomic.Int32) {
	t.Helper()
	shelf, woken := &flowShelf{}, &atomic.Int32{}
	return newFlowStore(shelf, func() { woken.Add(1) }, clock.RealClock{}, logr.Discard()), shelf, woken
}

// TestAVersionThatWasReadOnceIsReadNoMore: the second call needs no API server.
func TestAVersionThatWasReadOnceIsReadNoMore(t *testing.T) {
	s, shelf, _ := newShelfStore(t)
	revision := shelf.put(t, "reception", reception)
	s.changed(shelf.flows["reception"].DeepCopy())
	for range 3 {
		v, err := s.newest(t.Context(), "reception")
		if err != nil || v.revision != revision || v.flow != "reception" || v.program.Start().Step != "greet" {
			t.Fatalf("%+v, %v", v, err)
		}
		shelf.fail(errAway)
	}
	if shelf.asked != 1 {
		t.Errorf("the API server was asked %d times", shelf.asked)
	}
}

func TestRulesArePreparedAnewWhenAFlowHasANewVersion(t *testing.T) {
	s, shelf, woken := newShelfStore(t)
	shelf.put(t, "reception", reception)
	f := shelf.flows["reception"]
	s.changed(f.DeepCopy())
	used := f.DeepCopy()
	used.Status.UsedBy.Calls = 5 // that changes all the time
	s.changed(used)
	if n := woken.Load(); n != 1 {
		t.Errorf("woken %d times by one version", n)
	}
	used = used.DeepCopy()
	used.Status.Revision = "reception-2"
	s.changed(used)
	s.gone(used)
	if n := woken.Load(); n != 3 {
		t.Errorf("woken %d times by two versions and the end", n)
	}
}

func TestWhyThereIsNoVersionOfAFlow(t *testing.T) {
	invalid := &callfleetv1.CallFlow{ObjectMeta: metav1.ObjectMeta{Name: "reception"}}
	invalid.Status.Conditions = []metav1.Condition{{Type: callfleetv1.ConditionValid, Status: metav1.ConditionFalse, Message: "spec.start names no step"}}
	tests := map[string]struct {
		flow *callfleetv1.CallFlow
		err  error
		say  string
		soon bool
	}{
		"there is none":                 {say: "does not exist"},
		"the API server is away":        {err: errAway, say: "connection refused", soon: true},
		"it may not be read":            {err: errForbidden, say: "mediapod_role.yaml"},
		"it was never valid":            {flow: invalid, say: "spec.start names no step", soon: true},
		"nobody has looked at it":       {flow: &callfleetv1.CallFlow{ObjectMeta: metav1.ObjectMeta{Name: "reception"}}, say: "not looked at it yet", soon: true},
		"its revision is gone":          {flow: &callfleetv1.CallFlow{ObjectMeta: metav1.ObjectMeta{Name: "reception"}, Status: callfleetv1.CallFlowStatus{Revision: "reception-1"}}, say: "reception-1"},
		"and the API server as well":    {flow: &callfleetv1.CallFlow{ObjectMeta: metav1.ObjectMeta{Name: "reception"}, Status: callfleetv1.CallFlowStatus{Revision: "reception-1"}}, err: errAway, say: "reception-1", soon: true},
		"revisions may not be read yet": {flow: &callfleetv1.CallFlow{ObjectMeta: metav1.ObjectMeta{Name: "reception"}, Status: callfleetv1.CallFlowStatus{Revision: "reception-1"}}, err: errForbidden, say: "forbidden"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, shelf, _ := newShelfStore(t)
			shelf.fail(tc.err)
			if tc.flow != nil {
				s.changed(tc.flow.DeepCopy())
			}
			_, err := s.newest(t.Context(), "reception")
			if err == nil || !strings.Contains(err.Error(), tc.say) {
				t.Fatalf("%v, want it to say %q", err, tc.say)
			}
			if _, soon := errors.AsType[unready](err); soon != tc.soon || temporary(err) != tc.soon {
				t.Errorf("another attempt may help: %t", soon)
			}
		})
	}
}

// TestARevisionThatThisVersionCannotRunSaysSo: one of a later version of the operator, or written by hand.
func TestARevisionThatThisVersionCannotRunSaysSo(t *testing.T) {
	s, shelf, _ := newShelfStore(t)
	name := shelf.put(t, "reception", reception)
	for _, data := range []string{`{"start":"reception","flows":{}}`, `no JSON`, `{"start":"reception","flows":{"reception":{"start":"nowhere","steps":[]}}}`} {
		shelf.revisions[name].Data.Raw = []byte(data)
		if v, err := s.at(t.Context(), name); err == nil {
			t.Errorf("%s: %+v", data, v)
		}
	}
}

// TestACallWaitsForAFlowThatWasAppliedWithIt: the controller is about to look at it.
func TestACallWaitsForAFlowThatWasAppliedWithIt(t *testing.T) {
	s, shelf, _ := newShelfStore(t)
	revision := shelf.put(t, "reception", reception)
	fresh := shelf.flows["reception"].DeepCopy()
	fresh.Status.Revision = ""
	s.changed(fresh.DeepCopy())
	go func() {
		<-time.After(300 * time.Millisecond)
		s.changed(shelf.flows["reception"].DeepCopy())
	}()
	if v, err := s.awaitNewest(t.Context(), "reception"); err != nil || v.revision != revision {
		t.Errorf("%+v, %v", v, err)
	}
}

// TestAPodThatMayNotReadFlowsAsksSeldom, says so once, and goes on: its role is of before there were flows.
func TestAPodThatMayNotReadFlowsAsksSeldom(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		status := errForbidden.ErrStatus
		status.Kind, status.APIVersion = "Status", "v1"
		_ = json.NewEncoder(w).Encode(status)
	}))
	defer server.Close()
	c, err := newCluster(&rest.Config{Host: server.URL}, "voice")
	if err != nil {
		t.Fatal(err)
	}
	log := &diary{}
	s := newFlowStore(c, func() {}, clock.RealClock{}, log.logger())
	ctx, cancel := context.WithCancel(t.Context())
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		c.followFlows(ctx, s)
	}()
	await(t, "the log to tell", func() bool { return strings.Contains(log.text(), "mediapod_role.yaml") })
	if _, err := s.newest(ctx, "reception"); err == nil || !strings.Contains(err.Error(), "mediapod_role.yaml") {
		t.Errorf("%v", err)
	}
	cancel()
	<-followed
	if n := asked.Load(); n != 2 {
		t.Errorf("asked %d times", n)
	}
}
