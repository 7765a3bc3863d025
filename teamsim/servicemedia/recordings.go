// SPDX-License-Identifier: Apache-2.0

package servicemedia

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/teamsim/secrets"
)

// RecordingsPath is where recordings are served.
const RecordingsPath = "/recordings/"

// Recordings are the answers that were recorded and can be downloaded, each with a token of its own.
type Recordings struct {
	Secrets *secrets.Book // nil: not written down

	mu  sync.Mutex
	all map[string]kept
}

type kept struct {
	callID, token string
	file          []byte
}

// Keep takes a recording and returns its path and the token that opens it.
func (r *Recordings) Keep(callID string, samples []int16) (location, token string) {
	var b bytes.Buffer
	if err := wav.Encode(&b, wav.Clip{SampleRate: audio.SampleRate, Samples: samples}); err != nil {
		panic(err) // two minutes at most, into memory
	}
	id, token := uuid.NewString(), rand.Text()
	r.Secrets.Add(secrets.Recording, id)
	r.Secrets.Add(secrets.RecordingToken, token)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[string]kept{}
	}
	r.all[id] = kept{callID, token, b.Bytes()}
	return RecordingsPath + id, token
}

// Forget drops the recordings of a call.
func (r *Recordings) Forget(callID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, k := range r.all {
		if k.callID == callID {
			delete(r.all, id)
		}
	}
}

// ServeHTTP serves GET {recordingLocation}.
func (r *Recordings) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet {
		http.Error(w, "only GET", http.StatusMethodNotAllowed)
		return
	}
	r.mu.Lock()
	k, ok := r.all[path.Base(req.URL.Path)]
	r.mu.Unlock()
	if !ok {
		http.NotFound(w, req)
		return
	}
	scheme, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare([]byte(token), []byte(k.token)) == 0 {
		http.Error(w, "the recordingAccessToken of this recording is needed", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(k.file[:len(k.file)/2])
	_ = http.NewResponseController(w).Flush() // the service sends chunks
	_, _ = w.Write(k.file[len(k.file)/2:])
}
