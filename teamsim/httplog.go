// SPDX-License-Identifier: Apache-2.0

package teamsim

import (
	"log"
	"net/url"
	"strings"

	"github.com/go-logr/logr"
)

// quiet sends net/http's complaints, such as bots that do not trust our CA, to the chatter.
func quiet(l logr.Logger) *log.Logger { return log.New(chatter{l}, "", 0) }

type chatter struct{ log logr.Logger }

func (c chatter) Write(p []byte) (int, error) {
	c.log.V(1).Info(strings.TrimSpace(string(p)))
	return len(p), nil
}

func hostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
