// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"testing"
	"time"

	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// TestWhenTheBotLeaves plays scenes and looks once a second: at what second the bot leaves, and why.
func TestWhenTheBotLeaves(t *testing.T) {
	start := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	at := func(second int) time.Time { return start.Add(time.Duration(second) * time.Second) }
	// scene says what is so from a second on.
	type scene struct {
		from  int
		scene Scene
	}
	in := func(inCall, people int) Scene {
		return Scene{Established: start, HasRoster: true, InCall: inCall, People: people, Hears: true}
	}
	lobby := Scene{InLobby: true, HasRoster: true, InCall: 0}
	unheard := Scene{InLobby: true}
	peerToPeer := Scene{Established: start, Hears: true}
	deaf := Scene{Established: start}
	heardAt := func(s Scene, second int) Scene { s.Heard = at(second); return s }
	lost := func(s Scene) Scene { s.MediaLost = true; return s }
	unknown := Scene{Established: start}

	const never = -1
	tests := map[string]struct {
		rules  v1alpha1.LeaveRules
		resume bool
		waits  time.Time // in the lobby, when it is resumed
		scenes []scene
		leaves int
		why    v1alpha1.EndReason
	}{
		"no rules":                                  {scenes: []scene{{0, in(3, 2)}, {10, in(1, 0)}}, leaves: never},
		"alone":                                     {rules: v1alpha1.LeaveRules{AloneTimeout: "20s"}, scenes: []scene{{0, in(3, 2)}, {10, in(1, 0)}}, leaves: 30, why: v1alpha1.EndAloneTimeout},
		"alone, but somebody comes back":            {rules: v1alpha1.LeaveRules{AloneTimeout: "20s"}, scenes: []scene{{0, in(3, 2)}, {10, in(1, 0)}, {25, in(2, 1)}, {27, in(1, 0)}}, leaves: 47, why: v1alpha1.EndAloneTimeout},
		"first in the meeting, it waits":            {rules: v1alpha1.LeaveRules{AloneTimeout: "20s", OnlyBots: true}, scenes: []scene{{0, in(1, 0)}}, leaves: never},
		"resumed in an empty meeting":               {rules: v1alpha1.LeaveRules{AloneTimeout: "20s"}, resume: true, scenes: []scene{{0, in(1, 0)}}, leaves: 20, why: v1alpha1.EndAloneTimeout},
		"a roster that is not known is not empty":   {rules: v1alpha1.LeaveRules{AloneTimeout: "20s"}, resume: true, scenes: []scene{{0, unknown}}, leaves: never},
		"only bots":                                 {rules: v1alpha1.LeaveRules{OnlyBots: true}, scenes: []scene{{0, in(3, 1)}, {10, in(2, 0)}}, leaves: 20, why: v1alpha1.EndOnlyBotsLeft},
		"only bots, with aloneTimeout":              {rules: v1alpha1.LeaveRules{OnlyBots: true, AloneTimeout: "40s"}, scenes: []scene{{0, in(3, 1)}, {10, in(2, 0)}}, leaves: 50, why: v1alpha1.EndOnlyBotsLeft},
		"only bots, and no rule about them":         {rules: v1alpha1.LeaveRules{AloneTimeout: "5s"}, scenes: []scene{{0, in(3, 1)}, {10, in(2, 0)}}, leaves: never},
		"only bots from the beginning":              {rules: v1alpha1.LeaveRules{OnlyBots: true}, scenes: []scene{{0, in(2, 0)}}, leaves: never},
		"alone where bots would be left":            {rules: v1alpha1.LeaveRules{OnlyBots: true}, scenes: []scene{{0, in(3, 1)}, {10, in(1, 0)}}, leaves: 20, why: v1alpha1.EndAloneTimeout},
		"silence from the beginning":                {rules: v1alpha1.LeaveRules{SilenceTimeout: "15s"}, scenes: []scene{{0, in(2, 1)}}, leaves: 15, why: v1alpha1.EndSilenceTimeout},
		"silence after something was heard":         {rules: v1alpha1.LeaveRules{SilenceTimeout: "15s"}, scenes: []scene{{0, in(2, 1)}, {10, heardAt(in(2, 1), 10)}}, leaves: 25, why: v1alpha1.EndSilenceTimeout},
		"silence in a peer-to-peer call":            {rules: v1alpha1.LeaveRules{SilenceTimeout: "15s"}, scenes: []scene{{0, peerToPeer}}, leaves: 15, why: v1alpha1.EndSilenceTimeout},
		"who hears nothing itself knows no silence": {rules: v1alpha1.LeaveRules{SilenceTimeout: "15s"}, scenes: []scene{{0, deaf}}, leaves: never},
		"the media is lost":                         {scenes: []scene{{0, in(2, 1)}, {10, lost(in(2, 1))}}, leaves: 40, why: v1alpha1.EndMediaLost},
		"the media is lost, and comes back":         {scenes: []scene{{0, in(2, 1)}, {10, lost(in(2, 1))}, {39, in(2, 1)}, {45, lost(in(2, 1))}}, leaves: 75, why: v1alpha1.EndMediaLost},
		"the media is lost, with a limit":           {rules: v1alpha1.LeaveRules{MediaLostTimeout: ptr.To[v1alpha1.Duration]("5s")}, scenes: []scene{{0, lost(in(2, 1))}}, leaves: 5, why: v1alpha1.EndMediaLost},
		"the media is lost, and that is borne":      {rules: v1alpha1.LeaveRules{MediaLostTimeout: ptr.To[v1alpha1.Duration]("0s")}, scenes: []scene{{0, lost(in(2, 1))}}, leaves: never},
		"the media is lost in the lobby":            {scenes: []scene{{0, lost(lobby)}}, leaves: 30, why: v1alpha1.EndMediaLost},
		"at the most so long":                       {rules: v1alpha1.LeaveRules{MaxDuration: "30s"}, scenes: []scene{{0, in(2, 1)}}, leaves: 30, why: v1alpha1.EndMaxDurationReached},
		"the lobby":                                 {rules: v1alpha1.LeaveRules{LobbyTimeout: "30s"}, scenes: []scene{{0, Scene{}}, {5, lobby}}, leaves: 35, why: v1alpha1.EndLobbyTimeout},
		"admitted in time":                          {rules: v1alpha1.LeaveRules{LobbyTimeout: "30s"}, scenes: []scene{{0, lobby}, {29, in(2, 1)}}, leaves: never},
		"resumed in the lobby":                      {rules: v1alpha1.LeaveRules{LobbyTimeout: "30s"}, resume: true, waits: at(-20), scenes: []scene{{0, Scene{}}, {2, unheard}, {4, lobby}}, leaves: 10, why: v1alpha1.EndLobbyTimeout},
		"resumed, and nobody knows since when":      {rules: v1alpha1.LeaveRules{LobbyTimeout: "30s"}, resume: true, scenes: []scene{{0, lobby}}, leaves: 30, why: v1alpha1.EndLobbyTimeout},
		"resumed too late, but let in meanwhile":    {rules: v1alpha1.LeaveRules{LobbyTimeout: "30s"}, resume: true, waits: at(-60), scenes: []scene{{0, Scene{}}, {2, unheard}, {4, in(2, 1)}}, leaves: never},
		"resumed in a lobby nothing is heard of":    {rules: v1alpha1.LeaveRules{LobbyTimeout: "30s"}, resume: true, waits: at(-60), scenes: []scene{{0, unheard}}, leaves: 30, why: v1alpha1.EndLobbyTimeout},
		"resumed, let in, and back in the lobby":    {rules: v1alpha1.LeaveRules{LobbyTimeout: "30s"}, resume: true, waits: at(-25), scenes: []scene{{0, in(2, 1)}, {10, lobby}}, leaves: 40, why: v1alpha1.EndLobbyTimeout},
		"the lobby is not a call":                   {rules: v1alpha1.LeaveRules{MaxDuration: "5s", SilenceTimeout: "5s", AloneTimeout: "5s", OnlyBots: true}, scenes: []scene{{0, lobby}}, leaves: never},
		"a timeout of nothing is none":              {rules: v1alpha1.LeaveRules{MaxDuration: "0s", SilenceTimeout: "0s"}, scenes: []scene{{0, in(2, 1)}}, leaves: never},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var p Presence
			if tc.resume {
				p = Resumed(at(0), tc.waits)
			}
			left, why := never, v1alpha1.EndReason("")
			for second := 0; second < 120 && left == never; second++ {
				var now Scene
				for _, s := range tc.scenes {
					if s.from <= second {
						now = s.scene
					}
				}
				now.Now = at(second)
				if p, why = p.Look(tc.rules, now); why != "" {
					left = second
				}
			}
			if left != tc.leaves || why != tc.why {
				t.Errorf("leaves at %d s with %q, want %d s with %q", left, why, tc.leaves, tc.why)
			}
		})
	}
}
