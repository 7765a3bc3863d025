// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func FuzzParseNotifications(f *testing.F) {
	f.Add([]byte(one(`{"@odata.type":"#microsoft.graph.commsNotification","changeType":"updated","resourceUrl":"/communications/calls/c",
		"resourceData":{"@odata.type":"#microsoft.graph.call","state":"established","resultInfo":{"code":"200","subCode":7000},"mediaState":{"audio":"active"}}}`)))
	f.Add([]byte(one(`{"changeType":"Deleted","resource":"/app/calls/c/operations/o","resourceData":{"status":"Completed","resultInfo":{"code":1e400}}}`)))
	f.Add([]byte(one(`{"resourceUrl":"/communications/calls/c/participants","resourceData":{"@odata.type":"#microsoft.graph.deltaParticipants","sequenceNumber":"9","participants":[null,{"id":null}]}}`)))
	f.Add([]byte(one(`{"resourceData":{"@odata.type":"#microsoft.graph.call","id":"c","mediaConfig":{},"meetingInfo":{"token":1}}}`)))
	for _, body := range documentedShapes {
		f.Add([]byte(body))
	}
	f.Add(roster(2))
	f.Add([]byte(`{"value":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		notifications, err := ParseNotifications(body)
		if err != nil {
			if notifications != nil {
				t.Error("notifications beside an error")
			}
			return
		}
		if !json.Valid(trimBOM(body)) {
			t.Error("accepted what is not JSON")
		}
		for _, n := range notifications {
			recorded := n.Resource.Kind == KindParticipantJoining || n.Resource.Kind == KindParticipantLeft
			if n.Resource.Kind != KindUnknown && n.Resource.CallID == "" && !recorded {
				t.Errorf("%s without a call", n.Resource.Kind)
			}
			if n.Call != nil && !recorded && (n.Resource.Kind != KindCall || n.Call.ID == "") {
				t.Errorf("a call beside %s", n.Resource.Kind)
			}
			if n.Operation != nil && n.Resource.Kind != KindOperation || n.Participants != nil && n.Resource.Kind != KindParticipants {
				t.Errorf("the wrong data beside %s", n.Resource.Kind)
			}
			if n.Call != nil && n.Call.ResultInfo != nil {
				if e := Explain(*n.Call.ResultInfo); e.Reason == "" || e.Sentence == "" || e.Class == "" {
					t.Errorf("%v is not explained", n.Call.ResultInfo)
				}
			}
			if n.Operation != nil {
				if e := ExplainOperationEnd(n.Operation); e.Reason == "" || e.Sentence == "" || e.Class == "" {
					t.Errorf("%v is not explained", n.Operation)
				}
			}
			if n.Call != nil {
				n.Call.RecordsByPolicy()
				if tone := n.Call.ToneInfo; tone != nil && tone.Tone != "" && tone.Tone.Key() == "" {
					t.Errorf("%q has no key", tone.Tone)
				}
			}
			_, _ = n.String(), NormalID(n.Resource.CallID)
			for _, p := range n.Participants { // what was understood can be said again
				if _, err := json.Marshal(p); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

func trimBOM(body []byte) []byte { return []byte(strings.TrimPrefix(string(body), "\xef\xbb\xbf")) }

func FuzzParseJoinURL(f *testing.F) {
	for _, link := range []string{
		longLink, shortLink, channelURL, url.QueryEscape(longLink), url.QueryEscape(url.QueryEscape(longLink)),
		"https://nam02.safelinks.protection.outlook.com/?url=" + url.QueryEscape(longLink),
		"https://teams.microsoft.com/dl/launcher/launcher.html?url=%2F_%23%2Fmeet%2F123456789012%3Fp%3DAbC",
		"https://teams.microsoft.com/_#/l/meetup-join/" + thread + "/0" + context1,
		"https://teams.live.com/meet/1", "https://teams.microsoft.com", "https%253A%252F%252F", "//", "",
	} {
		f.Add(link)
	}
	known := map[string]bool{}
	for _, bad := range badLinks {
		_, err := ParseJoinURL(bad.link)
		known[err.Error()] = true
	}
	f.Fuzz(func(t *testing.T, link string) {
		m, err := ParseJoinURL(link)
		if err != nil {
			if m != (Meeting{}) {
				t.Error("a meeting beside an error")
			}
			if !known[err.Error()] {
				t.Errorf("error %q is made for this link, so it may hold a part of it", err)
			}
			return
		}
		if err := m.Validate(); err != nil {
			t.Errorf("%s: %v", dump(m), err)
		}
		call := Call{MediaConfig: ServiceHostedMedia()}
		m.Apply(&call)
		if _, err := json.Marshal(call); err != nil {
			t.Errorf("%s cannot be sent: %v", dump(m), err)
		}
	})
}

func FuzzOnlineMeeting(f *testing.F) {
	f.Add([]byte(documentedMeeting))
	f.Add([]byte(`{"chatInfo":{},"participants":{"organizer":{"identity":{"user":{"id":null}}}},"joinMeetingIdSettings":{"joinMeetingId":"1 2"}}`))
	f.Add([]byte(`{"joinWebUrl":"https://teams.microsoft.com/meet/123456?p=x","participants":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var m OnlineMeeting
		if decode(body, &m) != nil {
			return
		}
		joined, err := m.Meeting()
		if err != nil {
			return
		}
		if err := joined.Validate(); err != nil {
			t.Errorf("%s: %v", dump(joined), err)
		}
	})
}

func FuzzParseTones(f *testing.F) {
	f.Add("12*# a-D,0")
	f.Add("x")
	f.Fuzz(func(t *testing.T, keys string) {
		parsed, err := ParseTones(keys)
		if err != nil {
			return
		}
		again := ""
		for _, tone := range parsed {
			again += tone.Key()
		}
		if back, err := ParseTones(again); err != nil || !slices.Equal(back, parsed) {
			t.Errorf("%q became %q", keys, again)
		}
	})
}

func FuzzRolesOf(f *testing.F) {
	f.Add(jwtWith(`{"roles":["Calls.JoinGroupCall.All"]}`))
	f.Add(jwtWith(`{"roles":"a"}`))
	f.Add(jwtWith(`{"roles":[1,null,{}]}`))
	f.Add("a.b.c")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		roles, err := RolesOf(token)
		if err != nil && roles != nil {
			t.Error("roles beside an error")
		}
		for _, r := range roles {
			if r == "" {
				t.Error("an empty role")
			}
		}
	})
}
