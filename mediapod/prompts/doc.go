// SPDX-License-Identifier: Apache-2.0

// Package prompts finds the sound files that calls play: from a ConfigMap or from the web, with limits. For calls whose
// media the service hosts it checks that the service can play a file, and serves those of ConfigMaps to it.
package prompts
