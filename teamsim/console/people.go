// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/teamsim/meeting"
	"github.com/callfleet/callfleet/teamsim/people"
)

func (c Config) putUser(r *http.Request) (any, error) {
	in, err := read[admin.User](r)
	if err != nil {
		return nil, err
	}
	return nil, c.People.Put(people.Person{
		ID: r.PathValue("user"), DisplayName: in.DisplayName, TenantID: in.TenantID, Reaction: people.Reaction(in.Reaction),
		After: time.Duration(in.AfterSeconds * float64(time.Second)),
	})
}

func (c Config) users() []admin.User {
	out := []admin.User{}
	for _, p := range c.People.All() {
		out = append(out, admin.User{
			ID: p.ID, DisplayName: p.DisplayName, TenantID: p.TenantID, Reaction: string(p.Reaction), AfterSeconds: p.After.Seconds(),
		})
	}
	return out
}

func (c Config) ringing() []admin.Ringing {
	out := []admin.Ringing{}
	for _, g := range c.People.Ringing() {
		out = append(out, admin.Ringing{UserID: g.Who.ID, DisplayName: g.Who.DisplayName, CallID: g.CallID, Why: g.Why, Since: g.Since})
	}
	return out
}

func (c Config) react(r *http.Request) (any, error) {
	how, err := read[string](r)
	if err != nil {
		return nil, err
	}
	return nil, c.People.React(r.PathValue("user"), people.Reaction(how))
}

// hangUp takes an optional body: who hangs up.
func (c Config) hangUp(r *http.Request) (any, error) {
	in, err := read[admin.HangUp](r)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !c.Calls.HangUp(r.PathValue("call"), in.UserID) {
		return nil, fmt.Errorf("call %s is not live, or nobody like that is in it: %w", r.PathValue("call"), errNotFound)
	}
	return nil, nil
}

func pressKeys(r *http.Request, p *meeting.Person) (any, error) {
	keys, err := read[[]string](r)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if err := p.Press(k); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
