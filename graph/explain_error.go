// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
)

// Reasons a request fails.
const (
	ReasonAuthenticationFailed = "AuthenticationFailed"
	ReasonLoginUnreachable     = "LoginUnreachable"
	ReasonPermissionMissing    = "PermissionMissing"
	ReasonTenantNotConsented   = "TenantNotConsented"
	ReasonPhoneNotEnabled      = "PhoneNotEnabled"
	ReasonTokenRejected        = "TokenRejected"
	ReasonMeetingNotFound      = "MeetingNotFound"
	ReasonAccessPolicyMissing  = "AccessPolicyMissing"
	ReasonCallNotFound         = "CallNotFound"
	ReasonParticipantNotFound  = "ParticipantNotFound"
	ReasonRequestRejected      = "RequestRejected"
	ReasonMeetingRejected      = "MeetingRejected" // by the request to join it
	ReasonCalleeRejected       = "CalleeRejected"  // by a request to call somebody
	ReasonThrottled            = "Throttled"
	ReasonQuotaExceeded        = "QuotaExceeded"
	ReasonGraphUnreachable     = "GraphUnreachable"
	ReasonCanceled             = "Canceled"
	ReasonRequestFailed        = "RequestFailed"
)

// ExplainError says why a request to Graph failed, and what to do about it. It understands *Error, *AuthError and the errors of
// azidentity. Its sentences hold what the service said, but no secrets.
func ExplainError(err error) Explanation {
	var refused *Error
	if errors.As(err, &refused) {
		return explainRefusal(refused)
	}
	if auth := asAuthError(err); auth != nil {
		return explainAuth(auth)
	}
	var network net.Error
	switch {
	case errors.Is(err, ErrNoSuchMeeting):
		return Explanation{
			ReasonMeetingNotFound, "Graph knows no such meeting of that user.",
			"Check the meeting and whose it is: it is found among those its organizer has made.", ClassConfiguration,
		}
	case err == nil:
		return Explanation{Reason: ReasonEnded, Class: ClassNormalEnd}
	case errors.Is(err, context.Canceled):
		return Explanation{ReasonCanceled, "The request was given up before it was answered.", "", ClassPlatform}
	case strings.Contains(err.Error(), "x509: "):
		return Explanation{
			ReasonGraphUnreachable, "Graph's certificate is not trusted: " + ended(redact(err.Error(), nil)),
			"Give the CA that signed it as the cloud's caBundle.", ClassConfiguration,
		}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network):
		return Explanation{
			ReasonGraphUnreachable, "Graph could not be reached: " + ended(redact(err.Error(), nil)),
			"Check that the pod may reach Graph's address, and a proxy or network policy on the way.", ClassPlatform,
		}
	}
	return Explanation{ReasonRequestFailed, "The request failed: " + ended(redact(err.Error(), nil)), remedyRetry, ClassUnknown}
}

// ended gives a sentence its full stop.
func ended(s string) string {
	if s == "" || strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}

// The numbers the calling service gives as error codes.
const (
	codeMeetingRejected   = "2203"
	codeAppForbidden      = "7503"
	codeTenantForbidden   = "7504"
	codeTenantMismatch    = "7505"
	codeCallNotFound      = "8522"
	codeNotOnAppHosted    = "9999"
	codeUnknown           = "UnknownError"
	monthlyLimitInMessage = "monthly call creation limit"
)

// serviceHostedOnly are the names of the operations that exist only where the service hosts the media.
var serviceHostedOnly = []string{opPlayPrompt.Name, opRecordResponse.Name, opSubscribeTone.Name, opCancelMedia.Name}

func aboutMeeting(operation string) bool { return inSection(operation, SectionMeetings) }

func aboutParticipant(operation string) bool {
	return slices.ContainsFunc(Operations, func(s OperationSpec) bool {
		return s.Name == operation && strings.Contains(s.Path, "{participant}")
	})
}

func inSection(operation string, section Section) bool {
	return slices.ContainsFunc(Operations, func(s OperationSpec) bool { return s.Name == operation && s.Section == section })
}

func explainRefusal(e *Error) Explanation {
	said := ended(fmt.Sprintf("Graph answered %d", e.StatusCode) + ifSet(" with code ", e.Code) + ifSet(": ", e.Message))
	creating := e.Operation == "create call"
	switch {
	case strings.Contains(strings.ToLower(e.Message), monthlyLimitInMessage):
		return Explanation{
			ReasonQuotaExceeded, "The app has used up its calls of this month. " + said,
			"Wait for the next month, share one bot per meeting, or have Microsoft raise the limit.", ClassConfiguration,
		}
	case e.StatusCode == http.StatusTooManyRequests:
		wait := "Try again later."
		if e.RetryAfter > 0 {
			wait = fmt.Sprintf("Try again in %s.", e.RetryAfter)
		}
		return Explanation{ReasonThrottled, "Graph is throttling this app. " + said, wait, ClassThrottled}
	case e.StatusCode == http.StatusForbidden:
		return explainForbidden(e, said)
	case e.StatusCode == http.StatusUnauthorized:
		return Explanation{
			ReasonTokenRejected, "Graph did not accept the bot's token. " + said,
			"Check that appID, tenantID and cloud belong together, and that the machine's clock is right.", ClassConfiguration,
		}
	case e.StatusCode == http.StatusNotFound && aboutMeeting(e.Operation):
		return Explanation{
			ReasonMeetingNotFound, "There is no such meeting, or no such user. " + said,
			"Check the meeting and the id of the user whose meeting it is.", ClassConfiguration,
		}
	case e.StatusCode == http.StatusNotFound && e.Operation == opCreateCall.Name && e.ToPeople:
		return Explanation{
			ReasonCalleeNotFound, "There is no such callee. " + said, "Check the callee's id or telephone number.", ClassConfiguration,
		}
	case e.StatusCode == http.StatusNotFound && creating:
		return Explanation{
			ReasonMeetingNotFound, "There is no such meeting. " + said,
			"Check that the join link or the meeting ID and passcode are complete and current, and of a tenant the bot is allowed in.", ClassConfiguration,
		}
	case e.StatusCode == http.StatusConflict && e.Operation == opAnswerCall.Name:
		return Explanation{ReasonCallNotFound, "The call has been answered or disposed of already. " + said, "", ClassNormalEnd}
	case e.StatusCode == http.StatusNotFound && aboutParticipant(e.Operation):
		return Explanation{
			ReasonParticipantNotFound, "The call or the participant is not there any more. " + said, "Take the participant's id from the call's status.", ClassConfiguration,
		}
	case e.StatusCode == http.StatusNotFound, e.Code == codeCallNotFound:
		return Explanation{ReasonCallNotFound, "The call is not there any more. " + said, "", ClassNormalEnd}
	case e.Code == codeMeetingRejected:
		what := map[string]string{ReasonMeetingRejected: "the meeting", ReasonCalleeRejected: "the callee"}[rejected(e)]
		return Explanation{
			rejected(e), "Graph did not accept " + cmp.Or(what, "the request") + " or the media description; it does not say which. " + said,
			remedyRejected(e, "check the media address."), ClassConfiguration,
		}
	case e.Code == codeNotOnAppHosted:
		return Explanation{
			ReasonRequestRejected, "Graph cannot do this on a call whose media the bot hosts. " + said,
			"Use it on service-hosted calls only.", ClassConfiguration,
		}
	case e.StatusCode == http.StatusInternalServerError && e.Code == codeUnknown && slices.Contains(serviceHostedOnly, e.Operation): // #545
		return Explanation{
			ReasonPlatformError, "Graph failed, as it does when this is asked of a call whose media the bot hosts. " + said,
			"Use it on service-hosted calls only; if this is one, try again.", ClassPlatform,
		}
	case e.StatusCode >= 500:
		return Explanation{ReasonPlatformError, "Graph failed. " + said, remedyRetry, ClassPlatform}
	case e.StatusCode >= 400:
		return Explanation{
			rejected(e), "Graph refused the request. " + said,
			remedyRejected(e, "ask Microsoft's support with the request id."), ClassConfiguration,
		}
	}
	return Explanation{ReasonRequestFailed, "Graph gave an answer that is neither success nor error. " + said, remedyRetry, ClassUnknown}
}

// rejected is what a request that was refused has most likely wrong: whom it calls, or the meeting it joins.
func rejected(e *Error) string {
	switch {
	case e.ToPeople:
		return ReasonCalleeRejected
	case e.Operation == opCreateCall.Name:
		return ReasonMeetingRejected
	}
	return ReasonRequestRejected
}

// remedyRejected is what to look at in it, and what to do when that is right.
func remedyRejected(e *Error, otherwise string) string {
	switch rejected(e) {
	case ReasonCalleeRejected:
		return "Check the id or the telephone number, and that a user belongs to the tenant of the call; if they are right, " + otherwise
	case ReasonMeetingRejected:
		return "Check the join link or the meeting ID and passcode; if they are right, " + otherwise
	}
	return strings.ToUpper(otherwise[:1]) + otherwise[1:]
}

func explainForbidden(e *Error, said string) Explanation {
	if len(e.MissingRoles) > 0 {
		roles := strings.Join(e.MissingRoles, " and ")
		return Explanation{
			ReasonPermissionMissing, "The bot's token lacks " + roles + ". " + said,
			"Grant the app " + roles + " as application permission, let an administrator consent, and restart or wait an hour for a new token.", ClassConfiguration,
		}
	}
	if aboutMeeting(e.Operation) {
		return Explanation{
			ReasonAccessPolicyMissing, "The app may not see or make meetings of that user. " + said,
			"Grant the user an application access policy that names the app (New-CsApplicationAccessPolicy, Grant-CsApplicationAccessPolicy) and wait half an hour.", ClassConfiguration,
		}
	}
	if e.Operation == opRemoveParticipant.Name {
		return Explanation{
			ReasonPermissionMissing, "The app may not remove participants in this tenant. " + said,
			"Have a Teams administrator run Set-CsApplicationMeetingConfiguration -AllowRemoveParticipantAppIds with the app's id.", ClassConfiguration,
		}
	}
	grant := "Grant the app its Calls permissions as application permissions, and let an administrator of the meeting's tenant consent."
	if e.ToPeople {
		grant = "Grant the app its Calls permissions as application permissions, and let an administrator of the tenant of those it calls consent."
	}
	switch {
	case e.Code == codeTenantForbidden && e.ToPhone:
		return Explanation{
			ReasonPhoneNotEnabled, "The bot may not call telephones. " + said,
			"Call as an application instance that has a licence and a telephone number of its own, in a tenant that has consented to the app.", ClassConfiguration,
		}
	case e.Code == codeTenantForbidden && e.ToPeople:
		return Explanation{
			ReasonTenantNotConsented, "The tenant of those who are called has not consented to this app. " + said,
			"Have an administrator of that tenant consent, and check that the call is made in it.", ClassConfiguration,
		}
	case e.Code == codeTenantForbidden:
		return Explanation{
			ReasonTenantNotConsented, "The tenant of the meeting has not consented to this app. " + said,
			"Have an administrator of that tenant consent, and check that the call is made in it: a number, a short link or a token does not tell the tenant of its meeting.", ClassConfiguration,
		}
	case e.Code == codeTenantMismatch:
		// Seen with the message "Request authorization tenant mismatch."
		return Explanation{
			ReasonTenantNotConsented, "The tenant of the bot's token and that of the call do not match. " + said,
			"Check the tenant that the call is made in, and identity.tenantID.", ClassConfiguration,
		}
	case e.Code == codeAppForbidden:
		return Explanation{ReasonPermissionMissing, "The app is not registered for calling, or lacks a Calls permission. " + said, grant, ClassConfiguration}
	}
	return Explanation{ReasonPermissionMissing, "Graph forbids this to the app. " + said, grant, ClassConfiguration}
}

func ifSet(before, s string) string {
	if s == "" {
		return ""
	}
	return before + s
}
