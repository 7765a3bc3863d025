// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/callfleet/callfleet/teamsim/admin"
)

const seedYAML = `
apps:
- id: 0efc74f7-41c3-47a4-8775-7259bfef4241
  tenantID: 1fdd12d0-4620-44ed-baec-459b611f84b2
  secret: s3cret
  roles: [Calls.JoinGroupCall.All]
meetings:
- subject: Standup
  tenantID: 1fdd12d0-4620-44ed-baec-459b611f84b2
  people: [Ada, Grace]
`

func TestReadyLineLeadsToASeededServerThatStopsWhenAsked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "seed.yaml")
	if err := os.WriteFile(file, []byte(seedYAML), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	out, stdout := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"-print-ready", "-seed", file}, stdout, io.Discard) }()

	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var info admin.Info
	if err := json.Unmarshal(line, &info); err != nil {
		t.Fatalf("ready line %q: %v", line, err)
	}
	if !strings.Contains(info.CA, "BEGIN CERTIFICATE") || !strings.HasPrefix(info.URL, "https://127.0.0.1:") {
		t.Errorf("ready line lacks what callers need: %+v", info)
	}
	meetings, err := admin.NewClient(info.AdminURL).Meetings(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(meetings) != 1 || len(meetings[0].Participants) != 2 {
		t.Errorf("meetings = %+v", meetings)
	}
	stop()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("a stopped server should end without error: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the server did not stop")
	}
}

func TestBadUseIsRefused(t *testing.T) {
	seed := filepath.Join(t.TempDir(), "seed.yaml")
	if err := os.WriteFile(seed, []byte("appz: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"stray argument":       {[]string{"serve"}, "unexpected argument"},
		"certificate only":     {[]string{"-cert-file", "x"}, "go together"},
		"admin on every host":  {[]string{"-admin-listen", "0.0.0.0:0"}, "not a loopback address"},
		"resolve without =":    {[]string{"-resolve", "a.b"}, "want name=address"},
		"resolve to a name":    {[]string{"-resolve", "a.b=c.d"}, "not an IP address"},
		"missing trust file":   {[]string{"-trust-ca-file", "/nowhere"}, "/nowhere"},
		"seed with a typo":     {[]string{"-seed", seed}, "appz"},
		"missing seed":         {[]string{"-seed", "/nowhere"}, "/nowhere"},
		"missing certificates": {[]string{"-cert-file", "/no", "-key-file", "/no"}, "load certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			err := run(ctx, c.args, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error should say %q: %v", c.want, err)
			}
		})
	}
}
