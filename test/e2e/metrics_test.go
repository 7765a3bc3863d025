// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// scrapesEnv names a directory that what was scraped is left in, for test/monitoring, which asks it what the dashboards ask.
const scrapesEnv = "CALLFLEET_SCRAPES"

func TestWhatProcessesTellOfACallIsDocumented(t *testing.T) {
	dir := os.Getenv(scrapesEnv)
	if dir == "" {
		dir = t.TempDir()
	}
	for _, args := range [][]string{
		{"-n", "voice", "create", "serviceaccount", "prometheus"},
		{"create", "clusterrolebinding", "prometheus", "--clusterrole=callfleet-metrics-reader", "--serviceaccount=voice:prometheus"},
	} {
		value[string](t)(world.Kubectl(t.Context(), args...))
	}
	t.Cleanup(func() {
		_, _ = world.Kubectl(cleaning(t), "delete", "clusterrolebinding/prometheus")
		_, _ = world.Kubectl(cleaning(t), "-n", "voice", "delete", "serviceaccount/prometheus")
	})
	token := strings.TrimSpace(value[string](t)(world.Kubectl(t.Context(), "-n", "voice", "create", "token", "prometheus")))

	m, ada := meeting(t)
	s := inMeeting(t, m)
	scrape(t, filepath.Join(dir, "0"), token)
	speakAndListen(t, ada)
	end(t, s)
	for i := 1; i < 4; i++ {
		scrape(t, filepath.Join(dir, fmt.Sprint(i)), token)
		time.Sleep(time.Second) // what is measured is measured once a second
	}

	document, err := os.ReadFile("../../docs/metrics.md")
	must(t, err)
	told := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(dir, "3", "*"))
	must(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		for _, name := range regexp.MustCompile(`(?m)^# TYPE (callfleet_\w+) `).FindAllStringSubmatch(string(text), -1) {
			told[name[1]] = true
		}
	}
	if len(told) < 40 {
		t.Errorf("only %d metrics are told by %v", len(told), files)
	}
	for name := range told {
		if !strings.Contains(string(document), "| `"+name+"` |") {
			t.Errorf("docs/metrics.md lacks %s", name)
		}
	}
}

func ready(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// Whoever looks for what happened to a call has its object, and with it the UID.
func TestLinesAboutACallCarryItsUID(t *testing.T) {
	m, ada := meeting(t)
	s := inMeeting(t, m)
	speakAndListen(t, ada)
	end(t, s)
	log := value[string](t)(world.Kubectl(t.Context(), "-n", "voice", "logs", s.Status.MediaPod))
	about := 0
	for line := range strings.Lines(log) {
		var entry map[string]any
		if json.Unmarshal([]byte(line), &entry) != nil {
			continue
		}
		if entry["name"] != s.Name && entry["call"] != s.Status.Call.ID && entry["scenario"] != s.Status.Call.ScenarioID && entry["session"] != string(s.UID) {
			continue
		}
		about++
		if entry["session"] != string(s.UID) {
			t.Errorf("a line about the call lacks its UID: %s", line)
		}
	}
	if about < 3 {
		t.Errorf("only %d lines are about the call, in\n%s", about, log)
	}
}

// scrape asks every process for its metrics, as the monitors of config/prometheus have it done. The first line of each file holds the
// labels that a scrape adds.
func scrape(t *testing.T, dir, token string) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o755))
	var pods corev1.PodList
	must(t, world.Client.List(t.Context(), &pods))
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // as the ServiceMonitor
	defer web.CloseIdleConnections()
	for _, pod := range pods.Items {
		if !ready(&pod) { // a Prometheus would find it down
			continue
		}
		url, bot := "http://"+pod.Status.PodIP+":8080/metrics", pod.Labels[callfleetv1.LabelBot]
		switch pod.Labels["app.kubernetes.io/name"] {
		case "callfleet-manager":
			url = "https://" + pod.Status.PodIP + ":8443/metrics"
		case "callfleet-router":
		default:
			if bot == "" {
				continue
			}
		}
		req := value[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil))
		req.Header.Set("Authorization", "Bearer "+token)
		resp := value[*http.Response](t)(web.Do(req))
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		must(t, err)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s of %s is answered with %s: %s", url, pod.Name, resp.Status, text)
		}
		added := map[string]string{"namespace": pod.Namespace, "pod": pod.Name}
		if bot != "" {
			added["bot"] = bot
		}
		head, err := json.Marshal(added)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, pod.Name+".txt"), append(append(append([]byte("# "), head...), '\n'), text...), 0o600))
	}
}
