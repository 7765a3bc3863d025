// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"io"
	"strings"
	"testing"
)

// Who finds nothing where there is something proves nothing.
func TestAPlantedSecretIsFound(t *testing.T) {
	n, err := newNeedles(map[string]string{
		"ABC234": "passcode", "TWVldGluZw0a1b2c3d": "join link's thread", "0a1b2c3d4e5f": "join link's thread", "local-teams-only": "client secret",
		"QRSTUVWXYZ234567QRSTUVWXYZ": "media token", "ABC234567890": "recording's token",
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ text, what string }{
		"a passcode in a link":               {`joining https://teams.microsoft.com/meet/1?p=ABC234 now`, "passcode"},
		"at the very beginning":              {`ABC234`, "passcode"},
		"in capital ids by chance":           {`call 57DABC2341894C409AB240BD8BEAE788`, ""},
		"a thread, escaped twice":            {`19%253ameeting_TWVldGluZw0a1b2c3d%2540thread.v2`, "join link's thread"},
		"a channel's thread":                 {`{"threadID":"19:0a1b2c3d4e5f@thread.tacv2"}`, "join link's thread"},
		"a client secret":                    {`client_secret=local-teams-only&scope=x`, "client secret"},
		"a client secret's beginning":        {`the local teams and local-teams-onl`, ""},
		"a media token within a word":        {`xxQRSTUVWXYZ234567QRSTUVWXYZyy`, "media token"},
		"one that begins as a shorter does":  {`token ABC234567890`, "recording's token"},
		"a JSON web token that nobody knows": {`Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJhdWQiOiJ4In0.c2ln`, "token"},
		"nothing":                            {`call 57dab8b1 established`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := &Haystack{}
			out := h.Tee("the output", io.Discard)
			for _, half := range []string{tc.text[:len(tc.text)/2], tc.text[len(tc.text)/2:]} {
				if _, err := io.WriteString(out, half); err != nil {
					t.Fatal(err)
				}
			}
			h.Add("a status", "all is well")
			err := h.search(n)
			switch {
			case tc.what == "" && err != nil:
				t.Error(err)
			case tc.what != "" && (err == nil || !strings.Contains(err.Error(), "a "+tc.what+" is in the output")):
				t.Errorf("found %v, want a %s in the output", err, tc.what)
			case err != nil && strings.Contains(err.Error(), "a status"):
				t.Errorf("%v; there is none in the status", err)
			}
		})
	}
}

func TestWithoutSecretsNothingIsLookedFor(t *testing.T) {
	for _, secrets := range []map[string]string{{}, {"short": "passcode"}} {
		if _, err := newNeedles(secrets); err == nil {
			t.Errorf("%v were accepted as what to look for", secrets)
		}
	}
}
