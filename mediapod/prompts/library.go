// SPDX-License-Identifier: Apache-2.0

package prompts

import (
	"context"
	"net/http"

	corev1 "k8s.io/api/core/v1"
)

// ConfigMaps reads the ConfigMaps of the pod's namespace.
type ConfigMaps interface {
	ConfigMap(ctx context.Context, name string) (*corev1.ConfigMap, error)
}

// Config of a Library.
type Config struct {
	ConfigMaps ConfigMaps
	// HTTP fetches prompts from the web.
	HTTP *http.Client
	// BaseURL is the bot's address, https://HOST/NAMESPACE/BOT, under which the router forwards prompts/.
	BaseURL string
}

// Library gives prompts to calls. New makes one:
//
//	Fetch(ctx, *v1alpha1.Play) (File, error)                 the file a play behaviour names, whoever plays it
//	MediaInfo(ctx, *v1alpha1.Play) (graph.MediaInfo, error)  the same as the service is told of it; checked to be playable
//	ServeHTTP                                                GET and HEAD below BaseURL/prompts/
//
// Temporary(err) tells errors that another attempt may not meet.
type Library struct{ cfg Config }

// New makes a Library.
func New(cfg Config) (*Library, error) { return &Library{cfg: cfg}, nil }
