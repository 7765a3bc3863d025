// SPDX-License-Identifier: Apache-2.0

// Package bridge speaks to the container beside the media pod that hosts Microsoft's Real-time Media Platform, if there is one: it
// gives the blobs of calls, and is the far side of their media. The contract is in docs/microsoft-platform.md. The bridge itself is
// not part of Callfleet.
package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// maxBody bounds an answer; a blob is a few kilobytes.
	maxBody = 128 << 10
	// maxBlob is the bound of the contract.
	maxBlob = 64 << 10
	// patience bounds a request whose context does not. The bridge is on the same machine.
	patience = 2 * time.Second
)

// Client asks the bridge.
type Client struct {
	base string
	http *http.Client
}

// New makes a client of the bridge that listens on a port of 127.0.0.1. It does not connect.
func New(port uint16) *Client {
	return &Client{
		base: "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))) + "/v1",
		// No proxy, and no redirect: what is asked for has tokens in it.
		http: &http.Client{
			Transport: &http.Transport{Proxy: nil, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute}, Timeout: patience,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Settings are what the platform cannot know of itself.
type Settings struct {
	ApplicationID string `json:"applicationId"`
	// Cloud is Public, USGov, USGovDoD or Custom.
	Cloud string `json:"cloud"`
	// ServiceFQDN is the pod's public name, PublicIP and PublicPort its address, and InternalPort what the platform listens on.
	ServiceFQDN  string `json:"serviceFqdn"`
	PublicIP     string `json:"instancePublicIPAddress"`
	PublicPort   uint16 `json:"instancePublicPort"`
	InternalPort uint16 `json:"instanceInternalPort"`
	// MediaPorts, if not nil, are the UDP ports that it takes media on.
	MediaPorts *PortRange `json:"mediaPortRange,omitempty"`
	// Certificate is what it shows.
	Certificate Certificate `json:"certificate"`
}

// Certificate as Windows takes it.
type Certificate struct {
	// PFX is PKCS #12, see the function; it is a secret, as Password is.
	PFX      []byte `json:"pfx"`
	Password string `json:"password"`
	// Thumbprint is the SHA-1 of the certificate in capital hex digits, by which Windows' store finds it.
	Thumbprint string `json:"thumbprint"`
}

// PortRange is inclusive at both ends.
type PortRange struct {
	From uint16 `json:"from"`
	To   uint16 `json:"to"`
}

// State of the platform.
type State string

// The states.
const (
	StateStarting State = "Starting"
	StateReady    State = "Ready"
	StateFailed   State = "Failed"
)

// Health of the platform, in Microsoft's words (MediaPlatformHealth).
type Health string

// The healths.
const (
	Normal        Health = "Normal"
	HeavilyLoaded Health = "HeavilyLoaded"
	Overloaded    Health = "Overloaded"
)

// Status is how the platform is.
type Status struct {
	State   State  `json:"state"`
	Health  Health `json:"health,omitempty"`
	Message string `json:"message,omitempty"`
}

// Run has the platform run with these settings, and says how it is.
func (c *Client) Run(ctx context.Context, s Settings) (Status, error) {
	var status Status
	if err := c.ask(ctx, http.MethodPut, "/platform", s, &status); err != nil {
		return Status{}, err
	}
	status.Message = clip(status.Message)
	switch status.State {
	case StateStarting, StateFailed:
		return status, nil
	case StateReady:
		switch status.Health {
		case Normal, HeavilyLoaded, Overloaded:
			return status, nil
		}
		return Status{}, fmt.Errorf("the media bridge tells of health %.40q, which the contract does not know", status.Health)
	}
	return Status{}, fmt.Errorf("the media bridge tells of state %.40q, which the contract does not know", status.State)
}

// Call is what a place is made for.
type Call struct {
	// Modalities are Audio, Video, ScreenSharing.
	Modalities []string `json:"modalities"`
	WHIP       WHIP     `json:"whip"`
}

// WHIP is where the bridge posts its offer to.
type WHIP struct {
	URL   string `json:"url"`
	Token string `json:"token"`
	// ServerName is what the certificate there is for.
	ServerName string `json:"serverName"`
}

// Open makes a place for a call and gives its blob. To ask again is harmless.
func (c *Client) Open(ctx context.Context, id string, call Call) (blob string, err error) {
	var place struct {
		Blob string `json:"blob"`
	}
	if err := c.ask(ctx, http.MethodPut, "/calls/"+url.PathEscape(id), call, &place); err != nil {
		return "", err
	}
	if place.Blob == "" || len(place.Blob) > maxBlob {
		return "", fmt.Errorf("the media bridge gives a blob of %d bytes; the contract has 1 to %d", len(place.Blob), maxBlob)
	}
	return place.Blob, nil
}

// Close says that a call is over.
func (c *Client) Close(ctx context.Context, id string) error {
	return c.ask(ctx, http.MethodDelete, "/calls/"+url.PathEscape(id), nil, nil)
}

// ask makes a request. Its errors name neither tokens nor blobs.
func (c *Client) ask(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("asking the media bridge: %w", err)
		}
		body = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("asking the media bridge: %w", err)
	}
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err
		}
		return fmt.Errorf("the media bridge does not answer: %w", err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return fmt.Errorf("the answer of the media bridge: %w", err)
	}
	if response.StatusCode/100 != 2 {
		return problemOf(response.StatusCode, raw)
	}
	if out == nil {
		return nil
	}
	if len(raw) > maxBody {
		return fmt.Errorf("the media bridge answers with more than %d bytes", maxBody)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return errors.New("the media bridge answers with something that is not the JSON of the contract") // err may quote a blob
	}
	return nil
}

// Refusal is the bridge's own no.
type Refusal struct {
	StatusCode int
	// Title and Detail are of the problem (RFC 9457).
	Title, Detail string
}

func (r *Refusal) Error() string {
	text := fmt.Sprintf("the media bridge refuses (%d)", r.StatusCode)
	for _, part := range []string{r.Title, r.Detail} {
		if part != "" {
			text += ": " + part
		}
	}
	return text
}

func problemOf(code int, raw []byte) error {
	var problem struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	_ = json.Unmarshal(raw, &problem) // one that is not as it should be has no words
	return &Refusal{StatusCode: code, Title: clip(problem.Title), Detail: clip(problem.Detail)}
}

// clip keeps what others wrote to a length that a status can hold.
func clip(text string) string {
	const most = 300
	if len(text) <= most {
		return text
	}
	return string([]rune(text[:most])[:most/4]) + "…"
}
