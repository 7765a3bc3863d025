// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"fmt"
	"strings"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// mermaidShapes are a box's borders (https://mermaid.js.org/syntax/flowchart.html#node-shapes).
var mermaidShapes = map[shape][2]string{
	shapeDoes:    {`["`, `"]`},
	shapeAsks:    {`[/"`, `"/]`},
	shapeChooses: {`{"`, `"}`},
	shapeCalls:   {`[["`, `"]]`},
	shapeEnds:    {`(["`, `"])`},
	shapeStart:   {`(("`, `"))`},
	shapeMissing: {`>"`, `"]`},
}

// Mermaid draws a flow as a Mermaid flowchart, which GitHub and many wikis show as a picture. What goes astray is dotted. It draws a
// flow with mistakes too.
func Mermaid(name string, spec *callfleetv1.CallFlowSpec) string {
	d := draw(name, spec)
	var b strings.Builder
	fmt.Fprintf(&b, "---\ntitle: %q\n---\nflowchart TD\n", brevity(d.name))
	for i, box := range d.boxes {
		border := mermaidShapes[box.shape]
		lines := make([]string, len(box.lines))
		for j, line := range box.lines {
			lines[j] = mermaidText(line)
		}
		// Names are no ids: "end" is a word of the language.
		fmt.Fprintf(&b, "    s%d%s%s%s\n", i, border[0], strings.Join(lines, "<br/>"), border[1])
	}
	for _, a := range d.arrows {
		line := "-->"
		if a.astray {
			line = "-.->"
		}
		if len(a.labels) > 0 {
			line += `|"` + mermaidText(strings.Join(a.labels, ", ")) + `"|`
		}
		fmt.Fprintf(&b, "    s%d %s s%d\n", a.from, line, a.to)
	}
	return b.String()
}

// mermaidText is a text that Mermaid takes as it is: what has a meaning to it, or to HTML, becomes an entity, which it writes with #.
func mermaidText(text string) string { return mermaidEntities.Replace(text) }

var mermaidEntities = strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;", "`", "#96;", `\`, "#92;")
