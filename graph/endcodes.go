// SPDX-License-Identifier: Apache-2.0

package graph

// Reasons a call ends. They are stable: users match on them.
const (
	ReasonEnded                  = "Ended"
	ReasonEndedByBot             = "EndedByBot"
	ReasonEndedByOther           = "EndedByOther"
	ReasonOtherPartyLeft         = "OtherPartyLeft"
	ReasonRemoved                = "RemovedByParticipant"
	ReasonMeetingEnded           = "MeetingEnded"
	ReasonEveryoneLeft           = "EveryoneLeft"
	ReasonInitiatorLeft          = "InitiatorLeft"
	ReasonNobodyJoined           = "NobodyJoined"
	ReasonNoHost                 = "NoHost"
	ReasonBreakoutEnded          = "BreakoutEnded"
	ReasonLobbyTimeout           = "LobbyTimeout"
	ReasonTransferred            = "Transferred"
	ReasonTransferFailed         = "TransferFailed"
	ReasonPhoneHungUp            = "PhoneHungUp"
	ReasonKeepAliveMissed        = "KeepAliveMissed"
	ReasonNotAcknowledged        = "NotAcknowledged"
	ReasonNoAnswer               = "NoAnswer"
	ReasonTimeout                = "Timeout"
	ReasonNoEndpoint             = "NoEndpoint"
	ReasonUnreachable            = "CalleeUnreachable"
	ReasonNoRoute                = "NoRoute"
	ReasonCallingDisabled        = "CallingDisabled"
	ReasonBusy                   = "Busy"
	ReasonDeclined               = "Declined"
	ReasonCallCanceled           = "CallCanceled"
	ReasonCallForbidden          = "CallForbidden"
	ReasonCalleeNotFound         = "CalleeNotFound"
	ReasonInvalidNumber          = "InvalidNumber"
	ReasonPhoneNetworkFailed     = "PhoneNetworkFailed"
	ReasonCalleeUnavailable      = "CalleeUnavailable"
	ReasonMediaConnectionLost    = "MediaConnectionLost"
	ReasonMediaUnreachable       = "MediaUnreachable"
	ReasonMediaNegotiationFailed = "MediaNegotiationFailed"
	ReasonMediaSetupFailed       = "MediaSetupFailed"
	ReasonPlatformError          = "PlatformError"
	ReasonUnknown                = "UnknownResult"
)

const (
	remedyMedia  = "Check from outside the cluster that the media address and TCP port answer with a certificate that is valid for their name, and that UDP is open."
	remedyNumber = "Check the telephone number; it begins with + and the country."
	remedyRetry  = "Try again; if it stays, ask Microsoft's support with the call's chain id."
)

func normal(reason, sentence, remedy string) Explanation {
	return Explanation{reason, sentence, remedy, ClassNormalEnd}
}

func media(reason, sentence string) Explanation {
	return Explanation{reason, sentence, remedyMedia, ClassMediaUnreachable}
}

func callee(reason, sentence, remedy string) Explanation {
	return Explanation{reason, sentence, remedy, ClassCallee}
}

// endCodes explains what Graph's documentation of cloud communications lists as call end codes, and the undocumented ones seen
// in github.com/microsoftgraph/microsoft-graph-comms-samples (issue numbers beside them).
var endCodes = map[codes]Explanation{
	{0, 0}:    normal(ReasonEnded, "The call ended.", ""),
	{0, 7015}: normal(ReasonTransferred, "The call was transferred.", ""),

	{200, 0}:      normal(ReasonEnded, "The call ended.", ""),
	{200, 4097}:   normal(ReasonEndedByOther, "Another participant ended the call.", ""),
	{200, 4521}:   normal(ReasonEndedByOther, "The other party hung up.", ""),
	{200, 5000}:   normal(ReasonRemoved, "Another participant removed the bot.", ""),
	{200, 5300}:   normal(ReasonRemoved, "Another participant removed the bot.", ""),
	{200, 5001}:   normal(ReasonMeetingEnded, "The meeting was ended for everybody.", ""),
	{200, 5003}:   normal(ReasonMeetingEnded, "The meeting was ended for everybody.", ""),
	{200, 5002}:   normal(ReasonEveryoneLeft, "All others left.", ""),
	{200, 5010}:   normal(ReasonEveryoneLeft, "The bot was the only one left.", ""),
	{200, 5012}:   normal(ReasonEveryoneLeft, "Nobody was left in the meeting.", ""),
	{200, 5020}:   normal(ReasonEveryoneLeft, "Only hidden participants were left.", ""),
	{200, 5007}:   normal(ReasonInitiatorLeft, "Whoever had started the call left it.", ""),
	{200, 5013}:   normal(ReasonNobodyJoined, "Nobody joined.", ""),
	{200, 5014}:   normal(ReasonNoHost, "No host was in the meeting.", "Let somebody who may start the meeting be in it, or allow conversations without a host."),
	{200, 5030}:   normal(ReasonBreakoutEnded, "The time of the breakout room was over.", ""),
	{200, 5855}:   normal(ReasonLobbyTimeout, "Nobody admitted the bot from the lobby in time.", "Have somebody admit it, or let the meeting's lobby setting let applications of the organization in."),
	{200, 7000}:   normal(ReasonEndedByBot, "The bot hung up.", ""),
	{200, 10550}:  normal(ReasonEndedByBot, "The bot hung up.", ""),
	{200, 7015}:   normal(ReasonTransferred, "The call was transferred.", ""),
	{200, 18503}:  normal(ReasonOtherPartyLeft, "The other party left.", ""),
	{200, 540000}: normal(ReasonPhoneHungUp, "The telephone hung up.", ""),
	{200, 560000}: normal(ReasonPhoneHungUp, "The telephone hung up.", ""),

	{408, 8537}: {
		ReasonKeepAliveMissed, "The service ended the call because no keepAlive reached it for 45 minutes.",
		"Check that the media pod can reach Graph and was not paused.", ClassLiveness,
	},
	{408, 1106}:  {ReasonNotAcknowledged, "The call was accepted, but the acknowledgement did not arrive in time.", remedyRetry, ClassPlatform},
	{408, 10057}: callee(ReasonNoAnswer, "The callee's client gave no sign of life.", "Try again when the callee is signed in."),

	{410, 301005}: media(ReasonMediaConnectionLost, "The service lost the connection to the bot's media."),

	{480, 10037}: callee(ReasonNoEndpoint, "The callee is signed in nowhere.", "Try again when the callee is signed in."),
	{480, 10076}: callee(ReasonUnreachable, "The callee could not be reached.", "Try again when the callee is signed in."),
	{480, 10134}: callee(ReasonNoRoute, "There is no route to the callee.", "Check the callee's id, or the telephone number and the number plan of the bot's application instance."),
	{480, 10199}: callee(ReasonCallingDisabled, "The callee's organization does not allow private calls.", "Ask its Teams administrator for a calling policy that allows them."),

	{500, 1005}:    media(ReasonMediaUnreachable, "The service could not reach the bot's media."),
	{500, 7106}:    media(ReasonMediaUnreachable, "The service could not open a TLS connection to the bot's media address."),                       // #664 #667 #721 #860
	{500, 7112}:    media(ReasonMediaSetupFailed, "The service could not add the bot's media to the call."),                                        // #398 #598
	{500, 7117}:    media(ReasonMediaSetupFailed, "The call stayed in setting up for about a minute, waiting for the bot's media."),                // #750
	{500, 1203002}: media(ReasonMediaNegotiationFailed, "The service and the bot's media did not come to an agreement while the call was set up."), // #772 #775 #822 #870 #871
	{500, 1203003}: media(ReasonMediaNegotiationFailed, "The service and the bot's media did not come to an agreement while the call was set up."), // #839
	{500, 7000}:    callee(ReasonTransferFailed, "The transfer failed; the call goes on.", "Check that the target can be called by the bot."),
	{500, 7700}:    callee(ReasonTransferFailed, "The transfer failed; the call goes on.", "Check that the target can be called by the bot."),
}

// endCodeRanges are tried in order after endCodes. The codes are SIP's (RFC 3261, section 21).
var endCodeRanges = []codeRange{
	{code: 500, first: 7100, last: 7199, explanation: media(ReasonMediaSetupFailed, "The service could not set up the bot's media.")},
	{code: 500, first: 1203000, last: 1203099, explanation: media(ReasonMediaSetupFailed, "The service could not set up the bot's media.")},
	{code: 0, explanation: normal(ReasonEnded, "The call ended.", "")},
	{code: 2, explanation: normal(ReasonEnded, "The call ended.", "")},
	{code: 403, explanation: callee(ReasonCallForbidden, "The callee, or the organization of one of the two, does not allow the call.", "Ask the Teams administrator about the calling and federation policies.")},
	{code: 404, explanation: callee(ReasonCalleeNotFound, "There is no such callee.", "Check the callee's id or telephone number.")},
	{code: 604, explanation: callee(ReasonCalleeNotFound, "There is no such callee.", "Check the callee's id or telephone number.")},
	{code: 408, explanation: Explanation{ReasonTimeout, "The call was given up after a time limit.", remedyRetry, ClassPlatform}},
	{code: 410, explanation: media(ReasonMediaSetupFailed, "The call is gone, mostly because its media connection was.")},
	{code: 480, explanation: callee(ReasonCalleeUnavailable, "The callee is not available.", "Try again later.")},
	{code: 484, explanation: callee(ReasonInvalidNumber, "The telephone number is incomplete or not one.", remedyNumber)},
	{code: 487, explanation: callee(ReasonCallCanceled, "The call was taken back before it was answered.", "Call again if it is still wanted.")},
	{code: 488, explanation: media(ReasonMediaNegotiationFailed, "The two sides found no media that both can use.")},
	{code: 415, explanation: media(ReasonMediaNegotiationFailed, "The two sides found no media that both can use.")},
	{code: 429, explanation: Explanation{ReasonThrottled, "The calling service takes no more calls of this app for now.", "Try again later.", ClassThrottled}},
	{code: 486, explanation: callee(ReasonBusy, "The callee is busy.", "Try again later.")},
	{code: 600, explanation: callee(ReasonBusy, "The callee is busy.", "Try again later.")},
	{code: 603, explanation: callee(ReasonDeclined, "The callee declined the call.", "")},
	{code: 5, explanation: Explanation{ReasonPlatformError, "The calling service failed.", remedyRetry, ClassPlatform}},
}
