// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
)

// MediaHosting says who processes a call's media.
type MediaHosting string

const (
	ServiceHosted MediaHosting = "serviceHostedMediaConfig"
	AppHosted     MediaHosting = "appHostedMediaConfig"
)

// MediaConfig is how a call's media is hosted. Make one with AppHostedMedia or ServiceHostedMedia.
type MediaConfig struct {
	Hosting MediaHosting
	// Blob describes the media endpoint of an application-hosted call. It is opaque to Graph, and a secret.
	Blob string
	// PreFetchMedia are prompts of a service-hosted call to be fetched before they are played.
	PreFetchMedia []MediaInfo
}

// AppHostedMedia is media the bot processes itself, at the place the blob names.
func AppHostedMedia(blob string) *MediaConfig { return &MediaConfig{Hosting: AppHosted, Blob: blob} }

// ServiceHostedMedia is media the service plays and records.
func ServiceHostedMedia(preFetch ...MediaInfo) *MediaConfig {
	return &MediaConfig{Hosting: ServiceHosted, PreFetchMedia: preFetch}
}

type mediaConfigWire struct {
	Type          string      `json:"@odata.type"`
	Blob          *string     `json:"blob,omitempty"`
	PreFetchMedia []MediaInfo `json:"preFetchMedia,omitempty"`
}

func (m MediaConfig) MarshalJSON() ([]byte, error) {
	wire := mediaConfigWire{Type: "#microsoft.graph." + string(m.Hosting)}
	switch m.Hosting {
	case AppHosted:
		wire.Blob = &m.Blob
	case ServiceHosted:
		wire.PreFetchMedia = m.PreFetchMedia
	default:
		return nil, errors.New("mediaConfig: neither service-hosted nor application-hosted")
	}
	return json.Marshal(wire)
}

func (m *MediaConfig) UnmarshalJSON(data []byte) error {
	var wire mediaConfigWire
	if err := decode(data, &wire); err != nil {
		return err
	}
	m.Hosting = canonical([]byte(typeName(wire.Type)), []MediaHosting{AppHosted, ServiceHosted})
	m.PreFetchMedia = wire.PreFetchMedia
	if wire.Blob != nil {
		m.Blob = *wire.Blob
	}
	return nil
}

// MediaInfo is a prompt. The service caches it by ResourceID.
type MediaInfo struct {
	URI        string `json:"uri"`
	ResourceID string `json:"resourceId,omitempty"`
}

func (m MediaInfo) MarshalJSON() ([]byte, error) {
	type plain MediaInfo
	return encode("mediaInfo", plain(m))
}

// NewBlob makes the blob of an application-hosted call whose far side is a WebRTC peer: it will
// post its offer to mpURI (WHIP, RFC 9725) with token as the bearer. The member names the place as
// the blobs of Microsoft's own media library do.
func NewBlob(mpURI, token string) (string, error) {
	u, err := url.Parse(mpURI)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return "", errors.New("media blob: mpUri must be an https URL with a host and without a user")
	}
	if token == "" {
		return "", errors.New("media blob: the token is empty, so anybody could take the call's media")
	}
	blob, err := json.Marshal(struct {
		Version   int    `json:"version"`
		Transport string `json:"transport"`
		MPURI     string `json:"mpUri"`
		Token     string `json:"token"`
	}{1, "webrtc", mpURI, token})
	if err != nil {
		return "", fmt.Errorf("media blob: %w", err)
	}
	return string(blob), nil
}
