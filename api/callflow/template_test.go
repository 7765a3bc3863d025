// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"strings"
	"testing"
	"unicode/utf8"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

func TestTemplatesPutValuesIn(t *testing.T) {
	p := &Program{}
	scope := Scope{
		Vars:   map[string]string{"pin": "1234", "x_1": "${pin}", "error": "shadow"},
		Caller: callfleetv1.Caller{Kind: "Phone", ID: "+12065550100", DisplayName: "Ada", TenantID: "contoso"},
		Called: callfleetv1.Caller{ID: "bot"}, CallID: "c1", Flow: "reception", Error: "NoAnswer",
	}
	for template, want := range map[callfleetv1.Template]string{
		"":                                   "",
		"plain":                              "plain",
		"${pin}":                             "1234",
		"a ${pin}, b ${pin}.":                "a 1234, b 1234.",
		"${x_1}":                             "${pin}", // what is put in is no template
		"${unset}":                           "",
		"<${unset}>":                         "<>",
		"${caller.kind} ${caller.id}":        "Phone +12065550100",
		"${caller.name} of ${caller.tenant}": "Ada of contoso",
		"${called.id} ${call.id}":            "bot c1",
		"${flow.name}: ${error}":             "reception: NoAnswer",
		"$${pin}":                            "${pin}",
		"$$${pin}":                           "$${pin}",
		"$5 $pin {pin} $ }":                  "$5 $pin {pin} $ }",
		"Grüße, ${pin} €":                    "Grüße, 1234 €",
	} {
		if got := p.Render(template, scope); got != want {
			t.Errorf("%q makes %q, not %q", template, got, want)
		}
	}
}

func TestWhatATemplateMakesFitsIntoAVariable(t *testing.T) {
	p := &Program{}
	long := strings.Repeat("ä", MaxValue-1)
	for _, template := range []callfleetv1.Template{"${long}", "${long}${long}", "ä${long}", "${long}ä${long}"} {
		got := p.Render(template, Scope{Vars: map[string]string{"long": long}})
		if n := utf8.RuneCountInString(got); n > MaxValue || n < MaxValue-1 || strings.Trim(got, "ä") != "" {
			t.Errorf("%q makes %d characters", template, n)
		}
	}
}

// FuzzTemplates: whatever is written, it is refused with a reason, or names that are valid stand for what they are said to.
func FuzzTemplates(f *testing.F) {
	for _, text := range []string{
		"", "plain", "${pin}", "a ${pin}, b ${caller.name}.", "$${x}", "$$${x}", "$", "$$", "${", "${}", "${a", "${a b}", "${a.b.c}", "${.a}", "${a.}",
		"${1a}", "${ä}", "}${a}{", "${a${b}}", "$${", "€${a}\x00", "\xff${a}\xff",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := parseTemplate(callfleetv1.Template(text))
		if err != nil {
			if !strings.Contains(text, "${") || err.Error() == "" {
				t.Errorf("%q is refused: %v", text, err)
			}
			return
		}
		vars, again := map[string]string{}, strings.Builder{}
		for _, piece := range parsed.pieces {
			if !piece.name {
				again.WriteString(strings.ReplaceAll(piece.text, "${", "$${"))
				continue
			}
			if !isName(piece.text) {
				t.Errorf("%q has the name %q", text, piece.text)
			}
			vars[piece.text] = "<" + piece.text + ">"
			again.WriteString("${" + piece.text + "}")
		}
		if again.String() != text {
			t.Errorf("%q is read as %q", text, again.String())
		}
		if got := parsed.render(&Scope{Vars: vars}); utf8.RuneCountInString(got) > MaxValue {
			t.Errorf("%q makes %d characters", text, utf8.RuneCountInString(got))
		}
	})
}
