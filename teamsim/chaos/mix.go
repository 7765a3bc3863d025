// SPDX-License-Identifier: Apache-2.0

package chaos

import "time"

// Mix is a bit of everything: how probable each kind is. All are from 0, never, to 1.
type Mix struct {
	Seed uint64
	// Of each notification.
	Drop, Duplicate, Reorder, Delay, Batch float64
	MaxDelay                               time.Duration // 0: 500 ms
	// Of each notification: being written differently.
	Noise float64
	// Of each notification: its first attempt failing with 5xx, before the bot has heard of it or after; a token that is
	// not to be trusted, which is one of Tokens.
	BotFailing, BotReplyLost, BadToken float64
	Tokens                             []string
	// Of each call.
	Early, EmptyRoster float64
	// KeepTerminal spares the notification that a call has ended, and of incoming calls that they came.
	KeepTerminal bool
}

// Rules puts a mix in force for an app, or all when appID is empty, instead of what was.
func (s *Set) Rules(appID string, m Mix) error {
	s.Clear()
	s.Seed(m.Seed)
	rules := []Rule{
		{Kind: Duplicate, Probability: m.Duplicate}, {Kind: Reorder, Probability: m.Reorder},
		{Kind: Delay, Probability: m.Delay, Delay: m.MaxDelay}, {Kind: Batch, Probability: m.Batch},
		{Kind: Early, Probability: m.Early}, {Kind: EmptyRoster, Probability: m.EmptyRoster},
		{Kind: BotFailing, Probability: m.BotFailing}, {Kind: BotReplyLost, Probability: m.BotReplyLost},
	}
	rules = append(rules, m.losing(Rule{Kind: Drop, Probability: m.Drop})...)
	for _, token := range m.Tokens {
		rules = append(rules, m.losing(Rule{Kind: BadToken, Token: token, Probability: m.BadToken / float64(len(m.Tokens))})...)
	}
	for _, k := range []Kind{Casing, PlainIDs, StringCodes, NoLeadingSlash} {
		rules = append(rules, Rule{Kind: k, Probability: m.Noise})
	}
	// Without its data a notification is as good as dropped, so it is as rare.
	rules = append(rules, Rule{Kind: NoResourceData, ChangeType: "updated", Probability: min(m.Noise, m.Drop)})
	for _, r := range rules {
		if r.Probability == 0 {
			continue
		}
		r.AppID = appID
		if err := s.Add(r); err != nil {
			s.Clear()
			return err
		}
	}
	return nil
}

// losing makes a rule by which notifications are lost spare what is to be kept.
func (m Mix) losing(r Rule) []Rule {
	if !m.KeepTerminal {
		return []Rule{r}
	}
	updates, operations := r, r
	updates.ChangeType = "updated"
	operations.ChangeType, operations.Resource = "deleted", OnOperations
	return []Rule{updates, operations}
}
