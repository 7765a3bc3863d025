// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	tid        = "1fdd12d0-4620-44ed-baec-459b611f84b2"
	oid        = "5810cede-f3cc-42eb-b2c1-e9bd5d53ec96"
	thread     = "19:meeting_OWYyN2Iy@thread.v2"
	context1   = `?context=%7b%22Tid%22%3a%22` + tid + `%22%2c%22Oid%22%3a%22` + oid + `%22%7d`
	longLink   = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_OWYyN2Iy%40thread.v2/0" + context1
	shortLink  = "https://teams.microsoft.com/meet/123456789012?p=AbC123xyz"
	channelURL = "https://teams.microsoft.com/l/meetup-join/19%3acbee7c1c%40thread.tacv2/1533758867081" +
		"?context=%7b%22Tid%22%3a%22" + tid + "%22%2c%22Oid%22%3a%22" + oid + "%22%2c%22MessageId%22%3a%221533758867000%22%7d"
)

func TestParseJoinURL(t *testing.T) {
	long := Meeting{ThreadID: thread, MessageID: "0", OrganizerID: oid, TenantID: tid}
	short := Meeting{JoinMeetingID: "123456789012", Passcode: "AbC123xyz"}
	channel := Meeting{ThreadID: "19:cbee7c1c@thread.tacv2", MessageID: "1533758867081", ReplyChainMessageID: "1533758867000", OrganizerID: oid, TenantID: tid}
	twice := url.QueryEscape(url.QueryEscape(longLink))

	for name, c := range map[string]struct {
		link string
		want Meeting
	}{
		"long":                          {longLink, long},
		"long, not encoded":             {"https://teams.microsoft.com/l/meetup-join/" + thread + `/0?context={"Tid":"` + tid + `","Oid":"` + oid + `"}`, long},
		"long, parts encoded twice":     {strings.NewReplacer("%3a", "%253a", "%40", "%2540", "%7b", "%257b", "%22", "%2522", "%2c", "%252c", "%7d", "%257d").Replace(longLink), long},
		"long, whole encoded":           {url.QueryEscape(longLink), long},
		"long, whole encoded twice":     {twice, long},
		"long, of a mail":               {" <" + longLink + ">\r\n", long},
		"long, message left out":        {strings.Replace(longLink, "/0?", "?", 1), long},
		"long, trailing slash":          {strings.Replace(longLink, "/0?", "/0/?", 1), long},
		"long, upper case and http":     {strings.Replace(longLink, "https://teams.microsoft.com/l/meetup-join", "HTTP://Teams.Microsoft.com/L/Meetup-Join", 1), long},
		"long, lower-case context":      {"https://teams.microsoft.com/l/meetup-join/" + thread + `/0?context={"tid":"` + tid + `","oid":"` + oid + `","IsBroadcastMeeting":true,"role":"a"}`, long},
		"long, new domain":              {strings.Replace(longLink, "teams.microsoft.com", "teams.cloud.microsoft", 1), long},
		"long, GCC High":                {strings.Replace(longLink, "teams.microsoft.com", "gov.teams.microsoft.us", 1), long},
		"long, DoD":                     {strings.Replace(longLink, "teams.microsoft.com", "dod.teams.microsoft.us", 1), long},
		"long, of the web client":       {strings.Replace(longLink, "/l/", "/_#/l/", 1), long},
		"long, of the launcher":         {"https://teams.microsoft.com/dl/launcher/launcher.html?url=" + url.QueryEscape(strings.TrimPrefix(strings.Replace(longLink, "/l/", "/_#/l/", 1), "https://teams.microsoft.com")) + "&type=meetup-join&deeplinkId=1", long},
		"long, in a safe link":          {"https://nam02.safelinks.protection.outlook.com/?url=" + url.QueryEscape(longLink) + "&data=05%7C01&sdata=x&reserved=0", long},
		"long, in a safe link of Teams": {"https://eur01.safelinks.protection.outlook.com/ap/t-59584e83/?url=" + url.QueryEscape(longLink) + "&data=05", long},
		"long, safe link in safe link":  {"https://a.safelinks.protection.outlook.com/?url=" + url.QueryEscape("https://b.safelinks.protection.outlook.com/?url="+url.QueryEscape(longLink)), long},
		"channel":                       {channelURL, channel},
		"channel, message as number":    {strings.Replace(channelURL, "%221533758867000%22", "1533758867000", 1), channel},
		"channel of Skype's time":       {strings.Replace(channelURL, "thread.tacv2", "thread.skype", 1), func() Meeting { m := channel; m.ThreadID = "19:cbee7c1c@thread.skype"; return m }()},
		"short":                         {shortLink, short},
		"short, without passcode":       {"https://teams.microsoft.com/meet/123456789012", Meeting{JoinMeetingID: "123456789012"}},
		"short, in a safe link":         {"https://nam02.safelinks.protection.outlook.com/?url=" + url.QueryEscape(shortLink), short},
		"short, launcher":               {"https://teams.microsoft.com/dl/launcher/launcher.html?url=%2F_%23%2Fmeet%2F123456789012%3Fp%3DAbC123xyz%26anon%3Dtrue&type=meet", short},
		"short, new web client":         {"https://teams.microsoft.com/v2/meet/123456789012?p=AbC123xyz", short},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseJoinURL(c.link)
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("got %s, want %s", dump(got), dump(c.want))
			}
			if err := got.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

// dump prints what a Meeting's own methods hide.
func dump(m Meeting) string {
	type plain Meeting
	return fmt.Sprintf("%+v", plain(m))
}

func withContext(s string) string {
	return "https://teams.microsoft.com/l/meetup-join/" + thread + "/0?context=" + url.QueryEscape(s)
}

// badLinks has a link for every reason to refuse one.
var badLinks = map[string]struct{ link, says string }{
	"empty":                    {" ", "empty"},
	"no URL":                   {"stand-up at ten", "not a full URL"},
	"control characters":       {"https://teams.microsoft.com/\x7fmeet/1", "not a URL"},
	"another scheme":           {"msteams://teams.microsoft.com/l/meetup-join/x", "not an https URL"},
	"another host":             {strings.Replace(longLink, "teams.microsoft.com", "teams.example.com", 1), "host is not one of Teams"},
	"a host that looks alike":  {strings.Replace(longLink, "teams.microsoft.com", "teams.microsoft.com.example.com", 1), "host is not one of Teams"},
	"personal use":             {"https://teams.live.com/meet/9312345678901?p=secret", "personal use"},
	"an event":                 {"https://events.teams.microsoft.com/event/123@456", "event registration"},
	"China":                    {"https://teams.partner.microsoftonline.cn/l/meetup-join/x", "China"},
	"a chat":                   {"https://teams.microsoft.com/l/chat/19:x@unq.gbl.spaces/0", "not a meeting"},
	"Teams itself":             {"https://teams.microsoft.com/", "not a meeting"},
	"no thread":                {"https://teams.microsoft.com/l/meetup-join/" + context1, "thread ID after /meetup-join/ is missing"},
	"thread is none":           {"https://teams.microsoft.com/l/meetup-join/abc/0" + context1, "does not look like one"},
	"message is none":          {"https://teams.microsoft.com/l/meetup-join/" + thread + "/abc" + context1, "message ID"},
	"no context":               {"https://teams.microsoft.com/l/meetup-join/" + thread + "/0", "no context"},
	"context cut off":          {withContext(`{"Tid":"` + tid + `","Oi`), "cut off"},
	"context no JSON":          {withContext("x"), "not the JSON"},
	"context too long":         {withContext(`{"Tid":"` + strings.Repeat("a", 3000) + `"}`), "not the JSON"},
	"no organizer":             {withContext(`{"Tid":"` + tid + `"}`), "(Oid) is missing"},
	"no tenant":                {withContext(`{"Oid":"` + oid + `"}`), "(Tid) is missing"},
	"tenant is no GUID":        {withContext(`{"Tid":"contoso","Oid":"` + oid + `"}`), "(Tid) is not a GUID"},
	"no meeting ID":            {"https://teams.microsoft.com/meet/", "meeting ID after /meet/ is missing"},
	"meeting ID is none":       {"https://teams.microsoft.com/meet/abc?p=secret", "not a meeting ID"},
	"safe link to nothing":     {"https://nam02.safelinks.protection.outlook.com/?data=1", "without the original link"},
	"launcher without meeting": {"https://teams.microsoft.com/dl/launcher/launcher.html", "no meeting is named"},
	"wrapped for ever":         {nested(), "too many"},
	"too long":                 {longLink + strings.Repeat("x", maxJoinURLBytes), "longer than any"},
	"wrongly encoded":          {"https%3A%2F%2Fteams%ZZ", "percent-encoded"},
	"thread too long":          {"https://teams.microsoft.com/l/meetup-join/19:" + strings.Repeat("x", 600) + "@thread.v2/0" + context1, "thread ID is too long"},
	"passcode too long":        {shortLink + strings.Repeat("x", 200), "passcode is too long"},
	"path wrongly encoded":     {strings.Replace(longLink, "%3a", "%25zz", 1), "path is percent-encoded wrongly"},
	"organizer is no GUID":     {withContext(`{"Tid":"` + tid + `","Oid":"contoso"}`), "(Oid) is not a GUID"},
}

func TestParseJoinURLRefuses(t *testing.T) {
	for name, c := range badLinks {
		t.Run(name, func(t *testing.T) {
			got, err := ParseJoinURL(c.link)
			if err == nil {
				t.Fatalf("accepted as %s", dump(got))
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %q does not say %q", err, c.says)
			}
			if got != (Meeting{}) {
				t.Errorf("a meeting beside the error: %s", dump(got))
			}
			for _, secret := range []string{"secret", tid, oid, "meeting_OWYyN2Iy", "contoso", "example.com"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("error %q holds a part of the link", err)
				}
			}
		})
	}
}

func nested() string {
	link := longLink
	for range 6 {
		link = "https://a.safelinks.protection.outlook.com/?url=" + url.QueryEscape(link)
	}
	return link[:min(len(link), maxJoinURLBytes)]
}

func TestMeetingPrintsNoSecrets(t *testing.T) {
	m, err := ParseJoinURL(shortLink)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(m), fmt.Sprintf("%+v", m), fmt.Sprintf("%#v", m), fmt.Sprint(&m), fmt.Sprint(m.MarshalLog())} {
		if strings.Contains(text, "123456789012") || strings.Contains(text, "AbC123xyz") {
			t.Errorf("secret in %q", text)
		}
	}
}

func TestNormalizeJoinMeetingID(t *testing.T) {
	for in, want := range map[string]string{
		"123 456 789 012": "123456789012", "123456789012": "123456789012", "123-456-789": "123456789", "\u00a0123\u202f456\u00a0789 ": "123456789",
		"": "", "12 34": "", "123 456 abc": "", "١٢٣٤٥٦٧٨٩": "", strings.Repeat("1", 21): "", strings.Repeat(" ", 200): "",
	} {
		got, err := NormalizeJoinMeetingID(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q gives %q, %v; want %q", in, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "abc") {
			t.Errorf("error %q holds the meeting ID", err)
		}
	}
}

func TestMeetingValidate(t *testing.T) {
	good := Meeting{ThreadID: thread, MessageID: "0", OrganizerID: oid, TenantID: tid}
	for name, c := range map[string]struct {
		change func(*Meeting)
		says   string
	}{
		"coordinates":       {func(*Meeting) {}, ""},
		"meeting ID":        {func(m *Meeting) { *m = Meeting{JoinMeetingID: "123456789"} }, ""},
		"both":              {func(m *Meeting) { m.JoinMeetingID = "123456789" }, "not both"},
		"nothing":           {func(m *Meeting) { *m = Meeting{} }, "thread ID is missing"},
		"no message":        {func(m *Meeting) { m.MessageID = "" }, "message ID is missing"},
		"no organizer":      {func(m *Meeting) { m.OrganizerID = "" }, "Oid"},
		"organizer no GUID": {func(m *Meeting) { m.OrganizerID = strings.Repeat("g", 36) }, "not a GUID"},
		"bad meeting ID":    {func(m *Meeting) { *m = Meeting{JoinMeetingID: "x"} }, "meeting ID"},
	} {
		t.Run(name, func(t *testing.T) {
			m := good
			c.change(&m)
			if err := m.Validate(); (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}

func TestMeetingApplyKeepsTheBotsTenantForMeetingIDs(t *testing.T) {
	call := &Call{TenantID: "home", ChatInfo: &ChatInfo{ThreadID: "old"}}
	Meeting{JoinMeetingID: "123456789", Passcode: "p"}.Apply(call)
	want := &Call{TenantID: "home", MeetingInfo: &MeetingInfo{JoinMeetingID: "123456789", Passcode: "p"}}
	if diff := cmp.Diff(want, call); diff != "" {
		t.Error(diff)
	}
}
