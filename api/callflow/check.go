// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// check looks for what is wrong: in each step by itself, then in how steps lead to one another.
func (c *compiler) check() {
	for _, f := range c.flows {
		f.checkFlow()
		for i := range f.spec.Steps {
			f.checkShape(i)
			f.checkKeys(i)
			f.checkValues(i)
			c.checkTexts(f, i)
			f.checkConditions(i)
		}
	}
	c.checkVariables()
	for _, f := range c.flows {
		f.checkTargets()
		f.checkReached()
		c.checkRedirects(f)
		c.checkLoops(f)
		c.checkCalls(f)
	}
}

// wrong adds a mistake. The text says what is wrong, and what to do.
func (f *reading) wrong(path *field.Path, value any, format string, args ...any) {
	f.errs = append(f.errs, field.Invalid(path, value, fmt.Sprintf(format, args...)))
}

// forbids adds the mistake that something is too much. The text says why, and what to do.
func (f *reading) forbids(path *field.Path, format string, args ...any) {
	f.errs = append(f.errs, field.Forbidden(path, fmt.Sprintf(format, args...)))
}

// lacks adds the mistake that something is not there. The text says what to do.
func (f *reading) lacks(path *field.Path, format string, args ...any) {
	f.errs = append(f.errs, field.Required(path, fmt.Sprintf(format, args...)))
}

// checkFlow checks what is no step's.
func (f *reading) checkFlow() {
	f.checkSize(specPath.Child("steps"), len(f.spec.Steps), 1, 100)
	f.checkSize(specPath.Child("variables"), len(f.spec.Variables), 0, 32)
	for _, name := range sorted(f.spec.Variables) {
		path, value := specPath.Child("variables").Key(string(name)), f.spec.Variables[name]
		f.checkVariable(path, name)
		f.checkLength(path, string(value), MaxValue)
	}
	if f.spec.Speech != nil {
		path := specPath.Child("speech")
		f.checkURL(path.Child("url"), f.spec.Speech.URL)
		f.checkLength(path.Child("voice"), f.spec.Speech.Voice, 128)
		f.checkLength(path.Child("language"), f.spec.Speech.Language, 35)
	}
	zone, err := time.LoadLocation(f.spec.TimeZone)
	if err != nil || f.spec.TimeZone == "Local" { // which every machine has another
		f.wrong(specPath.Child("timeZone"), f.spec.TimeZone, "no time zone has this name; take one of the IANA database, such as Europe/Berlin")
		return
	}
	f.zone = zone
}

// checkConditions compiles those of a branch.
func (f *reading) checkConditions(i int) {
	s := &f.spec.Steps[i]
	if s.Branch == nil {
		return
	}
	path := stepPath(i).Child("branch", "cases")
	f.checkSize(path, len(s.Branch.Cases), 1, 20)
	compiled := make([]*condition, len(s.Branch.Cases))
	for j, one := range s.Branch.Cases {
		at := path.Index(j).Child("when")
		if one.When == "" {
			f.lacks(at, "a condition must be given, such as vars.language == 'de'")
			continue
		}
		if !f.checkLength(at, one.When, MaxValue) {
			continue
		}
		condition, err := compileCondition(one.When)
		if err != nil {
			f.wrong(at, one.When, "%v", err)
			continue
		}
		compiled[j] = condition
		for _, name := range condition.names {
			f.uses = append(f.uses, use{at: at, name: name, in: one.When, condition: true})
		}
	}
	if at := f.steps[s.Name]; at.FlowStep == s {
		at.cases = compiled
	}
}

// checkTexts reads the templates of a step.
func (c *compiler) checkTexts(f *reading, i int) {
	texts(&f.given.Steps[i], stepPath(i), func(path *field.Path, t callfleetv1.Template) {
		parsed := c.program.templates[t]
		if parsed == nil {
			var err error
			if parsed, err = parseTemplate(t); err != nil {
				f.wrong(path, t, "%v", err)
				return
			}
			c.program.templates[t] = parsed
		}
		f.checkLength(path, string(t), MaxValue)
		for _, name := range parsed.names {
			f.uses = append(f.uses, use{at: path, name: name, in: string(t)})
		}
	})
}
