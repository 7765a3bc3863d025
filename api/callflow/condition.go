// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/interpreter"
)

// maxCost of a condition that is judged, in CEL's own units. A comparison costs a few; nested loops over variables could take a media
// pod minutes, and 1024 characters are enough to write them.
const maxCost = 100_000

// environment is what conditions are written in. Words are variables with a dot in their names, so that caller.nmae is a mistake that
// the compiler finds, and nothing need be made to look one up.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.Variable("vars", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("now", cel.TimestampType),
		cel.Variable("zone", cel.StringType),
	}
	for _, word := range words {
		options = append(options, cel.Variable(word, cel.StringType))
	}
	return cel.NewEnv(options...)
})

// condition is a CEL expression, compiled.
type condition struct {
	program cel.Program
	// names of variables that it asks for by name.
	names []string
}

// compileCondition compiles an expression. The error tells all mistakes, with their places.
func compileCondition(expression string) (*condition, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	checked, issues := env.Compile(expression)
	if issues.Err() != nil {
		return nil, told(issues)
	}
	if t := checked.OutputType(); !t.IsExactType(types.BoolType) {
		return nil, fmt.Errorf("what comes of it is of type %s; a condition must be true or false, as vars.language == 'de' is", t)
	}
	program, err := env.Program(checked, cel.CostLimit(maxCost))
	if err != nil {
		return nil, err
	}
	return &condition{program: program, names: variablesOf(checked.NativeRep().Expr())}, nil
}

// told are the mistakes that CEL found, without the drawing of the expression that it adds, and with what to do about the usual ones.
func told(issues *cel.Issues) error {
	var all []string
	for _, e := range issues.Errors() {
		text := fmt.Sprintf("character %d: %s", e.Location.Column()+1, strings.TrimSuffix(e.Message, " (in container '')"))
		if e.Location.Line() > 1 {
			text = fmt.Sprintf("line %d, %s", e.Location.Line(), text)
		}
		switch {
		case strings.HasPrefix(e.Message, "undeclared reference"):
			text += "; there are vars.NAME, now, zone, " + strings.Join(words, ", ")
		case strings.Contains(e.Message, "no matching overload") && strings.Contains(e.Message, "string"):
			text += "; variables are strings, and int(vars.NAME) is a number"
		}
		all = append(all, text)
	}
	return errors.New(strings.Join(all, "; "))
}

// variablesOf are the names in vars.name, vars["name"], has(vars.name) and "name" in vars.
func variablesOf(root ast.Expr) []string {
	var names []string
	ast.PreOrderVisit(root, ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.SelectKind:
			if isVars(e.AsSelect().Operand()) {
				names = append(names, e.AsSelect().FieldName())
			}
		case ast.CallKind:
			of, name := lookUp(e.AsCall())
			if text, ok := literal(name); ok && isVars(of) {
				names = append(names, text)
			}
		}
	}))
	return names
}

// lookUp gives map and key of a call that looks something up; nothing if it does not.
func lookUp(call ast.CallExpr) (of, key ast.Expr) {
	switch args := call.Args(); call.FunctionName() {
	case operators.Index:
		return args[0], args[1]
	case operators.In:
		return args[1], args[0]
	}
	return nil, nil
}

func isVars(e ast.Expr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == "vars" }

func literal(e ast.Expr) (string, bool) {
	if e == nil || e.Kind() != ast.LiteralKind {
		return "", false
	}
	text, ok := e.AsLiteral().Value().(string)
	return text, ok
}

// Holds judges the condition of a case of a branch. It cannot be told if it needs a variable that is not set, or one is no number, and
// the like.
func (p *Program) Holds(r Ref, i int, s Scope) (bool, error) {
	branch := p.step(r)
	if branch == nil || i < 0 || i >= len(branch.cases) {
		return false, fmt.Errorf("step %s has no case %d", p.Name(r), i)
	}
	if s.Zone == nil {
		s.Zone = p.flow(r.Flow).zone
	}
	value, _, err := branch.cases[i].program.Eval((*visible)(&s))
	if err != nil {
		return false, fmt.Errorf("judging case %d of step %s: %w", i, p.Name(r), err)
	}
	return value == types.True, nil
}

// visible is a scope as CEL asks for it.
type visible Scope

// ResolveName implements interpreter.Activation.
func (v *visible) ResolveName(name string) (any, bool) {
	switch name {
	case "vars":
		return v.Vars, true
	case "now":
		return v.Now, true
	case "zone":
		return v.Zone.String(), true
	}
	return (*Scope)(v).word(name)
}

// Parent implements interpreter.Activation.
func (v *visible) Parent() interpreter.Activation { return nil }
