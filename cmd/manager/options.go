// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/callfleet/callfleet/controllers/fleet"
)

// options are everything the manager can be told. None of them is a secret.
type options struct {
	// mediaPodImage is what media pods run.
	mediaPodImage string
	// mediaPodRole is the ClusterRole they are bound to.
	mediaPodRole string
	// namespaces to serve; none: all.
	namespaces list

	metricsAddress string
	metricsSecure  bool
	healthAddress  string
	pprofAddress   string
	logLevel       level

	// webhookAddress is where the API server asks about flows.
	webhookAddress    string
	webhookSelfSigned bool

	leaderElect             bool
	namespace               string
	identity                string
	leaseDuration           time.Duration
	renewDeadline           time.Duration
	retryPeriod             time.Duration
	leaderElectionNamespace string
}

func (o *options) bind(flags *flag.FlagSet) {
	flags.StringVar(&o.mediaPodImage, "mediapod-image", "", "image of the media pods (required)")
	flags.StringVar(&o.mediaPodRole, "mediapod-role", fleet.DefaultMediaPodRole, "ClusterRole that media pods are bound to, each in its own namespace; the manager must be allowed to bind it")
	flags.Var(&o.namespaces, "namespaces", "comma-separated namespaces to serve; empty: all of them")
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", ":8443", "address of /metrics; 0 for none")
	flags.BoolVar(&o.metricsSecure, "metrics-secure", true, "serve metrics over HTTPS, to callers that may get the URL /metrics")
	flags.StringVar(&o.healthAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz; 0 for none")
	flags.StringVar(&o.pprofAddress, "pprof-bind-address", "0", "address of profiles, /debug/pprof, for everybody who reaches it; 0 for none")
	flags.StringVar(&o.webhookAddress, "webhook-bind-address", "0", "address at which the API server asks about flows that are applied; 0 for none: they are judged afterwards")
	flags.BoolVar(&o.webhookSelfSigned, "webhook-self-signed", true, "make the webhook's certificate and have the API server trust it; without it the Secret callfleet-webhook-tls is waited for, such as from cert-manager")
	flags.Var(&o.logLevel, "log-level", "error, info or debug")
	flags.BoolVar(&o.leaderElect, "leader-elect", false, "act only while holding the lease, so that several managers can run")
	flags.StringVar(&o.leaderElectionNamespace, "leader-election-namespace", o.namespace, "namespace of the lease; by default that of the manager's pod")
	// A pod that restarts takes its own lease up again at once. The durations are what it takes when another one has to.
	flags.DurationVar(&o.leaseDuration, "leader-election-lease-duration", 15*time.Second, "how long others wait for a leader that is not heard of")
	flags.DurationVar(&o.renewDeadline, "leader-election-renew-deadline", 10*time.Second, "how long a leader tries to renew the lease before it gives up")
	flags.DurationVar(&o.retryPeriod, "leader-election-retry-period", 2*time.Second, "pause between two tries")
}

// validate completes what was given and refuses what cannot work.
func (o *options) validate() error {
	if o.mediaPodImage == "" {
		return errors.New("--mediapod-image is required: the image media pods run, such as callfleet/mediapod:dev")
	}
	if o.mediaPodRole == "" {
		return errors.New("--mediapod-role must name a ClusterRole")
	}
	for _, namespace := range o.namespaces {
		if problems := validation.IsDNS1123Label(namespace); len(problems) > 0 {
			return fmt.Errorf("--namespaces: %q is not a namespace: %s", namespace, strings.Join(problems, ", "))
		}
	}
	for name, address := range map[string]*string{
		"--metrics-bind-address": &o.metricsAddress, "--health-probe-bind-address": &o.healthAddress, "--pprof-bind-address": &o.pprofAddress,
		"--webhook-bind-address": &o.webhookAddress,
	} {
		checked, err := listenAddress(*address)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		*address = checked
	}
	if o.webhookAddress != "0" && o.namespace == "" {
		return errors.New("--webhook-bind-address works in a pod that has its namespace in POD_NAMESPACE, where the webhook's Service and Secrets are")
	}
	if !o.leaderElect {
		return nil
	}
	if o.leaderElectionNamespace == "" {
		return errors.New("--leader-election-namespace is required with --leader-elect outside a pod")
	}
	// What client-go's elector demands, said with our flags' names.
	switch {
	case o.retryPeriod <= 0:
		return errors.New("--leader-election-retry-period must be above zero")
	case o.renewDeadline <= o.retryPeriod*6/5:
		return errors.New("--leader-election-renew-deadline must be above 1.2 times --leader-election-retry-period")
	case o.leaseDuration <= o.renewDeadline:
		return errors.New("--leader-election-lease-duration must be above --leader-election-renew-deadline")
	}
	return nil
}

// listenAddress accepts HOST:PORT, and also an IPv6 host without brackets: that is what $(POD_IP):8443 becomes.
func listenAddress(address string) (string, error) {
	if address == "0" {
		return address, nil
	}
	colon := strings.LastIndexByte(address, ':')
	if colon < 0 {
		return "", fmt.Errorf("%q is not HOST:PORT", address)
	}
	host, port := strings.Trim(address[:colon], "[]"), address[colon+1:]
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", fmt.Errorf("%q is not a port", port)
	}
	return net.JoinHostPort(host, port), nil
}

// podIdentity names the holder of the lease. It stays the same when the pod's container restarts, which happens only
// after the last process has ended: so the lease is taken up again without waiting for it to expire.
func podIdentity() string {
	name, uid := os.Getenv("POD_NAME"), os.Getenv("POD_UID")
	if name == "" || uid == "" {
		return ""
	}
	return name + "_" + uid
}

// list is a comma-separated flag.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(text string) error {
	*l = nil
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			*l = append(*l, item)
		}
	}
	return nil
}
