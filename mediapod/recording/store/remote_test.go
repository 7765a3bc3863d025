// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeStore is as much of S3 and Azure Blob Storage as uploads need, on one server.
type fakeStore struct {
	mu      sync.Mutex
	objects map[string][]byte
	parts   map[string][]byte // of files that are on their way
	order   []string          // of the parts, as the last upload named them
	fail    []func(http.ResponseWriter, *http.Request) bool
	keys    []string // by which requests were signed
}

func (s *fakeStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.keys = append(s.keys, r.Header.Get("Authorization"))
	var fail func(http.ResponseWriter, *http.Request) bool
	if len(s.fail) > 0 {
		fail, s.fail = s.fail[0], s.fail[1:]
	}
	s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil || fail != nil && fail(w, r) {
		return
	}
	if strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") {
		body = unchunked(body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key, q := r.URL.Path, r.URL.Query()
	w.Header().Set("ETag", `"e"`)
	w.Header().Set("Last-Modified", time.Unix(1_700_000_000, 0).UTC().Format(http.TimeFormat))
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		object, ok := s.objects[key]
		if !ok {
			refuse(w, http.StatusNotFound, "NoSuchKey")
			return
		}
		_, _ = w.Write(object)
	case r.Method == http.MethodPost && q.Has("uploads"):
		_, _ = io.WriteString(w, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
	case r.Method == http.MethodPut && q.Has("partNumber"):
		s.parts[fmt.Sprintf("%06s", q.Get("partNumber"))] = body
	case r.Method == http.MethodPut && q.Get("comp") == "block":
		s.parts[q.Get("blockid")] = body
		s.order = append(s.order, q.Get("blockid"))
		w.WriteHeader(http.StatusCreated)
	case r.Method == http.MethodPost && q.Has("uploadId"):
		s.order = nil
		for part := range s.parts {
			s.order = append(s.order, part)
		}
		slices.Sort(s.order)
		s.join(key)
		_, _ = io.WriteString(w, "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")
	case r.Method == http.MethodPut && q.Get("comp") == "blocklist":
		s.join(key)
		w.WriteHeader(http.StatusCreated)
	case r.Method == http.MethodPut:
		s.objects[key] = body
		if r.Header.Get("X-Ms-Version") != "" {
			w.WriteHeader(http.StatusCreated)
		}
	}
}

func (s *fakeStore) join(key string) {
	var whole []byte
	for _, part := range s.order {
		whole = append(whole, s.parts[part]...)
	}
	s.objects[key] = whole
	s.order = nil
	clear(s.parts)
}

// unchunked takes the framing off a body that was signed or summed chunk by chunk.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
func unchunked(body []byte) (data []byte) {
	for {
		head, rest, ok := bytes.Cut(body, []byte("\r\n"))
		var n int
		if _, err := fmt.Sscanf(string(head), "%x", &n); !ok || err != nil || n == 0 || n > len(rest) {
			return data
		}
		data, body = append(data, rest[:n]...), bytes.TrimPrefix(rest[n:], []byte("\r\n"))
	}
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("X-Ms-Error-Code", code)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
}

func refusing(status int, code string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool { refuse(w, status, code); return true }
}

// services are the stores at a fake of them, each with keys in a directory.
func services(t *testing.T) map[string]func(*testing.T) (*fakeStore, *Remote, string) {
	open := func(url string, keys map[string]string) func(t *testing.T) (*fakeStore, *Remote, string) {
		return func(t *testing.T) (*fakeStore, *Remote, string) {
			for _, names := range credentialKeys { // they are the environment's again after the test
				for _, name := range names {
					t.Setenv(name, "")
				}
			}
			t.Setenv("AWS_MAX_ATTEMPTS", "1")
			s := &fakeStore{objects: map[string][]byte{}, parts: map[string][]byte{}}
			server := httptest.NewServer(s)
			t.Cleanup(server.Close)
			dir := t.TempDir()
			for name, value := range keys {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(value+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			host := strings.TrimPrefix(server.URL, "http://")
			return s, &Remote{At: Location{URL: strings.ReplaceAll(url, "HOST", host), Credentials: dir}}, dir
		}
	}
	return map[string]func(*testing.T) (*fakeStore, *Remote, string){
		"S3": open("s3://tapes?region=eu-west-1&endpoint=http://HOST&use_path_style=true", map[string]string{
			"AWS_ACCESS_KEY_ID": "AKIAFIRST", "AWS_SECRET_ACCESS_KEY": "secret", "LD_PRELOAD": "/tmp/x",
		}),
		"Azure": open("azblob://tapes?protocol=http&domain=HOST&localemu=true", map[string]string{
			"AZURE_STORAGE_ACCOUNT": "contoso", "AZURE_STORAGE_KEY": "c2VjcmV0",
		}),
	}
}

// TestFilesArriveAtTheServices, in one part and in several, as they were.
func TestFilesArriveAtTheServices(t *testing.T) {
	for name, open := range services(t) {
		t.Run(name, func(t *testing.T) {
			s, remote, _ := open(t)
			for _, size := range []int{0, 100, partBytes, 2*partBytes + 12345} {
				data := make([]byte, size)
				random := rand.NewChaCha8([32]byte{1})
				_, _ = random.Read(data)
				key := fmt.Sprintf("voice/call-1/%d.wav", size)
				if err := remote.Put(t.Context(), key, bytes.NewReader(data)); err != nil {
					t.Fatalf("%d bytes: %v", size, err)
				}
				sum := sha256.Sum256(data)
				if o, err := remote.Stat(t.Context(), key); err != nil || o != (Object{int64(size), hex.EncodeToString(sum[:])}) {
					t.Errorf("%d bytes are %+v, %v", size, o, err)
				}
			}
			if len(s.objects) != 4 {
				t.Errorf("there are %d objects", len(s.objects))
			}
			if os.Getenv("LD_PRELOAD") == "/tmp/x" {
				t.Error("any key of the Secret gets into the environment")
			}
		})
	}
}

// TestServicesThatAreBusyOrBreakAreTriedAgain until they take the file.
func TestServicesThatAreBusyOrBreakAreTriedAgain(t *testing.T) {
	for name, open := range services(t) {
		t.Run(name, func(t *testing.T) {
			s, remote, _ := open(t)
			hangUp := func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
			s.fail = []func(http.ResponseWriter, *http.Request) bool{
				refusing(http.StatusServiceUnavailable, "SlowDown"), refusing(http.StatusTooManyRequests, "TooManyRequests"), hangUp,
				refusing(http.StatusInternalServerError, "InternalError"),
			}
			dir := t.TempDir()
			record(t, dir, "call")
			u := newUploader(t, Config{Dir: dir, Bucket: remote, Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
			if err := move(t.Context(), u, "call"); err != nil {
				t.Fatal(err)
			}
			if left := files(t, dir); len(left) != 0 || len(s.objects) != 3 {
				t.Errorf("there is %v here, and %d objects there", left, len(s.objects))
			}
		})
	}
}

// TestAServiceThatSaysNo is not asked in vain with keys that have been replaced since, and what it says is told with what to do.
func TestAServiceThatSaysNo(t *testing.T) {
	for name, open := range services(t) {
		t.Run(name, func(t *testing.T) {
			s, remote, keys := open(t)
			code := map[string]string{"S3": "InvalidAccessKeyId", "Azure": "AuthorizationPermissionMismatch"}[name]
			s.fail = []func(http.ResponseWriter, *http.Request) bool{refusing(http.StatusForbidden, code)}
			err := remote.Put(t.Context(), "a.wav", strings.NewReader("x"))
			if !Denied(err) || !strings.Contains(err.Error(), code) || !strings.Contains(err.Error(), "credentialsSecretRef") {
				t.Errorf("it says %v", err)
			}
			for file, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AKIASECOND", "AZURE_STORAGE_ACCOUNT": "fabrikam"} {
				if _, err := os.Stat(filepath.Join(keys, file)); err == nil {
					if err := os.WriteFile(filepath.Join(keys, file), []byte(value), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := remote.Put(t.Context(), "a.wav", strings.NewReader("x")); err != nil {
				t.Fatal(err)
			}
			if last := s.keys[len(s.keys)-1]; !strings.Contains(last, "AKIASECOND") && !strings.Contains(last, "fabrikam") {
				t.Errorf("the replaced keys are not used: signed as %s", last[:min(len(last), 60)])
			}
		})
	}
}

func TestABucketThatIsNotThere(t *testing.T) {
	for name, open := range services(t) {
		t.Run(name, func(t *testing.T) {
			s, remote, _ := open(t)
			code := map[string]string{"S3": "NoSuchBucket", "Azure": "ContainerNotFound"}[name]
			s.fail = []func(http.ResponseWriter, *http.Request) bool{refusing(http.StatusNotFound, code)}
			err := remote.Put(t.Context(), "a.wav", strings.NewReader("x"))
			if err == nil || Denied(err) || !strings.Contains(err.Error(), "make the bucket, or correct the url") {
				t.Errorf("it says %v", err)
			}
		})
	}
}

// A signature in a URL is as good as a key.
func TestSignaturesAreNotTold(t *testing.T) {
	// What a firewall in between makes of it: an error that is a context's deadline, too.
	_, tooLong := (&net.Dialer{Timeout: time.Nanosecond}).DialContext(t.Context(), "tcp", "192.0.2.1:443")
	for want, cause := range map[string]error{"no route": errors.New("dial tcp: no route"), "i/o timeout": tooLong, "canceled": context.Canceled} {
		err := explained(nil, &url.Error{Op: "Put", URL: "https://contoso.blob.core.windows.net/tapes/a.wav?sv=2024&sig=c2VjcmV0", Err: cause})
		if text := err.Error(); strings.Contains(text, "c2VjcmV0") || !strings.Contains(text, want) || !errors.Is(err, cause) {
			t.Errorf("it says %s", text)
		}
	}
}

func TestWhereAKeyIs(t *testing.T) {
	for url, want := range map[string]string{
		"file:///store":                       "file:///store/voice/a.wav",
		"s3://tapes?region=eu-west-1":         "s3://tapes/voice/a.wav",
		"azblob://tapes?storage_account=none": "azblob://tapes/voice/a.wav",
	} {
		if got := URI(url, "voice/a.wav"); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
	for _, url := range []string{"mem://tapes", "ftp://tapes", "%zz"} {
		if _, err := Open(t.Context(), Location{URL: url}); err == nil {
			t.Errorf("%s is opened", url)
		}
	}
	if b, err := Open(t.Context(), Location{URL: "file:///store/tapes", Root: "/pod"}); err != nil || b != (Directory{filepath.FromSlash("/pod/store/tapes")}) {
		t.Errorf("a directory is %v, %v", b, err)
	}
}
