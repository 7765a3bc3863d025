// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"slices"
	"strings"
)

// Feature is something a bot does that Graph asks application permissions for.
type Feature string

// The features that need roles, and Answer, which needs none.
const (
	// FeatureAnswer is answering people who call the bot.
	FeatureAnswer Feature = "Answer"
	// FeatureSeeCallers is being told who calls, instead of an encrypted id.
	FeatureSeeCallers Feature = "SeeCallers"
	// FeatureAnswerGroupCalls is answering where the bot is called into a meeting or group call.
	FeatureAnswerGroupCalls Feature = "AnswerGroupCalls"
	// FeaturePolicyRecording is being called in to record people who are under a recording policy.
	FeaturePolicyRecording        Feature = "PolicyRecording"
	FeatureJoinMeetings           Feature = "JoinMeetings"
	FeatureJoinAsGuest            Feature = "JoinAsGuest"
	FeatureCallUsers              Feature = "CallUsers"
	FeatureCallPhones             Feature = "CallPhones"
	FeatureGroupCalls             Feature = "GroupCalls"
	FeatureInvite                 Feature = "Invite"
	FeatureTransfer               Feature = "Transfer"
	FeatureRedirect               Feature = "Redirect"
	FeatureRecordResponse         Feature = "RecordResponse"
	FeatureSubscribeToTones       Feature = "SubscribeToTones"
	FeatureSendTones              Feature = "SendTones"
	FeatureScreenSharing          Feature = "ScreenSharing"
	FeatureRecordingStatus        Feature = "RecordingStatus"
	FeatureLargeGallery           Feature = "LargeGallery"
	FeatureRemoveParticipants     Feature = "RemoveParticipants"
	FeatureAudioRouting           Feature = "AudioRouting"
	FeatureApplicationHostedMedia Feature = "ApplicationHostedMedia"
	FeatureLookUpMeetings         Feature = "LookUpMeetings"
	FeatureCreateMeetings         Feature = "CreateMeetings"
)

// AnyOf are roles of which one is enough. The first is the one that grants least.
type AnyOf []string

// String names the roles as alternatives.
func (a AnyOf) String() string { return strings.Join(a, " or ") }

// grantedBy reports whether one of the roles is among those a token carries.
func (a AnyOf) grantedBy(have []string) bool {
	return slices.ContainsFunc(a, func(role string) bool {
		return slices.ContainsFunc(have, func(h string) bool { return strings.EqualFold(h, role) })
	})
}

// featureRoles: every element is needed, of each any role. The permissions sections of the operations' pages, and
// https://learn.microsoft.com/graph/permissions-reference#calls-permissions.
var featureRoles = map[Feature][]AnyOf{
	FeatureAnswer:                 nil,
	FeatureSeeCallers:             {{RoleInitiate, RoleInitiateGroupCall, RoleJoinGroupCall, RoleJoinGroupCallGuest, RoleAccessMedia}},
	FeatureAnswerGroupCalls:       {{RoleJoinGroupCall, RoleJoinGroupCallGuest}},
	FeaturePolicyRecording:        {{RoleJoinGroupCall, RoleJoinGroupCallGuest}, {RoleAccessMedia}},
	FeatureJoinMeetings:           {{RoleJoinGroupCall}},
	FeatureJoinAsGuest:            {{RoleJoinGroupCallGuest}},
	FeatureCallUsers:              {{RoleInitiate}},
	FeatureCallPhones:             {{RoleInitiate}},
	FeatureGroupCalls:             {{RoleInitiateGroupCall}},
	FeatureInvite:                 {{RoleInitiateGroupCall}},
	FeatureTransfer:               {{RoleInitiate}},
	FeatureRedirect:               {{RoleInitiate}},
	FeatureRecordResponse:         {{RoleAccessMedia}},
	FeatureSubscribeToTones:       {{RoleAccessMedia}},
	FeatureSendTones:              {{RoleInitiate, RoleAccessMedia}},
	FeatureScreenSharing:          {{RoleAccessMedia}},
	FeatureRecordingStatus:        {{RoleAccessMedia, RoleJoinGroupCall}},
	FeatureLargeGallery:           {{RoleJoinGroupCallGuest, RoleJoinGroupCall, RoleInitiateGroupCall}},
	FeatureRemoveParticipants:     {{RoleJoinGroupCallGuest, RoleJoinGroupCall}},
	FeatureAudioRouting:           {{RoleJoinGroupCall, RoleInitiateGroupCall}},
	FeatureApplicationHostedMedia: {{RoleAccessMedia}},
	FeatureLookUpMeetings:         {{RoleMeetingsRead, RoleMeetingsReadWrite}},
	FeatureCreateMeetings:         {{RoleMeetingsReadWrite}},
}

// Features lists every Feature.
func Features() []Feature {
	features := make([]Feature, 0, len(featureRoles))
	for f := range featureRoles {
		features = append(features, f)
	}
	slices.Sort(features)
	return features
}

// Roles are what the feature needs: all elements, and of each any one role. A feature that needs none, or is not known, has none.
func (f Feature) Roles() []AnyOf {
	return slices.Clone(featureRoles[f])
}

// Missing are the elements of Roles that a token with these roles does not meet.
func (f Feature) Missing(have []string) []AnyOf {
	var missing []AnyOf
	for _, roles := range featureRoles[f] {
		if !roles.grantedBy(have) {
			missing = append(missing, roles)
		}
	}
	return missing
}

// FeaturesOf are the features that creating the call takes.
func FeaturesOf(call *Call) []Feature {
	var features []Feature
	switch {
	case call.MeetingInfo != nil || call.ChatInfo != nil:
		if call.Source != nil && call.Source.Identity.Guest != nil {
			features = append(features, FeatureJoinAsGuest)
		} else {
			features = append(features, FeatureJoinMeetings)
		}
	case len(call.Targets) > 1:
		features = append(features, FeatureGroupCalls)
	case len(call.Targets) == 1 && call.Targets[0].Identity.Phone != nil:
		features = append(features, FeatureCallPhones)
	default:
		features = append(features, FeatureCallUsers)
	}
	if call.MediaConfig != nil && call.MediaConfig.Hosting == AppHosted {
		features = append(features, FeatureApplicationHostedMedia)
	}
	return features
}
