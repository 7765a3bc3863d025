// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"reflect"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/podspec"
)

// derived is what follows from a configuration alone.
type derived struct {
	revision string
	// invalid is what is wrong with the template; nil if it can be used.
	invalid error
}

func derive(config *v1alpha1.FleetConfig) (derived, error) {
	revision, err := revisionOf(config)
	if err != nil {
		return derived{}, err
	}
	return derived{revision: revision, invalid: podspec.Validate(config.Template, config.Media.Platform)}, nil
}

// configurations remembers it of each bot's present one. Most passes come because of calls and pods, and to render and hash the
// same configuration again is what they would spend most of their time on. The zero value is ready for use.
type configurations struct {
	mu    sync.Mutex
	known map[types.NamespacedName]knownConfiguration
}

type knownConfiguration struct {
	config *v1alpha1.FleetConfig // a copy that nobody writes to
	derived
}

// of derives anew if the configuration is not the one that is known. The contents are compared, and not a generation: of a bot
// that was deleted and made again that starts anew.
func (c *configurations) of(bot types.NamespacedName, config *v1alpha1.FleetConfig) (derived, error) {
	c.mu.Lock()
	known, ok := c.known[bot]
	c.mu.Unlock()
	if ok && reflect.DeepEqual(known.config, config) {
		return known.derived, nil
	}
	d, err := derive(config)
	if err != nil {
		return derived{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[types.NamespacedName]knownConfiguration{}
	}
	c.known[bot] = knownConfiguration{config: config.DeepCopy(), derived: d}
	return d, nil
}

// forget a bot that is gone.
func (c *configurations) forget(bot types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, bot)
}
