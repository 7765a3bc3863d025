// SPDX-License-Identifier: Apache-2.0

package graph

import "slices"

// phonePrefixes are what comes before the SIP code in the subcode of a call from or to a telephone: 540486 is 486, busy. The table "PSTN"
// of https://learn.microsoft.com/azure/communication-services/resources/troubleshooting/voice-video-calling/troubleshooting-codes
// lists them; calls of that service and of bots go through the same one.
var phonePrefixes = []int{510, 531, 540, 560}

// phoneCodes explains the SIP codes (RFC 3261, section 21) as telephone networks mean them.
var phoneCodes = map[int]Explanation{
	403: callee(ReasonCallForbidden, "The telephone network does not allow the call.", "Check that the bot's number may call that country, and that calling plan or credit are not used up."),
	404: callee(ReasonCalleeNotFound, "The telephone number is not assigned.", remedyNumber),
	408: callee(ReasonNoAnswer, "The telephone was not answered.", "Try again later."),
	410: callee(ReasonCalleeNotFound, "The telephone number is not in use any more.", remedyNumber),
	480: callee(ReasonNoAnswer, "The telephone is not available or was not answered.", "Try again later."),
	484: callee(ReasonInvalidNumber, "The telephone number is incomplete or not one.", remedyNumber),
	486: callee(ReasonBusy, "The telephone is busy.", "Try again later."),
	487: callee(ReasonCallCanceled, "The call was taken back before it was answered.", "Call again if it is still wanted."),
	488: media(ReasonMediaNegotiationFailed, "The telephone network and the call found no media that both can use."),
	600: callee(ReasonBusy, "The telephone is busy.", "Try again later."),
	603: callee(ReasonDeclined, "The call was declined at the telephone.", ""),
	604: callee(ReasonCalleeNotFound, "The telephone number is not assigned.", remedyNumber),
}

// explainPhone explains subcodes that are made of a SIP code.
func explainPhone(r ResultInfo) (Explanation, bool) {
	if !slices.Contains(phonePrefixes, r.Subcode/1000) {
		return Explanation{}, false
	}
	switch sip := r.Subcode % 1000; {
	case sip >= 500 && sip < 600:
		return Explanation{ReasonPhoneNetworkFailed, "The telephone network failed.", "Try again; if it stays, ask the carrier, or check the session border controller of direct routing.", ClassPlatform}, true
	case sip < 400:
		if r.Code == 200 || r.Code == 0 {
			return normal(ReasonPhoneHungUp, "The telephone hung up.", ""), true
		}
		return Explanation{}, false
	default:
		e, ok := phoneCodes[sip]
		return e, ok
	}
}
