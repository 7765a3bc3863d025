// SPDX-License-Identifier: Apache-2.0

// Package probe asks containers whether they have started, are ready and are
// alive, in the way and at the times kubelet does.
package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Target is the container that is asked.
type Target struct {
	IP      string
	Ports   []corev1.ContainerPort // for ports given by name
	Command func(ctx context.Context, command []string) *exec.Cmd
}

// maxOutput is how much of an answer a message shows.
const maxOutput = 1024

// Do runs a handler once. The error says what was wrong, for an event.
func Do(ctx context.Context, handler corev1.ProbeHandler, target Target) error {
	switch {
	case handler.HTTPGet != nil:
		return doHTTP(ctx, handler.HTTPGet, target)
	case handler.TCPSocket != nil:
		return doTCP(ctx, handler.TCPSocket, target)
	case handler.Exec != nil:
		return doExec(ctx, handler.Exec, target)
	case handler.GRPC != nil:
		return errors.New("gRPC probes are not supported by the local node agent; use httpGet or tcpSocket")
	}
	return errors.New("the probe has no handler")
}

func doHTTP(ctx context.Context, action *corev1.HTTPGetAction, target Target) error {
	address, err := target.address(action.Host, action.Port)
	if err != nil {
		return err
	}
	scheme := strings.ToLower(string(action.Scheme))
	if scheme == "" {
		scheme = "http"
	}
	u, err := url.Parse(action.Path)
	if err != nil {
		return fmt.Errorf("probe path: %w", err)
	}
	u.Scheme, u.Host = scheme, address
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "kube-probe/devcluster")
	req.Header.Set("Accept", "*/*")
	for _, h := range action.HTTPHeaders {
		if strings.EqualFold(h.Name, "Host") {
			req.Host = h.Value
			continue
		}
		req.Header.Add(h.Name, h.Value)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxOutput))
	if err != nil {
		return err
	}
	if resp.StatusCode < 200 || resp.StatusCode >= 400 {
		return fmt.Errorf("HTTP probe failed with statuscode: %d: %s", resp.StatusCode, bytes.TrimSpace(body))
	}
	return nil
}

// client makes a connection per probe and does not ask for proof of identity,
// like kubelet's.
var client = &http.Client{
	Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
	},
	// A redirect is an answer; following it would probe something else.
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func doTCP(ctx context.Context, action *corev1.TCPSocketAction, target Target) error {
	address, err := target.address(action.Host, action.Port)
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

func doExec(ctx context.Context, action *corev1.ExecAction, target Target) error {
	cmd := target.Command(ctx, action.Command)
	// A grandchild may hold the output open after the deadline.
	cmd.WaitDelay = 100 * time.Millisecond
	out, err := cmd.CombinedOutput()
	if len(out) > maxOutput {
		out = out[:maxOutput]
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("command timed out: %q", action.Command)
	case err != nil:
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

func (t Target) address(host string, port intstr.IntOrString) (string, error) {
	if host == "" {
		host = t.IP
	}
	number := port.IntValue() // also of a string that is a number
	if port.Type == intstr.String {
		for _, p := range t.Ports {
			if p.Name == port.StrVal {
				number = int(p.ContainerPort)
			}
		}
		if number == 0 {
			return "", fmt.Errorf("the container has no port named %q", port.StrVal)
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(number)), nil
}
