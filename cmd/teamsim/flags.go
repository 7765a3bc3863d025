// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/callfleet/callfleet/teamsim"
)

// config is what the flags say.
type config struct {
	listen, adminListen, publicURL string
	certFile, keyFile, certCAFile  string
	trustFiles                     []string
	resolve                        map[string]string
	issuer                         string
	patience, mediaTimeout         time.Duration
	seedFile                       string
	printReady                     bool
	verbosity                      int
}

func parseFlags(args []string, stderr io.Writer) (config, error) {
	c := config{resolve: map[string]string{}}
	f := flag.NewFlagSet("teamsim", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&c.listen, "listen", "127.0.0.1:0", "`address` of login, Graph and OpenID metadata (HTTPS)")
	f.StringVar(&c.adminListen, "admin-listen", "127.0.0.1:0", "loopback `address` of the admin API and the page (HTTP)")
	f.StringVar(&c.publicURL, "public-url", "", "`URL` by which bots reach -listen (default https:// and the listening address)")
	f.StringVar(&c.certFile, "cert-file", "", "PEM `file` with the certificate for -listen (default: a self-made CA and certificate)")
	f.StringVar(&c.keyFile, "key-file", "", "PEM `file` with the key of -cert-file")
	f.StringVar(&c.certCAFile, "cert-ca-file", "", "PEM `file` with the CA of -cert-file, which the admin API then hands out")
	f.Func("trust-ca-file", "PEM `file` with CAs to trust for bots' callbacks and media, beside the system's; may be repeated", func(s string) error {
		c.trustFiles = append(c.trustFiles, s)
		return nil
	})
	f.Func("resolve", "`name=address` to use instead of DNS; name may be *.domain, address IP or IP:port; may be repeated", func(s string) error {
		name, addr, ok := strings.Cut(s, "=")
		if !ok {
			return errors.New("want name=address")
		}
		c.resolve[name] = addr
		return nil
	})
	f.StringVar(&c.issuer, "notification-issuer", "", "iss of notification tokens (default https://api.botframework.com)")
	f.DurationVar(&c.patience, "notification-patience", 0, "how long an undeliverable notification is tried (default 1m0s)")
	f.DurationVar(&c.mediaTimeout, "media-timeout", 0, "how long a bot's media may be gone before its call is ended (default 5s)")
	f.StringVar(&c.seedFile, "seed", "", "YAML or JSON `file` with apps and meetings to start with")
	f.BoolVar(&c.printReady, "print-ready", false, "print one line of JSON with the addresses and the CA to stdout when ready")
	f.IntVar(&c.verbosity, "v", 0, "log `verbosity`: 1 for chatter")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	if f.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q; see -help", f.Arg(0))
	}
	if (c.certFile == "") != (c.keyFile == "") {
		return c, errors.New("-cert-file and -key-file go together")
	}
	return c, nil
}

// options reads the files the flags name.
func (c config) options() (teamsim.Options, error) {
	o := teamsim.Options{
		Listen: c.listen, AdminListen: c.adminListen, PublicURL: c.publicURL, Resolve: c.resolve, NotificationIssuer: c.issuer,
		NotificationPatience: c.patience, MediaTimeout: c.mediaTimeout,
	}
	if c.certFile != "" {
		pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
		if err != nil {
			return o, fmt.Errorf("load certificate: %w", err)
		}
		o.Certificate = &pair
	}
	if c.certCAFile != "" {
		pem, err := os.ReadFile(c.certCAFile)
		if err != nil {
			return o, fmt.Errorf("read the certificate's CA: %w", err)
		}
		o.CertificateCA = pem
	}
	for _, name := range c.trustFiles {
		pem, err := os.ReadFile(name)
		if err != nil {
			return o, fmt.Errorf("read CAs to trust: %w", err)
		}
		o.TrustRoots = append(append(o.TrustRoots, pem...), '\n')
	}
	return o, nil
}
