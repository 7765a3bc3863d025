// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/test/rig"
)

// token looks like a JSON web token.
var token = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{20,}\.eyJ`)

// remembered are the last statuses of sessions and bots, which are deleted when their test is over.
var remembered = map[string]string{}

func remember(ctx context.Context, o client.Object) {
	if err := world.Client.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
		return // deleted by the test itself
	}
	var status any
	switch o := o.(type) {
	case call:
		_, status = o.CallParts()
	case *callfleetv1.CallingBot:
		status = o.Status
	default:
		return
	}
	if raw, err := json.Marshal(status); err == nil {
		remembered[o.GetName()] = string(raw)
	}
}

// leaks looks for secrets in everything the run printed or published: the logs of our processes, events and statuses.
// Secrets are client secrets, tokens, passcodes and join links.
func leaks(ctx context.Context) error {
	secrets := map[string]string{rig.Secret: "the client secret", "wrong-S3cret": "a client secret"}
	meetings, err := world.Teams.Meetings(ctx)
	if err != nil {
		return err
	}
	for _, m := range meetings {
		// The part that is the same in whichever way the link is escaped.
		_, thread, _ := strings.Cut(m.ThreadID, "_")
		thread, _, _ = strings.Cut(thread, "@")
		secrets[m.Passcode], secrets[thread] = "a passcode", "a join link's thread"
	}
	delete(secrets, "")
	var found []string
	look := func(where, text string) {
		for s, what := range secrets {
			if strings.Contains(text, s) {
				found = append(found, fmt.Sprintf("%s is in %s", what, where))
			}
		}
		if token.MatchString(text) {
			found = append(found, "a token is in "+where)
		}
	}
	err = filepath.WalkDir(filepath.Join(world.Cluster.LogDir(), "pods"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		look(path, string(raw))
		return err
	})
	if err != nil {
		return err
	}
	var events eventsv1.EventList
	if err := world.Client.List(ctx, &events); err != nil {
		return err
	}
	if len(remembered) == 0 || len(events.Items) == 0 {
		return errors.New("there is nothing to look for secrets in: no status and no event was seen")
	}
	for _, e := range events.Items {
		look("event "+e.Name, e.Note)
	}
	for name, status := range remembered {
		look("the status of "+name, status)
	}
	if len(found) > 0 {
		return fmt.Errorf("secrets leaked:\n  %s", strings.Join(found, "\n  "))
	}
	return nil
}
