// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/yaml"
)

// verdicts of kstatus (Flux, kubectl apply sets, Helm) and of Argo CD's health scripts, by fixture. Those of testdata are what
// the controllers write: see TestStatusesThatGitOpsToolsJudge in controllers/fleet and controllers/session.
var verdicts = map[string]struct {
	kstatus status.Status
	argo    string
}{
	"callingbot-new":                {status.InProgressStatus, "Progressing"},
	"callingbot-progressing":        {status.InProgressStatus, "Progressing"},
	"callingbot-rolling-out":        {status.InProgressStatus, "Progressing"},
	"callingbot-ready":              {status.CurrentStatus, "Healthy"},
	"callingbot-draining-for-hours": {status.CurrentStatus, "Healthy"},
	"callingbot-surge-exhausted":    {status.CurrentStatus, "Healthy"},
	"callingbot-paused":             {status.CurrentStatus, "Suspended"},
	"callingbot-stalled":            {status.FailedStatus, "Degraded"},
	"callingbot-deleting":           {status.TerminatingStatus, "Progressing"},

	"meetingsession-waiting":   {status.InProgressStatus, "Progressing"},
	"meetingsession-scheduled": {status.CurrentStatus, "Suspended"},
	"meetingsession-connected": {status.CurrentStatus, "Healthy"},
	"meetingsession-finished":  {status.CurrentStatus, "Healthy"},
	"meetingsession-failed":    {status.FailedStatus, "Degraded"},
	"meetingsession-stalled":   {status.FailedStatus, "Degraded"},

	"callflow-new":     {status.InProgressStatus, "Progressing"},
	"callflow-valid":   {status.CurrentStatus, "Healthy"},
	"callflow-stalled": {status.FailedStatus, "Degraded"},
}

// made by hand: no controller has written them.
var made = map[string]string{
	"callflow-new":   `{"apiVersion": "callfleet.dev/v1alpha1", "kind": "CallFlow", "metadata": {"name": "f", "generation": 1}, "spec": {}, "status": {"observedGeneration": -1}}`,
	"callingbot-new": `{"apiVersion": "callfleet.dev/v1alpha1", "kind": "CallingBot", "metadata": {"name": "b", "generation": 1}, "spec": {}, "status": {"observedGeneration": -1}}`,
}

func read(t *testing.T, name string) map[string]any {
	t.Helper()
	text := []byte(made[name])
	if len(text) == 0 {
		var err error
		if text, err = os.ReadFile(filepath.Join("testdata", name+".yaml")); err != nil {
			t.Fatal(err)
		}
	}
	inJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	var object unstructured.Unstructured // whole numbers are int64 in it, as the tools have them
	if err := object.UnmarshalJSON(inJSON); err != nil {
		t.Fatal(err)
	}
	return object.Object
}

func TestEveryFixtureHasAVerdict(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.yaml"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d fixtures, %v", len(files), err)
	}
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".yaml"); verdicts[name].argo == "" {
			t.Errorf("%s has none", name)
		}
	}
}

func TestKstatus(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(verdicts)) {
		t.Run(name, func(t *testing.T) {
			got, err := status.Compute(&unstructured.Unstructured{Object: read(t, name)})
			if err != nil {
				t.Fatal(err)
			}
			if got.Status != verdicts[name].kstatus {
				t.Errorf("%s (%s), want %s", got.Status, got.Message, verdicts[name].kstatus)
			}
		})
	}
}

func TestArgoCD(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(verdicts)) {
		t.Run(name, func(t *testing.T) {
			kind, _, _ := strings.Cut(name, "-")
			health, message := judge(t, filepath.Join("..", "..", "config", "argocd", kind+".lua"), read(t, name))
			if health != verdicts[name].argo || message == "" {
				t.Errorf("%s: %q, want %s", health, message, verdicts[name].argo)
			}
		})
	}
}

// judge runs a health script as Argo CD does: the object is the global obj, and what is returned has a status and a message.
func judge(t *testing.T, script string, object map[string]any) (health, message string) {
	t.Helper()
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			t.Fatal(err)
		}
	}
	state.SetGlobal("obj", toLua(state, object))
	if err := state.DoFile(script); err != nil {
		t.Fatal(err)
	}
	answer, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("%s returns no table", script)
	}
	return answer.RawGetString("status").String(), answer.RawGetString("message").String()
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch v := value.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, item := range v {
			table.RawSetString(key, toLua(state, item))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, item := range v {
			table.Append(toLua(state, item))
		}
		return table
	case string:
		return lua.LString(v)
	case bool:
		return lua.LBool(v)
	case float64:
		return lua.LNumber(v)
	case int64:
		return lua.LNumber(v)
	default:
		return lua.LNil
	}
}
