// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// WithoutURL keeps addresses, which may carry a signature in the query, out of messages.
func WithoutURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}

// SameHost is a policy for redirects of requests with a body, for http.Client.CheckRedirect: they go on to another path of the same
// https server, or nowhere. Another host would get what is said to this one alone, with a signature that it could replay.
func SameHost(next *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case next.URL.Scheme != "https":
		return fmt.Errorf("%w: to an address without https", ErrRedirect)
	case next.URL.Host != first.URL.Host:
		return fmt.Errorf("%w: to another host", ErrRedirect)
	case next.Method != first.Method:
		return fmt.Errorf("%w: to be asked without what was said (answer 307 or 308)", ErrRedirect)
	case len(via) > maxRedirects:
		return fmt.Errorf("%w: more than %d times on", ErrRedirect, maxRedirects)
	}
	return nil
}

// ErrRedirect is why a redirect is not followed.
var ErrRedirect = errors.New("the server leads somewhere that is not followed")

const maxRedirects = 3

// Address checks an address that a user wrote.
func Address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return nil, errors.New("it is not a valid address")
	case u.Scheme != "https":
		return nil, errors.New("it must begin with https://")
	case u.User != nil:
		return nil, errors.New("it holds a user name; use an address that needs none")
	}
	return u, nil
}
