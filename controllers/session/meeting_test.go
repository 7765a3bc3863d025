// SPDX-License-Identifier: Apache-2.0

package session

import (
	"regexp"
	"testing"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

func TestMeetingKey(t *testing.T) {
	link := func(s string) v1alpha1.Meeting { return v1alpha1.Meeting{JoinURL: v1alpha1.HTTPSURL(s)} }
	number := func(id, passcode string) v1alpha1.Meeting {
		return v1alpha1.Meeting{JoinMeetingID: &v1alpha1.JoinMeetingID{ID: id, Passcode: passcode}}
	}
	const long = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_NjIz%40thread.v2/0?context=%7b%22Tid%22%3a%22a%22%7d"
	cases := map[string]struct {
		a, b v1alpha1.Meeting
		same bool
	}{
		"itself":                         {link(long), link(long), true},
		"another context":                {link(long), link("https://teams.microsoft.com/l/meetup-join/19%3ameeting_NjIz%40thread.v2/0?context=%7b%22Tid%22%3a%22b%22%7d"), true},
		"escaped otherwise":              {link(long), link("https://teams.microsoft.com/l/meetup-join/19%3Ameeting_NjIz@thread.v2/0"), true},
		"escaped twice":                  {link(long), link("https://teams.microsoft.com/l/meetup-join/19%253ameeting_NjIz%2540thread.v2/0"), true},
		"another host":                   {link(long), link("https://teams.cloud.microsoft/l/meetup-join/19%3ameeting_NjIz%40thread.v2/0"), true},
		"without message":                {link(long), link("https://teams.microsoft.com/l/meetup-join/19%3ameeting_NjIz%40thread.v2"), true},
		"a fragment":                     {link(long), link(long + "#here"), true},
		"another thread":                 {link(long), link("https://teams.microsoft.com/l/meetup-join/19%3ameeting_Njiz%40thread.v2/0"), false},
		"another message of a channel":   {link("https://t.example/l/meetup-join/19%3ac%40thread.tacv2/1"), link("https://t.example/l/meetup-join/19%3ac%40thread.tacv2/2"), false},
		"a number with and without gaps": {number("123 456", "x"), number("123456", "y"), true},
		"a number and its short link":    {number("123 456", "x"), link("https://teams.microsoft.com/meet/123456?p=x"), true},
		"two short links":                {link("https://teams.microsoft.com/meet/123?p=x"), link("https://teams.microsoft.com/meet/123?p=y&anon=true"), true},
		"two numbers":                    {number("12", ""), number("13", ""), false},
		"two links of unknown form":      {link("https://t.example/a?x=1"), link("https://t.example/a?x=2"), false},
		"meet without number":            {link("https://t.example/meet/abc"), link("https://t.example/meet/abd"), false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a, b := meetingKey("ns", "bot", tc.a), meetingKey("ns", "bot", tc.b)
			if (a == b) != tc.same {
				t.Errorf("same: %t, want %t (%q and %q)", a == b, tc.same, meetingName(tc.a), meetingName(tc.b))
			}
			if a == meetingKey("ns", "other", tc.a) || a == meetingKey("other", "bot", tc.a) {
				t.Error("two bots share the key")
			}
		})
	}
	if key := meetingKey("ns", "bot", v1alpha1.Meeting{}); key != "" {
		t.Errorf("no meeting has the key %q", key)
	}
}

func FuzzMeetingKey(f *testing.F) {
	f.Add("https://teams.microsoft.com/l/meetup-join/19%3ameeting_NjIz%40thread.v2/0?context=%7b%7d")
	f.Add("https://teams.microsoft.com/meet/123456?p=x")
	f.Add("https://%zz/meetup-join/%25%25/")
	f.Add("meetup-join")
	hash := regexp.MustCompile(`^[0-9a-f]{32}$`)
	f.Fuzz(func(t *testing.T, link string) {
		m := v1alpha1.Meeting{JoinURL: v1alpha1.HTTPSURL(link)}
		key := meetingKey("ns", "bot", m)
		if link != "" && !hash.MatchString(key) {
			t.Errorf("the key %q is no hash", key)
		}
		if again := meetingKey("ns", "bot", m); again != key {
			t.Errorf("two keys for one link: %s and %s", key, again)
		}
	})
}
