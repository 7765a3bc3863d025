// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"errors"
	"net"
	"strings"
)

// signInCauses are Entra ID's numbers for what goes wrong with a bot's own sign-in.
// https://learn.microsoft.com/entra/identity-platform/reference-error-codes
var signInCauses = map[int]struct{ sentence, remedy string }{
	7000215: {"The client secret is wrong.", "Put the secret's value, not its ID, into the Secret the bot names, or make a new one."},
	7000222: {"The client secret has expired.", "Make a new client secret for the app and put it into the Secret the bot names."},
	7000218: {"No client secret or certificate was sent.", "Give the bot a credential."},
	7000216: {"No client secret or certificate was sent.", "Give the bot a credential."},
	7000112: {"The app is disabled.", "Have an administrator enable the app's service principal."},
	7000229: {"The app has no service principal in this tenant.", "Have an administrator of the tenant consent to the app."},
	700016:  {"The tenant knows no app with this appID.", "Check appID and tenantID; an app of another tenant needs an administrator's consent first."},
	700027:  {"The certificate is not one of the app's.", "Upload the certificate to the app's registration, or check that the Secret holds the right one."},
	700024:  {"The signed assertion is outside its time.", "Check the clock of the node."},
	700211:  {"No federated credential of the app matches the token's issuer.", "Compare the issuer of the cluster with the app's federated credential."},
	700213:  {"No federated credential of the app matches the token's subject.", "Compare namespace and service account with the subject of the app's federated credential."},
	90002:   {"There is no such tenant.", "Check tenantID, and that the cloud is the tenant's."},
	900023:  {"The tenantID is neither a GUID nor a domain.", "Check tenantID."},
	900021:  {"The tenantID is not valid.", "Check tenantID."},
	900382:  {"The request was sent to the wrong cloud.", "Check that the bot's cloud is that of its tenant."},
	500011:  {"The tenant does not know Graph under the address asked for.", "Check that the bot's cloud is that of its tenant, and its graphURL."},
	53003:   {"A conditional access policy blocks the app.", "Ask the tenant's administrator about workload identity policies."},
	650052:  {"The organization has no subscription to the service, or nobody consented to it.", "Have an administrator of the tenant consent to the app."},
	65001:   {"Nobody has consented to the app's permissions.", "Have an administrator of the tenant consent to the app."},
	50194:   {"The app is not multi-tenant, and the tenant is not its own.", "Use the app's own tenantID."},
	50196:   {"The app asked for tokens so often that the login stopped answering.", "Wait a few minutes."},
	90033:   {"The login is unavailable for the moment.", "It is tried again."},
	90055:   {"The login is throttling.", "It is tried again."},
	50059:   {"The request names no tenant.", "Check tenantID."},
}

// passing are those of them that go away by themselves.
var passing = map[int]bool{50196: true, 90033: true, 90055: true}

func explainAuth(e *AuthError) Explanation {
	if cause, known := signInCauses[e.AADSTS]; known {
		class := ClassConfiguration
		if passing[e.AADSTS] {
			class = ClassPlatform
		}
		return Explanation{ReasonAuthenticationFailed, "The bot could not sign in: " + lowerFirst(cause.sentence) + " " + saidByLogin(e), cause.remedy, class}
	}
	var network net.Error
	switch {
	case errors.As(e, &network), e.Code == "" && e.AADSTS == 0 && looksLikeNetwork(e.Description):
		return Explanation{
			ReasonLoginUnreachable, "The login could not be reached: " + ended(e.Description),
			"Check that the pod may reach the cloud's login address, and a proxy or network policy on the way.", ClassPlatform,
		}
	case strings.Contains(e.Description, "x509: "):
		return Explanation{
			ReasonLoginUnreachable, "The login's certificate is not trusted: " + ended(e.Description),
			"Give the CA that signed it as the cloud's caBundle.", ClassConfiguration,
		}
	}
	const check = "Check the bot's appID, tenantID and credential."
	switch e.Code { // RFC 6749, 5.2
	case "invalid_client":
		return Explanation{ReasonAuthenticationFailed, "The login did not accept the bot's credential. " + saidByLogin(e), check, ClassConfiguration}
	case "unauthorized_client":
		return Explanation{ReasonAuthenticationFailed, "The login does not know the app, or does not let it sign in. " + saidByLogin(e), check, ClassConfiguration}
	case "temporarily_unavailable", "server_error":
		return Explanation{ReasonLoginUnreachable, "The login is unavailable for the moment. " + saidByLogin(e), "It is tried again.", ClassPlatform}
	}
	return Explanation{ReasonAuthenticationFailed, "The bot could not get a token. " + saidByLogin(e), check, ClassConfiguration}
}

func saidByLogin(e *AuthError) string {
	return "(" + strings.TrimPrefix(e.Error(), "get access token: ") + ")"
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// looksLikeNetwork reads what azidentity leaves of a failed connection: it keeps the text and drops the error.
func looksLikeNetwork(text string) bool {
	for _, sign := range []string{"dial tcp", "connection refused", "connection reset", "no such host", "i/o timeout", "deadline exceeded", "EOF"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}
