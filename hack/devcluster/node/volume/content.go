// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"fmt"
	"io/fs"

	corev1 "k8s.io/api/core/v1"
)

// DefaultMode is the mode of files whose volume names none.
const DefaultMode int32 = 0o644

// Secret returns the files of a secret: all of them, or the given items.
func Secret(s *corev1.Secret, items []corev1.KeyToPath, defaultMode *int32, optional bool) (Payload, error) {
	return keys(s.Data, items, defaultMode, optional, "secret "+s.Namespace+"/"+s.Name)
}

// ConfigMap returns the files of a config map: all of them, or the given items.
func ConfigMap(c *corev1.ConfigMap, items []corev1.KeyToPath, defaultMode *int32, optional bool) (Payload, error) {
	data := make(map[string][]byte, len(c.Data)+len(c.BinaryData))
	for key, value := range c.Data {
		data[key] = []byte(value)
	}
	for key, value := range c.BinaryData {
		data[key] = value
	}
	return keys(data, items, defaultMode, optional, "configmap "+c.Namespace+"/"+c.Name)
}

func keys(data map[string][]byte, items []corev1.KeyToPath, defaultMode *int32, optional bool, what string) (Payload, error) {
	payload := Payload{}
	if len(items) == 0 {
		for key, value := range data {
			payload[key] = File{Data: value, Mode: mode(nil, defaultMode)}
		}
		return payload, nil
	}
	for _, item := range items {
		value, ok := data[item.Key]
		if !ok && optional {
			continue
		}
		if !ok {
			// kubelet's words, which people search for.
			return nil, fmt.Errorf("references non-existent secret or configmap key: %s in %s", item.Key, what)
		}
		payload[item.Path] = File{Data: value, Mode: mode(item.Mode, defaultMode)}
	}
	return payload, nil
}

// Text is a payload of one file.
func Text(path, content string, fileMode, defaultMode *int32) Payload {
	return Payload{path: {Data: []byte(content), Mode: mode(fileMode, defaultMode)}}
}

func mode(own, inherited *int32) fs.FileMode {
	switch {
	case own != nil:
		return fs.FileMode(*own)
	case inherited != nil:
		return fs.FileMode(*inherited)
	}
	return fs.FileMode(DefaultMode)
}
