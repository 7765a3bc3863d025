// SPDX-License-Identifier: Apache-2.0

package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/teamsim/callback"
	"github.com/callfleet/callfleet/teamsim/calls"
	"github.com/callfleet/callfleet/teamsim/chaos"
	"github.com/callfleet/callfleet/teamsim/directory"
	"github.com/callfleet/callfleet/teamsim/faults"
)

func (c Config) putApp(r *http.Request) (any, error) {
	in, err := read[admin.App](r)
	if err != nil {
		return nil, err
	}
	in.ID = r.PathValue("app")
	return nil, c.Directory.Put(directory.App(in))
}

// apps lists the registrations without their secrets.
func (c Config) apps() []admin.App {
	out := []admin.App{}
	for _, a := range c.Directory.Apps() {
		a.Secret = ""
		out = append(out, admin.App(a))
	}
	return out
}

func (c Config) calls() []admin.Call {
	out := []admin.Call{}
	for _, s := range c.Calls.Calls() {
		one := admin.Call{
			ID: s.ID, AppID: s.AppID, TenantID: s.TenantID, MeetingID: s.MeetingID, ParticipantID: s.ParticipantID, Direction: s.Direction,
			State: s.State, InLobby: s.InLobby, MediaActive: s.MediaActive, ScenarioID: s.ScenarioID, ChainID: s.ChainID,
			CallbackURI: s.CallbackURI, Created: s.Created, Established: s.Established, Ended: s.Ended, KeepAlives: s.KeepAlives,
			LastKeepAlive: s.LastKeepAlive, EndDetail: s.EndDetail, Kind: s.Kind, ConversationID: s.ConversationID,
			ServiceHosted: s.ServiceHosted, People: []admin.Person{},
		}
		for _, p := range s.People {
			one.People = append(one.People, admin.Person(p))
		}
		if s.Result != nil {
			one.Result = &admin.Result{Code: s.Result.Code, Subcode: s.Result.Subcode, Message: s.Result.Message}
		}
		if m := s.Media; m != nil {
			one.Media = &admin.Media{
				Connected: m.Connected, Lost: m.Lost, Codec: m.Codec, PacketsSent: m.PacketsSent, PacketsReceived: m.PacketsReceived,
				FramesLost: m.FramesLost, PacketsLate: m.PacketsLate, LastReceived: m.LastReceived, ReceivedDBov: m.ReceivedDBov,
			}
		}
		out = append(out, one)
	}
	return out
}

func (c Config) ghosts() []admin.Ghost {
	out := []admin.Ghost{}
	for _, g := range c.Calls.Ghosts() {
		out = append(out, admin.Ghost(g))
	}
	return out
}

func (c Config) endCall(r *http.Request) (any, error) {
	in, err := read[admin.Result](r)
	if err != nil {
		return nil, err
	}
	if !c.Calls.End(r.PathValue("call"), calls.Result{Code: in.Code, Subcode: in.Subcode, Message: in.Message}) {
		return nil, fmt.Errorf("live call %s: %w", r.PathValue("call"), errNotFound)
	}
	return nil, nil
}

func (c Config) cutMedia(r *http.Request) (any, error) {
	on, err := read[bool](r)
	if err != nil {
		return nil, err
	}
	if !c.Calls.CutMedia(r.PathValue("call"), on) {
		return nil, fmt.Errorf("live call %s with media of the bot's: %w", r.PathValue("call"), errNotFound)
	}
	return nil, nil
}

func (c Config) restartMedia(r *http.Request) (any, error) {
	found, err := c.Calls.RestartMedia(r.Context(), r.PathValue("call"))
	if !found {
		return nil, fmt.Errorf("live call %s with media of the bot's: %w", r.PathValue("call"), errNotFound)
	}
	return nil, err
}

func (c Config) ring(r *http.Request) (any, error) {
	in, err := read[admin.IncomingCall](r)
	if err != nil {
		return nil, err
	}
	from := calls.Incoming{
		UserID: cmp.Or(in.UserID, uuid.NewString()), DisplayName: cmp.Or(in.DisplayName, in.Phone, "Somebody"), TenantID: in.TenantID,
		Phone: in.Phone, ToInstance: in.ToInstance, Others: in.Others, PolicyRecording: in.PolicyRecording,
		CountryCode: in.CountryCode, Region: in.Region, OnBehalfOf: in.OnBehalfOf, Transferor: in.Transferor,
	}
	if in.MeetingID != "" {
		var ok bool
		if from.Meeting, ok = c.Meetings.Get(in.MeetingID); !ok {
			return nil, fmt.Errorf("meeting %s: %w", in.MeetingID, errNotFound)
		}
	}
	id, err := c.Calls.Ring(in.AppID, from)
	if err != nil {
		return nil, err
	}
	return map[string]string{"id": id}, nil
}

func after(r *http.Request) (int64, error) {
	s := r.URL.Query().Get("after")
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("after: %w", err)
	}
	return n, nil
}

func (c Config) notifications(r *http.Request) (any, error) {
	n, err := after(r)
	if err != nil {
		return nil, err
	}
	return wireNotifications(c.Sender.Log().Entries(n, r.URL.Query().Get("call"))), nil
}

func wireNotifications(entries []callback.Entry) []admin.Notification {
	out := []admin.Notification{}
	for _, e := range entries {
		out = append(out, admin.Notification{
			Seq: e.Seq, Time: e.Time, CallID: e.CallID, AppID: e.AppID, ChangeType: e.ChangeType, Resource: e.Resource, Summary: e.Summary,
			URL: e.URL, Attempts: e.Attempts, Status: e.Status, Error: e.Error, Done: e.Done, DoneTime: e.DoneTime, Body: e.Body, Faults: faultNames(e.Faults),
		})
	}
	return out
}

func faultNames(kinds []chaos.Kind) []string {
	var names []string
	for _, k := range kinds {
		names = append(names, string(k))
	}
	return names
}

func (c Config) events(r *http.Request) (any, error) {
	n, err := after(r)
	if err != nil {
		return nil, err
	}
	return c.eventsAfter(n), nil
}

func (c Config) eventsAfter(n int64) []admin.Event {
	out := []admin.Event{}
	for _, e := range c.Journal.After(n) {
		out = append(out, admin.Event(e))
	}
	return out
}

func (c Config) trust(r *http.Request) (any, error) {
	pem, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return nil, c.Network.AddRoots(pem)
}

func (c Config) resolve(r *http.Request) (any, error) {
	names, err := read[map[string]string](r)
	if err != nil {
		return nil, err
	}
	for name, addr := range names {
		if err := c.Network.Resolve(name, addr); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (c Config) addFault(r *http.Request) (any, error) {
	in, err := read[admin.Fault](r)
	if err != nil {
		return nil, err
	}
	return nil, c.Faults.Add(faults.Fault(in))
}

func (c Config) clearFaults(*http.Request) (any, error) {
	c.Faults.Clear()
	c.Sender.ClearFaults()
	c.Sender.Chaos.Clear()
	return nil, nil
}

func (c Config) spoilTokens(r *http.Request) (any, error) {
	in, err := read[admin.TokenFault](r)
	if err != nil {
		return nil, err
	}
	fault := callback.TokenFault(in.Fault)
	if !fault.Valid() {
		return nil, fmt.Errorf("unknown token fault %q", in.Fault)
	}
	c.Sender.Spoil(in.AppID, fault, max(in.Count, 1))
	return nil, nil
}

func (c Config) clock() admin.Clock { return admin.Clock{Speed: c.Clock.Speed(), Now: c.Clock.Now()} }

func (c Config) setClock(r *http.Request) (any, error) {
	in, err := read[admin.Clock](r)
	if err != nil {
		return nil, err
	}
	return nil, c.Clock.SetSpeed(in.Speed)
}

// notify posts a forgery, once and without retries: the reply is what the caller wants to see.
func (c Config) notify(r *http.Request) (any, error) {
	in, err := read[admin.Forgery](r)
	if err != nil {
		return nil, err
	}
	token := in.Token
	if token != "" {
		token = "Bearer " + token
	} else if token, err = c.Signer.Token(in.AppID, in.TenantID, callback.TokenFault(in.TokenFault)); err != nil {
		return nil, err
	}
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", token)
	}
	body := []byte(in.Body)
	if in.RawBody != "" || len(body) == 0 {
		body = []byte(in.RawBody)
	}
	status, reply, err := c.Sender.Post(r.Context(), in.URL, header, body)
	if err != nil {
		return nil, err
	}
	return admin.Reply{Status: status, Body: string(reply)}, nil
}

// pageLimit is how many of the latest notifications and events the page shows.
const pageLimit = 60

func (c Config) state() admin.State {
	notes := wireNotifications(c.Sender.Log().Entries(0, ""))
	notes = notes[max(0, len(notes)-pageLimit):]
	for i := range notes {
		notes[i].Body = json.RawMessage("null")
	}
	events := c.eventsAfter(0)
	info := c.Info
	info.CA = ""
	return admin.State{
		Info: info, Clock: c.clock(), Apps: c.apps(), Meetings: c.meetings(), Calls: c.calls(), Ghosts: c.ghosts(),
		Notifications: notes, Events: events[max(0, len(events)-pageLimit):], Ringing: c.ringing(),
	}
}
