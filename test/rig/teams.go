// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/callfleet/callfleet/hack/devcluster/pki"
	"github.com/callfleet/callfleet/hack/devcluster/proc"
	"github.com/callfleet/callfleet/teamsim/admin"
)

const teamsPort, teamsAdminPort = 7443, 7080

// startTeams runs the local Teams as a process beside the cluster: it is Microsoft's side, not ours.
func (r *Rig) startTeams(ctx context.Context, o Options) error {
	port, err := r.freePort(teamsPort)
	if err != nil {
		return err
	}
	adminPort, err := r.freePort(teamsAdminPort)
	if err != nil {
		return err
	}
	ca := r.Cluster.CA()
	// Real pods have a loopback interface of their own, where nobody is.
	address, name := r.Cluster.HostIP().String(), "localhost"
	if o.Kubelets > 0 {
		name = address
	}
	pair, err := ca.Issue(pki.Request{CommonName: "local Teams", Hosts: []string{name, address}})
	if err != nil {
		return err
	}
	file := func(name string) string { return filepath.Join(r.Dir, "teamsim", name) }
	if err := pair.Write(file("tls.crt"), file("tls.key")); err != nil {
		return err
	}
	if err := os.WriteFile(file("ca.crt"), ca.CertPEM(), 0o644); err != nil {
		return err
	}
	var more []string
	if o.MediaTimeout > 0 {
		more = []string{"-media-timeout", o.MediaTimeout.String()}
	}
	r.teamsim, err = proc.Start(proc.Spec{
		Path: r.bin("teamsim"),
		Args: append([]string{
			"-listen", net.JoinHostPort(address, strconv.Itoa(port)),
			"-admin-listen", net.JoinHostPort("127.0.0.1", strconv.Itoa(adminPort)),
			"-public-url", "https://" + net.JoinHostPort(name, strconv.Itoa(port)),
			"-cert-file", file("tls.crt"), "-key-file", file("tls.key"), "-cert-ca-file", file("ca.crt"),
			"-trust-ca-file", file("ca.crt"), "-print-ready",
		}, more...),
		LogPath: file("log"), PIDPath: file("pid"), Detach: o.Keep,
	})
	if err != nil {
		return err
	}
	if r.Info, err = r.awaitReadyLine(ctx, file("log")); err != nil {
		return err
	}
	r.Teams = admin.NewClient(r.Info.AdminURL)
	return r.Teams.PutApp(ctx, admin.App{ID: AppID, TenantID: TenantID, DisplayName: "Reception", Secret: Secret, Roles: Roles})
}

// awaitReadyLine reads the log until the line with the addresses appears in it.
func (r *Rig) awaitReadyLine(ctx context.Context, path string) (admin.Info, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		raw, err := os.ReadFile(path)
		if err != nil {
			return admin.Info{}, err
		}
		for line := range strings.Lines(string(raw)) {
			var info admin.Info
			if strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &info) == nil && info.URL != "" {
				return info, nil
			}
		}
		select {
		case <-r.teamsim.Done():
			return admin.Info{}, fmt.Errorf("it ended with code %d; see %s", r.teamsim.Exit().Code, path)
		case <-ctx.Done():
			return admin.Info{}, errors.Join(errors.New("it does not become ready; see "+path), ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
