// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strconv"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/callfleet/callfleet/controllers/callflow"
	"github.com/callfleet/callfleet/controllers/serving"
)

// webhookService is the Service of config/webhook, by which the API server finds the managers.
const webhookService = "callfleet-webhook"

// hook is where the API server asks about flows. Without an address there is none.
type hook struct {
	server webhook.Server
	keeper *serving.Keeper
}

func newWebhook(o options) (hook, error) {
	if o.webhookAddress == "0" || o.webhookAddress == "" {
		return hook{}, nil
	}
	host, port, err := net.SplitHostPort(o.webhookAddress)
	if err != nil {
		return hook{}, fmt.Errorf("reading --webhook-bind-address: %w", err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return hook{}, fmt.Errorf("reading --webhook-bind-address: %w", err)
	}
	keeper := &serving.Keeper{Namespace: o.namespace, Service: webhookService, Issue: o.webhookSelfSigned}
	return hook{keeper: keeper, server: webhook.NewServer(webhook.Options{Host: host, Port: number, TLSOpts: []func(*tls.Config){func(c *tls.Config) {
		c.GetCertificate = keeper.GetCertificate
		c.NextProtos = []string{"http/1.1"} // as for metrics
	}}})}, nil
}

// setup has the manager serve it. A manager that cannot is not ready, so that nobody asks it.
func (h hook) setup(mgr ctrl.Manager, flows *callflow.Reconciler) error {
	if h.server == nil {
		return nil
	}
	if err := h.keeper.SetupWithManager(mgr); err != nil {
		return err
	}
	if err := (&callflow.Admission{Reconciler: flows}).SetupWithManager(mgr); err != nil {
		return fmt.Errorf("setting up the webhook: %w", err)
	}
	started := h.server.StartedChecker()
	return mgr.AddReadyzCheck("webhook", func(r *http.Request) error {
		// The other check is a handshake, which without a certificate leaves a line in the log each time.
		if _, err := h.keeper.GetCertificate(nil); err != nil {
			return err
		}
		return started(r)
	})
}
