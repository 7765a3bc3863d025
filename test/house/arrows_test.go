// SPDX-License-Identifier: Apache-2.0

package house

import (
	"fmt"
	"go/parser"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/callfleet/callfleet/"

// ground is what packages of a folder may stand on. A folder stands for itself and what is below it.
type ground struct {
	folder string
	// ours are the folders of this module that may be imported, besides the folder itself.
	ours []string
	// foreign are the modules' paths that may not be imported, and why.
	foreign []ban
}

type ban struct {
	path, why string
	// except are paths below that are allowed.
	except []string
}

var (
	noKubernetes = ban{path: "k8s.io", why: "knows no Kubernetes", except: []string{"k8s.io/utils"}}
	noAPIServer  = ban{path: "sigs.k8s.io", why: "knows no Kubernetes", except: []string{"sigs.k8s.io/yaml"}}
	noPion       = ban{path: "github.com/pion", why: "WebRTC is known to mediapod/media/webrtc and teamsim/whip alone"}
	// small processes: controller-runtime's manager and client are for the manager. Reloading a certificate is not.
	noManager = ban{path: "sigs.k8s.io/controller-runtime", why: "small processes do without controller-runtime; see api/client",
		except: []string{"sigs.k8s.io/controller-runtime/pkg/certwatcher", "sigs.k8s.io/controller-runtime/pkg/log"}}
)

// grounds are the arrows of docs/architecture.md. The longest folder that holds a package is the one that counts.
var grounds = []ground{
	{folder: "api", foreign: []ban{noPion, noAPIServer}},
	// What it accepts the webhook, the controller, the pods and the plugin accept.
	{folder: "api/callflow", ours: []string{"api/v1alpha1"}, foreign: []ban{noPion, noManager}},
	{folder: "api/client", ours: []string{"api/v1alpha1"}, foreign: []ban{noPion, noManager}},
	{folder: "api/selftest", foreign: []ban{noPion, noKubernetes, noAPIServer}},
	{folder: "audio", foreign: []ban{noKubernetes, noAPIServer, noPion}},
	{folder: "graph", foreign: []ban{noKubernetes, noAPIServer, noPion}},

	{folder: "controllers", ours: []string{"api"}, foreign: []ban{noPion}},
	// Sound files that callers are to hear are judged where they are put, as the pods judge them.
	{folder: "controllers/callflow", ours: []string{"api", "audio/wav", "controllers/shorten"}, foreign: []ban{noPion}},
	// It asks for tokens and reads their roles as the pods do.
	{folder: "controllers/preflight", ours: []string{"api", "controllers/dependents", "controllers/shorten", "graph"}, foreign: []ban{noPion}},

	{folder: "mediapod", ours: []string{"api", "graph", "audio"}, foreign: []ban{noPion, noManager}},
	// The machine is pure; its stages meet the call.
	{folder: "mediapod/flow", ours: []string{"api/v1alpha1", "api/callflow"}, foreign: []ban{noPion, noManager}},
	{folder: "mediapod/flow/ask", ours: []string{"api/v1alpha1", "mediapod/flow", "mediapod/webhook"}, foreign: []ban{noPion, noManager}},
	{folder: "mediapod/flow/service", ours: []string{"api/v1alpha1", "graph", "mediapod/flow", "mediapod/signaling"}, foreign: []ban{noPion, noManager}},
	{folder: "mediapod/flow/engine", ours: []string{"api/v1alpha1", "audio", "mediapod/flow", "mediapod/media"}, foreign: []ban{noPion, noManager}},
	{folder: "mediapod/media", ours: []string{"audio"}, foreign: []ban{noKubernetes, noAPIServer, noPion}},
	{folder: "mediapod/media/webrtc", ours: []string{"audio", "mediapod/media/sdp", "mediapod/media/transport"}, foreign: []ban{noKubernetes, noAPIServer}},
	{folder: "mediapod/media/transport", ours: []string{"mediapod/media/sdp"}, foreign: []ban{noKubernetes, noAPIServer, noPion}},
	{folder: "mediapod/recording", ours: []string{"audio", "mediapod/media/video"}, foreign: []ban{noKubernetes, noAPIServer, noPion}},
	{folder: "mediapod/control", ours: []string{"api", "graph", "mediapod/prompts", "mediapod/rules", "mediapod/signaling"}, foreign: []ban{noPion, noManager}},
	{folder: "mediapod/webhook", foreign: []ban{noKubernetes, noAPIServer, noPion}},
	{folder: "mediapod/signaling", ours: []string{"graph"}, foreign: []ban{noKubernetes, noAPIServer, noPion}},

	{folder: "router", ours: []string{"api"}, foreign: []ban{noPion, noManager}},

	{folder: "teamsim", ours: []string{"audio"}, foreign: []ban{noKubernetes, noAPIServer, noPion}},
	{folder: "teamsim/whip", ours: []string{"audio", "teamsim"}, foreign: []ban{noKubernetes, noAPIServer}},

	{folder: "cmd/manager", ours: []string{"api", "controllers"}, foreign: []ban{noPion}},
	{folder: "cmd/kubectl-callfleet", ours: []string{"api", "mediapod/control/wire", "mediapod/flow"}, foreign: []ban{noPion, noManager}},
	{folder: "cmd/mediapod", ours: []string{"api", "mediapod"}, foreign: []ban{noPion, noManager}},
	{folder: "cmd/router", ours: []string{"api", "router"}, foreign: []ban{noPion, noManager}},
	{folder: "cmd/teamsim", ours: []string{"teamsim"}, foreign: []ban{noKubernetes, noAPIServer, noPion}},

	// The dev cluster runs any pods; it knows nothing of ours.
	{folder: "hack/devcluster"},
	{folder: "hack/coverage", ours: []string{"graph"}, foreign: []ban{noKubernetes, noAPIServer, noPion}},
	// It lists what all processes register.
	{folder: "hack/metrics", ours: []string{"controllers", "mediapod", "router"}, foreign: []ban{noPion}},
	// It reads config/ and nothing of ours.
	{folder: "hack/packaging", foreign: []ban{noPion, noManager}},
	{folder: "hack/demo", ours: []string{"api", "audio", "hack", "teamsim/admin", "test/rig"}},
	{folder: "test", ours: []string{"api", "audio", "hack", "teamsim/admin"}},
	// It acts in calls as kubectl callfleet does.
	{folder: "test/faults", ours: []string{"api", "audio", "hack", "teamsim/admin", "test/rig", "mediapod/control/wire"}},
	// The media pod as it is, with another clock.
	{folder: "test/faults/fastpod", ours: []string{"mediapod"}},
	// The media engine by itself, and with what flows run on, under load.
	{folder: "test/load/media", ours: []string{"api/callflow", "api/v1alpha1", "audio", "mediapod/flow", "mediapod/media"}, foreign: []ban{noKubernetes, noAPIServer}},
}

// testOnly packages are for tests alone.
var testOnly = []string{"audio/audiotest", "controllers/controllertest", "mediapod/bridge/bridgetest", "mediapod/flow/flowtest"}

func TestImportsFollowTheArrows(t *testing.T) {
	for _, s := range sources(t) {
		if s.test() || within(s.dir(), testOnly...) {
			continue
		}
		g, ok := groundOf(s.dir())
		if !ok {
			t.Errorf("%s: folder %s has no place in the house; give it one in docs/architecture.md and in the table of this test", s.path, s.dir())
			continue
		}
		set, file := parse(t, s, parser.ImportsOnly)
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if broken := g.forbids(path); broken != "" {
				t.Errorf("%s: %s imports %s: %s", at(set, spec.Pos()), s.dir(), strings.TrimPrefix(path, module), broken)
			}
		}
	}
}

// The table itself must say no to what the house forbids, or the test above proves nothing.
func TestArrowsForbid(t *testing.T) {
	for _, arrow := range []struct{ from, to string }{
		{"controllers/session", module + "mediapod/agent"},
		{"mediapod/agent", module + "controllers/drain"},
		{"mediapod/agent", "github.com/pion/webrtc/v4"},
		{"mediapod/agent", "sigs.k8s.io/controller-runtime/pkg/client"},
		{"mediapod/media", module + "graph"},
		{"mediapod/media", "github.com/pion/webrtc/v4"},
		{"mediapod/media/transport", module + "mediapod/media"},
		{"mediapod/media", module + "api/v1alpha1"},
		{"mediapod/media", "k8s.io/client-go/rest"},
		{"mediapod/recording", module + "mediapod/media"},
		{"mediapod/signaling", module + "mediapod/media"},
		{"mediapod/webhook", module + "api/v1alpha1"},
		{"mediapod/flow", module + "mediapod/signaling"},
		{"mediapod/flow/engine", module + "graph"},
		{"mediapod/flow/service", module + "mediapod/media"},
		{"mediapod/flow/ask", module + "mediapod/prompts"},
		{"mediapod/signaling", module + "api/v1alpha1"},
		{"mediapod/signaling", "k8s.io/api/core/v1"},
		{"router", module + "mediapod/signaling"},
		{"router", module + "graph"},
		{"teamsim/calls", module + "graph"},
		{"teamsim", module + "api/v1alpha1"},
		{"graph", module + "api/v1alpha1"},
		{"audio/codec", module + "mediapod/media"},
		{"api/v1alpha1", module + "graph"},
		{"hack/devcluster/node", module + "api/v1alpha1"},
		{"controllers/fleet", module + "controllers/controllertest"},
		{"audio/codec", module + "audio/audiotest"},
		{"controllers/fleet", module + "test/rig"},
		{"test/load", module + "mediapod/media"},
		{"test/load/media", module + "mediapod/agent"},
		{"controllers/fleet", module + "graph"},
		{"controllers/fleet", module + "audio/wav"},
		{"controllers/callflow", module + "mediapod/flow"},
		{"controllers/preflight", module + "mediapod/agent"},
	} {
		g, ok := groundOf(arrow.from)
		if !ok || g.forbids(arrow.to) == "" {
			t.Errorf("%s may import %s", arrow.from, arrow.to)
		}
	}
	for _, arrow := range []struct{ from, to string }{
		{"mediapod/signaling", "k8s.io/utils/clock"},
		{"mediapod/agent", module + "mediapod/media"},
		{"router", "sigs.k8s.io/controller-runtime/pkg/certwatcher"},
		{"router", "sigs.k8s.io/controller-runtime/pkg/log"}, // where the watcher logs
		{"teamsim/whip", "github.com/pion/webrtc/v4"},
		{"test/load/media", module + "mediapod/media"},
		{"graph", "encoding/json"},
	} {
		if g, _ := groundOf(arrow.from); g.forbids(arrow.to) != "" {
			t.Errorf("%s may not import %s: %s", arrow.from, arrow.to, g.forbids(arrow.to))
		}
	}
}

func groundOf(dir string) (ground, bool) {
	var best ground
	for _, g := range grounds {
		if within(dir, g.folder) && len(g.folder) > len(best.folder) {
			best = g
		}
	}
	return best, best.folder != ""
}

// forbids says which rule an import breaks; "" if none.
func (g ground) forbids(path string) string {
	if ours, ok := strings.CutPrefix(path, module); ok {
		switch {
		case within(ours, testOnly...):
			return "it is for tests alone"
		case within(ours, g.folder) || within(ours, g.ours...):
			return ""
		case len(g.ours) == 0:
			return g.folder + " imports nothing of ours"
		}
		return fmt.Sprintf("%s stands on %s alone", g.folder, strings.Join(g.ours, ", "))
	}
	for _, b := range g.foreign {
		if within(path, b.path) && !within(path, b.except...) {
			return g.folder + ": " + b.why
		}
	}
	return ""
}

// within reports whether a slash-separated path is one of the folders, or below one.
func within(path string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return path == f || strings.HasPrefix(path, f+"/") })
}
