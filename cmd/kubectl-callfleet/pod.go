// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/callfleet/callfleet/api/client"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/control/wire"
)

// maxAnswer bounds what is read of an answer that is no recording.
const maxAnswer = 1 << 20

// pod is the control endpoint of the media pod that has a call, through the API server's proxy unless it is dialled directly.
type pod struct {
	target      *target
	cluster     *cluster
	port        int
	http        *http.Client
	credentials http.Header
	// direct is the address of the pod's own port, empty to go through the API server.
	direct string
}

// reach prepares to act in a call.
func (c *cli) reach(ctx context.Context, cl *cluster, t *target) (*pod, error) {
	if err := t.reachable(); err != nil {
		return nil, err
	}
	credentials, err := c.credentials(ctx, cl)
	if err != nil {
		return nil, err
	}
	if c.direct {
		address, err := cl.podAddress(ctx, t, c.port)
		if err != nil {
			return nil, err
		}
		return &pod{target: t, cluster: cl, port: c.port, http: directClient(), credentials: credentials, direct: address}, nil
	}
	web, err := rest.HTTPClientFor(cl.config)
	if err != nil {
		return nil, err
	}
	return &pod{target: t, cluster: cl, port: c.port, http: web, credentials: credentials}, nil
}

// act posts an action and waits for how it ends.
func (p *pod) act(ctx context.Context, action wire.Action, body wire.Request) (*wire.Outcome, error) {
	if err := body.Validate(); err != nil {
		return nil, misuse("%v", err)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	resp, err := p.do(ctx, http.MethodPost, wire.ActionPath(p.target.uid, action), nil, raw)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	outcome := &wire.Outcome{}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(outcome); err != nil {
		return nil, fail(exitUncertain, "the media pod's answer cannot be read, so that how it went is not known: %v", err)
	}
	return outcome, nil
}

// recording opens one that was made in the call.
func (p *pod) recording(ctx context.Context, id string) (io.ReadCloser, error) {
	resp, err := p.do(ctx, http.MethodGet, wire.RecordingPath(p.target.uid, id), nil, nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// do sends a request and gives the answer if it is a success.
func (p *pod) do(ctx context.Context, method, path string, query url.Values, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, p.url(method, path, query), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for k, v := range p.credentials {
		r.Header[k] = v
	}
	r.Header.Set("Accept", "application/json, audio/wav")
	r.Header.Set("User-Agent", userAgent)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := p.http.Do(r)
	if err != nil && ctx.Err() == nil && method == http.MethodPost && !undialed(err) {
		return nil, fail(exitUncertain, "no answer came: %v; it may have been done all the same, and the timeline of %s tells", bare(err), p.target)
	}
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return nil, p.refusal(resp.StatusCode, raw)
}

// url of a path of the control endpoint, through the API server or not.
func (p *pod) url(method, path string, query url.Values) string {
	params := url.Values{}
	maps.Copy(params, query)
	if p.target.resource == client.Calls {
		params.Set(wire.ParamCall, p.target.name)
	}
	if p.direct != "" {
		u := url.URL{Scheme: "https", Host: p.direct, Path: path, RawQuery: params.Encode()}
		return u.String()
	}
	name := fmt.Sprintf("https:%s:%d", p.target.status.MediaPod, p.port)
	req := p.cluster.core.Verb(method).Namespace(p.target.namespace).Resource("pods").Name(name).SubResource("proxy").Suffix(path)
	for name := range params {
		req = req.Param(name, params.Get(name))
	}
	return req.URL().String()
}

// podAddress is where the control port of the pod that has a call is.
func (cl *cluster) podAddress(ctx context.Context, t *target, port int) (string, error) {
	mp := &callfleetv1.MediaPod{}
	err := cl.callfleet.Get().Namespace(t.namespace).Resource(client.MediaPods).Name(t.status.MediaPod).Do(ctx).Into(mp)
	if err != nil {
		return "", fmt.Errorf("finding the address of media pod %s: %w", t.status.MediaPod, err)
	}
	if mp.Status.PodIP == "" {
		return "", fail(exitNotFound, "media pod %s has no address at present; try again in a moment", mp.Name)
	}
	return net.JoinHostPort(mp.Status.PodIP, strconv.Itoa(port)), nil
}

// directClient takes whatever certificate the pod shows, which it made itself, as the API server's proxy does.
func directClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13},
		DialContext:     (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	}}
}

// undialed reports whether a request never left.
func undialed(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// refusal tells the words of the media pod from those of the API server on the way.
func (p *pod) refusal(code int, raw []byte) error {
	var said struct {
		wire.Refusal
		Kind string `json:"kind"`
	}
	if json.Unmarshal(raw, &said) == nil && said.Kind == "" && said.Reason != "" {
		return fail(codeOf(said.Refusal.Reason), "%s", said.Message)
	}
	var status metav1.Status
	_ = json.Unmarshal(raw, &status)
	says := status.Message
	if says == "" {
		says = strings.TrimSpace(string(raw[:min(len(raw), 512)]))
	}
	name := p.target.status.MediaPod
	switch {
	case code == http.StatusUnauthorized:
		return fail(exitForbidden, "the API server does not know you: %s; sign in again", says)
	case code == http.StatusForbidden:
		return fail(exitForbidden, "%s\nYou need create and get on pods/proxy in namespace %s, which the role callfleet-edit has", says, p.target.namespace)
	case code == http.StatusNotFound:
		return fail(exitNotFound, "pod %s is gone: %s; see kubectl callfleet calls for where %s is now", name, says, p.target)
	}
	if p.direct != "" {
		return fail(exitFailed, "what answers at %s is no media pod of Callfleet (%d: %s)", p.direct, code, says)
	}
	return fail(exitFailed, "the API server cannot reach port %d of pod %s (%d: %s); is the pod running, and may the API server reach it (network policies)? From where pods can be dialled, --direct goes around it", p.port, name, code, says)
}
