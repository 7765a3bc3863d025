// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"context"
	"time"
)

// mediaPrompt is a prompt to be played.
type mediaPrompt struct {
	MediaInfo MediaInfo `json:"mediaInfo"`
}

func (p mediaPrompt) MarshalJSON() ([]byte, error) {
	type plain mediaPrompt
	return encode("mediaPrompt", plain(p))
}

func mediaPrompts(infos []MediaInfo) []mediaPrompt {
	prompts := make([]mediaPrompt, len(infos))
	for i, info := range infos {
		prompts[i] = mediaPrompt{info}
	}
	return prompts
}

// PlayPrompt plays up to 20 prompts, one after the other, in a service-hosted call. Prompts and recordings queue up behind each other.
func (c *Client) PlayPrompt(ctx context.Context, scenarioID, callID string, prompts []MediaInfo, clientContext string) (*Operation, error) {
	return c.operate(ctx, opPlayPrompt, scenarioID, struct {
		Prompts       []mediaPrompt `json:"prompts"`
		ClientContext string        `json:"clientContext,omitempty"`
	}{mediaPrompts(prompts), clientContext}, callID)
}

// RecordRequest asks for a recording of what the other party says, in a service-hosted call. Zero durations stand for Graph's
// own five seconds; all are of whole seconds between 1 and 120.
type RecordRequest struct {
	// Prompts is one to be played first, or none.
	Prompts        []MediaInfo
	BargeIn        bool // speaking or a key ends the prompt
	InitialSilence time.Duration
	MaxSilence     time.Duration
	MaxDuration    time.Duration
	NoBeep         bool
	// StopTones are keys that end the recording.
	StopTones     []Tone
	ClientContext string
}

type recordBody struct {
	Prompts        []mediaPrompt `json:"prompts,omitempty"`
	BargeIn        bool          `json:"bargeInAllowed"`
	InitialSilence int           `json:"initialSilenceTimeoutInSeconds,omitempty"`
	MaxSilence     int           `json:"maxSilenceTimeoutInSeconds,omitempty"`
	MaxDuration    int           `json:"maxRecordDurationInSeconds,omitempty"`
	PlayBeep       bool          `json:"playBeep"`
	StopTones      []string      `json:"stopTones,omitempty"`
	ClientContext  string        `json:"clientContext,omitempty"`
}

// RecordResponse records. The notification of its end says where the recording is; see DownloadRecording.
func (c *Client) RecordResponse(ctx context.Context, scenarioID, callID string, request RecordRequest) (*Operation, error) {
	return c.operate(ctx, opRecordResponse, scenarioID, request.body(), callID)
}

func (r RecordRequest) body() recordBody {
	body := recordBody{
		Prompts: mediaPrompts(r.Prompts), BargeIn: r.BargeIn, PlayBeep: !r.NoBeep, ClientContext: r.ClientContext,
		InitialSilence: wholeSeconds(r.InitialSilence), MaxSilence: wholeSeconds(r.MaxSilence), MaxDuration: wholeSeconds(r.MaxDuration),
	}
	for _, tone := range r.StopTones {
		body.StopTones = append(body.StopTones, tone.Key())
	}
	return body
}

// wholeSeconds rounds up: a second too long is noticed less than one too short.
func wholeSeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// SubscribeToTone has the keys of the other party notified, in a service-hosted call.
func (c *Client) SubscribeToTone(ctx context.Context, scenarioID, callID, clientContext string) (*Operation, error) {
	return c.operate(ctx, opSubscribeTone, scenarioID, contextBody{clientContext}, callID)
}

// SendDTMFTones presses keys, with the delay between them; 0 leaves it to the service.
func (c *Client) SendDTMFTones(ctx context.Context, scenarioID, callID string, tones []Tone, delay time.Duration, clientContext string) (*Operation, error) {
	return c.operate(ctx, opSendTones, scenarioID, struct {
		Tones         []Tone `json:"tones"`
		Delay         int64  `json:"delayBetweenTonesMs,omitempty"`
		ClientContext string `json:"clientContext,omitempty"`
	}{tones, delay.Milliseconds(), clientContext}, callID)
}

// CancelMediaProcessing ends the prompts and recordings that are under way or queued; each ends as cancelled.
func (c *Client) CancelMediaProcessing(ctx context.Context, scenarioID, callID, clientContext string) (*Operation, error) {
	return c.operate(ctx, opCancelMedia, scenarioID, contextBody{clientContext}, callID)
}

// Mute has the service drop what the bot sends, in a group call.
func (c *Client) Mute(ctx context.Context, scenarioID, callID, clientContext string) (*Operation, error) {
	return c.operate(ctx, opMute, scenarioID, contextBody{clientContext}, callID)
}

// Unmute takes Mute back.
func (c *Client) Unmute(ctx context.Context, scenarioID, callID, clientContext string) (*Operation, error) {
	return c.operate(ctx, opUnmute, scenarioID, contextBody{clientContext}, callID)
}

// ChangeScreenSharingRole makes the bot a viewer or a sharer, in a group call whose media it hosts. The roster tells when it is done.
func (c *Client) ChangeScreenSharingRole(ctx context.Context, scenarioID, callID string, role ScreenSharingRole) error {
	return c.ask(ctx, opSharingRole, scenarioID, struct {
		Role ScreenSharingRole `json:"role"`
	}{role}, nil, callID)
}

// AddLargeGalleryView has the service add a participant that sends everybody's video as one picture, in a group call.
func (c *Client) AddLargeGalleryView(ctx context.Context, scenarioID, callID, clientContext string) (*Operation, error) {
	return c.operate(ctx, opLargeGallery, scenarioID, contextBody{clientContext}, callID)
}
