// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// check looks for what is wrong in each flow.
func (c *compiler) check() {
	for _, f := range c.flows {
		c.checkZone(f)
		if f.steps[f.spec.Start] == nil {
			f.wrong(specPath.Child("start"), f.spec.Start, "no step has this name")
		}
		for i := range f.spec.Steps {
			s, path := &f.spec.Steps[i], specPath.Child("steps").Index(i)
			for _, e := range exits(s, path) {
				if f.steps[e.to] == nil {
					f.wrong(e.at, e.to, "no step has this name")
				}
			}
			texts(s, path, func(path *field.Path, t callfleetv1.Template) { c.template(f, path, t) })
			c.conditions(f, s, path)
		}
		c.errs = append(c.errs, f.errs...)
	}
}

// wrong adds a mistake. The text says what is wrong, and what to do.
func (f *reading) wrong(path *field.Path, value any, format string, args ...any) {
	f.errs = append(f.errs, field.Invalid(path, value, fmt.Sprintf(format, args...)))
}

func (c *compiler) checkZone(f *reading) {
	zone, err := time.LoadLocation(f.spec.TimeZone)
	if err != nil || f.spec.TimeZone == "Local" {
		f.wrong(specPath.Child("timeZone"), f.spec.TimeZone, "no time zone has this name; take one of the IANA database, such as Europe/Berlin")
		return
	}
	f.zone = zone
}

// template reads a template once.
func (c *compiler) template(f *reading, path *field.Path, t callfleetv1.Template) {
	if c.program.templates[t] != nil {
		return
	}
	parsed, err := parseTemplate(t)
	if err != nil {
		f.wrong(path, t, "%v", err)
		return
	}
	c.program.templates[t] = parsed
}

// conditions compiles those of a branch.
func (c *compiler) conditions(f *reading, s *callfleetv1.FlowStep, path *field.Path) {
	if s.Branch == nil {
		return
	}
	compiled := make([]*condition, len(s.Branch.Cases))
	for i, one := range s.Branch.Cases {
		condition, err := compileCondition(one.When)
		if err != nil {
			f.wrong(path.Child("branch", "cases").Index(i).Child("when"), one.When, "%v", err)
			continue
		}
		compiled[i] = condition
	}
	if at := f.steps[s.Name]; at.FlowStep == s {
		at.cases = compiled
	}
}

// comparePaths orders paths as people read them: steps[2] is before steps[10].
func comparePaths(a, b string) int {
	for a != "" && b != "" {
		x, y := head(a), head(b)
		m, errM := strconv.Atoi(x)
		n, errN := strconv.Atoi(y)
		order := cmp.Compare(x, y)
		if errM == nil && errN == nil {
			order = cmp.Compare(m, n)
		}
		if order != 0 {
			return order
		}
		a, b = a[len(x):], b[len(y):]
	}
	return cmp.Compare(len(a), len(b))
}

// head is the number a path begins with, or all before the next one.
func head(path string) string {
	digit := func(r rune) bool { return '0' <= r && r <= '9' }
	end := strings.IndexFunc(path, func(r rune) bool { return digit(r) != digit(rune(path[0])) })
	if end < 0 {
		return path
	}
	return path[:end]
}
