// SPDX-License-Identifier: Apache-2.0

package graph

// Reasons an operation ends.
const (
	ReasonOperationCompleted = "Completed"
	ReasonMaxRecordDuration  = "MaxRecordDurationReached"
	ReasonStopToneDetected   = "StopToneDetected"
	ReasonSilence            = "Silence"
	ReasonNobodySpoke        = "NobodySpoke"
	ReasonOperationCanceled  = "Canceled"
	ReasonPromptInvalid      = "PromptInvalid"
	ReasonPromptUnreachable  = "PromptUnreachable"
	ReasonPromptFailed       = "PromptFailed"
	ReasonNoMediaReceived    = "NoMediaReceived"
	ReasonOperationFailed    = "OperationFailed"
)

const remedyPrompt = "Check that the service can fetch the prompt from the internet, and that it is a WAV file of 16 kHz, 16 bit, mono."

func asked(reason, sentence, remedy string) Explanation {
	return Explanation{reason, sentence, remedy, ClassConfiguration}
}

var operationCodes = map[codes]Explanation{
	{0, 0}:      normal(ReasonOperationCompleted, "Done.", ""),
	{200, 0}:    normal(ReasonOperationCompleted, "Done.", ""),
	{200, 8515}: normal(ReasonMaxRecordDuration, "The recording reached its longest duration.", ""),
	{400, 8508}: normal(ReasonOperationCanceled, "The operation was cancelled.", ""),
	// The same media service, as it is documented for call automation:
	// https://learn.microsoft.com/azure/communication-services/how-tos/call-automation/play-action#event-codes
	{400, 8510}: normal(ReasonNobodySpoke, "Nobody spoke.", ""),
	{400, 8535}: asked(ReasonPromptInvalid, "The service cannot play the prompt.", remedyPrompt),
	{400, 8536}: asked(ReasonPromptUnreachable, "The service could not fetch the prompt.", remedyPrompt),
	{500, 9999}: asked(ReasonOperationFailed, "The service cannot do this on a call whose media the bot hosts.", "Use it on service-hosted calls only."), // #325
}

var operationCodeRanges = []codeRange{
	{code: 2, explanation: normal(ReasonOperationCompleted, "Done.", "")},
	{code: 4, explanation: asked(ReasonOperationFailed, "The service refused the operation.", "Check what was asked for against Graph's documentation of the operation.")},
	{code: 5, explanation: Explanation{ReasonOperationFailed, "The service failed to carry out the operation.", remedyRetry, ClassPlatform}},
}

// completionReasons say more than the result of operations that have one (recordCompletionReason, playPromptCompletionReason and
// sendDtmfCompletionReason of Graph). Keys are lower case: the enums are open and loosely spelt.
var completionReasons = map[string]Explanation{
	"completedsuccessfully":    normal(ReasonOperationCompleted, "Done.", ""),
	"operationcanceled":        normal(ReasonOperationCanceled, "The operation was cancelled.", ""),
	"mediaoperationcanceled":   normal(ReasonOperationCanceled, "The operation was cancelled.", ""),
	"stoptonedetected":         normal(ReasonStopToneDetected, "The recording ended with a key.", ""),
	"maxrecorddurationreached": normal(ReasonMaxRecordDuration, "The recording reached its longest duration.", ""),
	"initialsilencetimeout":    normal(ReasonNobodySpoke, "Nobody spoke.", ""),
	"maxsilencetimeout":        normal(ReasonSilence, "The recording ended with silence.", ""),
	"playpromptfailed":         asked(ReasonPromptFailed, "The prompt before the recording could not be played.", remedyPrompt),
	"playbeepfailed":           {ReasonPromptFailed, "The beep before the recording could not be played.", remedyRetry, ClassPlatform},
	"mediareceivetimeout":      {ReasonNoMediaReceived, "No sound came from the other party.", "Check that the other party's microphone and network work.", ClassCallee},
	"unspecifiederror":         {ReasonOperationFailed, "The service failed to carry out the operation.", remedyRetry, ClassPlatform},
}
