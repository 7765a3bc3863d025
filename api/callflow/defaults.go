// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// withDefaults is a copy with the defaults of the CRD, which a file that no API server has met is without, and with say written as
// play. Tests are left out: nobody runs them in a call.
func withDefaults(spec *callfleetv1.CallFlowSpec) *callfleetv1.CallFlowSpec {
	spec = spec.DeepCopy()
	spec.Tests = nil
	or(&spec.TimeZone, "UTC")
	for i := range spec.Steps {
		defaultStep(&spec.Steps[i])
	}
	return spec
}

func defaultStep(s *callfleetv1.FlowStep) {
	if s.Say != nil && s.Play == nil {
		s.Play, s.Say = &callfleetv1.PlayStep{Prompts: callfleetv1.Prompts{{Text: *s.Say}}}, nil
	}
	if m := s.Menu; m != nil {
		defaultListening(&m.Listening)
	}
	if c := s.Collect; c != nil {
		defaultListening(&c.Listening)
		or(&c.Min, 1)
		or(&c.Max, 16)
		or(&c.Terminator, "#")
		or(&c.InterDigitTimeout, "3s")
	}
	if r := s.Record; r != nil {
		orNew(&r.Beep, true)
		or(&r.MaxDuration, "60s")
		or(&r.InitialSilence, "5s")
		or(&r.MaxSilence, "5s")
		if r.StopTones == nil {
			r.StopTones = []callfleetv1.PhoneKey{"#"}
		}
	}
	if t := s.Transfer; t != nil {
		or(&t.Type, callfleetv1.TransferBlind)
		or(&t.Timeout, "60s")
	}
	if i := s.Invite; i != nil {
		or(&i.Timeout, "60s")
	}
	if w := s.Webhook; w != nil {
		or(&w.Timeout, "5s")
		orNew(&w.Retries, 1)
	}
}

func defaultListening(l *callfleetv1.Listening) {
	orNew(&l.BargeIn, true)
	orNew(&l.TypeAhead, true)
	or(&l.Timeout, "5s")
	orNew(&l.NoInput.Retries, 2)
	orNew(&l.NoMatch.Retries, 2)
}

// or sets what has no value.
func or[T comparable](at *T, value T) {
	var none T
	if *at == none {
		*at = value
	}
}

// orNew sets what is absent.
func orNew[T any](at **T, value T) {
	if *at == nil {
		*at = &value
	}
}
