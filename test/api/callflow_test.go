// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/callflow"
	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// flowWith is a CallFlow whose second step, a, is written as it says; its others are called first, b and end.
func flowWith(step string) string {
	return `
apiVersion: callfleet.dev/v1alpha1
kind: CallFlow
metadata: {name: reception}
spec:
  start: first
  speech: {url: https://speech.example}
  variables: {language: de}
  steps:
  - {name: first, branch: {cases: [{when: "vars.language == 'de'", next: a}, {when: "vars.language == 'en'", next: b}], else: end}}
  - name: a
    ` + strings.ReplaceAll(strings.TrimSpace(step), "\n", "\n    ") + `
  - {name: b, say: hello, next: end}
  - {name: end, hangup: {}}
`
}

// flowOf is a CallFlow of one step, with these members of the spec besides.
func flowOf(members string) string {
	return `
apiVersion: callfleet.dev/v1alpha1
kind: CallFlow
metadata: {name: reception}
spec:
  steps: [{name: end, hangup: {}}]
  ` + strings.ReplaceAll(strings.TrimSpace(members), "\n", "\n  ") + "\n"
}

// list is n entries of a YAML list, each made of its number, in one line.
func list(n int, entry string) string {
	var all []string
	for i := range n {
		all = append(all, strings.ReplaceAll(entry, "%", fmt.Sprint(i)))
	}
	return strings.Join(all, ", ")
}

// TestCallFlow holds the schema of CallFlows to its word, and package callflow to the schema: what the API server refuses it refuses
// too, so that a file on a laptop is judged alike.
func TestCallFlow(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	const (
		oneThing = "a step does one thing: exactly one of say, play, menu, collect, record, transfer, invite, redirect, hold, mute, set, branch, webhook, subflow, hangup and return must be set"
		next     = "next says which step follows, of every step but menu, branch, transfer, redirect, hangup and return, which say it themselves or end the flow"
		prompt   = "a prompt is exactly one of configMap, url and text"
		party    = "exactly one of user and phone must be set"
		duration = "should match"
		address  = "must be an absolute https:// URL"
		silence  = "maxDuration, initialSilence and maxSilence must be between 1s and 120s"
		user     = "11111111-2222-3333-4444-555555555555"
	)
	cases := map[string]struct {
		flow string
		want string
	}{
		"the least":                 {flowOf("start: end"), accepted},
		"no start":                  {flowOf(""), "spec.start: Required value"},
		"a start that is no name":   {flowOf("start: The-End"), "spec.start in body should match"},
		"a start that is long":      {flowOf("start: " + strings.Repeat("a", 64)), "spec.start: Too long: may not be more than 63 bytes"},
		"64 characters of language": {flowOf("start: end\ntimeZone: " + strings.Repeat("a", 65)), "spec.timeZone: Too long: may not be more than 64 bytes"},
		"33 variables":              {flowOf("start: end\nvariables: {" + list(33, "v%: x") + "}"), "spec.variables: Too many: 33: must have at most 32 items"},
		"32 variables":              {flowOf("start: end\nvariables: {" + list(32, "v%: x") + "}"), accepted},
		"a long value":              {flowOf("start: end\nvariables: {v: " + strings.Repeat("a", 1025) + "}"), "spec.variables.v: Too long: may not be more than 1024 bytes"},
		"speech":                    {flowOf("start: end\nspeech: {url: https://x.example, voice: Ada, language: de-DE}"), accepted},
		"speech without address":    {flowOf("start: end\nspeech: {}"), "spec.speech.url: Required value"},
		"speech in the clear":       {flowOf("start: end\nspeech: {url: http://x.example}"), address},
		"a long voice":              {flowOf("start: end\nspeech: {url: https://x.example, voice: " + strings.Repeat("a", 129) + "}"), "spec.speech.voice: Too long"},
		"a long language":           {flowOf("start: end\nspeech: {url: https://x.example, language: " + strings.Repeat("a", 36) + "}"), "spec.speech.language: Too long"},

		"no steps":           {strings.Replace(flowOf("start: end"), "[{name: end, hangup: {}}]", "[]", 1), "spec.steps in body should have at least 1 items"},
		"101 steps":          {strings.Replace(flowOf("start: end"), "[{", "["+list(100, "{name: s%, hangup: {}}")+", {", 1), "spec.steps: Too many: 101: must have at most 100 items"},
		"two of one name":    {strings.Replace(flowOf("start: end"), "[{", "[{name: end, hangup: {}}, {", 1), "spec.steps[1]: Duplicate value"},
		"a step without one": {strings.Replace(flowOf("start: end"), "name: end, ", "", 1), "spec.steps[0].name: Required value"},
		"a step in capitals": {flowWith("say: hello\nnext: End"), "spec.steps[1].next in body should match"},

		"nothing done":           {flowWith("next: end"), oneThing},
		"two things done":        {flowWith("say: hello\nmute: {muted: true}\nnext: end"), oneThing},
		"nothing behind":         {flowWith("say: hello"), next},
		"something behind":       {flowWith("return: {}\nnext: end"), next},
		"what decides by itself": {flowWith("menu: {choices: [{key: '1', next: end}]}\nnext: b"), next},
		"a long text":            {flowWith("say: " + strings.Repeat("a", 1025) + "\nnext: end"), "spec.steps[1].say: Too long"},

		"prompts of each kind":   {flowWith("play: {prompts: [{text: hi}, {url: https://x.example/a.wav}, {configMap: {name: p, key: a.wav}}], bargeIn: true}\nnext: end"), accepted},
		"no prompts":             {flowWith("play: {prompts: []}\nnext: end"), "spec.steps[1].play.prompts in body should have at least 1 items"},
		"prompts left out":       {flowWith("play: {}\nnext: end"), "spec.steps[1].play.prompts: Required value"},
		"eight prompts":          {flowWith("play: {prompts: [" + list(8, "{text: hi}") + "]}\nnext: end"), accepted},
		"nine prompts":           {flowWith("play: {prompts: [" + list(9, "{text: hi}") + "]}\nnext: end"), "spec.steps[1].play.prompts: Too many: 9: must have at most 8 items"},
		"a prompt of nothing":    {flowWith("play: {prompts: [{}]}\nnext: end"), prompt},
		"a prompt of two":        {flowWith("play: {prompts: [{text: hi, url: https://x.example/a.wav}]}\nnext: end"), prompt},
		"a prompt in the clear":  {flowWith("play: {prompts: [{url: http://x.example/a.wav}]}\nnext: end"), address},
		"a prompt without a key": {flowWith("play: {prompts: [{configMap: {name: p}}]}\nnext: end"), "spec.steps[1].play.prompts[0].configMap.key: Required value"},

		"a menu":                 {flowWith("menu: {prompts: [{text: hi}], choices: [" + list(10, "{key: '%', next: end}") + ", {key: '#', next: b}, {key: A, next: b}], variable: v, timeout: 1.5s, noInput: {retries: 0}, noMatch: {retries: 10, next: end}}"), accepted},
		"no keys":                {flowWith("menu: {choices: []}"), "spec.steps[1].menu.choices in body should have at least 1 items"},
		"a key that is none":     {flowWith("menu: {choices: [{key: E, next: end}]}"), `Unsupported value: "E"`},
		"a key twice":            {flowWith("menu: {choices: [{key: '1', next: end}, {key: '1', next: b}]}"), "spec.steps[1].menu.choices[1]: Duplicate value"},
		"a key to nowhere":       {flowWith("menu: {choices: [{key: '1'}]}"), "spec.steps[1].menu.choices[0].next: Required value"},
		"eleven retries":         {flowWith("menu: {choices: [{key: '1', next: end}], noInput: {retries: 11}}"), "spec.steps[1].menu.noInput.retries in body should be less than or equal to 10"},
		"less than no retries":   {flowWith("menu: {choices: [{key: '1', next: end}], noMatch: {retries: -1}}"), "spec.steps[1].menu.noMatch.retries in body should be greater than or equal to 0"},
		"an hour, in words":      {flowWith("menu: {choices: [{key: '1', next: end}], timeout: 1 hour}"), duration},
		"more than a week":       {flowWith("menu: {choices: [{key: '1', next: end}], timeout: 169h}"), "at most 168h"},
		"hardly any time":        {flowWith("menu: {choices: [{key: '1', next: end}], timeout: 99ms}"), "timeout must be at least 100ms"},
		"a variable that is not": {flowWith("menu: {choices: [{key: '1', next: end}], variable: my-key}"), "spec.steps[1].menu.variable in body should match"},

		"digits":                   {flowWith("collect: {variable: pin, min: 1, max: 64, terminator: None, interDigitTimeout: 500ms}\nnext: end"), accepted},
		"digits for nothing":       {flowWith("collect: {}\nnext: end"), "spec.steps[1].collect.variable: Required value"},
		"more than all digits":     {flowWith("collect: {variable: pin, min: 5, max: 4}\nnext: end"), "min must not be above max"},
		"65 digits":                {flowWith("collect: {variable: pin, max: 65}\nnext: end"), "spec.steps[1].collect.max in body should be less than or equal to 64"},
		"at least 65 digits":       {flowWith("collect: {variable: pin, min: 65}\nnext: end"), "spec.steps[1].collect.min in body should be less than or equal to 64"},
		"minus one digit":          {flowWith("collect: {variable: pin, min: -1, max: -1}\nnext: end"), "spec.steps[1].collect.min in body should be greater than or equal to 1"},
		"hardly any time for more": {flowWith("collect: {variable: pin, interDigitTimeout: 0s}\nnext: end"), "interDigitTimeout must be at least 100ms"},
		"a terminator that is one": {flowWith("collect: {variable: pin, terminator: '0'}\nnext: end"), `Unsupported value: "0"`},

		"a recording":              {flowWith("record: {variable: m, prompts: [{text: hi}], maxDuration: 120s, initialSilence: 1s, maxSilence: 2m, stopTones: [], onSilence: b, onFailure: end}\nnext: end"), accepted},
		"a recording, too long":    {flowWith("record: {variable: m, maxDuration: 121s}\nnext: end"), silence},
		"a recording of silence":   {flowWith("record: {variable: m, maxSilence: 121s}\nnext: end"), silence},
		"a recording, too short":   {flowWith("record: {variable: m, maxDuration: 999ms}\nnext: end"), silence},
		"a recording, too hasty":   {flowWith("record: {variable: m, initialSilence: 0s}\nnext: end"), silence},
		"a recording for nobody":   {flowWith("record: {}\nnext: end"), "spec.steps[1].record.variable: Required value"},
		"a stop tone twice":        {flowWith("record: {variable: m, stopTones: ['#', '#']}\nnext: end"), "spec.steps[1].record.stopTones[1]: Duplicate value"},
		"a stop tone that is none": {flowWith("record: {variable: m, stopTones: ['11']}\nnext: end"), `Unsupported value: "11"`},

		"a transfer":               {flowWith("transfer: {to: {user: " + user + "}, type: Consultative, timeout: 30s, onFailure: end}"), accepted},
		"a transfer by variables":  {flowWith("transfer: {to: {phone: '+${language}'}, onFailure: end}"), accepted},
		"a transfer to nobody":     {flowWith("transfer: {to: {}, onFailure: end}"), party},
		"a transfer to two":        {flowWith("transfer: {to: {user: " + user + ", phone: '+12065550100'}, onFailure: end}"), party},
		"a warm transfer":          {flowWith("transfer: {to: {phone: '+12065550100'}, type: Warm, onFailure: end}"), `Unsupported value: "Warm"`},
		"a transfer in no time":    {flowWith("transfer: {to: {phone: '+12065550100'}, timeout: 999ms, onFailure: end}"), "timeout must be at least 1s"},
		"a transfer and no way on": {flowWith("transfer: {to: {phone: '+12065550100'}}"), "spec.steps[1].transfer.onFailure: Required value"},

		"an invitation":                 {flowWith("invite: {phone: '+12065550100', hidden: true, onFailure: end}\nnext: end"), accepted},
		"an invitation of nobody":       {flowWith("invite: {onFailure: end}\nnext: end"), party},
		"an invitation in no time":      {flowWith("invite: {phone: '+12065550100', timeout: 0s, onFailure: end}\nnext: end"), "timeout must be at least 1s"},
		"an invitation and no way on":   {flowWith("invite: {phone: '+12065550100'}\nnext: end"), "spec.steps[1].invite.onFailure: Required value"},
		"a redirect":                    {flowWith("redirect: {targets: [" + list(25, "{user: "+user+"}") + "], ringSeconds: 90}"), accepted},
		"a redirect to nobody":          {flowWith("redirect: {targets: []}"), "spec.steps[1].redirect.targets in body should have at least 1 items"},
		"a redirect to 26":              {flowWith("redirect: {targets: [" + list(26, "{user: "+user+"}") + "]}"), "spec.steps[1].redirect.targets: Too many: 26: must have at most 25 items"},
		"a redirect to two in one":      {flowWith("redirect: {targets: [{user: " + user + ", phone: '+12065550100'}]}"), "exactly one of user, phone and application must be set"},
		"a redirect to a name":          {flowWith("redirect: {targets: [{user: jane}]}"), "spec.steps[1].redirect.targets[0].user in body should match"},
		"a redirect that rings shortly": {flowWith("redirect: {targets: [{phone: '+12065550100'}], ringSeconds: 14}"), "ringSeconds in body should be greater than or equal to 15"},
		"a redirect that rings long":    {flowWith("redirect: {targets: [{phone: '+12065550100'}], ringSeconds: 91}"), "ringSeconds in body should be less than or equal to 90"},

		"music":                {flowWith("hold: {music: {url: https://x.example/a.wav}, duration: 5m, choices: [{key: '0', next: b}]}\nnext: end"), accepted},
		"music without end":    {flowWith("hold: {music: {url: https://x.example/a.wav}}\nnext: end"), "spec.steps[1].hold.duration: Required value"},
		"music, in no time":    {flowWith("hold: {music: {url: https://x.example/a.wav}, duration: 999ms}\nnext: end"), "duration must be at least 1s"},
		"music without music":  {flowWith("hold: {music: {}, duration: 5m}\nnext: end"), prompt},
		"music, one key twice": {flowWith("hold: {music: {url: https://x.example/a.wav}, duration: 5m, choices: [{key: '0', next: b}, {key: '0', next: end}]}\nnext: end"), "spec.steps[1].hold.choices[1]: Duplicate value"},

		"32 values":         {flowWith("set: {" + list(32, "v%: x") + "}\nnext: end"), accepted},
		"33 values":         {flowWith("set: {" + list(33, "v%: x") + "}\nnext: end"), "spec.steps[1].set: Too many: 33: must have at most 32 items"},
		"no values":         {flowWith("set: {}\nnext: end"), "spec.steps[1].set in body should have at least 1 properties"},
		"20 cases":          {flowWith("branch: {cases: [" + list(20, "{when: 'true', next: end}") + "], else: b}"), accepted},
		"21 cases":          {flowWith("branch: {cases: [" + list(21, "{when: 'true', next: end}") + "], else: b}"), "spec.steps[1].branch.cases: Too many: 21: must have at most 20 items"},
		"no cases":          {flowWith("branch: {cases: [], else: b}"), "spec.steps[1].branch.cases in body should have at least 1 items"},
		"no else":           {flowWith("branch: {cases: [{when: 'true', next: end}]}"), "spec.steps[1].branch.else: Required value"},
		"no condition":      {flowWith("branch: {cases: [{when: '', next: end}], else: b}"), "spec.steps[1].branch.cases[0].when in body should be at least 1 chars long"},
		"a long condition":  {flowWith("branch: {cases: [{when: \"" + strings.Repeat(" ", 1021) + "true\", next: end}], else: b}"), "spec.steps[1].branch.cases[0].when: Too long"},
		"a case to nowhere": {flowWith("branch: {cases: [{when: 'true'}], else: b}"), "spec.steps[1].branch.cases[0].next: Required value"},

		"a question":                {flowWith("webhook: {url: https://x.example, data: {a: '${language}'}, sets: [a], choices: [b], timeout: 30s, retries: 5, onError: end}\nnext: end"), accepted},
		"a hasty question":          {flowWith("webhook: {url: https://x.example, timeout: 99ms, onError: end}\nnext: end"), "timeout must be between 100ms and 30s"},
		"a patient question":        {flowWith("webhook: {url: https://x.example, timeout: 31s, onError: end}\nnext: end"), "timeout must be between 100ms and 30s"},
		"a question asked again":    {flowWith("webhook: {url: https://x.example, retries: 6, onError: end}\nnext: end"), "spec.steps[1].webhook.retries in body should be less than or equal to 5"},
		"a question never asked":    {flowWith("webhook: {url: https://x.example, retries: -1, onError: end}\nnext: end"), "spec.steps[1].webhook.retries in body should be greater than or equal to 0"},
		"a question to nobody":      {flowWith("webhook: {onError: end}\nnext: end"), "spec.steps[1].webhook.url: Required value"},
		"a question in the clear":   {flowWith("webhook: {url: http://x.example, onError: end}\nnext: end"), address},
		"a question without answer": {flowWith("webhook: {url: https://x.example}\nnext: end"), "spec.steps[1].webhook.onError: Required value"},
		"33 things told":            {flowWith("webhook: {url: https://x.example, data: {" + list(33, "v%: x") + "}, onError: end}\nnext: end"), "spec.steps[1].webhook.data: Too many: 33: must have at most 32 items"},
		"33 things asked":           {flowWith("webhook: {url: https://x.example, sets: [" + list(33, "v%") + "], onError: end}\nnext: end"), "spec.steps[1].webhook.sets: Too many: 33: must have at most 32 items"},
		"one thing asked twice":     {flowWith("webhook: {url: https://x.example, sets: [a, a], onError: end}\nnext: end"), "spec.steps[1].webhook.sets[1]: Duplicate value"},
		"one way twice":             {flowWith("webhook: {url: https://x.example, choices: [b, b], onError: end}\nnext: end"), "spec.steps[1].webhook.choices[1]: Duplicate value"},

		"a subflow without a name": {flowWith("subflow: {flowRef: {name: ''}}\nnext: end"), "spec.steps[1].subflow.flowRef.name in body should be at least 1 chars long"},
		"a subflow, a long name":   {flowWith("subflow: {flowRef: {name: " + strings.Repeat("a", 254) + "}}\nnext: end"), "spec.steps[1].subflow.flowRef.name: Too long"},
		"a subflow of nothing":     {flowWith("subflow: {}\nnext: end"), "spec.steps[1].subflow.flowRef: Required value"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			obj := document(t, ns, tc.flow)
			create(t, obj, tc.want)
			flow := &v1alpha1.CallFlow{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(document(t, ns, tc.flow).Object, flow); err != nil {
				t.Fatal(err)
			}
			_, mistakes := callflow.Compile(flow.Name, map[string]*v1alpha1.CallFlowSpec{flow.Name: &flow.Spec})
			if (len(mistakes) == 0) != (tc.want == accepted) {
				t.Errorf("package callflow says %v", mistakes)
			}
		})
	}
}

// TestCallFlowTests: they are looked at by kubectl callfleet flow test; the schema has their bounds.
func TestCallFlowTests(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	for name, tc := range map[string]struct{ tests, want string }{
		"one":                  {`{name: t, caller: {kind: Phone}, time: "2026-11-30T18:00:00Z", script: [press 1, wait 3s], outcomes: [{step: end, failed: true}], expect: {steps: [end], variables: {a: b}, end: HungUp}}`, accepted},
		"no name":              {`{name: "", expect: {}}`, "spec.tests[0].name in body should be at least 1 chars long"},
		"a long name":          {`{name: ` + strings.Repeat("a", 64) + `, expect: {}}`, "spec.tests[0].name: Too long"},
		"one name twice":       {`{name: t, expect: {}}, {name: t, expect: {}}`, "spec.tests[1]: Duplicate value"},
		"nothing expected":     {`{name: t}`, "spec.tests[0].expect: Required value"},
		"51 of them":           {list(51, "{name: t%, expect: {}}"), "spec.tests: Too many: 51: must have at most 50 items"},
		"a long script":        {`{name: t, script: [` + list(101, "press 1") + `], expect: {}}`, "spec.tests[0].script: Too many: 101: must have at most 100 items"},
		"a long line":          {`{name: t, script: [` + strings.Repeat("1", 257) + `a], expect: {}}`, "spec.tests[0].script[0]: Too long"},
		"51 outcomes":          {`{name: t, outcomes: [` + list(51, "{step: s%}") + `], expect: {}}`, "spec.tests[0].outcomes: Too many: 51: must have at most 50 items"},
		"two outcomes of one":  {`{name: t, outcomes: [{step: a}, {step: a, failed: true}], expect: {}}`, "spec.tests[0].outcomes[1]: Duplicate value"},
		"501 steps":            {`{name: t, expect: {steps: [` + list(501, "s%") + `]}}`, "spec.tests[0].expect.steps: Too many: 501: must have at most 500 items"},
		"an end that is none":  {`{name: t, expect: {end: Happily}}`, `Unsupported value: "Happily"`},
		"a caller of no kind":  {`{name: t, caller: {id: x}, expect: {}}`, "spec.tests[0].caller.kind: Required value"},
		"33 variables":         {`{name: t, expect: {variables: {` + list(33, "v%: x") + `}}}`, "spec.tests[0].expect.variables: Too many: 33: must have at most 32 items"},
		"33 variables to find": {`{name: t, outcomes: [{step: a, variables: {` + list(33, "v%: x") + `}}], expect: {}}`, "spec.tests[0].outcomes[0].variables: Too many: 33: must have at most 32 items"},
	} {
		t.Run(name, func(t *testing.T) { create(t, document(t, ns, flowOf("start: end\ntests: ["+tc.tests+"]")), tc.want) })
	}
}

// TestCallFlowDefaults: what the API server fills in package callflow does too, of files that no API server has met.
func TestCallFlowDefaults(t *testing.T) {
	cluster := controllertest.Start(t)
	ns := cluster.Namespace(t)
	text := `
apiVersion: callfleet.dev/v1alpha1
kind: CallFlow
metadata: {name: reception}
spec:
  start: menu
  steps:
  - {name: menu, menu: {choices: [{key: "1", next: asked}]}}
  - {name: asked, menu: {choices: [{key: "1", next: collect}], noInput: {next: collect}, noMatch: {retries: 0}}}
  - {name: collect, collect: {variable: pin}, next: record}
  - {name: record, record: {variable: message}, next: quiet}
  - {name: quiet, record: {variable: message, stopTones: [], beep: false}, next: invite}
  - {name: invite, invite: {phone: "+12065550100", onFailure: webhook}, next: webhook}
  - {name: webhook, webhook: {url: "https://x.example", onError: transfer}, next: once}
  - {name: once, webhook: {url: "https://x.example", retries: 0, onError: transfer}, next: transfer}
  - {name: transfer, transfer: {to: {phone: "+12065550100"}, onFailure: end}}
  - {name: end, hangup: {}}
`
	written := &v1alpha1.CallFlow{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(document(t, ns, text).Object, written); err != nil {
		t.Fatal(err)
	}
	program, mistakes := callflow.Compile("reception", map[string]*v1alpha1.CallFlowSpec{"reception": &written.Spec})
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	if err := cluster.Client.Create(context.Background(), document(t, ns, text)); err != nil {
		t.Fatal(err)
	}
	stored := &v1alpha1.CallFlow{}
	if err := cluster.Client.Get(context.Background(), client.ObjectKey{Namespace: ns, Name: "reception"}, stored); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&stored.Spec, program.Flow("reception")); diff != "" {
		t.Errorf("package callflow fills in otherwise (-API server +callflow):\n%s", diff)
	}
	record := stored.Spec.Steps[3].Record
	if diff := cmp.Diff(&v1alpha1.RecordStep{
		Beep: ptr.To(true), MaxDuration: "60s", InitialSilence: "5s", MaxSilence: "5s", StopTones: []v1alpha1.PhoneKey{"#"}, Variable: "message",
	}, record); diff != "" {
		t.Errorf("a record step is not filled in as it should be (-want +got):\n%s", diff)
	}
	collect := stored.Spec.Steps[2].Collect
	if diff := cmp.Diff(&v1alpha1.CollectStep{
		Listening: v1alpha1.Listening{BargeIn: ptr.To(true), TypeAhead: ptr.To(true), Timeout: "5s",
			NoInput: v1alpha1.FlowRetry{Retries: ptr.To[int32](2)}, NoMatch: v1alpha1.FlowRetry{Retries: ptr.To[int32](2)}},
		Variable: "pin", Min: 1, Max: 16, Terminator: "#", InterDigitTimeout: "3s",
	}, collect); diff != "" {
		t.Errorf("a collect step is not filled in as it should be (-want +got):\n%s", diff)
	}
}

// Its revisions carry a flow's name in a label, and in their own names.
func TestTheNameOfACallFlowFitsIntoALabel(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	for length, want := range map[int]string{63: accepted, 64: "the name of a flow has at most 63 characters: its revisions carry it in a label"} {
		create(t, document(t, ns, strings.Replace(flowOf("start: end"), "reception", strings.Repeat("a", length), 1)), want)
	}
}
