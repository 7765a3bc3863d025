// SPDX-License-Identifier: Apache-2.0

package teamsim_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/callfleet/callfleet/teamsim/admin"
)

func in(d doc, path ...string) doc {
	for _, p := range path {
		d = d[p].(doc)
	}
	return d
}

func TestBadBodiesAreRefusedAndCreateNothing(t *testing.T) {
	s := start(t)
	b := newBot(t, s).trusted()
	m := s.meeting(nil)
	for name, c := range map[string]struct {
		change func(doc)
		code   string
		says   string
	}{
		"no @odata.type":              {func(d doc) { delete(d, "@odata.type") }, "BadRequest", "body lacks @odata.type"},
		"another @odata.type":         {func(d doc) { d["@odata.type"] = "#microsoft.graph.Call" }, "BadRequest", "@odata.type"},
		"unknown member":              {func(d doc) { d["callbackURI"] = "x" }, "BadRequest", "callbackURI is not a property"},
		"read-only member":            {func(d doc) { d["state"] = "establishing" }, "BadRequest", "state is not a property"},
		"unknown member within":       {func(d doc) { in(d, "chatInfo")["thread"] = "x" }, "BadRequest", "chatInfo.thread is not"},
		"no callbackUri":              {func(d doc) { delete(d, "callbackUri") }, "BadRequest", "callbackUri is required"},
		"http callbackUri":            {func(d doc) { d["callbackUri"] = "http://bots.contoso.com/x" }, "BadRequest", "callbackUri must be an absolute https URI"},
		"relative callbackUri":        {func(d doc) { d["callbackUri"] = "/x" }, "BadRequest", "callbackUri"},
		"callbackUri without a host":  {func(d doc) { d["callbackUri"] = "https://:443/x" }, "BadRequest", "callbackUri"},
		"no modalities":               {func(d doc) { d["requestedModalities"] = []string{} }, "BadRequest", "requestedModalities"},
		"unknown modality":            {func(d doc) { d["requestedModalities"] = []string{"Audio"} }, "BadRequest", "requestedModalities[0]"},
		"no mediaConfig":              {func(d doc) { delete(d, "mediaConfig") }, "BadRequest", "mediaConfig is required"},
		"mediaConfig without type":    {func(d doc) { delete(in(d, "mediaConfig"), "@odata.type") }, "BadRequest", "mediaConfig lacks @odata.type"},
		"empty blob":                  {func(d doc) { in(d, "mediaConfig")["blob"] = "" }, "2203", "blob is empty"},
		"blob that is not JSON":       {func(d doc) { in(d, "mediaConfig")["blob"] = "x" }, "2203", "JSON"},
		"blob without mpUri":          {func(d doc) { in(d, "mediaConfig")["blob"] = `{"version":1,"transport":"webrtc","token":"t"}` }, "2203", "mpUri"},
		"blob with http mpUri":        {func(d doc) { in(d, "mediaConfig")["blob"] = strings.Replace(b.blob(), "https", "http", 1) }, "2203", "mpUri"},
		"blob without token":          {func(d doc) { in(d, "mediaConfig")["blob"] = strings.Replace(b.blob(), whipToken, "", 1) }, "2203", "token"},
		"blob as object":              {func(d doc) { in(d, "mediaConfig")["blob"] = doc{} }, "BadRequest", "blob must be a string"},
		"no meetingInfo":              {func(d doc) { delete(d, "meetingInfo") }, "BadRequest", "meetingInfo"},
		"meetingInfo without type":    {func(d doc) { delete(in(d, "meetingInfo"), "@odata.type") }, "BadRequest", "meetingInfo lacks @odata.type"},
		"no organizer":                {func(d doc) { delete(in(d, "meetingInfo"), "organizer") }, "BadRequest", "meetingInfo.organizer is required"},
		"organizer without id":        {func(d doc) { delete(in(d, "meetingInfo", "organizer", "user"), "id") }, "BadRequest", "organizer.user.id is required"},
		"no chatInfo":                 {func(d doc) { delete(d, "chatInfo") }, "BadRequest", "chatInfo is required"},
		"chatInfo without message id": {func(d doc) { delete(in(d, "chatInfo"), "messageId") }, "BadRequest", "chatInfo.messageId is required"},
		"tenantId that is no GUID":    {func(d doc) { d["tenantId"] = "contoso" }, "BadRequest", "tenantId must be a GUID"},
		"beta member in v1.0":         {func(d doc) { d["ringingTimeoutInSeconds"] = 60 }, "BadRequest", "ringingTimeoutInSeconds"},
		"another app as source":       {func(d doc) { in(d, "source", "identity", "application")["id"] = tenantID }, "BadRequest", "source.identity.application"},
		"spaces in joinMeetingId": {func(d doc) {
			d["meetingInfo"] = doc{"@odata.type": "#microsoft.graph.joinMeetingIdMeetingInfo", "joinMeetingId": "123 456", "passcode": "x"}
		}, "BadRequest", "digits"},
	} {
		t.Run(name, func(t *testing.T) {
			body := joinBody(m, b)
			c.change(body)
			r := s.do("POST", "/v1.0/communications/calls", body)
			if r.Status != http.StatusBadRequest || r.errorCode() != c.code || !strings.Contains(r.errorMessage(), c.says) {
				t.Errorf("got %d %s %q, want 400 %s saying %q", r.Status, r.errorCode(), r.errorMessage(), c.code, c.says)
			}
			inner := in(r.Body, "error", "innerError")
			if inner["request-id"] != r.Header.Get("request-id") || inner["client-request-id"] != r.Header.Get("client-request-id") || inner["date"] == nil {
				t.Errorf("innerError = %v", inner)
			}
		})
	}
	for name, raw := range map[string]string{"not JSON": "{", "a list": "[]", "two values": "{}{}"} {
		if r := s.do("POST", "/v1.0/communications/calls", raw); r.Status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, r.Status)
		}
	}
	calls, err := s.admin.Calls(t.Context())
	if err != nil || len(calls) > 0 || len(b.story()) > 0 {
		t.Errorf("refused requests left calls %v, notifications %v, error %v", calls, b.story(), err)
	}
}

func TestWhatIsForbiddenAndWhy(t *testing.T) {
	const otherTenant = "99999999-0000-4000-8000-000000000001"
	s := start(t)
	b := newBot(t, s).trusted()
	m := s.meeting(nil)
	elsewhere := s.meeting(func(n *admin.NewMeeting) { n.TenantID = otherTenant })
	guest := func(d doc) {
		in(d, "source")["identity"] = doc{"@odata.type": "#microsoft.graph.identitySet", "guest": doc{
			"@odata.type": "#microsoft.graph.identity", "id": otherTenant, "displayName": "Visitor",
		}}
	}
	serviceHosted := func(d doc) { d["mediaConfig"] = doc{"@odata.type": "#microsoft.graph.serviceHostedMediaConfig"} }
	for name, c := range map[string]struct {
		roles  []string
		change func(doc)
		status int
		code   string
		says   string
	}{
		"no role at all":         {nil, func(doc) {}, 403, "7503", "Calls.JoinGroupCall.All, Calls.AccessMedia.All"},
		"no media role":          {[]string{"Calls.JoinGroupCall.All"}, func(doc) {}, 403, "7503", "permission: Calls.AccessMedia.All"},
		"no join role":           {[]string{"Calls.AccessMedia.All"}, func(doc) {}, 403, "7503", "permission: Calls.JoinGroupCall.All"},
		"guest role is another":  {[]string{"Calls.JoinGroupCall.All", "Calls.AccessMedia.All"}, guest, 403, "7503", "permission: Calls.JoinGroupCallAsGuest.All"},
		"service-hosted is less": {[]string{"Calls.JoinGroupCall.All"}, serviceHosted, 201, "", ""},
		"no tenantId":            {allRoles, func(d doc) { delete(d, "tenantId") }, 403, "7505", "tenant mismatch"},
		"another tenantId":       {allRoles, func(d doc) { d["tenantId"] = otherTenant }, 403, "7505", "tenant mismatch"},
		"meeting of a tenant that has not consented": {allRoles, func(d doc) {
			in(d, "chatInfo")["threadId"] = elsewhere.ThreadID
			user := in(d, "meetingInfo", "organizer", "user")
			user["id"] = elsewhere.OrganizerID
			delete(user, "tenantId")
		}, 403, "7504", "Insufficient enterprise tenant permissions"},
		"unknown thread":        {allRoles, func(d doc) { in(d, "chatInfo")["threadId"] = "19:meeting_x@thread.v2" }, 404, "NotFound", "meeting was not found"},
		"not the organizer":     {allRoles, func(d doc) { in(d, "meetingInfo", "organizer", "user")["id"] = otherTenant }, 404, "NotFound", "meeting was not found"},
		"calling nobody":        {allRoles, func(d doc) { d["targets"] = []doc{{}} }, 400, "BadRequest", "targets[0].identity is required"},
		"nothing wrong with it": {allRoles, func(doc) {}, 201, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s.register(c.roles...)
			body := joinBody(m, b)
			c.change(body)
			r := s.do("POST", "/v1.0/communications/calls", body)
			if r.Status != c.status || r.errorCode() != c.code || !strings.Contains(r.errorMessage(), c.says) {
				t.Errorf("got %d %s %q, want %d %s saying %q", r.Status, r.errorCode(), r.errorMessage(), c.status, c.code, c.says)
			}
		})
	}
}

func TestOnlyTheBotItselfReachesItsCall(t *testing.T) {
	const otherApp = "99999999-0000-4000-8000-000000000002"
	s := start(t)
	b := newBot(t, s).trusted()
	id := s.join(joinBody(s.meeting(nil), b))
	path := "/v1.0/communications/calls/" + id
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	for name, header := range map[string]http.Header{
		"no token": {}, "garbage": bearer("x.y.z"), "basic": {"Authorization": {"Basic eDp5"}},
		"a notification's token": bearer(strings.TrimPrefix(notificationToken(t, b), "Bearer ")),
	} {
		if r := s.doWith("GET", path, nil, header); r.Status != http.StatusUnauthorized || r.errorCode() != "InvalidAuthenticationToken" {
			t.Errorf("%s: %d %v", name, r.Status, r.Body)
		}
	}
	s.must(s.admin.PutApp(t.Context(), admin.App{ID: otherApp, TenantID: tenantID, Secret: secret, Roles: allRoles}))
	if r := s.doWith("DELETE", path, nil, bearer(s.login(otherApp, tenantID))); r.Status != http.StatusNotFound || r.errorCode() != "8522" {
		t.Errorf("another app: %d %v", r.Status, r.Body)
	}
	const second = "99999999-0000-4000-8000-000000000003"
	s.must(s.admin.PutApp(t.Context(), admin.App{ID: appID, TenantID: tenantID, Secret: secret, Roles: allRoles, ConsentedTenants: []string{second}}))
	if r := s.doWith("GET", path, nil, bearer(s.login(appID, second))); r.Status != http.StatusForbidden || r.errorCode() != "7505" {
		t.Errorf("token of another tenant: %d %v", r.Status, r.Body)
	}
	if r := s.do("GET", path, nil); r.Status != http.StatusOK {
		t.Errorf("the bot itself: %d", r.Status)
	}
}

func TestAnAppThatIsGoneIsRefused(t *testing.T) {
	s := start(t)
	b := newBot(t, s).trusted()
	id := s.join(joinBody(s.meeting(nil), b))
	s.must(s.admin.DeleteApp(t.Context(), appID))
	if r := s.do("GET", "/v1.0/communications/calls/"+id, nil); r.Status != http.StatusUnauthorized {
		t.Errorf("with a token from before: %d %v", r.Status, r.Body)
	}
}

func notificationToken(t *testing.T, b *bot) string {
	t.Helper()
	b.waitFor("updated roster 1")
	return b.notes()[0].Header.Get("Authorization")
}

func TestUnknownOperations(t *testing.T) {
	s := start(t)
	b := newBot(t, s).trusted()
	path := "/v1.0/communications/calls/" + s.join(joinBody(s.meeting(nil), b))
	for name, c := range map[string]struct {
		method, path string
		body         any
		status       int
	}{
		"an action Graph does not have":     {"POST", path + "/dance", nil, 400},
		"an action teamsim does not have":   {"POST", path + "/participants/muteAll", doc{}, 501},
		"a wrong method":                    {"PUT", path, nil, 405},
		"keepAlive by GET":                  {"GET", path + "/keepAlive", nil, 405},
		"keepAlive with a body":             {"POST", path + "/keepAlive", doc{"a": 1}, 400},
		"listing calls":                     {"GET", "/v1.0/communications/calls", nil, 405},
		"another part of Graph":             {"GET", "/v1.0/users", nil, 400},
		"clientContext that is too long":    {"POST", path + "/mute", doc{"clientContext": strings.Repeat("x", 257)}, 400},
		"rejecting a call one made":         {"POST", path + "/reject", doc{"reason": "busy"}, 400},
		"a reject reason that is not there": {"POST", path + "/reject", doc{"reason": "Busy"}, 400},
	} {
		if r := s.do(c.method, c.path, c.body); r.Status != c.status {
			t.Errorf("%s: %d %v, want %d", name, r.Status, r.Body, c.status)
		}
	}
	header := http.Header{"Authorization": {"Bearer " + s.token}, "Content-Type": {"text/plain"}}
	if r := s.doWith("POST", "/v1.0/communications/calls", "{}", header); r.Status != http.StatusUnsupportedMediaType {
		t.Errorf("text/plain: %d", r.Status)
	}
}

func TestRequestsFailOnDemand(t *testing.T) {
	s := start(t)
	s.must(s.admin.AddFault(t.Context(), admin.Fault{Method: "POST", PathContains: "/calls", Status: 429, RetryAfterSeconds: 7, Count: 2}))
	for i, want := range []int{429, 429, 400} {
		r := s.do("POST", "/v1.0/communications/calls", doc{})
		if r.Status != want || want == 429 && r.Header.Get("Retry-After") != "7" {
			t.Errorf("request %d: %d Retry-After %q, want %d", i, r.Status, r.Header.Get("Retry-After"), want)
		}
	}
	s.must(s.admin.AddFault(t.Context(), admin.Fault{Status: 503, Count: 100}))
	s.must(s.admin.ClearFaults(t.Context()))
	if r := s.do("POST", "/v1.0/communications/calls", doc{}); r.Status != 400 {
		t.Errorf("after clearing: %d", r.Status)
	}
}
