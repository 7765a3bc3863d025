// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/callfleet/callfleet/audio"
)

// errAbsent says that a baseline is not on this machine.
var errAbsent = errors.New("is not installed")

// janus is a WebRTC server in C, libnice and libsrtp, with one of its plugins: what others' audio costs.
type janus struct {
	*process
	plugin string
	url    string
	ip     netip.Addr
	dir    string
}

// The plugins that are measured: one that sends back what it gets, and one that decodes, mixes and encodes.
const (
	echoTest    = "echotest"
	audioBridge = "audiobridge"
)

// startJanus runs one on the servers' core, and lets it be found where far sides look for it: libnice does not use the
// loopback address, so it takes another of this machine's, whose packets go the same way.
func (b *bench) startJanus(ctx context.Context, plugin string) (j *janus, err error) {
	program, err := exec.LookPath("janus")
	if err != nil {
		return nil, errAbsent
	}
	ip, ok := ownAddress()
	if !ok {
		return nil, errors.New("needs an IPv4 address that is not the loopback's")
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "callfleet-janus-")
	if err != nil {
		return nil, err
	}
	j = &janus{plugin: plugin, url: fmt.Sprintf("http://127.0.0.1:%d/janus", port), ip: ip, dir: dir}
	for name, text := range map[string]string{
		"janus.jcfg": fmt.Sprintf(`general: { configs_folder = %q
  session_timeout = 0
  debug_level = 1 }
nat: { ice_lite = true
  ice_enforce_list = %q }
plugins: { disable = %q }
transports: { disable = "libjanus_websockets.so,libjanus_rabbitmq.so,libjanus_pfunix.so,libjanus_mqtt.so,libjanus_nanomsg.so" }
`, dir, ip, others(plugin)),
		"janus.transport.http.jcfg": fmt.Sprintf("general: { http = true\n  port = %d\n  ip = \"127.0.0.1\"\n  https = false }\nadmin: { admin_http = false }\n", port),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	if j.process, err = b.start(ctx, program, "-F", dir, "-C", filepath.Join(dir, "janus.jcfg"), "-o"); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	go func() { // what it prints is not of interest, but must go somewhere
		_, _ = j.out.WriteTo(discard{})
	}()
	for range 100 {
		if _, err = j.post(ctx, j.url, map[string]any{"janus": "create"}); err == nil {
			return j, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	j.end()
	return nil, fmt.Errorf("does not answer: %w", err)
}

func (j *janus) end() {
	j.kill()
	_ = os.RemoveAll(j.dir)
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// reply is what of its answers and events is used.
type reply struct {
	Janus string
	Data  struct{ ID int64 }
	JSEP  struct{ SDP string }
	Error struct{ Reason string }

	PluginData struct{ Data struct{ Error string } }
}

// exchange does the plugin's signalling: a session and a handle, the offer, and the answer among the session's events.
func (j *janus) exchange(ctx context.Context, offer string, body map[string]any) (string, error) {
	session, handle, err := j.attach(ctx)
	if err != nil {
		return "", err
	}
	if _, err := j.post(ctx, handle, map[string]any{
		"janus": "message", "body": body, "jsep": map[string]any{"type": "offer", "sdp": offer},
	}); err != nil {
		return "", err
	}
	for range 10 {
		event, err := j.do(ctx, http.MethodGet, session+"?maxev=1", nil)
		if err != nil {
			return "", err
		}
		if why := event.PluginData.Data.Error; why != "" {
			return "", errors.New(why)
		}
		if event.JSEP.SDP != "" {
			return event.JSEP.SDP, nil
		}
	}
	return "", errors.New("it sent no answer")
}

// attach makes a session, and a handle of the plugin in it, and returns their URLs.
func (j *janus) attach(ctx context.Context) (session, handle string, err error) {
	s, err := j.post(ctx, j.url, map[string]any{"janus": "create"})
	if err != nil {
		return "", "", err
	}
	session = fmt.Sprintf("%s/%d", j.url, s.Data.ID)
	h, err := j.post(ctx, session, map[string]any{"janus": "attach", "plugin": "janus.plugin." + j.plugin})
	if err != nil {
		return "", "", err
	}
	return session, fmt.Sprintf("%s/%d", session, h.Data.ID), nil
}

// rooms opens so many of the bridge's rooms, which mix at the rate that the engine does.
func (j *janus) rooms(ctx context.Context, n int) error {
	_, handle, err := j.attach(ctx)
	if err != nil {
		return err
	}
	for room := 1; room <= n; room++ {
		answer, err := j.post(ctx, handle, map[string]any{"janus": "message", "body": map[string]any{
			"request": "create", "room": room, "permanent": false, "sampling_rate": audio.SampleRate,
		}})
		if err != nil {
			return err
		}
		if why := answer.PluginData.Data.Error; why != "" {
			return fmt.Errorf("room %d: %s", room, why)
		}
	}
	return nil
}

// others are the plugins that Debian's package has beside one.
func others(plugin string) string {
	var all []string
	for _, p := range strings.Fields("audiobridge duktape echotest lua nosip recordplay sip streaming textroom videocall videoroom voicemail") {
		if p != plugin {
			all = append(all, "libjanus_"+p+".so")
		}
	}
	return strings.Join(all, ",")
}

func (j *janus) post(ctx context.Context, url string, body map[string]any) (*reply, error) {
	body["transaction"] = "bench"
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return j.do(ctx, http.MethodPost, url, raw)
}

func (j *janus) do(ctx context.Context, method, url string, body []byte) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var r reply
	if err := json.NewDecoder(response.Body).Decode(&r); err != nil {
		return nil, err
	}
	if r.Janus == "error" {
		return nil, errors.New(r.Error.Reason)
	}
	return &r, nil
}

// ownAddress is an IPv4 address of this machine that is not the loopback's.
func ownAddress() (netip.Addr, bool) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}, false
	}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && !p.Addr().IsLoopback() {
			return p.Addr(), true
		}
	}
	return netip.Addr{}, false
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
