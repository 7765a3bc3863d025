// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Prompt is something to be heard: a WAV file (16 kHz, 16 bits, mono), or text that the flow's speech service makes one of.
// +kubebuilder:validation:XValidation:rule="[has(self.configMap), has(self.url), has(self.text)].filter(x, x).size() == 1",message="a prompt is exactly one of configMap, url and text"
type Prompt struct {
	// configMap holds the file under binaryData, in the same namespace.
	// +optional
	ConfigMap *KeyReference `json:"configMap,omitempty"`
	// url of the file.
	// +optional
	URL HTTPSURL `json:"url,omitempty"`
	// text to be spoken.
	// +optional
	Text Template `json:"text,omitempty"`
}

// Prompts are played one after the other.
// +listType=atomic
// +kubebuilder:validation:MaxItems=8
type Prompts []Prompt

// PlayStep plays prompts. If one cannot be had the rest is played, and error says so.
type PlayStep struct {
	// +required
	// +kubebuilder:validation:MinItems=1
	Prompts Prompts `json:"prompts"`
	// bargeIn: any key ends it. The key counts for the next menu or collect.
	// +optional
	BargeIn bool `json:"bargeIn,omitempty"`
}

// Listening is how a step takes keys.
type Listening struct {
	// prompts that say what can be pressed.
	// +optional
	Prompts Prompts `json:"prompts,omitempty"`
	// bargeIn: the first key ends the prompts; without it keys count when they are over.
	// +optional
	// +default=true
	BargeIn *bool `json:"bargeIn,omitempty"`
	// typeAhead: keys that were pressed before, and that no step took, count here.
	// +optional
	// +default=true
	TypeAhead *bool `json:"typeAhead,omitempty"`
	// timeout for the first key, from the end of the prompts.
	// +optional
	// +default="5s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('100ms')",message="timeout must be at least 100ms"
	Timeout Duration `json:"timeout,omitempty"`
	// noInput: nothing was pressed.
	// +optional
	// +default={"retries": 2}
	NoInput FlowRetry `json:"noInput,omitzero"`
	// noMatch: what was pressed is none of what can be.
	// +optional
	// +default={"retries": 2}
	NoMatch FlowRetry `json:"noMatch,omitzero"`
}

// FlowRetry says what happens when a caller presses nothing, or the wrong thing.
type FlowRetry struct {
	// retries is how often the caller is asked again.
	// +optional
	// +default=2
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10
	Retries *int32 `json:"retries,omitempty"`
	// prompts played instead of the step's own when the caller is asked again.
	// +optional
	Prompts Prompts `json:"prompts,omitempty"`
	// next is the step that follows when retries are used up; absent, the call ends.
	// +optional
	Next StepName `json:"next,omitempty"`
}

// MenuStep lets the caller choose by one key.
type MenuStep struct {
	Listening `json:",inline"`
	// choices are the keys that mean something.
	// +required
	// +listType=map
	// +listMapKey=key
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Choices []MenuChoice `json:"choices"`
	// variable to hold the key that was pressed.
	// +optional
	Variable VariableName `json:"variable,omitempty"`
}

// MenuChoice is where a key leads.
type MenuChoice struct {
	// +required
	Key PhoneKey `json:"key"`
	// +required
	Next StepName `json:"next"`
}

// CollectStep takes digits into a variable.
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.max) || self.min <= self.max",message="min must not be above max"
type CollectStep struct {
	Listening `json:",inline"`
	// variable to hold the digits.
	// +required
	Variable VariableName `json:"variable"`
	// min digits, or it is no match.
	// +optional
	// +default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	Min int32 `json:"min,omitempty"`
	// max digits, after which no terminator is waited for.
	// +optional
	// +default=16
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	Max int32 `json:"max,omitempty"`
	// terminator ends the digits and is none of them; None: there is no such key, and # and * are digits.
	// +optional
	// +default="#"
	// +kubebuilder:validation:Enum="#";"*";None
	Terminator string `json:"terminator,omitempty"`
	// interDigitTimeout ends the digits when nothing more is pressed.
	// +optional
	// +default="3s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('100ms')",message="interDigitTimeout must be at least 100ms"
	InterDigitTimeout Duration `json:"interDigitTimeout,omitempty"`
}

// RecordStep records what the caller says. Everybody in the call is told that it is recorded, first. Bounds are Graph's ("call:
// recordResponse").
// +kubebuilder:validation:XValidation:rule="[self.maxDuration, self.initialSilence, self.maxSilence].all(d, duration(d) >= duration('1s') && duration(d) <= duration('120s'))",message="maxDuration, initialSilence and maxSilence must be between 1s and 120s"
type RecordStep struct {
	// prompts played before the beep.
	// +optional
	Prompts Prompts `json:"prompts,omitempty"`
	// beep before recording.
	// +optional
	// +default=true
	Beep *bool `json:"beep,omitempty"`
	// maxDuration of what is kept.
	// +optional
	// +default="60s"
	MaxDuration Duration `json:"maxDuration,omitempty"`
	// initialSilence after which nothing is taken to be said.
	// +optional
	// +default="5s"
	InitialSilence Duration `json:"initialSilence,omitempty"`
	// maxSilence after which the caller is taken to be done.
	// +optional
	// +default="5s"
	MaxSilence Duration `json:"maxSilence,omitempty"`
	// stopTones are keys that end it; an empty list: none does.
	// +optional
	// +default=["#"]
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	StopTones []PhoneKey `json:"stopTones,omitzero"`
	// variable to hold the recording's name, as status.recordings has it; empty if there is none.
	// +required
	Variable VariableName `json:"variable"`
	// onSilence is the step that follows when nothing was said; absent, next.
	// +optional
	OnSilence StepName `json:"onSilence,omitempty"`
	// onFailure is the step that follows when nothing can be recorded; absent, next.
	// +optional
	OnFailure StepName `json:"onFailure,omitempty"`
}

// TransferType is how a call is given away.
// +kubebuilder:validation:Enum=Blind;Consultative
type TransferType string

const (
	// TransferBlind: the service calls them, and the bot is out once they answer.
	TransferBlind TransferType = "Blind"
	// TransferConsultative: the bot calls them first, and puts the caller through once they have answered.
	TransferConsultative TransferType = "Consultative"
)

// FlowParty is a person or a telephone, by a template that makes an object id or a number. Graph transfers to and invites no
// applications; a resource account is a user.
// +kubebuilder:validation:XValidation:rule="has(self.user) != has(self.phone)",message="exactly one of user and phone must be set"
type FlowParty struct {
	// user is the directory object id of a person or resource account.
	// +optional
	User Template `json:"user,omitempty"`
	// phone is a telephone number in E.164 form.
	// +optional
	Phone Template `json:"phone,omitempty"`
}

// TransferStep gives the call to somebody else. It ends the flow, if it succeeds.
type TransferStep struct {
	// +required
	To FlowParty `json:"to"`
	// +optional
	// +default="Blind"
	Type TransferType `json:"type,omitempty"`
	// timeout to be taken.
	// +optional
	// +default="60s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="timeout must be at least 1s"
	Timeout Duration `json:"timeout,omitempty"`
	// onFailure is the step that follows when they cannot be reached or do not answer.
	// +required
	OnFailure StepName `json:"onFailure"`
}

// InviteStep brings somebody into the call, and goes on when they are in.
type InviteStep struct {
	FlowParty `json:",inline"`
	// hidden keeps them out of the others' roster.
	// +optional
	Hidden bool `json:"hidden,omitempty"`
	// timeout to come.
	// +optional
	// +default="60s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="timeout must be at least 1s"
	Timeout Duration `json:"timeout,omitempty"`
	// onFailure is the step that follows when they do not come.
	// +required
	OnFailure StepName `json:"onFailure"`
}

// HoldStep plays music, again and again, until its time is over or a key is pressed that leads elsewhere.
type HoldStep struct {
	// +required
	Music Prompt `json:"music"`
	// +required
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="duration must be at least 1s"
	Duration Duration `json:"duration"`
	// choices are keys that lead elsewhere.
	// +optional
	// +listType=map
	// +listMapKey=key
	// +kubebuilder:validation:MaxItems=16
	Choices []MenuChoice `json:"choices,omitempty"`
}

// MuteStep mutes the bot, or has it speak again.
type MuteStep struct {
	// +required
	Muted bool `json:"muted"`
}

// BranchStep goes where the first condition that holds leads.
type BranchStep struct {
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	Cases []BranchCase `json:"cases"`
	// else is the step that follows when no condition holds, or one cannot be told.
	// +required
	Else StepName `json:"else"`
}

// BranchCase is a condition and where it leads.
type BranchCase struct {
	// when is a CEL expression over vars (a map of strings), caller (kind, id, name, tenant), called (id), error, and now, a timestamp;
	// zone is the flow's time zone, for now.getHours(zone).
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	When string `json:"when"`
	// +required
	Next StepName `json:"next"`
}

// WebhookStep asks a web server. It is sent a signed CloudEvent, with a key that stays the same when the same question is asked again,
// and answers with JSON: variables, and the step that follows.
type WebhookStep struct {
	// +required
	URL HTTPSURL `json:"url"`
	// data to be sent.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Data map[VariableName]Template `json:"data,omitempty"`
	// sets are the variables that the answer may set; others are an error.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	Sets []VariableName `json:"sets,omitempty"`
	// choices are the steps that the answer may choose instead of next.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=20
	Choices []StepName `json:"choices,omitempty"`
	// timeout of one request.
	// +optional
	// +default="5s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('100ms') && duration(self) <= duration('30s')",message="timeout must be between 100ms and 30s"
	Timeout Duration `json:"timeout,omitempty"`
	// retries after a request that got no answer, or a 429 or 5xx.
	// +optional
	// +default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=5
	Retries *int32 `json:"retries,omitempty"`
	// onError is the step that follows when there is no good answer.
	// +required
	OnError StepName `json:"onError"`
}

// SubflowStep runs another flow of the namespace, with the same variables, until it returns.
type SubflowStep struct {
	// +required
	FlowRef FlowReference `json:"flowRef"`
}

// FlowReference names a CallFlow in the same namespace.
type FlowReference struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// HangupStep has no settings.
type HangupStep struct{}

// ReturnStep has no settings.
type ReturnStep struct{}

// SpeechService turns text into sound. It is sent a POST with JSON {"text", "voice", "language"}, signed as webhooks are, and answers
// with a WAV file (16 kHz, 16 bits, mono).
type SpeechService struct {
	// +required
	URL HTTPSURL `json:"url"`
	// voice as the service names it.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Voice string `json:"voice,omitempty"`
	// language as a BCP 47 tag.
	// +optional
	// +kubebuilder:validation:MaxLength=35
	Language string `json:"language,omitempty"`
}
