// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func outgoing(namespace, name, bot string) *callfleetv1.Call {
	return &callfleetv1.Call{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"team": "sales"}},
		Spec: callfleetv1.OneCallSpec{
			CallSpec: callfleetv1.CallSpec{BotRef: callfleetv1.BotReference{Name: bot}},
			To:       []callfleetv1.Identity{{User: jane}},
		},
	}
}

// TestTheListOfCalls shows sessions and calls as one.
func TestTheListOfCalls(t *testing.T) {
	w := newWorld(t)
	call := outgoing(w.namespace, "ask-jane", "sales")
	call.Status.Phase, call.Status.EndReason = callfleetv1.PhaseFailed, callfleetv1.EndCallDeclined
	controllertest.Create(t, w.cluster.Client, call)
	controllertest.Create(t, w.cluster.Client, outgoing(w.namespace, "new", "sales"))
	viewer := w.account("viewer", "meetingsessions", "calls")
	tests := map[string]struct{ args, want string }{
		"all": {"calls", `
NAME            BOT         PHASE         POD           PEOPLE           IN-CALL   END            AGE
ms/standup      reception   Established   reception-0   4 (+1 in lobby)  -         -              0s
call/ask-jane   sales       Failed        <none>        -                -         CallDeclined   0s
call/new        sales       Pending       <none>        -                -         -              0s`},
		"live":              {"calls --live --no-headers", "ms/standup reception Established reception-0 4 (+1 in lobby) - - 0s\ncall/new sales Pending <none> - - - 0s"},
		"of a bot":          {"ls --bot sales -o name", "call/ask-jane\ncall/new"},
		"in a pod":          {"calls --pod reception-0 -o name", "ms/standup"},
		"by label":          {"calls -l team=sales -o name", "call/ask-jane\ncall/new"},
		"wide":              {"calls --bot reception -o wide", "NAME BOT PHASE POD PEOPLE IN-CALL END AGE DIRECTION MEDIA CHAIN-ID CALL-ID\nms/standup reception Established reception-0 4 (+1 in lobby) - - 0s Meeting - chain graph-call"},
		"in all namespaces": {"calls -A --bot sales --no-headers --live", w.namespace + " call/new sales Pending <none> - - - 0s"},
	}
	age := regexp.MustCompile(`\b\d+s(\s*)$`)
	tidy := func(table string) string {
		var lines []string
		for line := range strings.Lines(strings.TrimSpace(table)) {
			lines = append(lines, strings.Join(strings.Fields(age.ReplaceAllString(line, "0s")), " "))
		}
		return strings.Join(lines, "\n")
	}
	ageBeforeMore := regexp.MustCompile(`\b\d+s( Meeting )`)
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w.t = t
			out, errOut, code := w.runAs(viewer, words(tc.args)...)
			if diff := cmp.Diff(tidy(tc.want), ageBeforeMore.ReplaceAllString(tidy(out), "0s$1")); diff != "" || code != 0 {
				t.Errorf("%d %s (-want +got):\n%s", code, errOut, diff)
			}
		})
	}
	w.t = t
	for _, format := range []string{"json", "yaml"} {
		out, _, code := w.runAs(viewer, "calls", "-o", format)
		if code != 0 || !strings.Contains(out, "MeetingSession") || strings.Contains(out, "managedFields") {
			t.Errorf("%s: %d\n%s", format, code, out)
		}
	}
	out, _, _ := w.runAs(viewer, "calls", "-o", "json")
	var list struct {
		Kind  string
		Items []struct {
			Kind, APIVersion string
			Metadata         struct{ Name string }
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil || list.Kind != "List" || len(list.Items) != 3 || list.Items[1].Kind != "Call" || list.Items[1].APIVersion != "callfleet.dev/v1alpha1" {
		t.Errorf("%v %+v", err, list)
	}
	if out, errOut, code := w.runAs(viewer, words("calls --bot nobody")...); code != 0 || out != "" || !strings.Contains(errOut, "No sessions or calls in namespace "+w.namespace) {
		t.Errorf("none: %d %q %q", code, out, errOut)
	}
	if _, errOut, code := w.runAs(w.account("stranger"), "calls"); code != exitForbidden || !strings.Contains(errOut, "callfleet-edit") {
		t.Errorf("a stranger: %d %q", code, errOut)
	}
}

// TestCompletion: names, participants, prompts, accounts.
func TestCompletion(t *testing.T) {
	w := newWorld(t)
	over := outgoing(w.namespace, "over", "reception")
	over.Status.Phase = callfleetv1.PhaseCompleted
	controllertest.Create(t, w.cluster.Client, over)
	controllertest.Create(t, w.cluster.Client, controllertest.Bot(w.namespace, "reception").Object())
	controllertest.Create(t, w.cluster.Client, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "greetings"},
		BinaryData: map[string][]byte{"hello.wav": nil, "bye.wav": nil}, Data: map[string]string{"text": ""}})
	admin := w.cluster.UserKubeconfig(t, "admin", "system:masters")
	tests := map[string]struct{ args, want string }{
		"a call":            {"stop ", "ms/standup\treception Established"},
		"several":           {"hangup ms/standup ", "ms/standup\treception Established"},
		"a participant":     {"mute-participant ms/standup ", "p1\tJane Doe\np2\tJoe\np3\tJoe"},
		"a prompt":          {"play ms/standup ", "greetings/bye.wav\ngreetings/hello.wav"},
		"a flag's prompt":   {"record ms/standup --prompt ", "greetings/bye.wav\ngreetings/hello.wav"},
		"an account":        {"stop ms/standup --as-service-account ", "operator"},
		"a bot":             {"calls --bot ", "reception"},
		"a format":          {"calls -o ", "json\nyaml\nname\nwide"},
		"nothing after all": {"stop ms/standup ", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w.t = t
			args := append(words("__complete -n "+w.namespace), words(tc.args)...)
			out, errOut, code := w.runAs(admin, append(args, "")...)
			got, _, _ := strings.Cut(strings.TrimSpace("\n"+out), ":4")
			if diff := cmp.Diff(tc.want, strings.TrimSpace(got)); diff != "" || code != 0 {
				t.Errorf("%d %s (-want +got):\n%s", code, errOut, diff)
			}
		})
	}
}

// TestEveryCommandHelps with what it does and an example that is a command line of its own.
func TestEveryCommandHelps(t *testing.T) {
	streams := genericiooptions.NewTestIOStreamsDiscard()
	root := newRoot(streams, 0)
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Short == "" || cmd.Long == "" || cmd.Runnable() && !cmd.HasSubCommands() && !strings.Contains(cmd.Example, cmd.CommandPath()) {
			t.Errorf("%s: short %q, long %q, example %q", cmd.CommandPath(), cmd.Short, cmd.Long, cmd.Example)
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(root)
	example := regexp.MustCompile(`(?m)^\s+kubectl callfleet ([a-z-]+)( start| stop)?`)
	var check func(*cobra.Command)
	check = func(cmd *cobra.Command) {
		for _, m := range example.FindAllStringSubmatch(cmd.Example, -1) {
			if found, _, err := newRoot(streams, 0).Find(words(m[1] + m[2])); err != nil || found.HasParent() == false {
				t.Errorf("the example of %s has no such command: %s", cmd.CommandPath(), m[0])
			}
		}
		for _, sub := range cmd.Commands() {
			check(sub)
		}
	}
	check(root)
}
