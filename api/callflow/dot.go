// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"fmt"
	"strings"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// dotShapes are a box's attributes (https://graphviz.org/doc/info/shapes.html).
var dotShapes = map[shape]string{
	shapeDoes:    "shape=box",
	shapeAsks:    "shape=parallelogram",
	shapeChooses: "shape=diamond",
	shapeCalls:   "shape=box, peripheries=2",
	shapeEnds:    "shape=box, style=rounded",
	shapeStart:   "shape=circle, width=0.2",
	shapeMissing: "shape=box, style=dashed",
}

// DOT draws a flow for Graphviz. What goes astray is dotted. It draws a flow with mistakes too.
func DOT(name string, spec *callfleetv1.CallFlowSpec) string {
	d := draw(name, spec)
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n", dotText(brevity(d.name)))
	for i, box := range d.boxes {
		fmt.Fprintf(&b, "    s%d [label=%s, %s]\n", i, dotText(box.lines...), dotShapes[box.shape])
	}
	for _, a := range d.arrows {
		var attributes []string
		if len(a.labels) > 0 {
			attributes = append(attributes, "label="+dotText(strings.Join(a.labels, ", ")))
		}
		if a.astray {
			attributes = append(attributes, "style=dotted")
		}
		fmt.Fprintf(&b, "    s%d -> s%d", a.from, a.to)
		if len(attributes) > 0 {
			fmt.Fprintf(&b, " [%s]", strings.Join(attributes, ", "))
		}
		b.WriteByte('\n')
	}
	b.WriteString("}\n")
	return b.String()
}

// dotText are lines as a quoted string (https://graphviz.org/doc/info/lang.html).
func dotText(lines ...string) string {
	quoted := make([]string, len(lines))
	for i, line := range lines {
		quoted[i] = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(line)
	}
	return `"` + strings.Join(quoted, `\n`) + `"`
}
