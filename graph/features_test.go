// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"slices"
	"strings"
	"testing"
)

func TestFeaturesNeedRoles(t *testing.T) {
	for name, c := range map[string]struct {
		feature Feature
		have    []string
		missing string
	}{
		"answering needs none":               {FeatureAnswer, nil, ""},
		"one of two is enough":               {FeatureLookUpMeetings, []string{"onlinemeetings.readwrite.all"}, ""},
		"none of two":                        {FeatureLookUpMeetings, []string{RoleInitiate}, "OnlineMeetings.Read.All or OnlineMeetings.ReadWrite.All"},
		"all of several groups":              {FeaturePolicyRecording, []string{RoleJoinGroupCallGuest}, "Calls.AccessMedia.All"},
		"any role shows callers":             {FeatureSeeCallers, []string{RoleAccessMedia}, ""},
		"reading does not allow creating":    {FeatureCreateMeetings, []string{RoleMeetingsRead}, "OnlineMeetings.ReadWrite.All"},
		"a feature that nobody knows":        {"Teleport", nil, ""},
		"calling users is not calling rooms": {FeatureGroupCalls, []string{RoleInitiate}, "Calls.InitiateGroupCall.All"},
	} {
		var missing []string
		for _, roles := range c.feature.Missing(c.have) {
			missing = append(missing, roles.String())
		}
		if got := strings.Join(missing, ", "); got != c.missing {
			t.Errorf("%s: missing %q, want %q", name, got, c.missing)
		}
	}
}

func TestEveryFeatureIsNamedOnce(t *testing.T) {
	all := Features()
	if len(all) < 20 || !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("%q", all)
	}
	for _, f := range all {
		for _, roles := range f.Roles() {
			if len(roles) == 0 {
				t.Errorf("%s: a need that nothing meets", f)
			}
		}
	}
}
