// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/callfleet/callfleet/api/callflow"
	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

const ages = time.Hour

func silent(steps ...string) *v1alpha1.CallFlowSpec {
	spec := goes(steps...)
	for i := range spec.Steps {
		if spec.Steps[i].Play != nil {
			spec.Steps[i].Play = nil
			spec.Steps[i].Mute = &v1alpha1.MuteStep{Muted: true}
		}
	}
	return spec
}

func TestAFlowIsToldItsMistakesAndPublishedWithout(t *testing.T) {
	p := newPlace(t, ages)
	broken := silent("hello")
	broken.Steps[0].Next = "nowhere"
	flow := p.flow("menu", broken)
	p.awaitReason(flow, v1alpha1.ReasonInvalid)
	if message := meta.FindStatusCondition(flow.Status.Conditions, v1alpha1.ConditionValid).Message; !strings.Contains(message, "spec.steps[0].next") {
		t.Errorf("%q does not name the path", message)
	}
	if flow.Status.Revision != "" || len(p.revisions()) > 0 {
		t.Errorf("a flow with mistakes has revision %s", flow.Status.Revision)
	}
	controllertest.Eventually(t, "an event", func() error {
		if n := p.events(v1alpha1.ReasonInvalid); n != 1 {
			return fmt.Errorf("%d events", n)
		}
		return nil
	})

	p.change(flow, silent("hello"))
	p.awaitReason(flow, v1alpha1.ReasonValid)
	first := flow.Status.Revision
	p.awaitRevisions(first)
	held, err := callflow.ReadRevision(p.revisions()[0].Data.Raw)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(callflow.Revision{Start: "menu", Flows: flows{"menu": &flow.Spec}}, held); diff != "" {
		t.Errorf("the revision holds (-want +got):\n%s", diff)
	}

	// A pass that finds nothing new writes nothing.
	before := p.mgr.Writes.AwaitQuiet(t, 300*time.Millisecond)
	controllertest.Update(t, p.Client, flow, func(f *v1alpha1.CallFlow) { f.Spec.Tests = []v1alpha1.FlowTest{{Name: "none"}} })
	p.awaitReason(flow, v1alpha1.ReasonValid)
	if after := p.mgr.Writes.AwaitQuiet(t, 300*time.Millisecond); after != before+1 {
		t.Errorf("writes for a test that was added: %v, want the generation alone", p.mgr.Writes.List()[before:])
	}

	p.change(flow, silent("hello", "again"))
	p.awaitReason(flow, v1alpha1.ReasonValid)
	if flow.Status.Revision == first {
		t.Error("another flow has the same revision")
	}
	p.awaitRevisions(first, flow.Status.Revision)
	last := flow.Status.Revision
	p.change(flow, broken)
	p.awaitReason(flow, v1alpha1.ReasonInvalid)
	if flow.Status.Revision != last {
		t.Errorf("calls run revision %q of a flow with mistakes, want the last that had none", flow.Status.Revision)
	}
	if n := p.events(v1alpha1.ReasonInvalid); n < 1 {
		t.Error("no event of the second mistake")
	}
}

func TestAFlowFollowsThoseItLeadsTo(t *testing.T) {
	p := newPlace(t, ages)
	quiet := func(steps ...string) *v1alpha1.CallFlowSpec {
		spec := silent(steps...)
		last := &spec.Steps[len(spec.Steps)-1]
		last.Hangup, last.Return = nil, &v1alpha1.ReturnStep{}
		return spec
	}
	menu := p.flow("menu", silent("hello", "to-hours"))
	p.awaitReason(menu, v1alpha1.ReasonSubflowMissing)
	hours := p.flow("hours", quiet("hello", "to-days"))
	p.awaitReason(menu, v1alpha1.ReasonSubflowMissing)
	days := p.flow("days", quiet("hello"))
	p.awaitReason(hours, v1alpha1.ReasonValid)
	p.awaitReason(menu, v1alpha1.ReasonValid)
	first := menu.Status.Revision
	controllertest.Await(t, p.Client, days, "know who leads to it", func(f *v1alpha1.CallFlow) error {
		if !slices.Equal(f.Status.UsedBy.Flows, []string{"hours"}) {
			return fmt.Errorf("it names %v", f.Status.UsedBy.Flows)
		}
		return nil
	})

	// Two flows away.
	p.change(days, quiet("hello", "again"))
	controllertest.Await(t, p.Client, menu, "have another revision", func(f *v1alpha1.CallFlow) error {
		if f.Status.Revision == first {
			return errors.New("it is the first")
		}
		return nil
	})
	second := menu.Status.Revision
	broken := quiet("hello")
	broken.Steps[0].Next = "nowhere"
	p.change(days, broken)
	p.awaitReason(menu, v1alpha1.ReasonSubflowInvalid)
	if menu.Status.Revision != second {
		t.Errorf("revision %s, want the last that was valid, %s", menu.Status.Revision, second)
	}
}

func TestPromptsAreJudgedAsTheyChange(t *testing.T) {
	p := newPlace(t, ages)
	flow := p.flow("menu", goes("hello"))
	p.awaitReason(flow, v1alpha1.ReasonPromptMissing)
	files := p.prompts(map[string][]byte{"other.wav": sound(1)})
	says := func(reason, words string) {
		t.Helper()
		controllertest.Await(t, p.Client, flow, "say "+words, func(f *v1alpha1.CallFlow) error {
			c := meta.FindStatusCondition(f.Status.Conditions, v1alpha1.ConditionValid)
			if c == nil || c.Reason != reason || !strings.Contains(c.Message, words) {
				return fmt.Errorf("it says %v", c)
			}
			return nil
		})
	}
	put := func(content []byte) {
		t.Helper()
		controllertest.Update(t, p.Client, files, func(m *corev1.ConfigMap) {
			m.BinaryData = map[string][]byte{"hello.wav": content}
		})
	}
	says(v1alpha1.ReasonPromptMissing, `no binaryData key "hello.wav"`)
	put([]byte("ID3\x03"))
	says(v1alpha1.ReasonPromptUnplayable, "spec.steps[0].play.prompts[0]: key \"hello.wav\" of ConfigMap \"prompts\" is an MP3 file; ")
	put(sound(1))
	p.awaitReason(flow, v1alpha1.ReasonValid)
	digest, revision := flow.Status.PromptsDigest, flow.Status.Revision
	put(sound(2))
	controllertest.Await(t, p.Client, flow, "have another digest", func(f *v1alpha1.CallFlow) error {
		if f.Status.PromptsDigest == digest || f.Status.PromptsDigest == "" {
			return fmt.Errorf("digest %q", f.Status.PromptsDigest)
		}
		return nil
	})
	if flow.Status.Revision != revision {
		t.Error("another file made another revision: calls play what is there")
	}
}

func TestWhoRunsAFlowIsTold(t *testing.T) {
	p := newPlace(t, ages)
	flow := p.flow("menu", silent("hello", "to-hours"))
	spec := silent("hello")
	spec.Steps[1].Hangup, spec.Steps[1].Return = nil, &v1alpha1.ReturnStep{}
	hours := p.flow("hours", spec)
	p.awaitReason(flow, v1alpha1.ReasonValid)
	controllertest.Create(t, p.Client, controllertest.Bot(p.ns, "reception").Incoming(v1alpha1.IncomingRule{
		Action: v1alpha1.IncomingAnswer, Behavior: &v1alpha1.Behavior{FlowRef: &v1alpha1.FlowReference{Name: "menu"}},
	}).Object())
	runs := func(flow *v1alpha1.CallFlow, want v1alpha1.FlowUsers) {
		t.Helper()
		controllertest.Await(t, p.Client, flow, "tell who runs it", func(f *v1alpha1.CallFlow) error {
			if diff := cmp.Diff(want, f.Status.UsedBy); diff != "" {
				return errors.New(diff)
			}
			return nil
		})
	}
	runs(flow, v1alpha1.FlowUsers{Bots: []string{"reception"}})

	// However many calls come, the status is written a few times.
	before := p.mgr.Writes.AwaitQuiet(t, 300*time.Millisecond)
	began := time.Now()
	const many = 40
	var calls []*v1alpha1.Call
	for i := range many {
		calls = append(calls, p.call(fmt.Sprint("caller-", i), "menu", flow.Status.Revision))
	}
	runs(flow, v1alpha1.FlowUsers{Bots: []string{"reception"}, Calls: many})
	runs(hours, v1alpha1.FlowUsers{Flows: []string{"menu"}, Calls: many})
	for _, c := range calls[1:] {
		controllertest.UpdateStatus(t, p.Client, c, func(c *v1alpha1.Call) { c.Status.Flow.End = v1alpha1.FlowHungUp })
	}
	runs(flow, v1alpha1.FlowUsers{Bots: []string{"reception"}, Calls: 1})
	runs(hours, v1alpha1.FlowUsers{Flows: []string{"menu"}, Calls: 1})
	const often = 3 * time.Second
	if writes, most := p.mgr.Writes.Len()-before, 2*(int(time.Since(began)/often)+1); writes > most {
		t.Errorf("%d writes for %d calls, want at most %d: one for each flow every %s", writes, many, most, often)
	}
}

func TestARevisionStaysAsLongAsACallRunsIt(t *testing.T) {
	p := newPlace(t, time.Millisecond)
	flow := p.flow("menu", silent("hello"))
	p.awaitReason(flow, v1alpha1.ReasonValid)
	first := flow.Status.Revision
	call := p.call("caller", "menu", first)
	controllertest.Await(t, p.mgr.GetClient(), call.DeepCopy(), "reach the cache", func(c *v1alpha1.Call) error {
		if revisionOf(c) != first {
			return errors.New("it runs nothing")
		}
		return nil
	})
	p.change(flow, silent("hello", "again"))
	p.awaitReason(flow, v1alpha1.ReasonValid)
	p.change(flow, silent("hello", "again", "and-again"))
	p.awaitReason(flow, v1alpha1.ReasonValid)
	// The one in between was never run.
	p.awaitRevisions(first, flow.Status.Revision)

	// A flow can be deleted under its calls, at once. Nothing owns a revision, or the garbage collector would take it along.
	for _, r := range p.revisions() {
		if len(r.OwnerReferences) > 0 {
			t.Errorf("revision %s is owned by %v", r.Name, r.OwnerReferences)
		}
	}
	if err := p.Client.Delete(context.Background(), flow); err != nil {
		t.Fatal(err)
	}
	controllertest.AwaitGone(t, p.Client, flow)
	p.awaitRevisions(first)
	controllertest.Consistently(t, 500*time.Millisecond, "the call's revision stays", func() error {
		if len(p.revisions()) != 1 {
			return errors.New("it went with the flow")
		}
		return nil
	})
	controllertest.UpdateStatus(t, p.Client, call, func(c *v1alpha1.Call) { c.Status.Phase = v1alpha1.PhaseCompleted })
	p.awaitRevisions()
}

func TestARevisionThatWasTakenAwayIsMadeAgain(t *testing.T) {
	p := newPlace(t, ages)
	flow := p.flow("menu", silent("hello"))
	p.awaitReason(flow, v1alpha1.ReasonValid)
	before := p.revisions()[0]
	if err := p.Client.Delete(context.Background(), &before); err != nil {
		t.Fatal(err)
	}
	controllertest.Eventually(t, "it is made again", func() error {
		if all := p.revisions(); len(all) != 1 || all[0].UID == before.UID {
			return errors.New("it is not there")
		}
		return nil
	})
}

// speaks is a flow with so many steps that say 8 KiB each.
func speaks(steps int, next string) *v1alpha1.CallFlowSpec {
	spec := silent()
	if next != "" {
		spec = silent("to-" + next)
	}
	spec.Speech = &v1alpha1.SpeechService{URL: "https://speech.example.com"}
	for i := range steps {
		prompts := make(v1alpha1.Prompts, 8)
		for j := range prompts {
			prompts[j].Text = v1alpha1.Template(strings.Repeat("a", 1024))
		}
		spec.Steps = append(spec.Steps, v1alpha1.FlowStep{
			Name: v1alpha1.StepName(fmt.Sprint("say-", i)), Next: spec.Start, Play: &v1alpha1.PlayStep{Prompts: prompts},
		})
		spec.Start = spec.Steps[len(spec.Steps)-1].Name
	}
	return spec
}

// What is within the limit the API server takes; what is beyond is told, and never tried.
func TestALargeFlowIsPublishedAndATooLargeOneTold(t *testing.T) {
	p := newPlace(t, ages)
	hours := speaks(25, "")
	hours.Steps[0].Hangup, hours.Steps[0].Return = nil, &v1alpha1.ReturnStep{}
	sub := p.flow("hours", hours)
	flow := p.flow("menu", speaks(95, "hours"))
	p.awaitReason(flow, v1alpha1.ReasonValid)
	if size := len(p.revisions()[1].Data.Raw); size < maxRevision*9/10 {
		t.Errorf("a revision of %d bytes proves little", size)
	}
	last := flow.Status.Revision
	more := speaks(50, "")
	more.Steps[0] = hours.Steps[0]
	p.change(sub, more)
	p.awaitReason(flow, v1alpha1.ReasonTooLarge)
	if flow.Status.Revision != last {
		t.Errorf("revision %q, want the last that fitted", flow.Status.Revision)
	}
}
