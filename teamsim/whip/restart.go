// SPDX-License-Identifier: Apache-2.0

package whip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/pion/webrtc/v4"
)

const fragmentType = "application/trickle-ice-sdpfrag" // RFC 8840

// Cut loses what is sent to the bot over the sockets that there are, or lets it through again. What the bot sends is heard
// all the while.
func (l *Leg) Cut(on bool) { l.network.cut(on) }

// Restart restarts ICE (RFC 9725 section 4.3.3) with other sockets, as a peer does that has moved to another network.
func (l *Leg) Restart(ctx context.Context) error {
	l.restarting.Lock()
	defer l.restarting.Unlock()
	if err := l.offer(ctx, &webrtc.OfferOptions{ICERestart: true}); err != nil {
		return err
	}
	before := l.pc.CurrentRemoteDescription().SDP
	fragment, err := l.patch(ctx, fragmentOf(l.pc.LocalDescription().SDP))
	if err != nil {
		return err
	}
	answer, err := merged(before, fragment)
	if err != nil {
		return err
	}
	if err := l.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		return fmt.Errorf("the bot's answer to the ICE restart cannot be used: %w", err)
	}
	return nil
}

// patch sends a restart and checks the reply against RFC 9725 section 4.3.3.
func (l *Leg) patch(ctx context.Context, fragment string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, l.resource, bytes.NewReader([]byte(fragment)))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+l.cfg.Token)
	req.Header.Set("Content-Type", fragmentType)
	req.Header.Set("If-Match", "*")
	resp, err := l.cfg.HTTP.Do(req)
	if err != nil {
		return "", fmt.Errorf("cannot reach the bot's media session: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("read the answer to the ICE restart: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the bot's media session answered %d to an ICE restart, want 200: %s", resp.StatusCode, body[:min(len(body), 200)])
	}
	if t, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); t != fragmentType {
		return "", fmt.Errorf("the bot's media session answered an ICE restart with content type %q, want %s", t, fragmentType)
	}
	tag := resp.Header.Get("ETag")
	if tag == "" || tag == l.etag {
		return "", fmt.Errorf("the bot's media session gave the ETag %q to the restarted ICE session, and %q to the one before; it has to be another", tag, l.etag)
	}
	l.etag = tag
	return string(body), nil
}

// attributes are the values of an attribute in a description or fragment.
func attributes(description, key string) (values []string) {
	for line := range strings.Lines(description) {
		if value, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "a="+key+":"); ok {
			values = append(values, value)
		}
	}
	return values
}

// fragmentOf is what a PATCH carries of an offer with one section: credentials and candidates (RFC 8840 section 4.4).
func fragmentOf(offer string) string {
	var b strings.Builder
	for _, key := range []string{"ice-ufrag", "ice-pwd"} {
		fmt.Fprintf(&b, "a=%s:%s\r\n", key, attributes(offer, key)[0])
	}
	fmt.Fprintf(&b, "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:%s\r\n", attributes(offer, "mid")[0])
	for _, c := range attributes(offer, "candidate") {
		fmt.Fprintf(&b, "a=candidate:%s\r\n", c)
	}
	b.WriteString("a=end-of-candidates\r\n")
	return b.String()
}

// merged is the answer before with the credentials and candidates of a fragment.
func merged(answer, fragment string) (string, error) {
	fresh := map[string]string{}
	for _, key := range []string{"ice-ufrag", "ice-pwd"} {
		values, old := attributes(fragment, key), attributes(answer, key)
		if len(values) == 0 {
			return "", fmt.Errorf("the bot's answer to the ICE restart lacks a=%s", key)
		}
		if len(old) > 0 && values[0] == old[0] {
			return "", fmt.Errorf("the bot's answer to the ICE restart has the a=%s of the session before", key)
		}
		fresh[key] = values[0]
	}
	candidates := attributes(fragment, "candidate")
	if len(candidates) == 0 {
		return "", errors.New("the bot's answer to the ICE restart has no candidates, and no other message of the bot's would bring them")
	}
	var b strings.Builder
	for line := range strings.Lines(answer) {
		line = strings.TrimRight(line, "\r\n")
		key, _, _ := strings.Cut(strings.TrimPrefix(line, "a="), ":")
		switch {
		case !strings.HasPrefix(line, "a="):
		case fresh[key] != "":
			line = "a=" + key + ":" + fresh[key]
		case key == "candidate", key == "end-of-candidates":
			continue
		}
		b.WriteString(line + "\r\n")
	}
	for _, c := range candidates {
		b.WriteString("a=candidate:" + c + "\r\n")
	}
	return b.String(), nil
}
