// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

const (
	valuesBegin = "<!-- values -->\n"
	valuesEnd   = "<!-- end of values -->\n"
)

// chartReadme puts the table of values into the chart's README: the comments of values.yaml are what it says.
func chartReadme(root string, _ *config) (map[string][]byte, error) {
	path := chartFolder + "/README.md"
	readme, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		return nil, err
	}
	values, err := os.ReadFile(filepath.Join(root, chartFolder, "values.yaml"))
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(values, &document); err != nil {
		return nil, err
	}
	before, rest, ok := strings.Cut(string(readme), valuesBegin)
	_, after, closed := strings.Cut(rest, valuesEnd)
	if !ok || !closed {
		return nil, fmt.Errorf("%s has no place for the values: %s%s", path, valuesBegin, valuesEnd)
	}
	table, err := valueRows(document.Content[0], "")
	return map[string][]byte{path: []byte(before + valuesBegin + "| Value | Default | Meaning |\n|---|---|---|\n" + table + valuesEnd + after)}, err
}

// valueRows are the rows of a map of values. A map in block style is descended into; one in braces is a value.
func valueRows(node *yaml.Node, prefix string) (string, error) {
	var rows strings.Builder
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		name := prefix + key.Value
		if value.Kind == yaml.MappingNode && value.Style&yaml.FlowStyle == 0 && !opaque[key.Value] {
			if meaning := comment(key); meaning != "" {
				fmt.Fprintf(&rows, "| **`%s`** | | %s |\n", name, meaning)
			}
			below, err := valueRows(value, name+".")
			if err != nil {
				return "", err
			}
			rows.WriteString(below)
			continue
		}
		text, err := flow(value)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(&rows, "| `%s` | `%s` | %s |\n", name, text, comment(key))
	}
	return rows.String(), nil
}

// opaque are values whose inside is Kubernetes', not ours.
var opaque = map[string]bool{"resources": true}

// flow is a value on one line.
func flow(value *yaml.Node) (string, error) {
	if value.Kind == yaml.ScalarNode && value.Value == "" {
		return `""`, nil
	}
	inline := *value
	setFlow(&inline)
	text, err := yaml.Marshal(&inline)
	return strings.TrimSpace(string(text)), err
}

func setFlow(node *yaml.Node) {
	node.HeadComment = ""
	if node.Kind != yaml.ScalarNode {
		node.Style |= yaml.FlowStyle
	}
	for _, below := range node.Content {
		setFlow(below)
	}
}

func comment(key *yaml.Node) string {
	// A comment that an empty line parts from what follows is of the file.
	parts := strings.Split(key.HeadComment, "\n\n")
	text := strings.NewReplacer("# ", "", "#", "", "\n", " ").Replace(parts[len(parts)-1])
	return strings.ReplaceAll(strings.TrimSpace(text), "|", "\\|")
}
