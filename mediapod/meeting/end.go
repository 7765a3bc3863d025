// SPDX-License-Identifier: Apache-2.0

package meeting

import (
	"errors"
	"strings"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/story"
)

func invalid(message string) *v1alpha1.CallEnd {
	return story.Failure(v1alpha1.EndInvalidMeeting, false, message)
}

// lookUpReasons are how an attempt ends whose meeting Graph did not tell. What is not here is a failure of the service.
var lookUpReasons = map[string]v1alpha1.EndReason{
	graph.ReasonAuthenticationFailed: v1alpha1.EndAuthenticationFailed,
	graph.ReasonTokenRejected:        v1alpha1.EndAuthenticationFailed,
	graph.ReasonPermissionMissing:    v1alpha1.EndPermissionMissing,
	graph.ReasonAccessPolicyMissing:  v1alpha1.EndPermissionMissing,
	graph.ReasonTenantNotConsented:   v1alpha1.EndTenantNotConsented,
	graph.ReasonMeetingNotFound:      v1alpha1.EndMeetingNotFound,
	graph.ReasonCallNotFound:         v1alpha1.EndMeetingNotFound, // a 404, which is explained for calls
	graph.ReasonRequestRejected:      v1alpha1.EndInvalidMeeting,
	graph.ReasonThrottled:            v1alpha1.EndThrottled,
	graph.ReasonQuotaExceeded:        v1alpha1.EndThrottled,
}

func endOfLookUp(err error) *v1alpha1.CallEnd {
	if errors.Is(err, graph.ErrNoSuchMeeting) {
		return story.Failure(v1alpha1.EndMeetingNotFound, false, "Graph has no such meeting of that organizer or conference id. "+
			"Check that the link is exactly the one of the invitation, spec.meeting.organizer, and spec.meeting.tenantID if it is not a meeting of the bot's tenant.")
	}
	e := graph.ExplainError(err)
	reason, ok := lookUpReasons[e.Reason]
	if !ok {
		reason = v1alpha1.EndServiceError
	}
	if reason == v1alpha1.EndMeetingNotFound {
		return story.Failure(reason, false, "Graph knows no such organizer or meeting. Check spec.meeting.")
	}
	message := strings.TrimSpace("The meeting could not be looked up or made. " + e.Sentence + " " + e.Remedy)
	if e.Reason == graph.ReasonPermissionMissing { // the role is missing, and with it most likely the policy
		message += " Meetings of a user also need an application access policy for that user (New-CsApplicationAccessPolicy)."
	}
	return story.Failure(reason, e.Class.Retryable(), message)
}
