// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/callfleet/callfleet/teamsim/servicemedia"
)

const ns = "#microsoft.graph."

// The types of a create request (reference sections 1.2 and 1.6).
var (
	identity = object{
		types:        []string{ns + "identity", ns + "communicationsUserIdentity", ns + "communicationsApplicationIdentity", ns + "communicationsGuestIdentity", ns + "userIdentity"},
		typeOptional: true,
		required:     []string{"id"},
		members: map[string]rule{
			"id": nonEmpty, "displayName": text, "tenantId": guid, "identityProvider": text, "email": text,
			"applicationType": text, "hidden": boolean,
		},
	}
	identitySet = object{
		types:        []string{ns + "identitySet", ns + "communicationsIdentitySet"},
		typeOptional: true,
		members: map[string]rule{
			"application": identity.check, "applicationInstance": identity.check, "user": identity.check, "guest": guestIdentity.check,
			"phone": identity.check,
		},
	}
	guestIdentity = object{
		types: identity.types, typeOptional: true, required: []string{"id", "displayName"},
		members: map[string]rule{"id": guid, "displayName": nonEmpty, "email": text},
	}
	participantInfo = object{
		types: []string{ns + "participantInfo"}, typeOptional: true, required: []string{"identity"},
		members: map[string]rule{
			"identity": identitySet.check, "region": text, "languageId": text, "countryCode": text, "endpointType": text, "participantId": text,
		},
	}
	appHosted = object{
		types: []string{ns + "appHostedMediaConfig"}, required: []string{"blob"},
		members: map[string]rule{"blob": text, "removeFromDefaultAudioGroup": boolean},
	}
	serviceHosted = object{
		types: []string{ns + "serviceHostedMediaConfig"},
		members: map[string]rule{
			"preFetchMedia": list(object{
				types: []string{ns + "mediaInfo"}, typeOptional: true, required: []string{"uri"},
				members: map[string]rule{"uri": promptURI, "resourceId": text},
			}.check, 0, 100),
			"removeFromDefaultAudioGroup": boolean,
		},
	}
	organizerMeeting = object{
		types: []string{ns + "organizerMeetingInfo"}, required: []string{"organizer"},
		members: map[string]rule{"allowConversationWithoutHost": boolean, "organizer": object{
			types: identitySet.types, typeOptional: true, required: []string{"user"},
			members: map[string]rule{"user": object{
				types: identity.types, typeOptional: true, required: []string{"id"},
				members: map[string]rule{"id": guid, "displayName": text, "tenantId": guid, "identityProvider": text},
			}.check},
		}.check},
	}
	joinIDMeeting = object{
		types: []string{ns + "joinMeetingIdMeetingInfo"}, required: []string{"joinMeetingId"},
		members: map[string]rule{"joinMeetingId": digits, "passcode": text, "allowConversationWithoutHost": boolean},
	}
	tokenMeeting = object{
		types: []string{ns + "tokenMeetingInfo"}, required: []string{"token"},
		members: map[string]rule{"token": nonEmpty, "allowConversationWithoutHost": boolean},
	}
	chatInfo = object{
		types: []string{ns + "chatInfo"}, typeOptional: true, required: []string{"threadId", "messageId"},
		members: map[string]rule{"threadId": nonEmpty, "messageId": nonEmpty, "replyChainMessageId": text},
	}
	outgoingOptions = object{
		types: []string{ns + "outgoingCallOptions"},
		members: map[string]rule{
			"hideBotAfterEscalation": boolean, "isContentSharingNotificationEnabled": boolean,
			"isDeltaRosterEnabled": boolean, "isInteractiveRosterEnabled": boolean,
		},
	}
	modality = oneOf("audio", "video", "videoBasedScreenSharing", "data")
)

// callRule is the body of POST /communications/calls. Beta knows two more members.
func callRule(beta bool) rule {
	members := map[string]rule{
		"callbackUri": httpsURI, "requestedModalities": list(modality, 1, 4),
		"mediaConfig": byType(appHosted, serviceHosted),
		"source":      participantInfo.check, "subject": text, "tenantId": guid, "callChainId": guid,
		"chatInfo": chatInfo.check, "meetingInfo": byType(organizerMeeting, joinIDMeeting, tokenMeeting),
		"callOptions": outgoingOptions.check,
		"direction":   oneOf("outgoing"),                                  // read-only, but the SDK's samples send it
		"callRoutes":  list(func(string, any) error { return nil }, 0, 0), // so with an empty list
		"targets":     list(invitation(beta).check, 0, maxTargets),
	}
	if beta {
		members["ringingTimeoutInSeconds"] = integer(1, 115)
		members["routingPolicies"] = list(text, 0, 5)
	}
	return object{
		types: []string{ns + "call"}, required: []string{"callbackUri", "requestedModalities", "mediaConfig"}, members: members,
	}.check
}

func httpsURI(path string, value any) error {
	s, _ := value.(string)
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("%s must be an absolute https URI", path)
	}
	return nil
}

func digits(path string, value any) error {
	s, _ := value.(string)
	for _, r := range s {
		if r < '0' || r > '9' {
			return fmt.Errorf("%s must be digits only, without spaces", path)
		}
	}
	return nonEmpty(path, value)
}

// createRequest is what a valid body says.
type createRequest struct {
	CallbackURI         string       `json:"callbackUri"`
	RequestedModalities []string     `json:"requestedModalities"`
	MediaConfig         mediaConfig  `json:"mediaConfig"`
	Source              *source      `json:"source"`
	Subject             *string      `json:"subject"`
	TenantID            string       `json:"tenantId"`
	CallChainID         string       `json:"callChainId"`
	ChatInfo            *chat        `json:"chatInfo"`
	MeetingInfo         *meetingInfo `json:"meetingInfo"`
	Targets             []target     `json:"targets"`
	CallOptions         callOptions  `json:"callOptions"`

	RingingTimeoutInSeconds int `json:"ringingTimeoutInSeconds"`

	rawMeetingInfo map[string]any
}

type callOptions struct {
	HideBotAfterEscalation              bool `json:"hideBotAfterEscalation"`
	IsContentSharingNotificationEnabled bool `json:"isContentSharingNotificationEnabled"`
	IsDeltaRosterEnabled                bool `json:"isDeltaRosterEnabled"`
}

type mediaConfig struct {
	Type          string                `json:"@odata.type"`
	Blob          string                `json:"blob"`
	PreFetchMedia []servicemedia.Prompt `json:"preFetchMedia"`
}

func (m mediaConfig) appHosted() bool { return m.Type == ns+"appHostedMediaConfig" }

type source struct {
	Identity struct {
		Application         *person `json:"application"`
		ApplicationInstance *person `json:"applicationInstance"`
		Guest               *person `json:"guest"`
	} `json:"identity"`
}

type person struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
	TenantID    string `json:"tenantId"`
}

type chat struct {
	ThreadID            string  `json:"threadId"`
	MessageID           string  `json:"messageId"`
	ReplyChainMessageID *string `json:"replyChainMessageId"`
}

type meetingInfo struct {
	Type      string `json:"@odata.type"`
	Organizer struct {
		User person `json:"user"`
	} `json:"organizer"`
	JoinMeetingID string `json:"joinMeetingId"`
	Token         string `json:"token"`
	Passcode      string `json:"passcode"`
}

func (r *createRequest) guest() *person {
	if r.Source == nil {
		return nil
	}
	return r.Source.Identity.Guest
}

// blob is appHostedMediaConfig.blob of this platform: like a real one it is JSON and names the media endpoint.
type blob struct {
	Version   int    `json:"version"`
	Transport string `json:"transport"`
	MPURI     string `json:"mpUri"`
	Token     string `json:"token"`
}

func parseBlob(raw string) (blob, *apiError) {
	var b blob
	if raw == "" {
		return b, badMedia("mediaConfig.blob is empty")
	}
	if err := json.Unmarshal([]byte(raw), &b); err != nil {
		return b, badMedia("mediaConfig.blob is not a JSON object of the expected form")
	}
	if err := httpsURI("mediaConfig.blob: mpUri", b.MPURI); err != nil {
		return b, badMedia("%v", err)
	}
	switch {
	case b.Token == "":
		return b, badMedia("mediaConfig.blob: token is missing")
	case b.Version != 1:
		return b, badMedia("mediaConfig.blob: version must be 1")
	case b.Transport != "webrtc":
		return b, badMedia("mediaConfig.blob: transport must be webrtc")
	}
	return b, nil
}
