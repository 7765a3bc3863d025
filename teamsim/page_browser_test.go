// SPDX-License-Identifier: Apache-2.0

package teamsim_test

import (
	"bytes"
	"context"
	"html"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/callfleet/callfleet/teamsim/admin"
)

// TestThePageInABrowser lets a real browser run the page's script.
func TestThePageInABrowser(t *testing.T) {
	s := start(t)
	b := newBot(t, s).trusted()
	const subject = `Stand-up <img src=x onerror="document.title='broken into'"> & more`
	m := s.meeting(func(n *admin.NewMeeting) { n.Subject, n.People = subject, []string{"Ada <i>"} })
	id := s.join(joinBody(m, b))
	b.waitFor("updated roster 2")

	dom, complaints := browse(t, s.info.AdminURL+"/")
	for what, want := range map[string]string{
		"title":         "<title>teamsim</title>",
		"meeting":       "Stand-up &lt;img",
		"passcode":      "passcode " + m.Passcode,
		"join link":     html.EscapeString(m.JoinURL),
		"person":        "Ada &lt;i&gt;",
		"bot":           "Reception",
		"call":          `title="` + id + `"`,
		"state of call": `<span class="good">established</span>`,
		"notification":  "updated: roster of 2",
		"its answer":    `<span class="good">202</span>`,
		"event":         "CallCreated",
	} {
		if !strings.Contains(dom, want) {
			t.Errorf("%s: the page lacks %q", what, want)
		}
	}
	if len(complaints) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(complaints, "\n"))
	}
	if t.Failed() {
		t.Logf("the page:\n%s", dom)
	}
}

// browse loads a page, lets its script run for a while, and returns what the document has become, and what the browser
// wrote to its console: errors, and promises nobody caught.
func browse(t *testing.T, url string) (dom string, console []string) {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("needs the program chromium in PATH; on Debian: apt-get install chromium")
	}
	home, err := os.MkdirTemp("", "teamsim-browser-")
	if err != nil {
		t.Fatal(err)
	}
	// The browser's helpers may still write into it when the browser itself has ended.
	t.Cleanup(func() {
		for range 50 {
			if os.RemoveAll(home) == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Errorf("cannot remove %s", home)
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
		"--user-data-dir="+home, "--enable-logging=stderr", "--virtual-time-budget=2500", "--dump-dom", url)
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home)
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("chromium: %v\n%s", err, stderr.String())
	}
	for line := range strings.Lines(stderr.String()) {
		if strings.Contains(line, ":CONSOLE") {
			console = append(console, strings.TrimSpace(line))
		}
	}
	return stdout.String(), console
}

func TestThePageShowsCallsAndPhonesThatRing(t *testing.T) {
	s := start(t)
	b := s.reachable(callRoles...)
	_, id := s.answered(b, serviceHosted(), nil)
	s.reacts(graceID, "Grace <b>", admin.Ignores)
	s.join(callBody(b, serviceHosted(), user(graceID, "")))
	eventually(t, "the ringing", func() bool { r, err := s.admin.Ringing(t.Context()); return err == nil && len(r) == 1 }, func() string { return "" })

	dom, complaints := browse(t, s.info.AdminURL+"/")
	for what, want := range map[string]string{
		"caller":    `from <span class="">Ada</span>`,
		"hosting":   "by the service",
		"hang up":   `data-act="/calls/` + id + `/hangup"`,
		"the phone": "Grace &lt;b&gt; · call rings",
		"answering": `data-act="/users/` + graceID + `/react" data-body="&quot;Answer&quot;"`,
	} {
		if !strings.Contains(dom, want) {
			t.Errorf("%s: the page lacks %q", what, want)
		}
	}
	if len(complaints) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(complaints, "\n"))
	}
	if t.Failed() {
		t.Logf("the page:\n%s", dom)
	}
}
