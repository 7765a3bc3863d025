// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestExplain(t *testing.T) {
	for name, c := range map[string]struct {
		result ResultInfo
		reason string
		class  Class
		says   string
	}{
		"bot hung up":               {ResultInfo{Code: 200, Subcode: 7000}, ReasonEndedByBot, ClassNormalEnd, ""},
		"removed":                   {ResultInfo{Code: 200, Subcode: 5300}, ReasonRemoved, ClassNormalEnd, ""},
		"meeting ended":             {ResultInfo{Code: 200, Subcode: 5003}, ReasonMeetingEnded, ClassNormalEnd, ""},
		"lobby":                     {ResultInfo{Code: 200, Subcode: 5855}, ReasonLobbyTimeout, ClassNormalEnd, "admit"},
		"transferred, code 0":       {ResultInfo{Code: 0, Subcode: 7015}, ReasonTransferred, ClassNormalEnd, ""},
		"all zero":                  {ResultInfo{}, ReasonEnded, ClassNormalEnd, "The call ended."},
		"200, not known":            {ResultInfo{Code: 200, Subcode: 99, Message: "Fin"}, ReasonEnded, ClassNormalEnd, "Code 200/99: Fin."},
		"keepAlive":                 {ResultInfo{Code: 408, Subcode: 8537}, ReasonKeepAliveMissed, ClassLiveness, "45 minutes"},
		"callee silent":             {ResultInfo{Code: 408, Subcode: 10057}, ReasonNoAnswer, ClassCallee, ""},
		"408, seen only once":       {ResultInfo{Code: 408, Subcode: 13025}, ReasonTimeout, ClassPlatform, "408/13025"},
		"media lost":                {ResultInfo{Code: 410, Subcode: 301005}, ReasonMediaConnectionLost, ClassMediaUnreachable, "certificate"},
		"media unreachable":         {ResultInfo{Code: 500, Subcode: 1005}, ReasonMediaUnreachable, ClassMediaUnreachable, "certificate"},
		"media, text form":          {ResultInfo{Message: "Server Internal Error. DiagCode: 500#1203002.@"}, ReasonMediaNegotiationFailed, ClassMediaUnreachable, ""},
		"media, code unreadable":    {ResultInfo{Code: -1, Message: "x DiagCode: 410#301005.@"}, ReasonMediaConnectionLost, ClassMediaUnreachable, ""},
		"media, other 71xx":         {ResultInfo{Code: 500, Subcode: 7199, Message: "MediaControllerOops"}, ReasonMediaSetupFailed, ClassMediaUnreachable, "500/7199: MediaControllerOops."},
		"media, other 12030xx":      {ResultInfo{Code: 500, Subcode: 1203042}, ReasonMediaSetupFailed, ClassMediaUnreachable, "500/1203042."},
		"callee nowhere":            {ResultInfo{Code: 480, Subcode: 10037}, ReasonNoEndpoint, ClassCallee, ""},
		"480, not known":            {ResultInfo{Code: 480, Subcode: 1}, ReasonCalleeUnavailable, ClassCallee, "480/1"},
		"500, not known":            {ResultInfo{Code: 500, Subcode: 4711, Message: "Oops"}, ReasonPlatformError, ClassPlatform, "500/4711: Oops."},
		"503":                       {ResultInfo{Code: 503, Subcode: 1}, ReasonPlatformError, ClassPlatform, "503/1"},
		"callee unknown":            {ResultInfo{Code: 404, Subcode: 4}, ReasonCalleeNotFound, ClassCallee, "404/4"},
		"callee not allowed":        {ResultInfo{Code: 403, Subcode: 5, Message: "Policy"}, ReasonCallForbidden, ClassCallee, "403/5: Policy."},
		"declined":                  {ResultInfo{Code: 603}, ReasonDeclined, ClassCallee, "declined"},
		"busy everywhere":           {ResultInfo{Code: 600}, ReasonBusy, ClassCallee, ""},
		"taken back":                {ResultInfo{Code: 487, Subcode: 10003}, ReasonCallCanceled, ClassCallee, "487/10003"},
		"no common media":           {ResultInfo{Code: 488}, ReasonMediaNegotiationFailed, ClassMediaUnreachable, ""},
		"throttled":                 {ResultInfo{Code: 429}, ReasonThrottled, ClassThrottled, ""},
		"telephone hung up":         {ResultInfo{Code: 200, Subcode: 540000}, ReasonPhoneHungUp, ClassNormalEnd, ""},
		"telephone hung up, else":   {ResultInfo{Code: 200, Subcode: 531000}, ReasonPhoneHungUp, ClassNormalEnd, ""},
		"telephone busy":            {ResultInfo{Code: 486, Subcode: 540486}, ReasonBusy, ClassCallee, "telephone"},
		"telephone not answered":    {ResultInfo{Code: 480, Subcode: 560480}, ReasonNoAnswer, ClassCallee, ""},
		"telephone declined":        {ResultInfo{Code: 603, Subcode: 510603}, ReasonDeclined, ClassCallee, ""},
		"number unknown":            {ResultInfo{Code: 404, Subcode: 560404}, ReasonCalleeNotFound, ClassCallee, "country"},
		"number incomplete":         {ResultInfo{Code: 484, Subcode: 540484}, ReasonInvalidNumber, ClassCallee, ""},
		"carrier failed":            {ResultInfo{Code: 503, Subcode: 540503}, ReasonPhoneNetworkFailed, ClassPlatform, "503/540503"},
		"telephone, odd SIP code":   {ResultInfo{Code: 480, Subcode: 540499}, ReasonCalleeUnavailable, ClassCallee, "480/540499"},
		"telephone, odd prefix":     {ResultInfo{Code: 486, Subcode: 541480}, ReasonBusy, ClassCallee, ""},
		"no code ever seen":         {ResultInfo{Code: 777, Subcode: 8, Message: "See https://x.example/y?sig=1"}, ReasonUnknown, ClassUnknown, "777/8: See https://x.example/y?[redacted]"},
		"a code that is unreadable": {ResultInfo{Code: -1}, ReasonUnknown, ClassUnknown, "-1/0"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Explain(c.result)
			if got.Reason != c.reason || got.Class != c.class || !strings.Contains(got.Message(), c.says) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestExplainOperation(t *testing.T) {
	for result, want := range map[ResultInfo]string{
		{Code: 200}:                ReasonOperationCompleted,
		{Code: 200, Subcode: 8515}: ReasonMaxRecordDuration,
		{Code: 400, Subcode: 8508}: ReasonOperationCanceled,
		{Code: 400, Subcode: 1}:    ReasonOperationFailed,
		{Code: 500, Subcode: 9999}: ReasonOperationFailed,
		{Code: 302}:                ReasonUnknown,
	} {
		if got := ExplainOperation(result); got.Reason != want {
			t.Errorf("%v: %+v", result, got)
		}
	}
}

func TestExplainOperationEnd(t *testing.T) {
	for name, c := range map[string]struct {
		op     Operation
		reason string
		class  Class
		says   string
	}{
		"done":                      {Operation{Status: OperationCompleted, ResultInfo: &ResultInfo{Code: 200}}, ReasonOperationCompleted, ClassNormalEnd, ""},
		"done, and nothing is said": {Operation{}, ReasonOperationCompleted, ClassNormalEnd, ""},
		"cancelled":                 {Operation{Status: OperationFailed, ResultInfo: &ResultInfo{Code: 400, Subcode: 8508}, CompletionReason: "operationCanceled"}, ReasonOperationCanceled, ClassNormalEnd, ""},
		"tones cancelled":           {Operation{Status: OperationCompleted, CompletionReason: "MediaOperationCanceled"}, ReasonOperationCanceled, ClassNormalEnd, ""},
		"key ended the recording":   {Operation{Status: OperationCompleted, ResultInfo: &ResultInfo{Code: 200}, CompletionReason: "stopToneDetected"}, ReasonStopToneDetected, ClassNormalEnd, ""},
		"prompt failed":             {Operation{Status: OperationFailed, ResultInfo: &ResultInfo{Code: 500}, CompletionReason: "playPromptFailed"}, ReasonPromptFailed, ClassConfiguration, "16 kHz"},
		"prompt of a wrong kind":    {Operation{Status: OperationFailed, ResultInfo: &ResultInfo{Code: 400, Subcode: 8535}}, ReasonPromptInvalid, ClassConfiguration, ""},
		"failed, without a result":  {Operation{Status: OperationFailed}, ReasonOperationFailed, ClassPlatform, "not why"},
		"failed, in a new way":      {Operation{Status: OperationFailed, CompletionReason: "gremlins"}, ReasonOperationFailed, ClassPlatform, "gremlins."},
		"failed, code nobody knows": {Operation{Status: OperationFailed, ResultInfo: &ResultInfo{Code: 500, Subcode: 77, Message: "Oops"}}, ReasonOperationFailed, ClassPlatform, "500/77: Oops."},
	} {
		if got := ExplainOperationEnd(&c.op); got.Reason != c.reason || got.Class != c.class || !strings.Contains(got.Message(), c.says) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// What every explanation owes its reader.
func TestExplanationsAreWellFormed(t *testing.T) {
	all := map[string]Explanation{}
	for k, e := range endCodes {
		all[fmt.Sprint("end ", k)] = e
	}
	for k, e := range operationCodes {
		all[fmt.Sprint("operation ", k)] = e
	}
	for k, e := range phoneCodes {
		all[fmt.Sprint("telephone ", k)] = e
	}
	for k, e := range completionReasons {
		all[k] = e
	}
	for i, r := range append(endCodeRanges, operationCodeRanges...) {
		all[fmt.Sprint("range ", i)] = r.explanation
	}
	for n := range signInCauses {
		all[fmt.Sprint("AADSTS", n)] = explainAuth(&AuthError{AADSTS: n})
	}
	camel := regexp.MustCompile(`^[A-Z][A-Za-z]+$`) // a condition's reason
	for name, e := range all {
		if !camel.MatchString(e.Reason) {
			t.Errorf("%s: reason %q", name, e.Reason)
		}
		if !strings.HasSuffix(strings.TrimSuffix(e.Sentence, ")"), ".") && !strings.HasSuffix(e.Sentence, ")") {
			t.Errorf("%s: sentence %q does not end", name, e.Sentence)
		}
		if e.Class != ClassNormalEnd && e.Reason != ReasonDeclined && e.Remedy == "" {
			t.Errorf("%s: a fault without a remedy", name)
		}
		if e.Remedy != "" && !strings.HasSuffix(e.Remedy, ".") {
			t.Errorf("%s: remedy %q does not end", name, e.Remedy)
		}
	}
}

func TestExplainError(t *testing.T) {
	create := func(status int, code, message string) *Error {
		return &Error{Operation: "create call", Method: "POST", Path: "/v1.0/communications/calls", StatusCode: status, Code: code, Message: message, RequestID: "r"}
	}
	user := InvitationParticipantInfo{Identity: IdentitySet{User: &Identity{ID: "ada"}}}
	phone := InvitationParticipantInfo{Identity: IdentitySet{Phone: &Identity{ID: "+12065550100"}}}
	to := func(e *Error, who InvitationParticipantInfo) error { return calling(fmt.Errorf("x: %w", e), who) }
	missing := create(403, "7505", "Insufficient permissions")
	missing.MissingRoles = []string{RoleJoinGroupCall, RoleAccessMedia}
	throttled := create(429, "", "")
	throttled.RetryAfter = 7 * time.Second

	for name, c := range map[string]struct {
		err    error
		reason string
		class  Class
		says   string
	}{
		"roles missing":      {missing, ReasonPermissionMissing, ClassConfiguration, "Calls.JoinGroupCall.All and Calls.AccessMedia.All"},
		"7505":               {create(403, "7505", ""), ReasonTenantNotConsented, ClassConfiguration, "identity.tenantID"},
		"7503":               {create(403, "7503", ""), ReasonPermissionMissing, ClassConfiguration, "registered for calling"},
		"7504":               {create(403, "7504", ""), ReasonTenantNotConsented, ClassConfiguration, "consent"},
		"forbidden":          {create(403, "Forbidden", "no"), ReasonPermissionMissing, ClassConfiguration, "code Forbidden: no."},
		"token refused":      {create(401, "InvalidAuthenticationToken", ""), ReasonTokenRejected, ClassConfiguration, "appID"},
		"no such meeting":    {create(404, "", "x"), ReasonMeetingNotFound, ClassConfiguration, "join link"},
		"no such call":       {&Error{Operation: "keep call alive", StatusCode: 404, Code: "8522"}, ReasonCallNotFound, ClassNormalEnd, ""},
		"2203":               {create(400, "2203", ""), ReasonMeetingRejected, ClassConfiguration, "media"},
		"2203 to a user":     {to(create(400, "2203", ""), user), ReasonCalleeRejected, ClassConfiguration, "did not accept the callee"},
		"a user of another":  {to(create(400, "BadRequest", "x"), user), ReasonCalleeRejected, ClassConfiguration, "belongs to the tenant"},
		"no such user":       {to(create(404, "", "x"), user), ReasonCalleeNotFound, ClassConfiguration, "callee's id"},
		"a phone, no number": {to(create(403, "7504", ""), phone), ReasonPhoneNotEnabled, ClassConfiguration, "number of its own"},
		"inviting a phone":   {to(&Error{Operation: "invite", StatusCode: 403, Code: "7504"}, phone), ReasonPhoneNotEnabled, ClassConfiguration, "number of its own"},
		"7504 to a user":     {to(create(403, "7504", ""), user), ReasonTenantNotConsented, ClassConfiguration, "those who are called"},
		"a bad answer":       {&Error{Operation: "answer call", StatusCode: 400, Code: "BadRequest"}, ReasonRequestRejected, ClassConfiguration, "Ask Microsoft's support"},
		"9999":               {&Error{Operation: "x", StatusCode: 500, Code: "9999"}, ReasonRequestRejected, ClassConfiguration, "service-hosted"},
		"throttled":          {throttled, ReasonThrottled, ClassThrottled, "7s"},
		"used up":            {create(429, "", "Application reached the monthly call creation limit."), ReasonQuotaExceeded, ClassConfiguration, "month"},
		"server error":       {create(500, "UnknownError", ""), ReasonPlatformError, ClassPlatform, "500"},
		"bad request":        {create(400, "BadRequest", "x"), ReasonMeetingRejected, ClassConfiguration, "BadRequest"},
		"redirect":           {create(302, "", ""), ReasonRequestFailed, ClassUnknown, "302"},
		"wrapped":            {fmt.Errorf("join: %w", create(404, "", "")), ReasonMeetingNotFound, ClassConfiguration, ""},
		"wrong secret":       {&AuthError{Code: "invalid_client", AADSTS: 7000215, Description: "AADSTS7000215: Invalid client secret provided."}, ReasonAuthenticationFailed, ClassConfiguration, "client secret is wrong"},
		"expired secret":     {&AuthError{AADSTS: 7000222}, ReasonAuthenticationFailed, ClassConfiguration, "expired"},
		"unknown app":        {&AuthError{AADSTS: 700016}, ReasonAuthenticationFailed, ClassConfiguration, "appID"},
		"unknown tenant":     {&AuthError{AADSTS: 90002}, ReasonAuthenticationFailed, ClassConfiguration, "tenantID"},
		"login throttles":    {&AuthError{AADSTS: 90055}, ReasonAuthenticationFailed, ClassPlatform, "throttling"},
		"a cause never seen": {&AuthError{Code: "invalid_client", AADSTS: 1234567, Description: "AADSTS1234567: Oh."}, ReasonAuthenticationFailed, ClassConfiguration, "AADSTS1234567: Oh."},
		"login down":         {&AuthError{Description: `ClientSecretCredential: dial tcp 127.0.0.1:443: connect: connection refused`}, ReasonLoginUnreachable, ClassPlatform, "refused"},
		"login failing":      {&AuthError{Code: "temporarily_unavailable"}, ReasonLoginUnreachable, ClassPlatform, ""},
		"login not trusted":  {&AuthError{Description: "tls: failed to verify certificate: x509: certificate signed by unknown authority"}, ReasonLoginUnreachable, ClassConfiguration, "caBundle"},
		"graph down":         {fmt.Errorf("create call: %w", &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}), ReasonGraphUnreachable, ClassPlatform, "refused"},
		"graph silent":       {context.DeadlineExceeded, ReasonGraphUnreachable, ClassPlatform, ""},
		"graph not trusted":  {&url.Error{Op: "Get", URL: "https://h", Err: errors.New("tls: failed to verify certificate: x509: certificate signed by unknown authority")}, ReasonGraphUnreachable, ClassConfiguration, "caBundle"},
		"given up":           {fmt.Errorf("x: %w", context.Canceled), ReasonCanceled, ClassPlatform, ""},
		"something else":     {errors.New("odd https://h/p?sig=secret"), ReasonRequestFailed, ClassUnknown, "odd https://h/p?[redacted]"},
		"nothing":            {nil, ReasonEnded, ClassNormalEnd, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ExplainError(c.err)
			if got.Reason != c.reason || got.Class != c.class || !strings.Contains(got.Message(), c.says) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"Passcode p4sscode is wrong":                                        "Passcode [redacted] is wrong",
		"Bad uri https://h/l/meetup-join/19:x/0?context=y and http://h/a#b": "Bad uri https://h/l/meetup-join/[redacted] and http://h/a?[redacted]",
		"see https://teams.microsoft.com/meet/123?p=1":                      "see https://teams.microsoft.com/meet/[redacted]",
		"token " + jwtWith(`{"a":1}`) + " expired":                          "token [redacted] expired",
		"two\r\n  lines":         "two lines",
		strings.Repeat("ü", 300): strings.Repeat("ü", 256) + "…",
	} {
		if got := redact(in, []string{"p4sscode", "", "a"}); got != want {
			t.Errorf("redact(%q)\n got %q\nwant %q", in, got, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, "-1": 0, "soon": 0,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute, now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {in}}, now); got != want {
			t.Errorf("%q: %s", in, got)
		}
	}
}

func TestClouds(t *testing.T) {
	for _, c := range []Cloud{Public, USGov, USGovDoD} {
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
	if got := (Cloud{GraphURL: "https://graph.example/"}).Scope(); got != "https://graph.example/.default" {
		t.Error(got)
	}
	for _, bad := range []string{"", "http://h", "https://", "https://u:p@h", "https://h?x=y", "https://h#f", "\x7f"} {
		c := Public
		c.LoginURL = bad
		if err := c.Validate(); err == nil || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := (Cloud{GraphURL: "https://g", LoginURL: "https://l", OpenIDConfigurationURL: "https://o"}).Validate(); err == nil {
		t.Error("a cloud without issuers accepts no notification")
	}
}
