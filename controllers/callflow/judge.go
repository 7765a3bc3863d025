// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/callfleet/callfleet/api/callflow"
	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/shorten"
)

const (
	// maxRevision is what a ControllerRevision may hold: etcd takes requests of 1.5 MiB (--max-request-bytes), of which the rest of the
	// object and a margin for its encoding are left out.
	maxRevision = 1 << 20
	// told is how many mistakes a message names, and toldCharacters how long each may be: a text that is wrong may be a page.
	told           = 3
	toldCharacters = 240
)

// facts are what a flow is judged by.
type facts struct {
	name string
	// flows are the flow and all it leads to, as far as they exist.
	flows map[string]*v1alpha1.CallFlowSpec
	// files are those of the prompts in ConfigMaps.
	files map[v1alpha1.KeyReference]file
	// last is the newest version that was valid; empty if none was.
	last string
	// limit of a revision's size, in bytes.
	limit int
}

// verdict is what becomes of a flow.
type verdict struct {
	reason, message string
	// revision and data are the version to be published; empty unless the flow is valid.
	revision string
	data     []byte
	digest   string
}

func (v verdict) valid() bool { return v.reason == v1alpha1.ReasonValid }

// A check finds what is wrong, as mistakes with their paths. The first that finds anything gives the reason.
var checks = []struct {
	reason string
	find   func(facts) []string
	remedy string
}{
	{v1alpha1.ReasonInvalid, own, "correct the flow and apply it again"},
	{v1alpha1.ReasonSubflowMissing, subflowsMissing, ""},
	{v1alpha1.ReasonSubflowInvalid, subflowsInvalid, "correct that flow, or the one that leads to it"},
	{v1alpha1.ReasonPromptMissing, promptsMissing, ""},
	{v1alpha1.ReasonPromptUnplayable, promptsUnplayable, ""},
}

// judge decides about a flow. It is pure.
func judge(f facts) verdict {
	v := verdict{digest: digestOf(f)}
	for _, check := range checks {
		if found := check.find(f); len(found) > 0 {
			v.reason, v.message = check.reason, message(found, check.remedy, f.last)
			return v
		}
	}
	revision := callflow.RevisionOf(f.name, func(name string) *v1alpha1.CallFlowSpec { return f.flows[name] })
	data, err := revision.Encode()
	if err != nil {
		v.reason, v.message = v1alpha1.ReasonInvalid, message([]string{err.Error()}, "report it: no flow should do this", f.last)
		return v
	}
	if len(data) > f.limit {
		v.reason = v1alpha1.ReasonTooLarge
		v.message = message([]string{fmt.Sprintf("the flow and those it leads to are %d KiB in all, and a revision holds %d", len(data)>>10, f.limit>>10)},
			"make texts shorter, or lead to fewer flows", f.last)
		return v
	}
	v.reason, v.revision, v.data = v1alpha1.ReasonValid, callflow.RevisionName(f.name, data), data
	v.message = "new calls run revision " + v.revision
	return v
}

// message names the first mistakes, what to do, and what calls do meanwhile.
func message(mistakes []string, remedy, last string) string {
	var parts []string
	for _, m := range mistakes[:min(told, len(mistakes))] {
		parts = append(parts, shorten.Characters(m, toldCharacters))
	}
	if more := len(mistakes) - told; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	if remedy != "" {
		parts = append(parts, remedy)
	}
	if last == "" {
		parts = append(parts, "no call can run it until then")
	} else {
		parts = append(parts, "new calls run revision "+last+" until then")
	}
	return shorten.Bytes(strings.Join(parts, "; "), shorten.Note)
}

// own are the mistakes of the flow itself, whatever it leads to.
func own(f facts) []string {
	return texts(mistakesOf(f.name, map[string]*v1alpha1.CallFlowSpec{f.name: f.flows[f.name]}))
}

// mistakesOf are those of a flow with what it leads to, but for what is not there.
func mistakesOf(name string, flows map[string]*v1alpha1.CallFlowSpec) field.ErrorList {
	_, errs := callflow.Compile(name, flows)
	return slices.DeleteFunc(errs, callflow.IsMissing)
}

func subflowsMissing(f facts) []string {
	_, errs := callflow.Compile(f.name, f.flows)
	return texts(slices.DeleteFunc(errs, func(err *field.Error) bool { return !callflow.IsMissing(err) }))
}

func subflowsInvalid(f facts) []string { return texts(mistakesOf(f.name, f.flows)) }

func texts(errs field.ErrorList) []string {
	list := make([]string, 0, len(errs))
	for _, err := range errs {
		list = append(list, err.Error())
	}
	return list
}

func promptsMissing(f facts) []string {
	return promptsThat(f, func(one file) string { return one.missing })
}

func promptsUnplayable(f facts) []string {
	return promptsThat(f, func(one file) string { return one.unplayable })
}

// promptsThat are wrong, the flow's own first.
func promptsThat(f facts, wrong func(file) string) []string {
	var list []string
	each := func(name, prefix string) {
		callflow.Prompts(f.flows[name], func(path *field.Path, p *v1alpha1.Prompt) {
			if p.ConfigMap == nil {
				return
			}
			if what := wrong(f.files[*p.ConfigMap]); what != "" {
				list = append(list, prefix+path.String()+": "+what)
			}
		})
	}
	each(f.name, "")
	for _, name := range slices.Sorted(maps.Keys(f.flows)) {
		if name != f.name {
			each(name, "flow "+name+": ")
		}
	}
	return list
}

// digestOf is one SHA-256 over the files that are there, with their places; empty if no prompt is in a ConfigMap.
func digestOf(f facts) string {
	if len(f.files) == 0 {
		return ""
	}
	sum := sha256.New()
	refs := slices.SortedFunc(maps.Keys(f.files), func(a, b v1alpha1.KeyReference) int {
		return strings.Compare(a.Name+"\x00"+a.Key, b.Name+"\x00"+b.Key)
	})
	for _, ref := range refs {
		one := f.files[ref]
		fmt.Fprintf(sum, "%s\x00%s\x00", ref.Name, ref.Key)
		sum.Write(one.digest[:])
	}
	return hex.EncodeToString(sum.Sum(nil))
}
