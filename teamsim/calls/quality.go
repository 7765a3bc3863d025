// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"fmt"
	"net/http"
)

// qualityRule is teleconferenceDeviceQuality (reference section 1.1). What a device may say of its media is long; each
// member's kind is judged, and that it names the media.
var qualityRule = object{
	types: []string{ns + "teleconferenceDeviceQuality"}, typeOptional: true, required: []string{"callChainId", "participantId", "mediaLegId", "mediaQualityList"},
	members: map[string]rule{
		"callChainId": guid, "cloudServiceDeploymentEnvironment": text, "cloudServiceDeploymentId": text, "cloudServiceInstanceName": text,
		"cloudServiceName": text, "deviceDescription": text, "deviceName": text, "mediaLegId": guid, "participantId": guid,
		"mediaQualityList": list(mediaQuality, 1, 100),
	},
}

var mediaQualityTypes = []string{ns + "teleconferenceDeviceAudioQuality", ns + "teleconferenceDeviceVideoQuality", ns + "teleconferenceDeviceScreenSharingQuality"}

func mediaQuality(path string, value any) error {
	members, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("%s must be an object", path)
	}
	for _, t := range mediaQualityTypes {
		if members["@odata.type"] == t {
			return nil
		}
	}
	return fmt.Errorf("%s lacks @odata.type, or has one that is no media quality", path)
}

// serveDeviceQuality serves POST /communications/calls/logTeleconferenceDeviceQuality, for partners of Cloud Video
// Interop only in real life.
func (s *Service) serveDeviceQuality(w http.ResponseWriter, r *request) *apiError {
	check := object{types: []string{""}, typeOptional: true, required: []string{"quality"}, members: map[string]rule{"quality": qualityRule.check}}
	var body struct {
		Quality struct {
			DeviceName string `json:"deviceName"`
		} `json:"quality"`
	}
	if err := parse(r.body, check.check, &body); err != nil {
		return badRequest("%v", err)
	}
	if r.UserAgent() == "" {
		return badRequest("the header User-Agent is required")
	}
	if refusal := r.needs(roleMedia); refusal != nil {
		return refusal
	}
	s.Journal.Add("", "", "DeviceQuality", body.Quality.DeviceName)
	w.WriteHeader(http.StatusOK)
	return nil
}
