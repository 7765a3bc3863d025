// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// OperationSpec is one operation of the cloud communications API. The client's requests are made from it.
type OperationSpec struct {
	// GoMethod is the method of *Client that asks for it. Empty: it exists in beta alone and is not offered here.
	GoMethod string
	// Name is what errors call it, such as "create call".
	Name   string
	Method string
	// Path is below the version; ids stand in braces.
	Path string
	// Section groups the operations: calls, media, participants, audio routing and meetings.
	Section Section
	// Version is the oldest version of Graph that has it.
	Version string
	// Feature is what the bot needs roles for to be allowed it. Empty: Graph judges when the call is created.
	Feature Feature

	once bool // sent twice it would be done twice
	ok   []int
}

// Section is a group of operations.
type Section string

const (
	SectionCalls        Section = "Calls"
	SectionMedia        Section = "Media"
	SectionParticipants Section = "Participants"
	SectionAudioRouting Section = "Audio routing"
	SectionMeetings     Section = "Meetings"
)

const (
	v1   = "v1.0"
	beta = "beta"

	callsPath        = "/communications/calls"
	callPath         = callsPath + "/{call}"
	participantsPath = callPath + "/participants"
	participantPath  = participantsPath + "/{participant}"
	groupsPath       = callPath + "/audioRoutingGroups"
	groupPath        = groupsPath + "/{group}"
	sharingPath      = callPath + "/contentSharingSessions"
	userMeetingsPath = "/users/{user}/onlineMeetings"
)

// What an operation may answer when it went well. Documentation and wire disagree about some, so all successes
// without a redirect are taken.
var (
	success = []int{http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent}
	made    = []int{http.StatusCreated, http.StatusOK}
	read    = []int{http.StatusOK}
)

// The operations, in the order in which Microsoft's reference lists them.
// https://learn.microsoft.com/graph/api/resources/communications-api-overview
var (
	opCreateCall   = OperationSpec{"CreateCall", "create call", http.MethodPost, callsPath, SectionCalls, v1, "", true, made}
	opGetCall      = OperationSpec{"GetCall", "get call", http.MethodGet, callPath, SectionCalls, v1, "", false, read}
	opDeleteCall   = OperationSpec{"DeleteCall", "hang up", http.MethodDelete, callPath, SectionCalls, v1, "", false, success}
	opAnswerCall   = OperationSpec{"AnswerCall", "answer call", http.MethodPost, callPath + "/answer", SectionCalls, v1, FeatureAnswer, false, success}
	opRejectCall   = OperationSpec{"RejectCall", "reject call", http.MethodPost, callPath + "/reject", SectionCalls, v1, "", false, success}
	opRedirectCall = OperationSpec{"RedirectCall", "redirect call", http.MethodPost, callPath + "/redirect", SectionCalls, v1, FeatureRedirect, false, success}
	opTransferCall = OperationSpec{"TransferCall", "transfer call", http.MethodPost, callPath + "/transfer", SectionCalls, v1, FeatureTransfer, true, success}
	opKeepAlive    = OperationSpec{"KeepAlive", "keep call alive", http.MethodPost, callPath + "/keepAlive", SectionCalls, v1, "", false, success}
	opRecordStatus = OperationSpec{"UpdateRecordingStatus", "update recording status", http.MethodPost, callPath + "/updateRecordingStatus", SectionCalls, v1, FeatureRecordingStatus, false, success}
	opLogQuality   = OperationSpec{"LogTeleconferenceDeviceQuality", "log device quality", http.MethodPost, callsPath + "/logTeleconferenceDeviceQuality", SectionCalls, v1, FeatureApplicationHostedMedia, false, success}

	opPlayPrompt     = OperationSpec{"PlayPrompt", "play prompt", http.MethodPost, callPath + "/playPrompt", SectionMedia, v1, "", true, success}
	opRecordResponse = OperationSpec{"RecordResponse", "record response", http.MethodPost, callPath + "/recordResponse", SectionMedia, v1, FeatureRecordResponse, true, success}
	opDownload       = OperationSpec{"DownloadRecording", "download recording", http.MethodGet, "{recordingLocation}", SectionMedia, v1, "", false, read}
	opSubscribeTone  = OperationSpec{"SubscribeToTone", "subscribe to tones", http.MethodPost, callPath + "/subscribeToTone", SectionMedia, v1, FeatureSubscribeToTones, false, success}
	opSendTones      = OperationSpec{"SendDTMFTones", "send tones", http.MethodPost, callPath + "/sendDtmfTones", SectionMedia, v1, FeatureSendTones, true, success}
	opCancelMedia    = OperationSpec{"CancelMediaProcessing", "cancel media processing", http.MethodPost, callPath + "/cancelMediaProcessing", SectionMedia, v1, "", false, success}
	opMute           = OperationSpec{"Mute", "mute", http.MethodPost, callPath + "/mute", SectionMedia, v1, "", false, success}
	opUnmute         = OperationSpec{"Unmute", "unmute", http.MethodPost, callPath + "/unmute", SectionMedia, v1, "", false, success}
	opSharingRole    = OperationSpec{"ChangeScreenSharingRole", "change screen sharing role", http.MethodPost, callPath + "/changeScreenSharingRole", SectionMedia, v1, FeatureScreenSharing, false, success}
	opLargeGallery   = OperationSpec{"AddLargeGalleryView", "add large gallery view", http.MethodPost, callPath + "/addLargeGalleryView", SectionMedia, v1, FeatureLargeGallery, true, success}

	opListParticipants  = OperationSpec{"ListParticipants", "list participants", http.MethodGet, participantsPath, SectionParticipants, v1, "", false, read}
	opGetParticipant    = OperationSpec{"GetParticipant", "get participant", http.MethodGet, participantPath, SectionParticipants, v1, "", false, read}
	opRemoveParticipant = OperationSpec{"RemoveParticipant", "remove participant", http.MethodDelete, participantPath, SectionParticipants, v1, FeatureRemoveParticipants, false, success}
	opInvite            = OperationSpec{"Invite", "invite", http.MethodPost, participantsPath + "/invite", SectionParticipants, v1, FeatureInvite, true, success}
	opMuteParticipant   = OperationSpec{"MuteParticipant", "mute participant", http.MethodPost, participantPath + "/mute", SectionParticipants, v1, "", false, success}
	opMuteAll           = OperationSpec{"", "mute all", http.MethodPost, participantsPath + "/muteAll", SectionParticipants, beta, "", false, success}
	opConfigureMixer    = OperationSpec{"", "configure mixer", http.MethodPost, participantsPath + "/configureMixer", SectionParticipants, beta, "", false, success}
	opStartHold         = OperationSpec{"StartHoldMusic", "start hold music", http.MethodPost, participantPath + "/startHoldMusic", SectionParticipants, v1, "", true, success}
	opStopHold          = OperationSpec{"StopHoldMusic", "stop hold music", http.MethodPost, participantPath + "/stopHoldMusic", SectionParticipants, v1, "", false, success}
	opListSharing       = OperationSpec{"ListContentSharingSessions", "list content sharing sessions", http.MethodGet, sharingPath, SectionParticipants, v1, "", false, read}
	opGetSharing        = OperationSpec{"GetContentSharingSession", "get content sharing session", http.MethodGet, sharingPath + "/{session}", SectionParticipants, v1, "", false, read}
	opGetOperation      = OperationSpec{"GetOperation", "get operation", http.MethodGet, callPath + "/operations/{operation}", SectionParticipants, v1, "", false, read}

	opListGroups  = OperationSpec{"ListAudioRoutingGroups", "list audio routing groups", http.MethodGet, groupsPath, SectionAudioRouting, v1, FeatureAudioRouting, false, read}
	opCreateGroup = OperationSpec{"CreateAudioRoutingGroup", "create audio routing group", http.MethodPost, groupsPath, SectionAudioRouting, v1, FeatureAudioRouting, true, made}
	opGetGroup    = OperationSpec{"GetAudioRoutingGroup", "get audio routing group", http.MethodGet, groupPath, SectionAudioRouting, v1, FeatureAudioRouting, false, read}
	opUpdateGroup = OperationSpec{"UpdateAudioRoutingGroup", "update audio routing group", http.MethodPatch, groupPath, SectionAudioRouting, v1, FeatureAudioRouting, false, success}
	opDeleteGroup = OperationSpec{"DeleteAudioRoutingGroup", "delete audio routing group", http.MethodDelete, groupPath, SectionAudioRouting, v1, FeatureAudioRouting, false, success}

	opGetMeeting         = OperationSpec{"GetOnlineMeeting", "get meeting", http.MethodGet, userMeetingsPath + "/{meeting}", SectionMeetings, v1, FeatureLookUpMeetings, false, read}
	opMeetingByURL       = OperationSpec{"FindOnlineMeetingByJoinURL", "find meeting by join link", http.MethodGet, userMeetingsPath + "?$filter=JoinWebUrl eq '{value}'", SectionMeetings, v1, FeatureLookUpMeetings, false, read}
	opMeetingByID        = OperationSpec{"FindOnlineMeetingByJoinMeetingID", "find meeting by meeting ID", http.MethodGet, userMeetingsPath + "?$filter=joinMeetingIdSettings/joinMeetingId eq '{value}'", SectionMeetings, v1, FeatureLookUpMeetings, false, read}
	opMeetingByVTC       = OperationSpec{"FindOnlineMeetingByVTCID", "find meeting by VTC conference ID", http.MethodGet, "/communications/onlineMeetings/?$filter=VideoTeleconferenceId eq '{value}'", SectionMeetings, v1, FeatureLookUpMeetings, false, read}
	opCreateMeeting      = OperationSpec{"CreateOnlineMeeting", "create meeting", http.MethodPost, userMeetingsPath, SectionMeetings, v1, FeatureCreateMeetings, true, made}
	opCreateOrGetMeeting = OperationSpec{"CreateOrGetOnlineMeeting", "create or get meeting", http.MethodPost, userMeetingsPath + "/createOrGet", SectionMeetings, v1, FeatureCreateMeetings, false, made}
)

// Operations is every operation of the API: what the client sends, and what docs/graph-coverage.md counts.
var Operations = []OperationSpec{
	opCreateCall, opGetCall, opDeleteCall, opAnswerCall, opRejectCall, opRedirectCall, opTransferCall, opKeepAlive, opRecordStatus, opLogQuality,
	opPlayPrompt, opRecordResponse, opDownload, opSubscribeTone, opSendTones, opCancelMedia, opMute, opUnmute, opSharingRole, opLargeGallery,
	opListParticipants, opGetParticipant, opRemoveParticipant, opInvite, opMuteParticipant, opMuteAll, opConfigureMixer, opStartHold, opStopHold,
	opListSharing, opGetSharing, opGetOperation,
	opListGroups, opCreateGroup, opGetGroup, opUpdateGroup, opDeleteGroup,
	opGetMeeting, opMeetingByURL, opMeetingByID, opMeetingByVTC, opCreateMeeting, opCreateOrGetMeeting,
}

// at puts ids, in their order, where braces stand in the path. A missing id would make it the path of something else.
func (s OperationSpec) at(ids ...string) (operation, error) {
	op := operation{name: s.Name, method: s.Method, once: s.once, ok: s.ok, feature: s.Feature}
	path, query, filtered := strings.Cut(s.Path, "?")
	path, ids, err := fill(path, ids, url.PathEscape)
	if err == nil && filtered {
		name, filter, _ := strings.Cut(query, "=")
		if filter, ids, err = fill(filter, ids, odataText); err == nil {
			path += "?" + name + "=" + url.QueryEscape(filter)
		}
	}
	switch {
	case err != nil:
		return operation{}, fmt.Errorf("%s: %w", s.Name, err)
	case len(ids) > 0:
		return operation{}, fmt.Errorf("%s: more ids than the path takes", s.Name)
	}
	op.path = path
	return op, nil
}

func fill(pattern string, ids []string, escape func(string) string) (filled string, left []string, err error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(pattern, "{")
		b.WriteString(before)
		if !found {
			return b.String(), ids, nil
		}
		name, after, _ := strings.Cut(rest, "}")
		// Dots would climb out of the path: escaping leaves them as they are.
		if len(ids) == 0 || ids[0] == "" || slices.Contains([]string{".", ".."}, ids[0]) {
			return "", nil, fmt.Errorf("no %s id", name)
		}
		b.WriteString(escape(ids[0]))
		pattern, ids = after, ids[1:]
	}
}

// odataText doubles the quotes inside an OData text (OData 4.01, part 2, 5.1.1.14.1).
func odataText(s string) string { return strings.ReplaceAll(s, "'", "''") }
