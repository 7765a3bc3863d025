// SPDX-License-Identifier: Apache-2.0

package router

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

func TestBearerOf(t *testing.T) {
	for name, tc := range map[string]struct {
		header []string
		ok     bool
	}{
		"a token":              {[]string{"Bearer " + goodToken}, true},
		"in other case":        {[]string{"bearer  " + goodToken}, true},
		"padded":               {[]string{"Bearer " + goodToken + "=="}, true},
		"none":                 {nil, false},
		"empty":                {[]string{"Bearer "}, false},
		"another scheme":       {[]string{"Basic " + goodToken}, false},
		"two headers":          {[]string{"Bearer " + goodToken, "Bearer " + badToken}, false},
		"two parts":            {[]string{"Bearer eyJhbGciOiJSUzI1NiJ9.eyJ9"}, false},
		"four parts":           {[]string{"Bearer " + goodToken + ".eyJ9"}, false},
		"five parts (JWE)":     {[]string{"Bearer " + goodToken + ".eyJ9.eyJ9"}, false},
		"an empty part":        {[]string{"Bearer eyJhbGciOiJSUzI1NiJ9..Z29vZA"}, false},
		"no signature":         {[]string{"Bearer eyJhbGciOiJSUzI1NiJ9.eyJ9."}, false},
		"no JSON at the start": {[]string{"Bearer abc.def.ghi"}, false},
		"odd characters":       {[]string{"Bearer eyJhbGciOiJSUzI1NiJ9.ey J9.x"}, false},
		"endless":              {[]string{"Bearer eyJ." + strings.Repeat("a", maxToken) + ".x"}, false},
	} {
		r := &http.Request{Header: http.Header{}}
		if tc.header != nil {
			r.Header["Authorization"] = tc.header
		}
		token, ok := bearerOf(r)
		if ok != tc.ok || ok && !strings.HasPrefix(token, goodToken) {
			t.Errorf("%s: %q, %v, want %v", name, token, ok, tc.ok)
		}
	}
}

func TestProvenTokens(t *testing.T) {
	clk := clocktesting.NewFakePassiveClock(time.Now())
	p := newProven(clk)
	here, elsewhere := Bot{"voice", "reception"}, Bot{"voice", "sales"}
	p.add(p.key(here, goodToken))
	if !p.has(p.key(here, goodToken)) || p.has(p.key(here, badToken)) {
		t.Error("the good one is not known, or the bad one is")
	}
	if p.has(p.key(elsewhere, goodToken)) {
		t.Error("a token good for one bot is taken for good for another")
	}
	clk.SetTime(clk.Now().Add(provenFor))
	if p.has(p.key(here, goodToken)) {
		t.Error("a token is known for ever")
	}
	p.add(p.key(here, goodToken))
	p.drop(p.key(here, goodToken))
	if p.has(p.key(here, goodToken)) {
		t.Error("a token that a pod refused is still known as good")
	}
	for i := range 2 * maxProven {
		p.add(p.key(here, fmt.Sprint(i)))
	}
	if len(p.tokens) > maxProven {
		t.Errorf("%d tokens are kept, at most %d may be", len(p.tokens), maxProven)
	}
	if !p.has(p.key(here, fmt.Sprint(2*maxProven-1))) {
		t.Error("the newest is not kept")
	}
}
