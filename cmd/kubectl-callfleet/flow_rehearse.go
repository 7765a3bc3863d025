// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callfleet/callfleet/api/callflow"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/flow/rehearse"
)

// rehearsal is a flow test command.
type rehearsal struct {
	*cli
	flow, test, script string
	now                func() time.Time
}

func (c *cli) newFlowTest() *cobra.Command {
	r := &rehearsal{cli: c, now: time.Now}
	cmd := &cobra.Command{
		Use:   "test FILE...",
		Short: "Play the tests of CallFlows, without a phone",
		Long: `Play the tests of CallFlows (spec.tests), without a phone and without a cluster. Subflows are those of the same files. Flows
with mistakes are refused, as kubectl apply would.

Of each test the conversation is printed, what came of it, and what was expected instead. With --script a script of your own is
played: a file with lines such as "press 12#", "wait 3s", "say hello.wav", "speak 4s" and "hang up", done one after the other from
the moment of the answer; lines that begin with # are comments.

No time passes, and no sound is made: a text takes 60 ms a character and a second at least, a file two seconds, a key 200 ms;
somebody who is called answers after 5 s, a web server after 200 ms.

Ends with 1 if a test fails or a flow has mistakes.`,
		Example: `  # All tests of two flows, of which one has the other as a subflow
  kubectl callfleet flow test reception.yaml pin.yaml

  # One test
  kubectl callfleet flow test reception.yaml --test 'after hours'

  # What happens to a caller who presses 2 and leaves a message
  printf 'press 2\nwait 10s\nspeak 5s\nhang up\n' | kubectl callfleet flow test reception.yaml --script -`,
		Args: needs(1, -1, "files with CallFlows"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: running(r.run),
	}
	cmd.Flags().StringVar(&r.flow, "flow", "", "Only the CallFlow of this name")
	cmd.Flags().StringVar(&r.test, "test", "", "Only the test of this name")
	cmd.Flags().StringVar(&r.script, "script", "", "File with a script to be played instead of the tests; - for standard input")
	cmd.MarkFlagsMutuallyExclusive("test", "script")
	c.outputFlag(cmd, "json")
	return cmd
}

// rehearsed is a test that was played, as -o json has it.
type rehearsed struct {
	Flow         string              `json:"flow"`
	Test         string              `json:"test,omitempty"`
	Passed       bool                `json:"passed"`
	Wrong        []string            `json:"wrong,omitempty"`
	Conversation []spoken            `json:"conversation"`
	Steps        []string            `json:"steps"`
	Variables    map[string]string   `json:"variables"`
	End          callfleetv1.FlowEnd `json:"end,omitempty"`
	Message      string              `json:"message,omitempty"`
}

type spoken struct {
	Seconds float64 `json:"seconds"`
	Who     string  `json:"who"`
	What    string  `json:"what"`
}

func (r *rehearsal) run(ctx context.Context, files []string) error {
	flows, specs, err := r.read(files)
	if err != nil {
		return err
	}
	programs, err := compileAll(flows, specs)
	if err != nil {
		return err
	}
	if flows, err = r.choose(flows); err != nil {
		return err
	}
	played := []rehearsed{} // no tests are [] in JSON
	for _, f := range flows {
		for _, test := range f.Spec.Tests {
			if r.test != "" && test.Name != r.test {
				continue
			}
			one, err := r.play(ctx, f.Name, programs[f.Name], test)
			if err != nil {
				return err
			}
			played = append(played, one)
		}
	}
	if r.test != "" && len(played) == 0 {
		return fail(exitNotFound, "no CallFlow of %s has a test %q", strings.Join(files, ", "), r.test)
	}
	return r.report(played)
}

// read reads the flows of all files.
func (r *rehearsal) read(files []string) ([]*callfleetv1.CallFlow, map[string]*callfleetv1.CallFlowSpec, error) {
	if r.script == "-" && slices.Contains(files, "-") {
		return nil, nil, misuse("- is standard input, which can be the flows or the script; give a file for one of them")
	}
	var flows []*callfleetv1.CallFlow
	specs, from := map[string]*callfleetv1.CallFlowSpec{}, map[string]string{}
	var none error
	for _, file := range files {
		list, err := r.readFlows(file)
		if errors.Is(err, callflow.ErrNoFlow) { // folder/*.yaml has a kustomization.yaml, too
			none = err
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		for _, f := range list {
			if specs[f.Name] != nil {
				return nil, nil, misuse("CallFlow %s is in %s and in %s; leave one of them out", f.Name, from[f.Name], file)
			}
			specs[f.Name], from[f.Name] = &f.Spec, file
			flows = append(flows, f)
		}
	}
	if len(flows) == 0 {
		return nil, nil, none
	}
	return flows, specs, nil
}

// compileAll compiles flows, and tells all mistakes of all of them.
func compileAll(flows []*callfleetv1.CallFlow, specs map[string]*callfleetv1.CallFlowSpec) (map[string]*callflow.Program, error) {
	programs := map[string]*callflow.Program{}
	var mistakes []string
	for _, f := range flows {
		p, errs := callflow.Compile(f.Name, specs)
		for _, err := range errs {
			text := err.Error()
			if callflow.IsMissing(err) {
				text += "; give the file that has it too"
			}
			mistakes = append(mistakes, f.Name+": "+text)
		}
		programs[f.Name] = p
	}
	if len(mistakes) > 0 {
		return nil, fail(exitFailed, "the flows have mistakes:\n%s", strings.Join(mistakes, "\n"))
	}
	return programs, nil
}

// choose leaves the flows that are asked for. A script makes a test of its own of one of them.
func (r *rehearsal) choose(flows []*callfleetv1.CallFlow) ([]*callfleetv1.CallFlow, error) {
	var names []string
	var chosen []*callfleetv1.CallFlow
	for _, f := range flows {
		names = append(names, f.Name)
		if r.flow == "" || f.Name == r.flow {
			chosen = append(chosen, f)
		}
	}
	switch {
	case len(chosen) == 0:
		return nil, fail(exitNotFound, "there is no CallFlow %s in the files; there are %s", r.flow, strings.Join(names, ", "))
	case r.script == "":
		return chosen, nil
	case len(chosen) > 1:
		return nil, misuse("a script is played to one CallFlow; choose it with --flow: %s", strings.Join(names, ", "))
	}
	lines, err := r.readScript()
	if err != nil {
		return nil, err
	}
	only := chosen[0].DeepCopy()
	only.Spec.Tests = []callfleetv1.FlowTest{{Script: lines}}
	return []*callfleetv1.CallFlow{only}, nil
}

func (r *rehearsal) readScript() ([]string, error) {
	var raw []byte
	var err error
	if r.script == "-" {
		raw, err = io.ReadAll(r.In)
	} else {
		raw, err = os.ReadFile(r.script)
	}
	if err != nil {
		return nil, fail(exitFailed, "reading the script: %v", err)
	}
	return strings.Split(string(raw), "\n"), nil
}

func (r *rehearsal) play(ctx context.Context, name string, p *callflow.Program, test callfleetv1.FlowTest) (rehearsed, error) {
	report, err := rehearse.Test(ctx, p, r.now(), test)
	switch {
	case ctx.Err() != nil:
		return rehearsed{}, err
	case err != nil:
		return rehearsed{}, fail(exitUsage, "%s: %v", title(name, test.Name), err)
	}
	one := rehearsed{
		Flow: name, Test: test.Name, Wrong: report.Wrong, Conversation: []spoken{}, Steps: report.Steps,
		Variables: report.Variables, End: report.End, Message: report.Message,
	}
	// A script expects nothing, but that the flow can go on.
	if test.Name == "" && report.End == callfleetv1.FlowFailed {
		one.Wrong = append(one.Wrong, report.Message)
	}
	one.Passed = len(one.Wrong) == 0
	for _, l := range report.Conversation {
		one.Conversation = append(one.Conversation, spoken{l.After.Seconds(), l.Who, l.What})
	}
	return one, nil
}

func title(flow, test string) string {
	if test == "" {
		return flow
	}
	return flow + ", " + test
}

func (r *rehearsal) report(played []rehearsed) error {
	failed := 0
	for _, p := range played {
		if !p.Passed {
			failed++
		}
	}
	if r.output == "json" {
		if err := printJSON(r.Out, played); err != nil {
			return err
		}
	} else {
		for _, p := range played {
			p.print(r.Out)
		}
		if len(played) == 0 {
			fmt.Fprintln(r.Out, "No mistakes, and no tests; write some under spec.tests, or play a script with --script.")
		}
	}
	switch {
	case failed == 0 && r.output == "" && len(played) > 0 && r.script == "":
		fmt.Fprintf(r.Out, "%d of %d tests passed\n", len(played), len(played))
	case failed > 0 && r.script != "":
		return fail(exitFailed, "the flow failed")
	case failed > 0:
		return fail(exitFailed, "%d of %d tests failed", failed, len(played))
	}
	return nil
}

// print writes a test for people: the conversation, what came of it, and what is wrong.
func (p *rehearsed) print(w io.Writer) {
	fmt.Fprintln(w, title(p.Flow, p.Test))
	for _, l := range p.Conversation {
		hundredths := int(math.Round(l.Seconds * 100))
		fmt.Fprintf(w, "  %2d:%02d.%02d  %-6s  %s\n", hundredths/6000, hundredths/100%60, hundredths%100, l.Who, l.What)
	}
	fmt.Fprintf(w, "  steps      %s\n", strings.Join(p.Steps, ", "))
	for i, name := range slices.Sorted(maps.Keys(p.Variables)) {
		head := ""
		if i == 0 {
			head = "variables"
		}
		fmt.Fprintf(w, "  %-9s  %s = %q\n", head, name, p.Variables[name])
	}
	end := string(p.End)
	if end == "" {
		end = "none: the flow goes on for ever"
	}
	fmt.Fprintf(w, "  %-9s  %s\n", "end", end)
	if p.Message != "" {
		fmt.Fprintf(w, "  %-9s  %s\n", "because", p.Message)
	}
	for _, wrong := range p.Wrong {
		fmt.Fprintf(w, "  %-9s  %s\n", "WRONG", strings.ReplaceAll(wrong, "\n", "\n             "))
	}
	fmt.Fprintln(w)
}
