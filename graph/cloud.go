// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Cloud says where one of Microsoft's clouds, or a stand-in for it, is reached. Fill one in
// by hand for a cloud not listed here.
type Cloud struct {
	Name string
	// GraphURL is the root of Graph, without a version. The token scope is derived from it.
	GraphURL string
	// LoginURL is the authority host that issues the bot's own tokens.
	LoginURL string
	// OpenIDConfigurationURL is where the keys that sign notifications are published.
	OpenIDConfigurationURL string
	// Issuers are the values of "iss" that notifications may carry.
	Issuers []string
}

// The clouds in which the calls API exists. It does not exist in China (21Vianet).
// https://learn.microsoft.com/graph/deployments
//
// The key set of the calling service differs from that of bot messages, and its issuer
// is not the one its own metadata names, so both are listed here rather than discovered.
// In the government clouds notifications were seen signed by the public issuer
// (microsoft-graph-comms-samples#865), hence the public metadata and both issuers.
var (
	Public = Cloud{
		Name:                   "Public",
		GraphURL:               "https://graph.microsoft.com",
		LoginURL:               "https://login.microsoftonline.com",
		OpenIDConfigurationURL: callingMetadataURL,
		Issuers:                []string{"https://api.botframework.com", "https://graph.microsoft.com"},
	}
	USGov = Cloud{ // GCC High, L4
		Name:                   "USGov",
		GraphURL:               "https://graph.microsoft.us",
		LoginURL:               "https://login.microsoftonline.us",
		OpenIDConfigurationURL: callingMetadataURL,
		Issuers: []string{
			"https://api.botframework.us", "https://graph.microsoft.us",
			"https://api.botframework.com", "https://graph.microsoft.com",
		},
	}
	USGovDoD = Cloud{ // L5
		Name:                   "USGovDoD",
		GraphURL:               "https://dod-graph.microsoft.us",
		LoginURL:               "https://login.microsoftonline.us",
		OpenIDConfigurationURL: callingMetadataURL,
		Issuers: []string{
			"https://api.botframework.us", "https://dod-graph.microsoft.us",
			"https://api.botframework.com", "https://graph.microsoft.com",
		},
	}
)

const callingMetadataURL = "https://api.aps.skype.com/v1/.well-known/OpenIdConfiguration"

// Scope is what a token for this cloud's Graph is asked for.
func (c Cloud) Scope() string { return strings.TrimRight(c.GraphURL, "/") + "/.default" }

// Validate reports the first URL that cannot be used as it is.
func (c Cloud) Validate() error {
	for _, u := range []struct{ name, value string }{
		{"graphURL", c.GraphURL}, {"loginURL", c.LoginURL}, {"openIDConfigurationURL", c.OpenIDConfigurationURL},
	} {
		if err := plainHTTPS(u.value); err != nil {
			return fmt.Errorf("%s: %w", u.name, err)
		}
	}
	if len(c.Issuers) == 0 {
		return errors.New("issuers: at least one issuer of notification tokens is needed")
	}
	return nil
}

// plainHTTPS accepts an https URL with nothing in it that could be a secret: such URLs end up in errors.
func plainHTTPS(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return errors.New("is empty, give an https URL")
	case err != nil:
		return errors.New("is not a URL")
	case u.Scheme != "https":
		return errors.New("must begin with https://, bearer tokens travel on it")
	case u.Hostname() == "":
		return errors.New("names no host")
	case u.User != nil:
		return errors.New("must not contain a user or password")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("must not contain a query or fragment")
	}
	return nil
}
