// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/test/rig"
)

// flooding is junk sent to the bot's public name until it is stopped.
type flooding struct {
	sent  atomic.Uint64
	began time.Time
	stop  context.CancelFunc
	group sync.WaitGroup
	took  time.Duration
	// The most that the router and the pod that is called took, in bytes.
	memory, podMemory int64
}

// flood sends forged notifications from so many connections, as fast as they are answered: tokens nobody signed, no
// tokens, bodies of 10 MB.
func flood(ctx context.Context, r *rig.Rig, connections int) (*flooding, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(r.Info.CA)) {
		return nil, errors.New("the local Teams tells no authority")
	}
	var pods corev1.PodList
	if err := r.Client.List(ctx, &pods, client.InNamespace("callfleet-system"), client.MatchingLabels{"app.kubernetes.io/name": "callfleet-router"}); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	f := &flooding{stop: stop, began: time.Now()}
	for i := range connections {
		f.group.Go(func() { f.send(ctx, r.WebhookHost, &tls.Config{RootCAs: roots, ServerName: "localhost"}, junk(i)) })
	}
	f.group.Go(func() {
		for ctx.Err() == nil {
			for _, pod := range pods.Items {
				if memory, err := memoryOf(ctx, r, pod.Namespace, pod.Name, "router"); err == nil {
					f.memory = max(f.memory, memory)
				}
			}
			if memory, err := memoryOf(ctx, r, rig.Namespace, answeringBot+"-0", "mediapod"); err == nil {
				f.podMemory = max(f.podMemory, memory)
			}
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	return f, nil
}

func (f *flooding) end() {
	f.took = time.Since(f.began)
	f.stop()
	f.group.Wait()
}

func (f *flooding) rate() float64 { return float64(f.sent.Load()) / f.took.Seconds() }

// junk of one of four kinds.
func junk(i int) []byte {
	random := make([]byte, 256)
	_, _ = rand.Read(random)
	enc := base64.RawURLEncoding.EncodeToString
	token := enc([]byte(`{"alg":"RS256","kid":"forged"}`)) + "." + enc([]byte(`{"aud":"`+answeringApp+`","iss":"https://api.botframework.com"}`)) + "." + enc(random)
	path, length, body := "/"+rig.Namespace+"/"+answeringBot+"/calls", 1000, 1000
	switch i % 4 {
	case 1:
		token = "rubbish"
	case 2:
		path, length, body = "/"+rig.Namespace+"/"+answeringBot+"/pods/"+answeringBot+"-0/calls/forged", 10<<20, 64<<10
	case 3:
		path, length, body = "/"+rig.Namespace+"/"+answeringBot+"/pods/"+answeringBot+"-0/calls/forged", 1<<20, 64<<10
	}
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s",
		path, token, length, strings.Repeat("j", body))
}

// send sends the same request again and again, over a new connection whenever the last one was closed.
func (f *flooding) send(ctx context.Context, addr string, config *tls.Config, request []byte) {
	for ctx.Err() == nil {
		dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: config}
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err != nil {
			continue
		}
		unlink := context.AfterFunc(ctx, func() { _ = conn.Close() })
		answers := bufio.NewReader(conn)
		for {
			if _, err := conn.Write(request); err != nil {
				break
			}
			f.sent.Add(1)
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				break
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			if resp.Close {
				break
			}
		}
		unlink()
		_ = conn.Close()
	}
}
