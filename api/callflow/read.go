// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8syaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// ErrNoFlow is what Read says of a file in which there is none.
var ErrNoFlow = fmt.Errorf("there is no CallFlow in it; one begins with apiVersion: %s and kind: CallFlow", callfleetv1.GroupVersion)

// Read reads the CallFlows of a file of YAML or JSON documents, in their order. Documents of other kinds, such as ConfigMaps with prompts,
// are passed over. A field that no CallFlow has is an error, as is a flow without a name or two of one name, or none at all.
func Read(file []byte) ([]*callfleetv1.CallFlow, error) {
	var flows []*callfleetv1.CallFlow
	named := map[string]bool{}
	documents := k8syaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(file)))
	for n := 1; ; n++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		if kind.Kind != "CallFlow" || kind.GroupVersionKind().Group != callfleetv1.GroupVersion.Group {
			continue
		}
		if kind.APIVersion != callfleetv1.GroupVersion.String() {
			return nil, fmt.Errorf("document %d: apiVersion is %s; %s is what is known here", n, kind.APIVersion, callfleetv1.GroupVersion)
		}
		flow := &callfleetv1.CallFlow{}
		if err := strictly(document, flow); err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		switch {
		case flow.Name == "":
			return nil, fmt.Errorf("document %d: the CallFlow has no metadata.name; give it one", n)
		case named[flow.Name]:
			return nil, fmt.Errorf("document %d: there is a CallFlow %s before; give one of them another name", n, flow.Name)
		}
		named[flow.Name] = true
		flows = append(flows, flow)
	}
	if len(flows) == 0 {
		return nil, ErrNoFlow
	}
	return flows, nil
}

// strictly reads a document as the API server does for kubectl: names are spelled as they should be, and all that are not are told.
func strictly(document []byte, flow *callfleetv1.CallFlow) error {
	raw, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return err
	}
	unknown, err := json.UnmarshalStrict(raw, flow)
	return errors.Join(append(unknown, err)...)
}
