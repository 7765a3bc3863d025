// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// Names of the field indexes. They are this package's own, so that other controllers of the same manager are free to
// index the same fields.
const (
	indexBot      = "session.bot"
	indexMeeting  = "session.meeting"
	indexMediaPod = "session.mediaPod"
	indexPodBot   = "session.podBot"
	indexUnsaved  = "session.recordedIn"
)

// sessionIndexes are those of a kind of call.
func sessionIndexes(k *kind) map[string]client.IndexerFunc {
	return map[string]client.IndexerFunc{
		indexBot:      func(o client.Object) []string { return []string{k.subject(o).spec.BotRef.Name} },
		indexMeeting:  func(o client.Object) []string { return nonEmpty(k.subject(o).meeting) },
		indexMediaPod: func(o client.Object) []string { return nonEmpty(k.subject(o).status.MediaPod) },
		indexUnsaved:  func(o client.Object) []string { return unsavedPods(k.subject(o)) },
	}
}

func podBot(o client.Object) []string { return []string{o.(*v1alpha1.MediaPod).Spec.BotRef.Name} }

func nonEmpty(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

// AddIndexes adds those that the reconciler lists by.
func AddIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	for _, k := range kinds {
		for name, extract := range sessionIndexes(k) {
			if err := indexer.IndexField(ctx, k.new(), name, extract); err != nil {
				return fmt.Errorf("indexing %s by %s: %w", k.name, name, err)
			}
		}
	}
	if err := indexer.IndexField(ctx, &v1alpha1.MediaPod{}, indexPodBot, podBot); err != nil {
		return fmt.Errorf("indexing media pods by %s: %w", indexPodBot, err)
	}
	return nil
}
