// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// distribution is what a release hands out: for kubectl apply -f the operator and its router in one file, and the policies, which are a
// choice, in another; and the bundle. It is not kept in the repository: it holds nothing that config/ does not, but the names of the images.
func distribution(root string, c *config, registry, tag string) (map[string][]byte, error) {
	files, err := bundle(root, c)
	if err != nil {
		return nil, err
	}
	for name, objects := range map[string][]object{"install.yaml": slices.Concat(c.operator, c.router), "admission.yaml": c.admission} {
		if files[name], err = stream(objects, "# Callfleet, made from config/ of the repository. SPDX-License-Identifier: Apache-2.0\n"); err != nil {
			return nil, err
		}
	}
	for name, text := range files {
		files[name] = withImages(text, registry, tag)
	}
	return files, nil
}

// images are the names that config/ has for what make images builds.
var images = []string{"manager", "router", "mediapod"}

// withImages says where the images of a release are. Those of media pods are named by a flag, so that this goes by the text.
func withImages(text []byte, registry, tag string) []byte {
	for _, image := range images {
		text = bytes.ReplaceAll(text, []byte("callfleet/"+image+":dev"), []byte(strings.TrimSuffix(registry, "/")+"/"+image+":"+tag))
	}
	return text
}

// stream writes objects one after the other.
func stream(objects []object, header string) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(header)
	for i, o := range objects {
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o, err)
		}
		if i > 0 {
			out.WriteString("---\n")
		}
		out.Write(text)
	}
	return out.Bytes(), nil
}
