// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/graph"
)

const customer = "5f2b1a6e-8a0f-4d0a-9f2e-2d9f5a3b7c11"

var (
	today     = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	allGiven  = []string{graph.RoleJoinGroupCall, graph.RoleAccessMedia, graph.RoleInitiate}
	joins     = need{graph.FeatureJoinMeetings, "MeetingSession standup"}
	hosts     = need{graph.FeatureApplicationHostedMedia, "spec.media.hosting: Application"}
	redirects = need{graph.FeatureRedirect, "spec.incoming[1].action: Redirect"}
)

func home(roles ...string) tenantFacts { return tenantFacts{id: controllertest.TenantID, roles: roles} }

func refused(tenant string, aadsts int, class graph.Class) tenantFacts {
	return tenantFacts{id: tenant, refusal: &refusal{aadsts: aadsts, passing: class != graph.ClassConfiguration, explained: graph.Explanation{
		Reason: graph.ReasonAuthenticationFailed, Sentence: fmt.Sprintf("The bot could not sign in: AADSTS%d.", aadsts), Remedy: "Do this.", Class: class,
	}}}
}

func TestJudge(t *testing.T) {
	const answered = webhookProved
	tests := map[string]struct {
		facts       facts
		needs       []need
		credentials string // status/reason, then what the message must say, separated by "|"
		permissions string
		webhook     string
	}{
		"everything is fine": {
			facts:       facts{tenants: []tenantFacts{home(allGiven...)}, skewKnown: true, skew: time.Second, webhook: webhookFacts{outcome: answered}},
			needs:       []need{hosts, joins},
			credentials: "True/TokenIssued|kubectl annotate secret reception -n voice callfleet.dev/expires=",
			permissions: "True/RolesGranted|Calls.AccessMedia.All → ApplicationHostedMedia (spec.media.hosting: Application); Calls.JoinGroupCall.All → JoinMeetings (MeetingSession standup)",
			webhook:     "True/Answered|https://bots.contoso.com/voice/reception/calls",
		},
		"nothing needs a role": {
			facts:       facts{tenants: []tenantFacts{home()}, webhook: webhookFacts{outcome: webhookUnproved}},
			credentials: "True/TokenIssued", permissions: "True/RolesGranted|nothing", webhook: "True/Answered|once the bot has media pods",
		},
		"nothing was asked yet": {credentials: "Unknown/NotChecked|in a moment", permissions: "Unknown/NotChecked|CredentialsValid", webhook: "Unknown/NotChecked"},
		"no Secret": {
			facts:       facts{problem: &problem{v1alpha1.ReasonSecretNotFound, "Secret reception does not exist; create it"}, webhook: webhookFacts{outcome: answered}},
			needs:       []need{hosts},
			credentials: "False/SecretNotFound|create it", permissions: "Unknown/NotChecked", webhook: "True/Answered",
		},
		"a wrong secret": {
			facts:       facts{tenants: []tenantFacts{refused(controllertest.TenantID, 7000215, graph.ClassConfiguration)}},
			credentials: "False/CredentialsRejected|AADSTS7000215. Do this.", permissions: "Unknown/NotChecked", webhook: "Unknown/NotChecked",
		},
		"an expired secret": {
			facts:       facts{tenants: []tenantFacts{refused(controllertest.TenantID, 7000222, graph.ClassConfiguration)}},
			credentials: "False/CredentialExpired|Do this.|kubectl create secret generic reception -n voice --from-literal=clientSecret=", permissions: "Unknown/NotChecked", webhook: "Unknown/NotChecked",
		},
		"a login that is away": {
			facts:       facts{tenants: []tenantFacts{refused(controllertest.TenantID, 0, graph.ClassPlatform)}},
			credentials: "Unknown/LoginUnreachable", permissions: "Unknown/NotChecked", webhook: "Unknown/NotChecked",
		},
		"a secret that runs out soon": {
			facts:       facts{expires: today.Add(13 * 24 * time.Hour), tenants: []tenantFacts{home()}},
			credentials: "True/CredentialExpiring|runs out on 2026-12-05|kubectl create secret", permissions: "True/RolesGranted", webhook: "Unknown/NotChecked",
		},
		"one that runs out later": {
			facts:       facts{expires: today.Add(15 * 24 * time.Hour), tenants: []tenantFacts{home()}},
			credentials: "True/TokenIssued|runs out on 2026-12-07", permissions: "True/RolesGranted", webhook: "Unknown/NotChecked",
		},
		"an annotation that is wrong": {
			facts:       facts{expires: today.Add(-time.Hour), tenants: []tenantFacts{home()}},
			credentials: "True/CredentialExpiring|correct the annotation", permissions: "True/RolesGranted", webhook: "Unknown/NotChecked",
		},
		"a clock that is slow": {
			facts:       facts{tenants: []tenantFacts{home()}, skewKnown: true, skew: 3 * time.Minute},
			credentials: "False/ClockSkewed|the operator's clock is 3m0s behind|NTP", permissions: "True/RolesGranted", webhook: "Unknown/NotChecked",
		},
		"a clock that is fast, says the login": {
			facts:       facts{tenants: []tenantFacts{refused(controllertest.TenantID, 700024, graph.ClassConfiguration)}, skewKnown: true, skew: -6 * time.Minute},
			credentials: "False/ClockSkewed|6m0s ahead of", permissions: "Unknown/NotChecked", webhook: "Unknown/NotChecked",
		},
		"roles are missing": {
			facts: facts{tenants: []tenantFacts{home(graph.RoleJoinGroupCall)}}, needs: []need{hosts, joins, redirects},
			credentials: "True/TokenIssued",
			permissions: "False/RolesMissing|tenant 1fdd12d0-4620-44ed-baec-459b611f84b2 lacks Calls.AccessMedia.All → ApplicationHostedMedia (spec.media.hosting: Application); Calls.Initiate.All → Redirect (spec.incoming[1].action: Redirect)" +
				"|https://login.microsoftonline.com/1fdd12d0-4620-44ed-baec-459b611f84b2/adminconsent?client_id=0efc74f7-41c3-47a4-8775-7259bfef4241",
			webhook: "Unknown/NotChecked",
		},
		"in a customer's tenant only": {
			facts: facts{tenants: []tenantFacts{home(allGiven...), {id: customer, roles: []string{"calls.accessmedia.all"}}}}, needs: []need{hosts, joins},
			credentials: "True/TokenIssued", permissions: "False/RolesMissing|tenant " + customer + " lacks Calls.JoinGroupCall.All → JoinMeetings|/" + customer + "/adminconsent?", webhook: "Unknown/NotChecked",
		},
		"a customer who has not consented": {
			facts: facts{tenants: []tenantFacts{home(allGiven...), refused(customer, 700016, graph.ClassConfiguration)}}, needs: []need{hosts},
			credentials: "True/TokenIssued", permissions: "False/TenantNotConsented|tenant " + customer + " gives no token|AADSTS700016|/" + customer + "/adminconsent?client_id=", webhook: "Unknown/NotChecked",
		},
		"a customer's tenant that cannot be asked": {
			facts: facts{tenants: []tenantFacts{home(allGiven...), refused(customer, 0, graph.ClassPlatform)}}, needs: []need{hosts},
			credentials: "True/TokenIssued", permissions: "Unknown/LoginUnreachable|tenant " + customer, webhook: "Unknown/NotChecked",
		},
		"tokens that show nothing": {
			facts: facts{tenants: []tenantFacts{{id: controllertest.TenantID, opaque: true}}}, needs: []need{hosts},
			credentials: "True/TokenIssued", permissions: "Unknown/NotChecked|Calls.AccessMedia.All", webhook: "Unknown/NotChecked",
		},
		"a name that is not known here": {
			facts:       facts{webhook: webhookFacts{webhookNotResolved, "no such name"}},
			credentials: "Unknown/NotChecked", permissions: "Unknown/NotChecked", webhook: "Unknown/NameNotResolved|bots.contoso.com|DNS record",
		},
		"nobody answers": {
			facts:       facts{webhook: webhookFacts{webhookSilent, "connection refused"}},
			credentials: "Unknown/NotChecked", permissions: "Unknown/NotChecked", webhook: "False/NoAnswer|connection refused|callfleet-router",
		},
		"a certificate nobody trusts": {
			facts:       facts{webhook: webhookFacts{webhookUntrusted, "certificate signed by unknown authority"}},
			credentials: "Unknown/NotChecked", permissions: "Unknown/NotChecked", webhook: "False/UntrustedCertificate|unknown authority|callfleet-router-tls",
		},
		"somebody else's server": {
			facts:       facts{webhook: webhookFacts{webhookStrange, "it says 404 Not Found"}},
			credentials: "Unknown/NotChecked", permissions: "Unknown/NotChecked", webhook: "False/WrongAnswer|404|spec.signaling.host",
		},
	}
	bot := controllertest.Bot("voice", "reception").Object()
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := map[string]metav1.Condition{}
			for _, c := range judge(bot, tc.facts, tc.needs, today) {
				got[c.Type] = c
			}
			for conditionType, want := range map[string]string{
				v1alpha1.ConditionCredentialsValid: tc.credentials, v1alpha1.ConditionPermissionsGranted: tc.permissions, v1alpha1.ConditionWebhookReachable: tc.webhook,
			} {
				c := got[conditionType]
				parts := strings.Split(want, "|")
				if verdict := string(c.Status) + "/" + c.Reason; verdict != parts[0] {
					t.Errorf("%s is %s (%s), want %s", conditionType, verdict, c.Message, parts[0])
				}
				for _, says := range parts[1:] {
					if !strings.Contains(c.Message, says) {
						t.Errorf("%s says %q, nothing of %q", conditionType, c.Message, says)
					}
				}
				if c.Message == "" {
					t.Errorf("%s has no message", conditionType)
				}
			}
		})
	}
}

// Sixty-four customers who have not consented make a message that can be read.
func TestMessagesAreBounded(t *testing.T) {
	f := facts{tenants: []tenantFacts{home(allGiven...)}}
	for i := range 64 {
		f.tenants = append(f.tenants, refused(fmt.Sprintf("00000000-0000-4000-8000-%012d", i), 700016, graph.ClassConfiguration))
	}
	got := judge(controllertest.Bot("voice", "reception").Object(), f, []need{hosts}, today)[1]
	if len(got.Message) > longestMessage || !strings.Contains(got.Message, "and 60 more tenants alike") {
		t.Errorf("%d bytes: %s", len(got.Message), got.Message)
	}
}

func TestNextLook(t *testing.T) {
	q, other := question{1}, question{2}
	for name, tc := range map[string]struct {
		look look
		want time.Duration
	}{
		"never looked":                 {look{}, 0},
		"all was fine":                 {look{at: today, asked: q}, time.Hour},
		"something was wrong":          {look{at: today, asked: q, failures: 1}, 30 * time.Second},
		"again":                        {look{at: today, asked: q, failures: 3}, 2 * time.Minute},
		"for days":                     {look{at: today, asked: q, failures: 1000}, 15 * time.Minute},
		"the Secret changed since":     {look{at: today.Add(-time.Minute), asked: other}, 5*time.Second - time.Minute},
		"the Secret changes all along": {look{at: today, asked: other, failures: 9}, 5 * time.Second},
		"it was looked a while ago":    {look{at: today.Add(-50 * time.Minute), asked: q}, 10 * time.Minute},
	} {
		if got := tc.look.wait(q, today); got != tc.want {
			t.Errorf("%s: the next look is in %s, want %s", name, got, tc.want)
		}
	}
}
