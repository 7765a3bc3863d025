// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"

	"github.com/google/uuid"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// leaseName is the lease the leader holds.
const leaseName = "callfleet-manager"

// newLease is the lock of the leader election, or nil without one.
func newLease(access *rest.Config, o options) (resourcelock.Interface, error) {
	if !o.leaderElect {
		return nil, nil
	}
	identity := o.identity
	if identity == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("naming the holder of the lease: %w", err)
		}
		identity = host + "_" + uuid.NewString()
	}
	lock, err := resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, o.leaderElectionNamespace, leaseName,
		resourcelock.ResourceLockConfig{Identity: identity}, rest.AddUserAgent(access, "leader-election"), o.renewDeadline)
	if err != nil {
		return nil, fmt.Errorf("making the lease: %w", err)
	}
	return lock, nil
}
