// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// Revision is one version of a flow, with all flows it leads to: what calls that began with it run to their end. It is the data of a
// ControllerRevision.
type Revision struct {
	// Start is the flow that calls begin with.
	Start string `json:"start"`
	// Flows by name, Start among them; without their tests, which no call runs.
	Flows map[string]*v1alpha1.CallFlowSpec `json:"flows"`
}

// RevisionOf is the version of a flow as its parts are now. Those that find does not know, for which it answers nil, are left out.
func RevisionOf(name string, find func(flow string) *v1alpha1.CallFlowSpec) Revision {
	r := Revision{Start: name, Flows: map[string]*v1alpha1.CallFlowSpec{}}
	for next := []string{name}; len(next) > 0; next = next[1:] {
		if r.Flows[next[0]] != nil {
			continue
		}
		if spec := find(next[0]); spec != nil {
			kept := *spec
			kept.Tests = nil
			r.Flows[next[0]] = &kept
			next = append(next, Subflows(spec)...)
		}
	}
	return r
}

// Encode gives the same bytes for the same version.
func (r Revision) Encode() ([]byte, error) {
	data, err := json.Marshal(r) // which sorts the keys of maps
	if err != nil {
		return nil, fmt.Errorf("encoding flow %s: %w", r.Start, err)
	}
	return data, nil
}

// ReadRevision reads what Encode wrote.
func ReadRevision(data []byte) (Revision, error) {
	var r Revision
	if err := json.Unmarshal(data, &r); err != nil {
		return Revision{}, fmt.Errorf("reading a revision of a flow: %w", err)
	}
	if r.Flows[r.Start] == nil {
		return Revision{}, fmt.Errorf("reading a revision of a flow: it begins with flow %q, which is not in it", r.Start)
	}
	return r, nil
}

// RevisionName is the name of a ControllerRevision with this content. Sixteen digits of the hash tell a million versions of a flow
// apart with a chance of one in thirty million to be wrong, and a name in use is compared before it is taken for the same.
func RevisionName(flow string, data []byte) string {
	sum := sha256.Sum256(data)
	return flow + "-" + hex.EncodeToString(sum[:8])
}

// Subflows are the flows that a flow runs itself, each once, in order of their names.
func Subflows(spec *v1alpha1.CallFlowSpec) []string {
	var names []string
	for i := range spec.Steps {
		if sub := spec.Steps[i].Subflow; sub != nil {
			names = append(names, sub.FlowRef.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
