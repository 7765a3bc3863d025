// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// encode what is made here, and can therefore be encoded.
func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

// mergePatch is the difference between two versions, to be applied to the first alone.
func mergePatch(before, after *callfleetv1.MeetingSession) ([]byte, error) {
	patch, err := jsonpatch.CreateMergePatch(encode(before), encode(after))
	if err != nil {
		return nil, err
	}
	return jsonpatch.MergeMergePatches(patch, encode(map[string]any{"metadata": map[string]string{"resourceVersion": before.ResourceVersion}}))
}
