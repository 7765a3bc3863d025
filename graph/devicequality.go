// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"context"
	"encoding/json"
)

// DeviceQuality is what a partner of Microsoft's cloud video interop reports about one of its devices.
type DeviceQuality struct {
	CallChainID       string               `json:"callChainId"`
	ParticipantID     string               `json:"participantId"`
	MediaLegID        string               `json:"mediaLegId"`
	DeviceName        string               `json:"deviceName"`
	DeviceDescription string               `json:"deviceDescription"`
	MediaQualityList  []DeviceMediaQuality `json:"mediaQualityList"`
}

func (q DeviceQuality) MarshalJSON() ([]byte, error) {
	type plain DeviceQuality
	return encode("teleconferenceDeviceQuality", plain(q))
}

// DeviceMediaQuality is about one kind of media. Durations are ISO 8601, such as PT0.05S.
type DeviceMediaQuality struct {
	// Media is audio, video or screen sharing.
	Media                                  Modality `json:"-"`
	ChannelIndex                           int      `json:"channelIndex"`
	InboundPackets                         int64    `json:"inboundPackets"`
	OutboundPackets                        int64    `json:"outboundPackets"`
	AverageInboundJitter                   string   `json:"averageInboundJitter,omitempty"`
	AverageInboundPacketLossRateInPercent  float64  `json:"averageInboundPacketLossRateInPercentage"`
	AverageInboundRoundTripDelay           string   `json:"averageInboundRoundTripDelay,omitempty"`
	AverageOutboundJitter                  string   `json:"averageOutboundJitter,omitempty"`
	AverageOutboundPacketLossRateInPercent float64  `json:"averageOutboundPacketLossRateInPercentage"`
	AverageOutboundRoundTripDelay          string   `json:"averageOutboundRoundTripDelay,omitempty"`
	MediaDuration                          string   `json:"mediaDuration,omitempty"`
}

var qualityTypes = map[Modality]string{
	ModalityAudio: "teleconferenceDeviceAudioQuality", ModalityVideo: "teleconferenceDeviceVideoQuality",
	ModalityVideoScreenSharing: "teleconferenceDeviceScreenSharingQuality",
}

func (q DeviceMediaQuality) MarshalJSON() ([]byte, error) {
	type plain DeviceMediaQuality
	name := qualityTypes[q.Media]
	if name == "" {
		name = qualityTypes[ModalityAudio]
	}
	return encode(name, plain(q))
}

// LogTeleconferenceDeviceQuality reports a device's quality. It is for certified partners alone.
func (c *Client) LogTeleconferenceDeviceQuality(ctx context.Context, scenarioID string, quality DeviceQuality) error {
	op, err := opLogQuality.at()
	if err != nil {
		return err
	}
	_, err = c.do(ctx, op, scenarioID, struct {
		Quality DeviceQuality `json:"quality"`
	}{quality}, nil)
	return err
}

var _ json.Marshaler = DeviceMediaQuality{}
