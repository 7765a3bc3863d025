// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/selftest"
	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/shorten"
	"github.com/callfleet/callfleet/graph"
)

const (
	// expiresSoon is when a credential that runs out is worth a word.
	expiresSoon = 14 * 24 * time.Hour
	// maxSkew is what the media pods allow the times in tokens to be off.
	maxSkew = 2 * time.Minute
	// maxTold tenants are named with what they lack; there may be sixty-five.
	maxTold = 4
	// longestMessage of a condition, in bytes.
	longestMessage = 4096
)

// Entra ID's numbers that have a reason of their own.
// https://learn.microsoft.com/entra/identity-platform/reference-error-codes
const (
	secretExpired     = 7000222
	assertionOutdated = 700024
)

// judge says what the facts mean for this bot. It asks nobody.
func judge(bot *v1alpha1.CallingBot, f facts, needs []need, now time.Time) []metav1.Condition {
	return []metav1.Condition{
		credentials(bot, f, now).of(v1alpha1.ConditionCredentialsValid),
		permissions(bot, f, needs).of(v1alpha1.ConditionPermissionsGranted),
		webhook(bot, f.webhook).of(v1alpha1.ConditionWebhookReachable),
	}
}

// word is a condition without its type.
type word struct {
	status  metav1.ConditionStatus
	reason  string
	message string
}

func (w word) of(conditionType string) metav1.Condition {
	return metav1.Condition{Type: conditionType, Status: w.status, Reason: w.reason, Message: shorten.Bytes(w.message, longestMessage)}
}

func yes(reason, format string, args ...any) word {
	return word{metav1.ConditionTrue, reason, fmt.Sprintf(format, args...)}
}

func no(reason, format string, args ...any) word {
	return word{metav1.ConditionFalse, reason, fmt.Sprintf(format, args...)}
}

func unknown(reason, format string, args ...any) word {
	return word{metav1.ConditionUnknown, reason, fmt.Sprintf(format, args...)}
}

// credentials: can the bot sign in to its own tenant.
func credentials(bot *v1alpha1.CallingBot, f facts, now time.Time) word {
	secret := bot.Spec.Identity.Credential.ClientSecret
	switch {
	case f.problem != nil && f.problem.reason == v1alpha1.ReasonNotChecked:
		return unknown(f.problem.reason, "%s", f.problem.message)
	case f.problem != nil:
		return no(f.problem.reason, "%s", f.problem.message)
	case len(f.tenants) == 0:
		return unknown(v1alpha1.ReasonNotChecked, "the login service has not been asked yet; it will be in a moment")
	}
	skewed := f.skewKnown && f.skew.Abs() > maxSkew
	if refused := f.tenants[0].refusal; refused != nil {
		switch {
		case refused.aadsts == secretExpired:
			return no(v1alpha1.ReasonCredentialExpired, "%s A new one is put there with: %s", refused.explained.Message(), putSecret(bot))
		case refused.aadsts == assertionOutdated, skewed:
			return no(v1alpha1.ReasonClockSkewed, "%s", skewMessage(f))
		case refused.passing:
			return unknown(v1alpha1.ReasonLoginUnreachable, "%s", refused.explained.Message())
		case refused.explained.Reason == graph.ReasonLoginUnreachable:
			return no(v1alpha1.ReasonLoginUnreachable, "%s", refused.explained.Message())
		default:
			return no(v1alpha1.ReasonCredentialsRejected, "%s", refused.explained.Message())
		}
	}
	left := f.expires.Sub(now)
	switch {
	case skewed:
		return no(v1alpha1.ReasonClockSkewed, "%s", skewMessage(f))
	case f.expires.IsZero():
		return yes(v1alpha1.ReasonTokenIssued, "the login service gives tokens for the bot; to be warned before the client secret runs out, annotate its Secret: kubectl annotate secret %s -n %s %s=<date, such as 2027-01-31>",
			secret.Name, bot.Namespace, v1alpha1.AnnotationExpires)
	case left <= 0:
		return yes(v1alpha1.ReasonCredentialExpiring, "the login service still gives tokens, but by its annotation %s the client secret in Secret %s ran out on %s; correct the annotation, or make a new secret: %s",
			v1alpha1.AnnotationExpires, secret.Name, f.expires.UTC().Format(time.DateOnly), putSecret(bot))
	case left <= expiresSoon:
		return yes(v1alpha1.ReasonCredentialExpiring, "the client secret in Secret %s runs out on %s; make a new one for the app registration and put it there, running pods pick it up: %s",
			secret.Name, f.expires.UTC().Format(time.DateOnly), putSecret(bot))
	default:
		return yes(v1alpha1.ReasonTokenIssued, "the login service gives tokens for the bot; the client secret runs out on %s", f.expires.UTC().Format(time.DateOnly))
	}
}

func putSecret(bot *v1alpha1.CallingBot) string {
	ref := bot.Spec.Identity.Credential.ClientSecret
	return fmt.Sprintf("kubectl create secret generic %s -n %s --from-literal=%s=<client secret> --dry-run=client -o yaml | kubectl apply -f -", ref.Name, bot.Namespace, ref.Key)
}

func skewMessage(f facts) string {
	if !f.skewKnown {
		return "the login service says that the time of the bot's request is wrong; set the clocks of the cluster's nodes (NTP)"
	}
	direction := "behind"
	if f.skew < 0 {
		direction = "ahead of"
	}
	return fmt.Sprintf("the operator's clock is %s %s the login service's, and tokens allow %s; set the clocks of the cluster's nodes (NTP)",
		f.skew.Abs().Round(time.Second), direction, maxSkew)
}

// permissions: do the tokens of all tenants carry what is needed.
func permissions(bot *v1alpha1.CallingBot, f facts, needs []need) word {
	if f.problem != nil || len(f.tenants) == 0 || f.tenants[0].refusal != nil {
		return unknown(v1alpha1.ReasonNotChecked, "roles are told by tokens, and there is none; see the condition %s", v1alpha1.ConditionCredentialsValid)
	}
	var lacking, unconsented, waiting, opaque []string
	for _, t := range f.tenants {
		switch {
		case t.refusal != nil && t.refusal.passing:
			waiting = append(waiting, fmt.Sprintf("tenant %s: %s", t.id, t.refusal.explained.Message()))
		case t.refusal != nil:
			unconsented = append(unconsented, fmt.Sprintf("tenant %s gives no token: %s An administrator consents at %s", t.id, t.refusal.explained.Sentence, consentURL(bot, t.id)))
		case t.opaque:
			opaque = append(opaque, "tenant "+t.id)
		default:
			if missing := missingRoles(t.roles, needs); missing != "" {
				lacking = append(lacking, fmt.Sprintf("tenant %s lacks %s; add it to the app registration's application permissions of Microsoft Graph, then an administrator consents at %s",
					t.id, missing, consentURL(bot, t.id)))
			}
		}
	}
	switch told := tell(slices.Concat(lacking, unconsented)); {
	case len(lacking) > 0:
		return no(v1alpha1.ReasonRolesMissing, "%s", told)
	case len(unconsented) > 0:
		return no(v1alpha1.ReasonTenantNotConsented, "%s", told)
	case len(waiting) > 0:
		return unknown(v1alpha1.ReasonLoginUnreachable, "%s", tell(waiting))
	case len(opaque) > 0:
		return unknown(v1alpha1.ReasonNotChecked, "the tokens of %s do not show their roles; compare the app's permissions with what is needed: %s", tell(opaque), allRoles(needs))
	case len(needs) == 0:
		return yes(v1alpha1.ReasonRolesGranted, "nothing that the bot does needs a role")
	default:
		return yes(v1alpha1.ReasonRolesGranted, "the tokens carry every role that is needed: %s", allRoles(needs))
	}
}

// tell names the first few.
func tell(complaints []string) string {
	if more := len(complaints) - maxTold; more > 0 {
		return strings.Join(complaints[:maxTold], "; ") + fmt.Sprintf("; and %d more tenants alike", more)
	}
	return strings.Join(complaints, "; ")
}

// missingRoles names each role that is missing with the features that need it, and where they are asked for.
func missingRoles(have []string, needs []need) string {
	return byRole(needs, func(f graph.Feature) []graph.AnyOf { return f.Missing(have) })
}

func allRoles(needs []need) string {
	return byRole(needs, func(f graph.Feature) []graph.AnyOf { return f.Roles() })
}

// byRole is "role → feature (where), feature (where); role → …", in the order of the needs.
func byRole(needs []need, rolesOf func(graph.Feature) []graph.AnyOf) string {
	var roles []string
	features := map[string][]string{}
	for _, n := range needs {
		for _, any := range rolesOf(n.feature) {
			role := any.String()
			if !slices.Contains(roles, role) {
				roles = append(roles, role)
			}
			features[role] = append(features[role], fmt.Sprintf("%s (%s)", n.feature, n.where))
		}
	}
	told := make([]string, len(roles))
	for i, role := range roles {
		told[i] = role + " → " + strings.Join(features[role], ", ")
	}
	return strings.Join(told, "; ")
}

// consentURL is where an administrator of the tenant consents to the app.
// https://learn.microsoft.com/entra/identity/enterprise-apps/grant-admin-consent#construct-the-url-for-granting-tenant-wide-admin-consent
func consentURL(bot *v1alpha1.CallingBot, tenant string) string {
	login := graph.Public.LoginURL
	if cloud, err := cloudOf(bot.Spec.Identity); err == nil {
		login = cloud.LoginURL
	}
	return strings.TrimRight(login, "/") + "/" + url.PathEscape(tenant) + "/adminconsent?client_id=" + url.QueryEscape(string(bot.Spec.Identity.AppID))
}

// webhook: does the public name lead to the router.
func webhook(bot *v1alpha1.CallingBot, f webhookFacts) word {
	host := bot.Spec.Signaling.Host
	register := fmt.Sprintf("https://%s/%s/%s/calls", host, bot.Namespace, bot.Name)
	asked := "https://" + host + selftest.Path(bot.Namespace, bot.Name)
	switch f.outcome {
	case webhookProved:
		return yes(v1alpha1.ReasonAnswered, "the router answers under %s; the calling webhook to register is %s", host, register)
	case webhookUnproved:
		return yes(v1alpha1.ReasonAnswered, "a router answers under %s; whether it is this cluster's shows once the bot has media pods. The calling webhook to register is %s", host, register)
	case webhookNotResolved:
		return unknown(v1alpha1.ReasonNameNotResolved, "the name in spec.signaling.host, %s, does not resolve from inside the cluster; make a DNS record that leads to the Service of the router, or ignore this if only the outside is to know the name", host)
	case webhookSilent:
		return no(v1alpha1.ReasonNoAnswer, "nothing answers at %s (%s); check that the name leads to the Service callfleet-router and that firewalls let port 443 through. A network in which a cluster cannot reach its own public address looks the same: then ask from outside", asked, f.cause)
	case webhookUntrusted:
		return no(v1alpha1.ReasonUntrustedCertificate, "the certificate at %s is not trusted (%s); the service takes one from a public authority that covers the name: put it into the Secret callfleet-router-tls", asked, f.cause)
	case webhookStrange:
		return no(v1alpha1.ReasonWrongAnswer, "something else than this cluster's router answers at %s (%s); correct spec.signaling.host, the DNS record, or the route to the Service callfleet-router", asked, f.cause)
	default:
		return unknown(v1alpha1.ReasonNotChecked, "the public name has not been asked yet; it will be in a moment")
	}
}
