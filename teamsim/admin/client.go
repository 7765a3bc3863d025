// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Client talks to the admin API of a teamsim.
type Client struct {
	base string
	http *http.Client
}

// NewClient returns a client for an admin URL such as http://127.0.0.1:9440.
func NewClient(adminURL string) *Client {
	return &Client{base: strings.TrimSuffix(adminURL, "/") + "/api", http: &http.Client{}}
}

// Info says where the teamsim is.
func (c *Client) Info(ctx context.Context) (Info, error) { return get[Info](ctx, c, "/info") }

// State is everything at once.
func (c *Client) State(ctx context.Context) (State, error) { return get[State](ctx, c, "/state") }

// PutApp registers a bot or replaces its registration.
func (c *Client) PutApp(ctx context.Context, a App) error {
	return c.do(ctx, http.MethodPut, "/apps/"+url.PathEscape(a.ID), a, nil)
}

// DeleteApp removes a registration.
func (c *Client) DeleteApp(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, "/apps/"+url.PathEscape(id), nil, nil)
}

// CreateMeeting creates a meeting with people in it.
func (c *Client) CreateMeeting(ctx context.Context, m NewMeeting) (Meeting, error) {
	var out Meeting
	return out, c.do(ctx, http.MethodPost, "/meetings", m, &out)
}

// Meetings lists all meetings.
func (c *Client) Meetings(ctx context.Context) ([]Meeting, error) {
	return get[[]Meeting](ctx, c, "/meetings")
}

// Meeting gets one meeting.
func (c *Client) Meeting(ctx context.Context, id string) (Meeting, error) {
	return get[Meeting](ctx, c, "/meetings/"+id)
}

// EndMeeting ends a meeting for all. Its link still works, as in Teams.
func (c *Client) EndMeeting(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodPost, "/meetings/"+id+"/end", nil, nil)
}

// DeleteMeeting ends a meeting and makes its link lead nowhere.
func (c *Client) DeleteMeeting(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, "/meetings/"+id, nil, nil)
}

// SetLobby switches the lobby for those who come from now on.
func (c *Client) SetLobby(ctx context.Context, meetingID string, on bool) error {
	return c.do(ctx, http.MethodPut, "/meetings/"+meetingID+"/lobby", on, nil)
}

// AddPerson brings somebody into a meeting.
func (c *Client) AddPerson(ctx context.Context, meetingID, name string) (Person, error) {
	var out Person
	return out, c.do(ctx, http.MethodPost, "/meetings/"+meetingID+"/people", Person{DisplayName: name}, &out)
}

// PersonLeaves takes a person out of the meeting; what they heard is kept.
func (c *Client) PersonLeaves(ctx context.Context, p Person) error {
	return c.do(ctx, http.MethodPost, personPath(p)+"/leave", nil, nil)
}

// PersonJoins brings a person back.
func (c *Client) PersonJoins(ctx context.Context, p Person) error {
	return c.do(ctx, http.MethodPost, personPath(p)+"/join", nil, nil)
}

// SpeakOptions say how a clip is spoken.
type SpeakOptions struct {
	Delay time.Duration // not before
	Loop  bool          // until Hush
	Wait  bool          // return when it has been said
}

// Speak makes a person say a WAV file, after what they are saying already.
func (c *Client) Speak(ctx context.Context, p Person, wav []byte, o SpeakOptions) (Utterance, error) {
	q := url.Values{}
	q.Set("delayMs", strconv.FormatInt(o.Delay.Milliseconds(), 10))
	q.Set("loop", strconv.FormatBool(o.Loop))
	q.Set("wait", strconv.FormatBool(o.Wait))
	var out Utterance
	raw, err := c.send(ctx, http.MethodPost, personPath(p)+"/speak?"+q.Encode(), "audio/wav", wav)
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(raw, &out)
}

// Hush makes a person stop speaking.
func (c *Client) Hush(ctx context.Context, p Person) error {
	return c.do(ctx, http.MethodDelete, personPath(p)+"/speak", nil, nil)
}

// Heard returns, as a WAV file of 16 kHz mono, what a person has heard since they came or since ResetHeard, in
// wall time and at most the last 10 minutes.
func (c *Client) Heard(ctx context.Context, p Person) ([]byte, error) {
	return c.send(ctx, http.MethodGet, personPath(p)+"/heard", "", nil)
}

// ResetHeard starts a person's recording anew.
func (c *Client) ResetHeard(ctx context.Context, p Person) error {
	return c.do(ctx, http.MethodDelete, personPath(p)+"/heard", nil, nil)
}

// Admit lets a participant in from the lobby.
func (c *Client) Admit(ctx context.Context, meetingID, participantID string) error {
	return c.participant(ctx, meetingID, participantID, "admit")
}

// Deny turns a participant in the lobby away.
func (c *Client) Deny(ctx context.Context, meetingID, participantID string) error {
	return c.participant(ctx, meetingID, participantID, "deny")
}

// Remove throws a participant out.
func (c *Client) Remove(ctx context.Context, meetingID, participantID string) error {
	return c.participant(ctx, meetingID, participantID, "remove")
}

func (c *Client) participant(ctx context.Context, meetingID, participantID, verb string) error {
	return c.do(ctx, http.MethodPost, "/meetings/"+meetingID+"/participants/"+participantID+"/"+verb, nil, nil)
}

// Calls lists all calls, ended ones too, oldest first.
func (c *Client) Calls(ctx context.Context) ([]Call, error) { return get[[]Call](ctx, c, "/calls") }

// EndCall ends a call from the service's side with any result.
func (c *Client) EndCall(ctx context.Context, callID string, r Result) error {
	return c.do(ctx, http.MethodPost, "/calls/"+callID+"/end", r, nil)
}

// CutMedia loses what the service sends to a bot's media, as a firewall that has forgotten a connection does; or lets it
// through again. The service hears the bot all the while, so it does not end the call: that is the bot's to decide.
func (c *Client) CutMedia(ctx context.Context, callID string, cut bool) error {
	return c.do(ctx, http.MethodPut, "/calls/"+callID+"/media/cut", cut, nil)
}

// RestartMedia restarts ICE with a bot's media, over other sockets than those that may be cut.
func (c *Client) RestartMedia(ctx context.Context, callID string) error {
	return c.do(ctx, http.MethodPost, "/calls/"+callID+"/media/restart", nil, nil)
}

// Ring makes a person call a bot; it returns the call's id.
func (c *Client) Ring(ctx context.Context, in IncomingCall) (string, error) {
	var out struct {
		ID string `json:"id"`
	}
	err := c.do(ctx, http.MethodPost, "/incoming", in, &out)
	return out.ID, err
}

// Ghosts lists what is left in meetings with nobody behind it. It should be empty at all times.
func (c *Client) Ghosts(ctx context.Context) ([]Ghost, error) {
	return get[[]Ghost](ctx, c, "/ghosts")
}

// Notifications lists the notifications after a sequence number, of one call if callID is not empty.
func (c *Client) Notifications(ctx context.Context, callID string, after int64) ([]Notification, error) {
	return get[[]Notification](ctx, c, fmt.Sprintf("/notifications?call=%s&after=%d", url.QueryEscape(callID), after))
}

// Secrets says of everything the local Teams gave out or was given in confidence what it is: "passcode", "media token".
func (c *Client) Secrets(ctx context.Context) (map[string]string, error) {
	return get[map[string]string](ctx, c, "/secrets")
}

// Events lists what happened after a sequence number.
func (c *Client) Events(ctx context.Context, after int64) ([]Event, error) {
	return get[[]Event](ctx, c, fmt.Sprintf("/events?after=%d", after))
}

// TrustRoots makes the service trust further CA certificates (PEM) of bots' callbacks and media.
func (c *Client) TrustRoots(ctx context.Context, pem []byte) error {
	_, err := c.send(ctx, http.MethodPost, "/trust", "application/x-pem-file", pem)
	return err
}

// Resolve points names, or *.domain, at an IP or IP:port, as public DNS would. An empty address removes a name.
func (c *Client) Resolve(ctx context.Context, names map[string]string) error {
	return c.do(ctx, http.MethodPost, "/resolve", names, nil)
}

// AddFault makes requests fail.
func (c *Client) AddFault(ctx context.Context, f Fault) error {
	return c.do(ctx, http.MethodPost, "/faults", f, nil)
}

// ClearFaults takes all faults back, token faults too.
func (c *Client) ClearFaults(ctx context.Context) error {
	return c.do(ctx, http.MethodDelete, "/faults", nil, nil)
}

// SpoilTokens makes the tokens of notifications wrong.
func (c *Client) SpoilTokens(ctx context.Context, f TokenFault) error {
	return c.do(ctx, http.MethodPost, "/token-faults", f, nil)
}

// SetClockSpeed sets how many simulated seconds pass in a real one; the service's deadlines follow.
func (c *Client) SetClockSpeed(ctx context.Context, speed float64) error {
	return c.do(ctx, http.MethodPut, "/clock", Clock{Speed: speed}, nil)
}

// RotateKeys signs notifications with a new key. With retire the old keys are no longer published.
func (c *Client) RotateKeys(ctx context.Context, retire bool) error {
	return c.do(ctx, http.MethodPost, "/keys/rotate?retire="+strconv.FormatBool(retire), nil, nil)
}

// Notify posts a hand-made notification.
func (c *Client) Notify(ctx context.Context, f Forgery) (Reply, error) {
	var out Reply
	return out, c.do(ctx, http.MethodPost, "/notify", f, &out)
}

func personPath(p Person) string { return "/meetings/" + p.MeetingID + "/people/" + p.ID }

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	var out T
	err := c.do(ctx, http.MethodGet, path, nil, &out)
	return out, err
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	raw, err := c.send(ctx, method, path, "application/json", body)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("teamsim: %s %s: %w", method, path, err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, method, path, contentType string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("teamsim: %w", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("teamsim: %s %s: %w", method, path, err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("teamsim: %s %s: %d: %s", method, path, resp.StatusCode, bytes.TrimSpace(raw))
	}
	return raw, nil
}
