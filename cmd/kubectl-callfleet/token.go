// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	"github.com/callfleet/callfleet/mediapod/control/wire"
)

// accountTokenSeconds is the shortest life the API server gives a token.
const accountTokenSeconds = 600

// credentials are what tells the media pod who calls, as headers.
func (c *cli) credentials(ctx context.Context, cl *cluster) (http.Header, error) {
	h := http.Header{}
	if c.asServiceAccount != "" {
		token, err := cl.accountToken(ctx, c.asServiceAccount)
		if err != nil {
			return nil, err
		}
		h.Set(wire.HeaderAuthorization, "Bearer "+token)
		return h, nil
	}
	token, err := ownToken(ctx, cl.config)
	if err != nil {
		return nil, err
	}
	h.Set(wire.HeaderAuthorization, "Bearer "+token)
	as := cl.config.Impersonate
	if len(as.Extra) > 0 {
		return nil, fail(exitFailed, "your kubeconfig impersonates with extras, which cannot be passed on to the media pod; use --as-service-account NAME")
	}
	if as.UserName != "" {
		h.Set(wire.HeaderImpersonateUser, as.UserName)
	}
	if as.UID != "" {
		h.Set(wire.HeaderImpersonateUID, as.UID)
	}
	for _, group := range as.Groups {
		h.Add(wire.HeaderImpersonateGroup, group)
	}
	return h, nil
}

// ownToken is the token that the API server would be sent, wherever the kubeconfig has it from: written down, in a file,
// or from a plugin that signs in.
func ownToken(ctx context.Context, config *rest.Config) (string, error) {
	sees := &catcher{}
	wrapped, err := rest.HTTPWrappersForConfig(config, sees)
	if err != nil {
		return "", fail(exitFailed, "signing in: %v", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://kubernetes.invalid/", nil)
	if err != nil {
		return "", err
	}
	resp, err := wrapped.RoundTrip(req)
	if err != nil {
		return "", fail(exitFailed, "signing in: %v", err)
	}
	resp.Body.Close()
	scheme, token, _ := strings.Cut(sees.authorization, " ")
	if strings.EqualFold(scheme, "Bearer") && token != "" {
		return token, nil
	}
	how := "without a token"
	if len(config.CertData) > 0 || config.CertFile != "" || config.ExecProvider != nil {
		how = "with a client certificate"
	}
	return "", fail(exitForbidden, `your kubeconfig signs in %s, and that cannot be passed on to the media pod, which asks for a token to know who you are.
Use --as-service-account NAME: a token of that account, good for ten minutes, is made and sent instead. The account needs
the verb "control" on sessions and calls, and you need create on serviceaccounts/token. For example:
  kubectl create serviceaccount operator
  kubectl create rolebinding operator-callfleet --clusterrole=callfleet-edit --serviceaccount=NAMESPACE:operator`, how)
}

// catcher stands where the network would be, and sees what would be sent.
type catcher struct{ authorization string }

func (c *catcher) RoundTrip(r *http.Request) (*http.Response, error) {
	c.authorization = r.Header.Get("Authorization")
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

// accountToken has the API server make a token of a service account.
func (cl *cluster) accountToken(ctx context.Context, name string) (string, error) {
	seconds := int64(accountTokenSeconds)
	request := authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	request.APIVersion, request.Kind = authenticationv1.SchemeGroupVersion.String(), "TokenRequest"
	body, err := json.Marshal(request)
	if err != nil {
		return "", err
	}
	raw, err := cl.core.Post().Namespace(cl.namespace).Resource("serviceaccounts").Name(name).SubResource("token").
		SetHeader("Content-Type", "application/json").Body(body).DoRaw(ctx)
	switch {
	case apierrors.IsNotFound(err):
		return "", fail(exitNotFound, "there is no service account %s in namespace %s; create it: kubectl create serviceaccount %s -n %s", name, cl.namespace, name, cl.namespace)
	case apierrors.IsForbidden(err):
		return "", fail(exitForbidden, "%v; you need create on serviceaccounts/token to act as a service account", err)
	case err != nil:
		return "", err
	}
	var made authenticationv1.TokenRequest
	if json.Unmarshal(raw, &made) != nil || made.Status.Token == "" {
		return "", errors.New("the API server's answer to a request for a token holds none")
	}
	return made.Status.Token, nil
}
