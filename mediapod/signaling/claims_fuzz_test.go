// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-logr/logr"
)

// FuzzClaims judges whatever claims there may be under a good signature: what is accepted must say who sent it, to whom, for which
// tenant and until when, in so many words. Nothing is signed: signing is random in its timing, which leads the fuzzer astray.
func FuzzClaims(f *testing.F) {
	i := newIssuer(f)
	v, _, _ := newTestVerifier(f, i, logr.Discard())
	good, err := json.Marshal(goodClaims(start))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(good))
	for _, change := range [][2]string{
		{`"` + testAppID + `"`, `["` + testAppID + `"]`}, {`"` + testAppID + `"`, `["` + testAppID + `","x"]`}, {`"` + testTenant + `"`, `null`},
		{`"` + testTenant + `"`, `["` + testTenant + `"]`}, {`"exp":`, `"exp":1e400,"x":`}, {`"exp":`, `"exp":-1,"EXP":`}, {`"nbf":`, `"nbf":"x","y":`},
		{`"iss":`, `"iss":"https://evil.example","Iss":`}, {`"tid":`, `"tid":"x","tid":`},
	} {
		f.Add(strings.Replace(string(good), change[0], change[1], 1))
	}
	f.Add(`null`)
	f.Add(`[]`)
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"key-1"}`))
	f.Fuzz(func(t *testing.T, payload string) {
		var claims tokenClaims
		text := header + "." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
		if _, _, err := v.parser.ParseUnverified(text, &claims); err != nil || v.checkClaims(&claims, start) != nil {
			return
		}
		for _, said := range []string{testAppID, testTenant, testIssuer, "exp"} {
			if !strings.Contains(strings.ToLower(unescaped(payload)), strings.ToLower(said)) {
				t.Errorf("accepted without %q: %s", said, payload)
			}
		}
		if !strings.EqualFold(claims.TenantID, testTenant) || claims.Issuer != testIssuer || claims.ExpiresAt.Add(tokenSkew).Before(start) {
			t.Errorf("accepted %+v from %s", claims, payload)
		}
	})
}

// unescaped is JSON with its strings written plainly.
func unescaped(payload string) string {
	var value any
	if json.Unmarshal([]byte(payload), &value) != nil {
		return payload
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(value) // it was decoded
	return b.String()
}
