// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestVerifyJudgesTokens(t *testing.T) {
	right, other := signingKeys()[0], signingKeys()[1]
	with := func(name string, value any) jwt.MapClaims {
		claims := goodClaims(start)
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
		return claims
	}
	signed := func(claims jwt.MapClaims) string { return sign(t, "key-1", right, claims) }
	unsecured, err := jwt.NewWithClaims(jwt.SigningMethodNone, goodClaims(start)).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	// The oldest forgery: HMAC with the public key, which everybody knows, as the secret.
	symmetric := jwt.NewWithClaims(jwt.SigningMethodHS256, goodClaims(start))
	symmetric.Header["kid"] = "key-1"
	hmac, err := symmetric.SignedString(right.N.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	longer := jwt.NewWithClaims(jwt.SigningMethodRS512, goodClaims(start))
	longer.Header["kid"] = "key-1"
	rs512, err := longer.SignedString(right)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(signed(goodClaims(start)), ".")
	swapped := base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"` + testIssuer + `","aud":"` + testAppID + `","tid":"` + testTenant + `","exp":99999999999}`))

	tests := map[string]struct {
		token string
		want  TokenCause // empty: accepted
	}{
		"a good one":                        {token: signed(goodClaims(start))},
		"the other accepted issuer":         {token: signed(with("iss", "https://graph.microsoft.com"))},
		"audience in other case":            {token: signed(with("aud", strings.ToUpper(testAppID)))},
		"audience as a list of one":         {token: signed(with("aud", []string{testAppID}))},
		"tenant in other case":              {token: signed(with("tid", strings.ToUpper(testTenant)))},
		"expired within the skew":           {token: signed(with("exp", start.Add(-tokenSkew+time.Second).Unix()))},
		"not valid yet, within the skew":    {token: signed(with("nbf", start.Add(tokenSkew).Unix()))},
		"without nbf":                       {token: signed(with("nbf", nil))},
		"none at all":                       {token: "", want: TokenMissing},
		"garbage":                           {token: "garbage", want: TokenMalformed},
		"three dots of garbage":             {token: "a.b.c", want: TokenMalformed},
		"claims that are not JSON":          {token: parts[0] + ".bm90IGpzb24." + parts[2], want: TokenMalformed},
		"longer than a token may be":        {token: strings.Repeat("a", maxTokenBytes+1), want: TokenMalformed},
		"algorithm none":                    {token: unsecured, want: TokenWrongAlgorithm},
		"HMAC with the public key":          {token: hmac, want: TokenWrongAlgorithm},
		"RS512":                             {token: rs512, want: TokenWrongAlgorithm},
		"key nobody published":              {token: sign(t, "key-9", right, goodClaims(start)), want: TokenUnknownKey},
		"no key id":                         {token: sign(t, "", right, goodClaims(start)), want: TokenUnknownKey},
		"key of another kind":               {token: sign(t, "elliptic", right, goodClaims(start)), want: TokenUnknownKey},
		"signed by somebody else":           {token: sign(t, "key-1", other, goodClaims(start)), want: TokenBadSignature},
		"claims swapped":                    {token: parts[0] + "." + swapped + "." + parts[2], want: TokenBadSignature},
		"signature cut off":                 {token: parts[0] + "." + parts[1] + ".", want: TokenBadSignature},
		"issuer of the login service":       {token: signed(with("iss", "https://sts.windows.net/"+testTenant+"/")), want: TokenWrongIssuer},
		"no issuer":                         {token: signed(with("iss", nil)), want: TokenWrongIssuer},
		"issuer with a slash more":          {token: signed(with("iss", testIssuer+"/")), want: TokenWrongIssuer},
		"another app's":                     {token: signed(with("aud", "11111111-41c3-47a4-8775-7259bfef4241")), want: TokenWrongAudience},
		"no audience":                       {token: signed(with("aud", nil)), want: TokenWrongAudience},
		"for this app and another":          {token: signed(with("aud", []string{testAppID, "other"})), want: TokenWrongAudience},
		"expired beyond the skew":           {token: signed(with("exp", start.Add(-tokenSkew).Unix())), want: TokenExpired},
		"never expiring":                    {token: signed(with("exp", nil)), want: TokenExpired},
		"not valid yet, beyond the skew":    {token: signed(with("nbf", start.Add(tokenSkew+time.Second).Unix())), want: TokenNotYetValid},
		"no tenant":                         {token: signed(with("tid", nil)), want: TokenTenantMissing},
		"a tenant the bot does not serve":   {token: signed(with("tid", "22222222-4620-44ed-baec-459b611f84b2")), want: TokenTenantNotAllowed},
		"a tenant that is not text":         {token: signed(with("tid", 7)), want: TokenMalformed},
		"everything wrong after a good key": {token: signed(jwt.MapClaims{}), want: TokenWrongIssuer},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v, _, reg := newTestVerifier(t, newIssuer(t), logr.Discard())
			claims, err := v.Verify(t.Context(), tt.token)
			if tt.want == "" {
				if err != nil {
					t.Fatalf("Verify() = %v, want it accepted", err)
				}
				if claims.TenantID != testTenant || claims.KeyID != "key-1" || claims.Issuer == "" || claims.Expires.IsZero() {
					t.Errorf("Verify() = %+v, want the token's tenant, issuer, key and expiry", claims)
				}
				return
			}
			var refusal *TokenError
			if !errors.As(err, &refusal) || refusal.Cause != tt.want {
				t.Fatalf("Verify() = %v, want cause %s", err, tt.want)
			}
			if diff := cmp.Diff(Claims{}, claims); diff != "" {
				t.Errorf("Verify() returned claims with a refusal (-want +got):\n%s", diff)
			}
			for _, part := range strings.Split(tt.token, ".") {
				if len(part) > 3 && strings.Contains(err.Error(), part) {
					t.Errorf("the error %q quotes the token", err)
				}
			}
			if err := testutil.GatherAndCompare(reg, strings.NewReader(refusedMetric(tt.want)), "callfleet_signaling_tokens_refused_total"); err != nil {
				t.Error(err)
			}
		})
	}
}

// refusedMetric is the exposition of one refusal with that cause.
func refusedMetric(one TokenCause) string {
	var b strings.Builder
	b.WriteString("# HELP callfleet_signaling_tokens_refused_total Notifications refused because of their bearer token, by cause.\n")
	b.WriteString("# TYPE callfleet_signaling_tokens_refused_total counter\n")
	for cause := range tokenCauses {
		n := 0
		if cause == one {
			n = 1
		}
		fmt.Fprintf(&b, "callfleet_signaling_tokens_refused_total{cause=%q} %d\n", cause, n)
	}
	return b.String()
}

func TestVerifyChecksEachSignatureOnce(t *testing.T) {
	v, now, _ := newTestVerifier(t, newIssuer(t), logr.Discard())
	token := goodToken(t, start)
	first, err := v.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	// Without keys nothing could be verified any more: the answer is the remembered one.
	v.keys.keys = nil
	second, err := v.Verify(t.Context(), token)
	if err != nil {
		t.Fatalf("second Verify() of the same token = %v", err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("the remembered claims differ (-first +second):\n%s", diff)
	}
	now.SetTime(first.Expires.Add(tokenSkew))
	if _, err := v.Verify(t.Context(), token); err == nil {
		t.Error("a remembered token was accepted after its expiry")
	}
}

func TestVerifiedTokensAreBounded(t *testing.T) {
	tokens := newVerifiedTokens(10)
	put := func(i int, expires time.Time) {
		tokens.put(tokenSum(fmt.Sprint("token ", i)), Claims{Expires: expires}, start)
	}
	for i := range 9 {
		put(i, start.Add(-time.Hour))
	}
	put(9, start.Add(time.Hour))
	put(10, start.Add(time.Hour))
	if got := tokens.size(); got != 2 {
		t.Errorf("%d tokens are remembered after the expired ones had to go, want 2", got)
	}
	for i := range 1000 {
		put(i, start.Add(time.Hour))
		if got := tokens.size(); got > 10 {
			t.Fatalf("%d tokens are remembered, want at most 10", got)
		}
	}
}

func TestRefusalsAreLoggedOncePerCause(t *testing.T) {
	var lines []string
	log := funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{})
	v, now, _ := newTestVerifier(t, newIssuer(t), log)
	verify := func(token string) { _, _ = v.Verify(t.Context(), token) }

	for range 100 {
		verify("garbage")
	}
	verify("")
	if len(lines) != 2 || !strings.Contains(lines[0], `"Malformed"`) || !strings.Contains(lines[1], `"Missing"`) {
		t.Fatalf("101 refusals of two causes were logged as %q, want one line each", lines)
	}
	now.SetTime(start.Add(logRefusalEvery))
	verify("garbage")
	if len(lines) != 3 || !strings.Contains(lines[2], `"notLoggedSinceLast"=99`) {
		t.Errorf("after %s: %q, want a third line that tells of 99 more", logRefusalEvery, lines[2:])
	}
}

func TestNewVerifierRefusesToAcceptEverybody(t *testing.T) {
	good := VerifierConfig{MetadataURL: "https://login.example/openid", Issuers: []string{testIssuer}, Audience: testAppID, Tenants: []string{testTenant}}
	if _, err := NewVerifier(good); err != nil {
		t.Fatalf("NewVerifier() = %v for a good configuration", err)
	}
	tests := map[string]func(*VerifierConfig){
		"no audience":           func(c *VerifierConfig) { c.Audience = "" },
		"no issuer":             func(c *VerifierConfig) { c.Issuers = nil },
		"no tenant":             func(c *VerifierConfig) { c.Tenants = nil },
		"no metadata URL":       func(c *VerifierConfig) { c.MetadataURL = "" },
		"relative metadata URL": func(c *VerifierConfig) { c.MetadataURL = "/openid" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := good
			change(&cfg)
			if _, err := NewVerifier(cfg); err == nil {
				t.Error("NewVerifier() accepted it")
			}
		})
	}
}

func TestAllowedTenants(t *testing.T) {
	got := AllowedTenants("HOME", []string{"partner", "home", " Partner ", ""})
	if diff := cmp.Diff([]string{"home", "partner"}, got); diff != "" {
		t.Errorf("AllowedTenants() (-want +got):\n%s", diff)
	}
}

func FuzzVerify(f *testing.F) {
	i := newIssuer(f)
	v, _, _ := newTestVerifier(f, i, logr.Discard())
	good := goodToken(f, start)
	f.Add("")
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add(good[:len(good)-2])
	f.Add(good + "=")
	f.Add(strings.Replace(good, ".", "..", 1))
	f.Fuzz(func(t *testing.T, token string) {
		_, err := v.Verify(t.Context(), token)
		if err == nil {
			if token != good {
				t.Fatalf("accepted %q", token)
			}
			return
		}
		var refusal *TokenError
		if !errors.As(err, &refusal) {
			t.Fatalf("Verify() = %v, which is no TokenError", err)
		}
		if _, ok := tokenCauses[refusal.Cause]; !ok {
			t.Fatalf("cause %q is not in the list", refusal.Cause)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	b.Run("cached", func(b *testing.B) {
		v, _, _ := newTestVerifier(b, newIssuer(b), logr.Discard())
		token := goodToken(b, start)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(b.Context(), token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("uncached", func(b *testing.B) {
		v, _, _ := newTestVerifier(b, newIssuer(b), logr.Discard())
		token := goodToken(b, start)
		if err := v.Warm(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.verifyNew(b.Context(), token, start); err != nil {
				b.Fatal(err)
			}
		}
	})
}
