// SPDX-License-Identifier: Apache-2.0

// Package admin is the remote control of a local Teams: the admin API's types and a client. Through it tests and
// people register bots, hold meetings, speak and listen, see what the service saw, and break things on purpose.
package admin

import (
	"encoding/json"
	"time"
)

// Info says where a teamsim is.
type Info struct {
	URL                    string `json:"url"`      // base of login and Graph: append /v1.0 for Graph
	AdminURL               string `json:"adminURL"` // the admin API and the page
	OpenIDConfigurationURL string `json:"openIDConfigurationURL"`
	Issuer                 string `json:"issuer"` // of notification tokens
	CA                     string `json:"ca"`     // PEM; empty when the certificate was given without its CA
}

// App is a bot registration.
type App struct {
	ID               string   `json:"id"`
	TenantID         string   `json:"tenantID"`
	DisplayName      string   `json:"displayName,omitempty"`
	Secret           string   `json:"secret,omitempty"` // not shown when listed
	Roles            []string `json:"roles,omitempty"`
	ConsentedTenants []string `json:"consentedTenants,omitempty"`
	WebhookURL       string   `json:"webhookURL,omitempty"` // for incoming calls
	// InstanceID and PhoneNumber are those of an application instance (resource account), for calls with telephones.
	InstanceID  string `json:"instanceID,omitempty"`
	PhoneNumber string `json:"phoneNumber,omitempty"`
	// LegacyFirst: the channel still sends new calls in the old format first, which a bot has to answer with 204.
	LegacyFirst bool `json:"legacyFirst,omitempty"`
}

// NewMeeting describes a meeting to be created.
type NewMeeting struct {
	Subject             string   `json:"subject,omitempty"`
	TenantID            string   `json:"tenantID"`
	OrganizerID         string   `json:"organizerID,omitempty"`
	Lobby               bool     `json:"lobby,omitempty"` // bots wait to be admitted
	GuestsBypassLobby   bool     `json:"guestsBypassLobby,omitempty"`
	LobbyTimeoutSeconds int      `json:"lobbyTimeoutSeconds,omitempty"` // on the simulated clock; 30 minutes when 0
	Channel             bool     `json:"channel,omitempty"`             // held in a channel of a team
	People              []string `json:"people,omitempty"`              // names; they join at once
}

// Meeting is a meeting and who is in it.
type Meeting struct {
	ID            string        `json:"id"`
	Subject       string        `json:"subject"`
	TenantID      string        `json:"tenantID"`
	OrganizerID   string        `json:"organizerID"`
	ThreadID      string        `json:"threadID"`
	MessageID     string        `json:"messageID"`
	JoinURL       string        `json:"joinURL"`
	ShortJoinURL  string        `json:"shortJoinURL"`
	JoinMeetingID string        `json:"joinMeetingID"`
	Passcode      string        `json:"passcode"`
	VTCID         string        `json:"vtcID"`
	Lobby         bool          `json:"lobby"`
	Created       time.Time     `json:"created"`
	Participants  []Participant `json:"participants"`
}

// Person finds somebody in the meeting by name, as those it was created with.
func (m Meeting) Person(name string) (Person, bool) {
	for _, p := range m.Participants {
		if p.Kind == "Person" && p.DisplayName == name {
			return Person{ID: p.ID, MeetingID: m.ID, UserID: p.IdentityID, DisplayName: name}, true
		}
	}
	return Person{}, false
}

// Participant is a person or bot in a meeting or its lobby.
type Participant struct {
	ID          string `json:"id"`
	Kind        string `json:"kind"` // Person, Bot, Guest
	IdentityID  string `json:"identityID"`
	DisplayName string `json:"displayName"`
	CallID      string `json:"callID,omitempty"` // of bots
	InLobby     bool   `json:"inLobby"`
	Muted       bool   `json:"muted"`
	Speaking    bool   `json:"speaking,omitempty"` // of people
}

// Person is somebody with a voice and ears.
type Person struct {
	ID          string `json:"id"`        // also the participant id
	MeetingID   string `json:"meetingID"` // or of the conversation of a call
	UserID      string `json:"userID"`
	DisplayName string `json:"displayName"`
	Here        bool   `json:"here,omitempty"` // in the call at present; shown with calls only
}

// Utterance is a clip that is, or will be, spoken.
type Utterance struct {
	ID   string `json:"id"`
	Done bool   `json:"done"`
}

// Result is how a call ended.
type Result struct {
	Code    int    `json:"code"`
	Subcode int    `json:"subcode"`
	Message string `json:"message"`
}

// Call is one bot's call as the service sees it. Times that have not come are zero.
type Call struct {
	ID        string `json:"id"`
	AppID     string `json:"appID"`
	TenantID  string `json:"tenantID"`
	Kind      string `json:"kind"` // Meeting, OneToOne, Group
	MeetingID string `json:"meetingID,omitempty"`
	// ConversationID takes the place of MeetingID in a call that is no meeting.
	ConversationID string    `json:"conversationID,omitempty"`
	People         []Person  `json:"people"` // who called the bot, or was called and answered
	ServiceHosted  bool      `json:"serviceHosted,omitempty"`
	ParticipantID  string    `json:"participantID"`
	Direction      string    `json:"direction"`
	State          string    `json:"state"`
	InLobby        bool      `json:"inLobby"`
	MediaActive    bool      `json:"mediaActive"`
	ScenarioID     string    `json:"scenarioID"`
	ChainID        string    `json:"chainID"`
	CallbackURI    string    `json:"callbackURI"`
	Created        time.Time `json:"created,omitzero"`
	Established    time.Time `json:"established,omitzero"`
	Ended          time.Time `json:"ended,omitzero"`
	KeepAlives     int       `json:"keepAlives"`
	LastKeepAlive  time.Time `json:"lastKeepAlive,omitzero"`
	Result         *Result   `json:"result,omitempty"`    // what the bot is told
	EndDetail      string    `json:"endDetail,omitempty"` // what the bot is not told
	Media          *Media    `json:"media,omitempty"`     // with application-hosted media
}

// Live says whether the call goes on.
func (c Call) Live() bool { return c.State != "terminated" }

// Media is the service's side of a bot's media.
type Media struct {
	Connected       bool      `json:"connected"`
	Lost            bool      `json:"lost"`
	Codec           string    `json:"codec"`
	PacketsSent     uint64    `json:"packetsSent"`
	PacketsReceived uint64    `json:"packetsReceived"`
	FramesLost      uint64    `json:"framesLost"`
	PacketsLate     uint64    `json:"packetsLate"`
	LastReceived    time.Time `json:"lastReceived,omitzero"`
	ReceivedDBov    float64   `json:"receivedDBov"`
}

// Ghost is something left in a meeting with nobody behind it.
type Ghost struct {
	MeetingID     string `json:"meetingID"`
	ParticipantID string `json:"participantID"`
	CallID        string `json:"callID"`
	Why           string `json:"why"`
}

// Notification is one notification and what became of it.
type Notification struct {
	Seq        int64           `json:"seq"`
	Time       time.Time       `json:"time"`
	CallID     string          `json:"callID"`
	AppID      string          `json:"appID"`
	ChangeType string          `json:"changeType"`
	Resource   string          `json:"resource"`
	Summary    string          `json:"summary"`
	URL        string          `json:"url"`
	Attempts   int             `json:"attempts"`
	Status     int             `json:"status"` // of the last attempt; 0 when there was no answer
	Error      string          `json:"error,omitempty"`
	Done       bool            `json:"done"` // accepted or given up
	DoneTime   time.Time       `json:"doneTime,omitzero"`
	Faults     []string        `json:"faults,omitempty"` // what was done to it on purpose
	Body       json.RawMessage `json:"body"`
}

// Accepted says whether the bot took it.
func (n Notification) Accepted() bool { return n.Done && n.Status/100 == 2 }

// Event is something that happened.
type Event struct {
	Seq       int64     `json:"seq"`
	Time      time.Time `json:"time"`
	MeetingID string    `json:"meetingID,omitempty"`
	CallID    string    `json:"callID,omitempty"`
	What      string    `json:"what"`
	Detail    string    `json:"detail,omitempty"`
}

// Fault makes the next Count requests (one when 0) to the public side fail whose path contains PathContains.
type Fault struct {
	Method            string `json:"method,omitempty"`
	PathContains      string `json:"pathContains,omitempty"`
	Status            int    `json:"status"`
	RetryAfterSeconds int    `json:"retryAfterSeconds,omitempty"`
	Count             int    `json:"count,omitempty"`
	// With a probability, all matching requests, or Count of them, fail that often.
	Probability float64 `json:"probability,omitempty"`
	After       bool    `json:"after,omitempty"` // the request is served, and only the reply is lost
}

// The ways the token of a notification can be wrong.
const (
	WrongAudience = "WrongAudience"
	WrongIssuer   = "WrongIssuer"
	WrongKey      = "WrongKey"   // signed by another key under a published key's id
	UnknownKey    = "UnknownKey" // signed by a key nobody published
	Expired       = "Expired"
	NotYetValid   = "NotYetValid"
	NoTenant      = "NoTenant"
	Garbled       = "Garbled"
	Missing       = "Missing"
	Unsigned      = "Unsigned"
)

// TokenFault spoils the tokens of the next Count notifications to an app, or to any app when AppID is empty.
type TokenFault struct {
	AppID string `json:"appID,omitempty"`
	Fault string `json:"fault"` // one of the constants; empty takes the fault back
	Count int    `json:"count"`
}

// Forgery is a hand-made notification, posted once to any URL.
type Forgery struct {
	URL        string          `json:"url"`
	AppID      string          `json:"appID"` // audience of the token
	TenantID   string          `json:"tenantID"`
	TokenFault string          `json:"tokenFault,omitempty"` // empty: a good token
	Token      string          `json:"token,omitempty"`      // used as it is instead of a made one
	Body       json.RawMessage `json:"body,omitempty"`
	RawBody    string          `json:"rawBody,omitempty"` // instead of Body, for what is not JSON
}

// Reply is what a forgery was answered with.
type Reply struct {
	Status int    `json:"status"`
	Body   string `json:"body"`
}

// IncomingCall is a person calling a bot.
type IncomingCall struct {
	AppID       string `json:"appID"`
	TenantID    string `json:"tenantID"` // of the caller
	UserID      string `json:"userID,omitempty"`
	DisplayName string `json:"displayName,omitempty"`
	// Phone is the number of a caller from the telephone network, who dials the number of the app's instance.
	Phone      string `json:"phone,omitempty"`
	ToInstance bool   `json:"toInstance,omitempty"` // a user calls the app's instance and not the bot
	// MeetingID is the meeting the bot is called into; Others are names of people in the group call it is called into.
	MeetingID string   `json:"meetingID,omitempty"`
	Others    []string `json:"others,omitempty"`
	// PolicyRecording: the user is about to join the meeting, and a policy wants them recorded. The bot has 5 s.
	PolicyRecording bool `json:"policyRecording,omitempty"`
	// OnBehalfOf and Transferor are ids of users: on whose behalf the call comes, and who gave it to the bot.
	OnBehalfOf  string `json:"onBehalfOf,omitempty"`
	Transferor  string `json:"transferor,omitempty"`
	CountryCode string `json:"countryCode,omitempty"`
	Region      string `json:"region,omitempty"` // also the header X-Microsoft-Skype-Caller-Region
}

// Clock is the speed of the simulated clock and what it shows.
type Clock struct {
	Speed float64   `json:"speed"`
	Now   time.Time `json:"now,omitzero"`
}

// State is everything the page shows.
type State struct {
	Info          Info           `json:"info"`
	Clock         Clock          `json:"clock"`
	Apps          []App          `json:"apps"`
	Meetings      []Meeting      `json:"meetings"`
	Calls         []Call         `json:"calls"`
	Ghosts        []Ghost        `json:"ghosts"`
	Ringing       []Ringing      `json:"ringing"`
	Notifications []Notification `json:"notifications"` // the latest, without bodies
	Events        []Event        `json:"events"`        // the latest
}
