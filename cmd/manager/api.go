// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

const (
	apiRetry   = 500 * time.Millisecond
	apiTimeout = 5 * time.Second
)

// awaitAPI waits until the API server answers. A manager that lost its lease in an outage is restarted in the middle of
// it; were it to fail at once again, it would find itself in a back-off that outlasts the outage.
func awaitAPI(ctx context.Context, access *rest.Config, log logr.Logger) error {
	patient := rest.CopyConfig(access)
	patient.Timeout = apiTimeout
	api, err := discovery.NewDiscoveryClientForConfig(patient)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	for told := false; ; told = true {
		_, err := api.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		if err == nil {
			return nil
		}
		if !told {
			log.Info("waiting for the API server", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the API server: %w", err)
		case <-time.After(apiRetry):
		}
	}
}
