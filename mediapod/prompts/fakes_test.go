// SPDX-License-Identifier: Apache-2.0

package prompts

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	testclock "k8s.io/utils/clock/testing"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/audio/wav"
)

// cluster is an API server with ConfigMaps.
type cluster struct {
	mu    sync.Mutex
	maps  map[string]*corev1.ConfigMap
	err   error
	hangs bool
	reads int
}

func (c *cluster) ConfigMap(ctx context.Context, name string) (*corev1.ConfigMap, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	if c.hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if c.err != nil {
		return nil, c.err
	}
	if cm, ok := c.maps[name]; ok {
		return cm, nil
	}
	return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, name)
}

// set puts a file into a ConfigMap.
func (c *cluster) set(name, key string, raw []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.maps[name] == nil {
		c.maps[name] = &corev1.ConfigMap{BinaryData: map[string][]byte{}, Data: map[string]string{}}
	}
	c.maps[name].BinaryData[key] = raw
}

const botURL = "https://bots.contoso.com/voice/reception"

func newLibrary(t *testing.T, client *http.Client) (*Library, *cluster, *testclock.FakeClock) {
	t.Helper()
	maps := &cluster{maps: map[string]*corev1.ConfigMap{}}
	clk := testclock.NewFakeClock(time.Unix(1_700_000_000, 0))
	if client == nil {
		client = http.DefaultClient
	}
	l, err := New(Config{ConfigMaps: maps, HTTP: client, BaseURL: botURL, Clock: clk})
	if err != nil {
		t.Fatal(err)
	}
	return l, maps, clk
}

// prompt is a file the service can play; n makes each another one.
func prompt(n int16) []byte {
	var out bytes.Buffer
	if err := wav.Encode(&out, wav.Clip{SampleRate: 16000, Samples: []int16{n, 0, -n, 5}}); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func inMap(name, key string) *callfleetv1.Play {
	return &callfleetv1.Play{ConfigMap: &callfleetv1.KeyReference{Name: name, Key: key}}
}

func at(url string) *callfleetv1.Play { return &callfleetv1.Play{URL: callfleetv1.HTTPSURL(url)} }
