// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/types"

	"github.com/callfleet/callfleet/api/client"
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

// patch writes the status, if before is still the newest version.
func (a *agents) patch(ctx context.Context, before, after *callfleetv1.MeetingSession) (*callfleetv1.MeetingSession, error) {
	patch, err := mergePatch(before, after)
	if err != nil {
		return nil, err
	}
	got := &callfleetv1.MeetingSession{}
	err = a.api.Patch(types.MergePatchType).Namespace(namespace).Resource(client.MeetingSessions).Name(before.Name).SubResource("status").
		Param("fieldManager", agentOwner).Body(patch).Do(ctx).Into(got)
	if err == nil {
		a.sessionWrites.Add(1)
	}
	return got, err
}
