// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/control/wire"
)

const (
	// trustFor is how long a yes of the API server counts. A right that was taken away lives on that long.
	trustFor = 30 * time.Second
	// doubtFor is the same for a no, short because whoever meets one goes and has it changed.
	doubtFor = 2 * time.Second
	// verdicts are kept for so many callers and calls.
	verdicts = 4096

	// reviewTimeout is what the API server gets for each question.
	reviewTimeout = 5 * time.Second
	// reviewsAtOnce bounds what strangers in the cluster's network can have the API server asked.
	reviewsAtOnce = 8
)

// caller is what a request says about who sent it. It is a secret.
type caller struct {
	token         string
	asUser, asUID string
	asGroups      []string
}

// permit is something to be allowed: a verb on a session or call, or on all of them where it has no name.
type permit struct{ verb, resource, namespace, name string }

// verdict is what the API server says about a caller and a permit.
type verdict struct {
	user string
	err  error
}

// rights are the verbs in words, and the roles of config/rbac that hold them.
var rights = map[string]struct{ words, role string }{
	wire.Verb:  {"control", "callfleet-edit"},
	verbListen: {"listen in to", "callfleet-supervisor"},
}

// reviewer asks the API server, in the caller's own name, who that is and what they may.
type reviewer struct {
	authentication, authorization rest.Interface
	known                         *cache.LRUExpireCache // digest → verdict
	slots                         chan struct{}
}

func newReviewer(kube *rest.Config, clk clock.Clock) (*reviewer, error) {
	// Where the API server is and how it is known to be it, without the pod's own credentials.
	anonymous := rest.AnonymousClientConfig(kube)
	anonymous.QPS = -1 // see slots
	anonymous.UserAgent = "callfleet-control"
	authentication, err := reviewClient(anonymous, authenticationv1.SchemeGroupVersion, authenticationv1.AddToScheme)
	if err != nil {
		return nil, err
	}
	authorization, err := reviewClient(anonymous, authorizationv1.SchemeGroupVersion, authorizationv1.AddToScheme)
	if err != nil {
		return nil, err
	}
	return &reviewer{
		authentication: authentication, authorization: authorization,
		known: cache.NewLRUExpireCacheWithClock(verdicts, clk),
		slots: make(chan struct{}, reviewsAtOnce),
	}, nil
}

func reviewClient(cfg *rest.Config, gv schema.GroupVersion, add func(*runtime.Scheme) error) (rest.Interface, error) {
	scheme := runtime.NewScheme()
	if err := add(scheme); err != nil {
		return nil, err
	}
	metav1.AddToGroupVersion(scheme, gv)
	c := rest.CopyConfig(cfg)
	c.APIPath, c.GroupVersion = "/apis", &gv
	c.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("client for %s: %w", gv, err)
	}
	return client, nil
}

// allow gives the caller's name if they have the permit. Errors are refusals.
func (r *reviewer) allow(ctx context.Context, c caller, p permit) (user string, err error) {
	key := c.digest(p)
	if v, ok := r.known.Get(key); ok {
		return v.(verdict).user, v.(verdict).err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*reviewTimeout)
	defer cancel()
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return "", refuse(http.StatusServiceUnavailable, wire.ReasonUnavailable, "The media pod has too many callers to check. Try again in a moment.")
	}
	v := r.ask(ctx, c, p)
	switch refusal, refused := errors.AsType[*refusal](v.err); {
	case !refused:
		r.known.Add(key, v, trustFor)
	case refusal.code != http.StatusServiceUnavailable:
		r.known.Add(key, v, doubtFor)
	}
	return v.user, v.err
}

func (r *reviewer) ask(ctx context.Context, c caller, p permit) verdict {
	who := &authenticationv1.SelfSubjectReview{}
	err := c.sign(r.authentication.Post().Resource("selfsubjectreviews")).Timeout(reviewTimeout).
		Body(&authenticationv1.SelfSubjectReview{}).Do(ctx).Into(who)
	if err != nil {
		return verdict{err: unreviewed(err)}
	}
	user := who.Status.UserInfo.Username
	if user == "" || user == "system:anonymous" {
		return verdict{err: errUnknownCaller}
	}
	may := &authorizationv1.SelfSubjectAccessReview{}
	err = c.sign(r.authorization.Post().Resource("selfsubjectaccessreviews")).Timeout(reviewTimeout).
		Body(&authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Verb: p.verb, Group: callfleetv1.GroupVersion.Group, Resource: p.resource, Namespace: p.namespace, Name: p.name,
			},
		}}).Do(ctx).Into(may)
	switch {
	case err != nil:
		return verdict{err: unreviewed(err)}
	case !may.Status.Allowed:
		return verdict{user: user, err: refuse(http.StatusForbidden, wire.ReasonForbidden, fmt.Sprintf(
			"%s may not %s %s in namespace %s. Have somebody grant the verb %q on %s.%s, which the role %s holds.",
			user, rights[p.verb].words, p, p.namespace, p.verb, p.resource, callfleetv1.GroupVersion.Group, rights[p.verb].role))}
	}
	return verdict{user: user}
}

func (p permit) String() string {
	if p.name == "" {
		return p.resource
	}
	return p.resource + "/" + p.name
}

// errUnknownCaller does not quote the API server: its words are for the pod.
var errUnknownCaller = refuse(http.StatusUnauthorized, wire.ReasonUnauthenticated,
	"The API server does not know the token that was sent. Sign in again, or name a service account with --as-service-account.")

func unreviewed(err error) error {
	switch {
	case apierrors.IsUnauthorized(err):
		return errUnknownCaller
	case apierrors.IsForbidden(err): // to act as somebody else
		return refuse(http.StatusForbidden, wire.ReasonForbidden, "The API server refuses: "+clip(apiMessage(err), maxMessage)+".")
	}
	return refuse(http.StatusServiceUnavailable, wire.ReasonUnavailable,
		"The media pod cannot ask the API server who you are. Try again in a moment; if it stays, look at the pod's log.").because(err)
}

func apiMessage(err error) string {
	if status, ok := errors.AsType[*apierrors.StatusError](err); ok {
		return status.Status().Message
	}
	return "no reason given"
}

// sign puts the caller's credentials on a request, where the pod's own would be.
func (c caller) sign(r *rest.Request) *rest.Request {
	r = r.SetHeader("Authorization", "Bearer "+c.token)
	if c.asUser != "" {
		r = r.SetHeader("Impersonate-User", c.asUser)
	}
	if c.asUID != "" {
		r = r.SetHeader("Impersonate-Uid", c.asUID)
	}
	if len(c.asGroups) > 0 {
		r = r.SetHeader("Impersonate-Group", c.asGroups...)
	}
	return r
}

// digest stands for a caller and a permit in memory, so that no token is kept.
func (c caller) digest(p permit) [sha256.Size]byte {
	h := sha256.New()
	for _, s := range append([]string{c.token, c.asUser, c.asUID, p.verb, p.resource, p.namespace, p.name}, c.asGroups...) {
		_ = binary.Write(h, binary.BigEndian, uint64(len(s)))
		h.Write([]byte(s))
	}
	return [sha256.Size]byte(h.Sum(nil))
}
