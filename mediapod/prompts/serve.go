// SPDX-License-Identifier: Apache-2.0

package prompts

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	// Anybody on the Internet can ask for prompts. Those that this pod has not read yet cost the API server a request.
	loadsPerSecond = 10
	loadsAtOnce    = 50

	loadTimeout = 10 * time.Second
)

// ServeHTTP answers GET and HEAD, with ranges, for the prompts that MediaInfo names. Everything else there is not,
// without a difference: a stranger learns nothing about ConfigMaps.
func (l *Library) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, sum, err := l.find(r)
	switch {
	case errors.Is(err, errBusy):
		w.Header().Set("Retry-After", "1")
		http.Error(w, "try again", http.StatusServiceUnavailable)
		return
	case err != nil:
		l.cfg.Log.V(1).Info("a prompt was not served", "reason", err.Error())
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "audio/wav")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", `"`+sum+`"`)
	h.Set("Cache-Control", "private, max-age=86400, immutable") // the address is made of the content
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(raw))
}

var (
	errNone = errors.New("there is no such prompt")
	// errBusy is no answer to whether a prompt exists: it comes for all of them alike.
	errBusy = errors.New("prompts cannot be read now")
)

func (l *Library) find(r *http.Request) (raw []byte, sum string, err error) {
	below, ok := strings.CutPrefix(r.URL.Path, l.path)
	if !ok || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil, "", errNone
	}
	parts := strings.Split(below, "/")
	if len(parts) != 3 || !isDigest(parts[0]) {
		return nil, "", errNone
	}
	sum = parts[0]
	if raw, ok := l.files.get(below); ok {
		return raw, sum, nil
	}
	if len(validation.IsDNS1123Subdomain(parts[1])) > 0 || len(validation.IsConfigMapKey(parts[2])) > 0 {
		return nil, "", errNone // what is spoken as well, unless it was found above
	}
	if !l.budget.AllowN(l.cfg.Clock.Now(), 1) {
		return nil, "", errBusy
	}
	// The first who asks may go away; the others wait for the same file.
	found, err, _ := l.loads.Do(below, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), loadTimeout)
		defer cancel()
		return l.load(ctx, sum, parts[1], parts[2])
	})
	if err != nil {
		return nil, "", err
	}
	return found.([]byte), sum, nil
}

// load reads a prompt that another pod of the bot told the service of. Only what is the content of the address, and a
// prompt, ever leaves a ConfigMap.
func (l *Library) load(ctx context.Context, sum, configMap, key string) ([]byte, error) {
	file, err := l.fromConfigMap(ctx, configMap, key)
	switch {
	case Temporary(err):
		return nil, errBusy
	case err != nil, digest(file.Raw) != sum, playable(file) != nil:
		return nil, errNone
	}
	l.files.put(address(sum, configMap, key), file.Raw)
	return file.Raw, nil
}

func isDigest(s string) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && len(raw) == 32 && strings.ToLower(s) == s
}
