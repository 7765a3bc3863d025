// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/control/wire"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

const jane = "1fdd12d0-4620-44ed-baec-459b611f84b2"

// TestACommandReachesTheCall: through the API server's proxy and the pod's own checks.
func TestACommandReachesTheCall(t *testing.T) {
	w := newWorld(t)
	target := func(i graph.IdentitySet) graph.InvitationParticipantInfo {
		return graph.InvitationParticipantInfo{Identity: i}
	}
	user := target(graph.IdentitySet{User: &graph.Identity{ID: jane}})
	tests := map[string]struct {
		args []string
		want signaling.Action
	}{
		"transfer to a user":      {words("transfer ms/standup " + jane), signaling.Transfer{Target: user}},
		"transfer to a phone":     {words("transfer ms/standup +12065550100"), signaling.Transfer{Target: target(graph.IdentitySet{Phone: &graph.Identity{ID: "+12065550100"}})}},
		"transfer a participant":  {[]string{"transfer", "ms/standup", jane, "--participant", "jane doe"}, signaling.Transfer{Target: user, Transferee: &graph.ParticipantInfo{ParticipantID: "p1"}}},
		"consultative":            {words("transfer ms/standup user:" + jane + " --consult ms/standup"), signaling.Transfer{Target: user, ReplacesCallID: "graph-call"}},
		"consultative, by its id": {words("transfer ms/standup " + jane + " --consult c-1"), signaling.Transfer{Target: user, ReplacesCallID: "c-1"}},
		"play":                    {words("play ms/standup greetings/hello.wav https://cdn.contoso.com/a.wav"), signaling.PlayPrompt{Prompts: []graph.MediaInfo{{URI: "greetings/hello.wav"}, {URI: "https://cdn.contoso.com/a.wav"}}}},
		"stop":                    {words("stop meetingsession.callfleet.dev/standup"), signaling.StopMedia{}},
		"dtmf":                    {words("dtmf ms/standup 1#A --delay 300ms"), signaling.SendTones{Tones: []graph.Tone{"tone1", "pound", "a"}, Delay: 300 * time.Millisecond}},
		"mute by name":            {[]string{"mute-participant", "ms/standup", "Jane Doe"}, signaling.MuteParticipant{ID: "p1"}},
		"remove by id":            {words("remove-participant ms/standup p2"), signaling.RemoveParticipant{ID: "p2"}},
		"remove one not listed":   {words("remove-participant ms/standup p77"), signaling.RemoveParticipant{ID: "p77"}},
		"hold":                    {words("hold start ms/standup p1"), signaling.StartHoldMusic{ID: "p1"}},
		"hold with music":         {words("hold start ms/standup p1 --prompt music/a.wav"), signaling.StartHoldMusic{ID: "p1", Prompt: &graph.MediaInfo{URI: "music/a.wav"}}},
		"take off hold":           {words("hold stop ms/standup p1"), signaling.StopHoldMusic{ID: "p1"}},
		"large gallery":           {words("large-gallery ms/standup"), signaling.LargeGallery{}},
		"record": {words("record ms/standup --prompt greetings/beep.wav --barge-in --no-beep --initial-silence 2s --max-silence 3s --max-duration 1m --stop-tones #*"),
			signaling.Record{Prompt: &graph.MediaInfo{URI: "greetings/beep.wav"}, BargeIn: true, NoBeep: true, InitialSilence: 2 * time.Second,
				MaxSilence: 3 * time.Second, MaxDuration: time.Minute, StopTones: []graph.Tone{"pound", "star"}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w.t = t
			w.held.will(signaling.Result{Message: "It is done."}, nil)
			out, errOut, code := w.run(tc.args...)
			if code != 0 || !strings.HasPrefix(out, "ms/standup: It is done.") || errOut != "" {
				t.Errorf("%d, output %q, error %q", code, out, errOut)
			}
			by, asked := w.held.last()
			if diff := cmp.Diff(tc.want, asked); diff != "" || by != w.user("operator") {
				t.Errorf("by %q (-want +got):\n%s", by, diff)
			}
		})
	}
}

// TestAnOutcomeForScripts has all that is known.
func TestAnOutcomeForScripts(t *testing.T) {
	w := newWorld(t)
	w.held.will(signaling.Result{Message: "Done.", Operation: &graph.Operation{ID: "op1", Status: graph.OperationCompleted}}, nil)
	want := wire.Outcome{Action: "stop", By: w.user("operator"), Message: "Done.", Operation: &wire.Operation{ID: "op1", Status: "completed"}}
	for _, format := range []string{"json", "yaml"} {
		out, _, code := w.run("stop", "ms/standup", "-o", format)
		var got wire.Outcome
		if err := yaml.Unmarshal([]byte(out), &got); err != nil || code != 0 || !cmp.Equal(want, got) {
			t.Errorf("%s: %d %s %v", format, code, out, err)
		}
	}
}

// TestARecordingIsWritten into a file that is whole, or not at all.
func TestARecordingIsWritten(t *testing.T) {
	w := newWorld(t)
	sound := strings.Repeat("sound", 50_000)
	makes := func(from io.Reader) {
		w.held.will(signaling.Result{Message: "Silence.", RecordingID: "op1", Recording: io.NopCloser(from)}, nil)
	}
	dir := t.TempDir()
	t.Chdir(dir)
	file := filepath.Join(dir, "message.wav")
	makes(strings.NewReader(sound))
	if out, errOut, code := w.run("record", "ms/standup", "-f", file); code != 0 || !strings.Contains(out, file+" (250000 bytes)") {
		t.Fatalf("%d %q %q", code, out, errOut)
	}
	if raw, err := os.ReadFile(file); err != nil || string(raw) != sound {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
	makes(strings.NewReader("new"))
	if _, errOut, code := w.run("record", "ms/standup", "-f", file); code != exitUsage || !strings.Contains(errOut, "--overwrite") {
		t.Errorf("a file that is there: %d %q", code, errOut)
	}
	if _, asked := w.held.last(); asked != nil {
		t.Error("recorded although there is nowhere to write it to")
	}
	if _, _, code := w.run("record", "ms/standup", "-f", file, "--overwrite"); code != 0 {
		t.Errorf("--overwrite: %d", code)
	}
	if raw, _ := os.ReadFile(file); string(raw) != "new" {
		t.Errorf("--overwrite left %d bytes", len(raw))
	}
	makes(strings.NewReader(sound))
	if out, _, code := w.run("record", "ms/standup", "-f", "-"); code != 0 || out != sound {
		t.Errorf("standard output: %d, %d bytes", code, len(out))
	}
	makes(strings.NewReader(sound))
	out, _, code := w.run("record", "ms/standup", "-o", "json")
	var got recorded
	if err := yaml.Unmarshal([]byte(out), &got); err != nil || code != 0 || !strings.HasPrefix(got.File, "standup-") || got.Bytes != int64(len(sound)) || got.Recording != "op1" {
		t.Errorf("named by itself: %d %s", code, out)
	}
	makes(io.MultiReader(strings.NewReader(sound), broken{}))
	if _, errOut, code := w.run("record", "ms/standup", "-f", "half.wav"); code != exitFailed || !strings.Contains(errOut, "not arrive in whole") {
		t.Errorf("one that breaks off: %d %q", code, errOut)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*half*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".callfleet-*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// TestWhoTheMediaPodIsTold: what the kubeconfig signs in with, whatever that is.
func TestWhoTheMediaPodIsTold(t *testing.T) {
	w := newWorld(t)
	certificate := w.cluster.UserKubeconfig(t, "carla", "system:masters")
	w.account("robot", "control")
	deputy := w.account("deputy", "meetingsessions", "proxy", "impersonate")
	w.cluster.UserConfig(t, "unused")
	raw, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Users []struct{ User struct{ Token string } }
	}
	if err := yaml.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	inFile := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(inFile, []byte(file.Users[0].User.Token), 0o600); err != nil {
		t.Fatal(err)
	}
	plugin := filepath.Join(t.TempDir(), "sign-in")
	script := "#!/bin/sh\necho '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"" + file.Users[0].User.Token + "\"}}'\n"
	if err := os.WriteFile(plugin, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		config string
		args   string
		code   int
		by     string
		says   string
	}{
		"a token":                    {config: w.config, by: w.user("operator")},
		"a token in a file":          {config: w.kubeconfig(&clientcmdapi.AuthInfo{TokenFile: inFile}), by: w.user("operator")},
		"a plugin":                   {config: w.kubeconfig(&clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{Command: plugin, APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: "Never"}}), by: w.user("operator")},
		"a certificate":              {config: certificate, args: "-n " + w.namespace, code: exitForbidden, says: "--as-service-account"},
		"a certificate, and account": {config: certificate, args: "-n " + w.namespace + " --as-service-account robot", by: w.user("robot")},
		"no such account":            {config: certificate, args: "-n " + w.namespace + " --as-service-account nobody", code: exitNotFound, says: "kubectl create serviceaccount nobody"},
		"no right to make a token":   {config: w.config, args: "--as-service-account robot", code: exitForbidden, says: "serviceaccounts/token"},
		"impersonation":              {config: deputy, args: "--as jane --as-group system:masters", by: "jane"},
		"a deputy in their own name": {config: deputy, code: exitForbidden, says: "deputy may not control meetingsessions/standup"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w.t = t
			w.held.will(signaling.Result{}, nil)
			_, errOut, code := w.runAs(tc.config, append(words("stop ms/standup"), words(tc.args)...)...)
			by, _ := w.held.last()
			if code != tc.code || by != tc.by || !strings.Contains(errOut, tc.says) {
				t.Errorf("%d by %q %q; want %d by %q %q", code, by, errOut, tc.code, tc.by, tc.says)
			}
		})
	}
}

// TestWhatAnErrorSays: what to do, and an exit code for scripts.
func TestWhatAnErrorSays(t *testing.T) {
	w := newWorld(t)
	c := w.cluster.Client
	controllertest.Create(t, c, controllertest.Session(w.namespace, "over", "reception").Phase(callfleetv1.PhaseFailed).With(func(s *callfleetv1.MeetingSession) {
		s.Status.EndReason = callfleetv1.EndInvalidBehavior
	}).Object())
	controllertest.Create(t, c, controllertest.Session(w.namespace, "waiting", "reception").Object())
	controllertest.Create(t, c, controllertest.Session(w.namespace, "lost", "reception").BoundTo("reception-9").Object())
	controllertest.Create(t, c, controllertest.Session(w.namespace, "elsewhere", "reception").BoundTo("reception-0").Phase(callfleetv1.PhaseEstablished).Object())
	w.pod("reception-1", "192.0.2.1") // nothing is there (RFC 5737); the proxy refuses or cannot dial
	w.pod("reception-2", "127.0.0.1")
	controllertest.Create(t, c, controllertest.Session(w.namespace, "unreachable", "reception").BoundTo("reception-2").Object())
	noProxy := w.account("noproxy", "meetingsessions", "control")
	noControl := w.account("nocontrol", "meetingsessions", "proxy")
	nothing := w.account("nothing")
	refused := func(f signaling.ActionFailure) error { return &signaling.ActionError{Failure: f, Message: "It is so."} }
	tests := map[string]struct {
		config, args string
		err          error
		code         int
		says         string
	}{
		"no such command":          {args: "dance", code: exitUsage, says: `unknown command "dance"`},
		"no such flag":             {args: "stop ms/standup --loud", code: exitUsage, says: "unknown flag"},
		"no call":                  {args: "stop", code: exitUsage, says: "usage: kubectl callfleet stop CALL"},
		"too much":                 {args: "stop ms/a ms/b", code: exitUsage, says: "2 arguments"},
		"a name alone":             {args: "stop standup", code: exitUsage, says: "ms/NAME"},
		"another kind":             {args: "stop pod/standup", code: exitUsage, says: "neither a MeetingSession nor a Call"},
		"hold and nothing more":    {args: "hold", code: exitUsage, says: "start or stop"},
		"no such format":           {args: "stop ms/standup -o xml", code: exitUsage, says: "json, yaml"},
		"no such key":              {args: "dtmf ms/standup 1x", code: exitUsage, says: "no key 'x'"},
		"too slow":                 {args: "dtmf ms/standup 1 --delay 1h", code: exitUsage, says: "10s"},
		"no such prompt":           {args: "play ms/standup hello.wav", code: exitUsage, says: "CONFIGMAP/KEY"},
		"a prompt without TLS":     {args: "play ms/standup http://cdn.contoso.com/a.wav", code: exitUsage, says: "https://"},
		"nobody to transfer to":    {args: "transfer ms/standup jane", code: exitUsage, says: "object id"},
		"no such number":           {args: "transfer ms/standup +1x", code: exitUsage, says: "E.164"},
		"to what":                  {args: "transfer ms/standup app:1", code: exitUsage, says: "neither a user"},
		"two of one name":          {args: "mute-participant ms/standup joe", code: exitUsage, says: "p2, p3"},
		"no such session":          {args: "stop ms/nobody", code: exitNotFound, says: "there is no ms/nobody in namespace"},
		"no such call":             {args: "stop call/nobody", code: exitNotFound, says: "kubectl callfleet calls"},
		"it is over":               {args: "stop ms/over", code: exitRefused, says: "ms/over is over (Failed, InvalidBehavior)"},
		"it has no pod":            {args: "stop ms/waiting", code: exitRefused, says: "no media pod yet (Pending)"},
		"its pod is gone":          {args: "stop ms/lost", code: exitNotFound, says: "pod reception-9 is gone"},
		"its pod is not reachable": {args: "stop ms/unreachable", code: exitFailed, says: "cannot reach port"},
		"its pod does not hold it": {args: "stop ms/elsewhere", code: exitNotFound, says: "does not hold this call"},
		"not for this kind":        {args: "stop ms/standup", err: refused(signaling.ActionNotPossible), code: exitRefused, says: "It is so."},
		"the service refuses":      {args: "stop ms/standup", err: refused(signaling.ActionRefused), code: exitRefused, says: "It is so."},
		"nobody says":              {args: "stop ms/standup", err: refused(signaling.ActionUncertain), code: exitUncertain, says: "It is so."},
		"no right to the pod":      {config: noProxy, args: "stop ms/standup", code: exitForbidden, says: "create and get on pods/proxy"},
		"no right to the call":     {config: noControl, args: "stop ms/standup", code: exitForbidden, says: `grant the verb "control"`},
		"no right to anything":     {config: nothing, args: "stop ms/standup", code: exitForbidden, says: "callfleet-edit"},
		"a token of nobody":        {config: w.kubeconfig(&clientcmdapi.AuthInfo{Token: "x"}), args: "stop ms/standup", code: exitForbidden, says: "Unauthorized"},
		"no such context":          {args: "stop ms/standup --context nowhere", code: exitFailed, says: "--context"},
		"a short wait":             {args: "stop ms/standup --request-timeout 1ns", code: exitFailed, says: "reaching the API server"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w.t = t
			w.held.will(signaling.Result{}, tc.err)
			config := tc.config
			if config == "" {
				config = w.config
			}
			out, errOut, code := w.runAs(config, words(tc.args)...)
			if code != tc.code || !strings.Contains(errOut, tc.says) || !strings.HasPrefix(errOut, "error: ") || out != "" {
				t.Errorf("%d %q (output %q), want %d %q", code, errOut, out, tc.code, tc.says)
			}
		})
	}
}

// TestHangup asks by the object, so that it works without the pod.
func TestHangup(t *testing.T) {
	w := newWorld(t)
	out, errOut, code := w.run("hangup", "ms/standup")
	session := &callfleetv1.MeetingSession{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "standup"}}
	controllertest.Await(t, w.cluster.Client, session, "be asked to end", func(s *callfleetv1.MeetingSession) error {
		if s.Spec.DesiredState != callfleetv1.DesiredEnded {
			return errors.New(string(s.Spec.DesiredState))
		}
		return nil
	})
	if code != 0 || out != "ms/standup is asked to end\n" {
		t.Errorf("%d %q %q", code, out, errOut)
	}
	if _, errOut, code := w.run(words("hangup ms/standup --wait --timeout 1ms")...); code != exitUncertain || !strings.Contains(errOut, "not over yet (Established)") {
		t.Errorf("a short wait: %d %q", code, errOut)
	}
	controllertest.UpdateStatus(t, w.cluster.Client, session, func(s *callfleetv1.MeetingSession) {
		s.Status.Phase, s.Status.EndReason = callfleetv1.PhaseCompleted, callfleetv1.EndedByBot
	})
	if out, _, code := w.run(words("hangup ms/standup --wait -o json")...); code != 0 || !strings.Contains(out, `"phase": "Completed"`) {
		t.Errorf("over: %d %q", code, out)
	}
}
