// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net/url"
	"path"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/record"
	"github.com/callfleet/callfleet/mediapod/recording"
	"github.com/callfleet/callfleet/mediapod/story"
)

// recordings is where a media pod keeps them. Each pod has a folder of its own: a volume may be shared by all pods of a bot,
// and what one of them finds unfinished must not be what another is writing.
type recordings struct {
	dir string // as this process finds it
	uri string // as the pod's other containers, and the volume, have it
	// complete is how far a file is that is complete: it stays here, or goes on into a bucket.
	complete callfleetv1.RecordingState
	// found are those of processes that were killed in this pod, by the scenario of their call.
	found map[string][]callfleetv1.RecordedFile
}

func newRecordings(root, mediaPod string) recordings {
	return recordings{
		complete: callfleetv1.RecordingLocal,
		dir:      filepath.Join(root, filepath.FromSlash(recordingsDir), mediaPod),
		uri:      (&url.URL{Scheme: "file", Path: path.Join(recordingsDir, mediaPod) + "/"}).String(),
	}
}

// recover ends what a killed process left behind.
func (k *recordings) recover(log logr.Logger) {
	manifests, err := recording.Recover(k.dir)
	if err != nil {
		log.Error(err, "not every recording of an earlier process could be recovered")
	}
	k.found = map[string][]callfleetv1.RecordedFile{}
	for _, m := range manifests {
		k.found[m.RecordingID] = append(k.found[m.RecordingID], k.list(m)...)
		log.Info("recovered a recording of an earlier process", "name", m.Name, "files", len(m.Files))
	}
}

// writing is the file that every recording has, while it is written.
func (k *recordings) writing(name string, format callfleetv1.RecordingFormat, now time.Time) []callfleetv1.RecordedFile {
	ending := ".wav"
	if format == callfleetv1.RecordingOgg {
		ending = ".opus"
	}
	return []callfleetv1.RecordedFile{{
		URI: k.uri + name + "." + record.TrackMixed + ending, Track: record.TrackMixed, StartTime: story.MicroTime(now), State: callfleetv1.RecordingWriting,
	}}
}

// list is a recording as a status lists it.
func (k *recordings) list(m recording.Manifest) []callfleetv1.RecordedFile {
	var list []callfleetv1.RecordedFile
	for _, f := range m.Files {
		if f.SHA256 == "" { // it could not even be made
			continue
		}
		r := callfleetv1.RecordedFile{
			URI: k.uri + f.File, Track: f.Track, Participant: story.Clip(f.Participant, 128), Bytes: f.Bytes, SHA256: f.SHA256,
			Duration:   callfleetv1.Duration((time.Duration(f.DurationMs) * time.Millisecond).String()),
			Incomplete: !m.Complete || f.Error != "", State: k.complete,
		}
		if !m.Started.IsZero() {
			r.StartTime = story.MicroTime(m.Started.Add(time.Duration(f.StartMs) * time.Millisecond))
		}
		list = append(list, r)
	}
	return list
}
