// SPDX-License-Identifier: Apache-2.0

package prompts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/utils/clock"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/webhook"
)

const (
	// shelfBytes are four of the largest files; prompts are mostly a few hundred KiB.
	shelfBytes = 4 * MaxBytes

	// remembered are the prompts whose digest is known without reading them again.
	remembered = 256

	// trustWeb is how long a file on the web is taken to be what it was. A menu plays one prompt many times a minute.
	trustWeb = time.Minute

	// trustConfigMap is how long a prompt can be played while the API server is away.
	trustConfigMap = time.Hour

	// checkTimeout is what the API server gets to say that a prompt has changed.
	checkTimeout = time.Second
)

// ConfigMaps reads the ConfigMaps of the pod's namespace.
type ConfigMaps interface {
	ConfigMap(ctx context.Context, name string) (*corev1.ConfigMap, error)
}

// Config of a Library.
type Config struct {
	ConfigMaps ConfigMaps
	// HTTP fetches prompts from the web, and asks speech services. It should be guarded (package webhook).
	HTTP *http.Client
	// Keys sign what speech services are asked.
	Keys webhook.Keys
	// MediaPod is the pod's own name: what is spoken, it alone can serve.
	MediaPod string
	// BaseURL is the bot's address, https://HOST/NAMESPACE/BOT, under which the router forwards prompts/.
	BaseURL string
	Clock   clock.Clock
	Log     logr.Logger
}

// Library finds prompts, and serves those of ConfigMaps to the service.
type Library struct {
	cfg  Config
	web  *http.Client
	path string // what the served prompts' paths begin with

	asking *http.Client // the web, for requests with a body
	spoken *shelf       // by digest of what was asked for

	files  *shelf                // by address below path
	known  *cache.LRUExpireCache // place → graph.MediaInfo
	loads  singleflight.Group
	budget *rate.Limiter

	fetchTimeout, speechTimeout time.Duration
}

// New makes a Library.
func New(cfg Config) (*Library, error) {
	base, err := url.Parse(cfg.BaseURL)
	if err != nil || base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("prompts: the bot's address %q is not an https address", cfg.BaseURL)
	}
	cfg.BaseURL = strings.TrimSuffix(cfg.BaseURL, "/")
	asking := *cfg.HTTP
	asking.CheckRedirect = webhook.SameHost
	return &Library{
		asking: &asking, spoken: newShelf(spokenBytes), speechTimeout: speechTimeout,
		cfg: cfg, web: guarded(cfg.HTTP), path: strings.TrimSuffix(base.Path, "/") + "/prompts/",
		files: newShelf(shelfBytes), known: cache.NewLRUExpireCacheWithClock(remembered, cfg.Clock),
		budget:       rate.NewLimiter(loadsPerSecond, loadsAtOnce),
		fetchTimeout: fetchTimeout,
	}, nil
}

// MediaInfo is a prompt as the service is told of it. The error says what the service could not play, and what to do.
//
// The service keeps prompts by resourceId, so that this has to be another one when the file is: it is the file's digest.
func (l *Library) MediaInfo(ctx context.Context, play *callfleetv1.Play) (graph.MediaInfo, error) {
	if ref := play.ConfigMap; ref != nil {
		return l.hosted(ctx, ref.Name, ref.Key)
	}
	place := digest([]byte("url " + play.URL))
	if info, ok := l.known.Get(place); ok {
		return info.(graph.MediaInfo), nil
	}
	file, err := l.fromWeb(ctx, string(play.URL))
	if err != nil {
		return graph.MediaInfo{}, err
	}
	if err := playable(file); err != nil {
		return graph.MediaInfo{}, err
	}
	info := graph.MediaInfo{URI: string(play.URL), ResourceID: digest(file.Raw)}
	l.known.Add(place, info, trustWeb)
	return info, nil
}

// hosted is a prompt that the pods of the bot serve.
func (l *Library) hosted(ctx context.Context, name, key string) (graph.MediaInfo, error) {
	place := "configmap " + name + "/" + key
	info, known := l.known.Get(place)
	reading, cancel := ctx, context.CancelFunc(func() {})
	if known {
		reading, cancel = context.WithTimeout(ctx, checkTimeout)
	}
	defer cancel()
	file, err := l.fromConfigMap(reading, name, key)
	if known && Temporary(err) && ctx.Err() == nil {
		return info.(graph.MediaInfo), nil // a call must not wait for the API server
	}
	if err != nil {
		return graph.MediaInfo{}, err
	}
	if err := playable(file); err != nil {
		return graph.MediaInfo{}, err
	}
	sum := digest(file.Raw)
	below := address(sum, name, key)
	l.files.put(below, file.Raw)
	fresh := graph.MediaInfo{URI: l.cfg.BaseURL + "/prompts/" + below, ResourceID: sum}
	l.known.Add(place, fresh, trustConfigMap)
	return fresh, nil
}

// address of a served prompt. Nobody finds it who does not know the content, and every pod of the bot can serve it.
func address(sum, configMap, key string) string { return sum + "/" + configMap + "/" + key }

func digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}
