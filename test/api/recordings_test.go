// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func TestRecordingsOfABot(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	bot := func(r v1alpha1.Recordings) *controllertest.BotBuilder {
		return controllertest.Bot(ns, "reception").With(func(b *v1alpha1.CallingBot) { b.Spec.Media.Recordings = &r })
	}
	stored := func(s v1alpha1.RecordingStorage) *controllertest.BotBuilder {
		return bot(v1alpha1.Recordings{Storage: &s})
	}
	at := func(url string) *controllertest.BotBuilder { return stored(v1alpha1.RecordingStorage{URL: url}) }
	disk := func(size string) *controllertest.BotBuilder {
		return bot(v1alpha1.Recordings{MaxDisk: ptr.To(resource.MustParse(size))})
	}
	const wrongURL, wrongPrefix = "spec.media.recordings.storage.url in body should match", "spec.media.recordings.storage.prefix in body should match"
	cases := map[string]struct {
		bot  *controllertest.BotBuilder
		want string
	}{
		"Azure Blob Storage":                     {at("azblob://recordings?storage_account=contoso"), accepted},
		"S3":                                     {at("s3://recordings?region=eu-west-1"), accepted},
		"a bucket that speaks S3":                {at("s3://recordings?region=us-east-1&endpoint=https://minio.voice.svc:9000&use_path_style=true"), accepted},
		"Google Cloud Storage":                   {at("gs://contoso_recordings.eu"), accepted},
		"a directory":                            {at("file:///store/recordings"), accepted},
		"no url":                                 {at(""), wrongURL},
		"a web address":                          {at("https://contoso.blob.core.windows.net/recordings"), wrongURL},
		"a bucket in memory":                     {at("mem://recordings"), wrongURL},
		"a key in the url":                       {at("s3://AKIA:secret@recordings"), wrongURL},
		"a path in the url":                      {at("gs://recordings/voice"), wrongURL},
		"a directory relative to somewhere":      {at("file://store"), wrongURL},
		"a directory above":                      {at("file:///store/../etc"), "the directory must not contain .."},
		"the directory where the files are":      {at("file:///recordings"), "the directory must not be below /recordings"},
		"a directory below":                      {at("file:///recordings/stored"), "the directory must not be below /recordings"},
		"a directory that only begins like that": {at("file:///recordings-stored"), accepted},

		"a prefix":                 {stored(v1alpha1.RecordingStorage{URL: "gs://recordings", Prefix: "voice/reception-1/"}), accepted},
		"a prefix without its end": {stored(v1alpha1.RecordingStorage{URL: "gs://recordings", Prefix: "voice"}), wrongPrefix},
		"a prefix that climbs":     {stored(v1alpha1.RecordingStorage{URL: "gs://recordings", Prefix: "../"}), wrongPrefix},
		"a prefix from the root":   {stored(v1alpha1.RecordingStorage{URL: "gs://recordings", Prefix: "/voice/"}), wrongPrefix},
		"a prefix too long":        {stored(v1alpha1.RecordingStorage{URL: "gs://recordings", Prefix: strings.Repeat("a", 256) + "/"}), "Too long"},

		"keys of a Secret": {stored(v1alpha1.RecordingStorage{URL: "s3://recordings", CredentialsSecretRef: &v1alpha1.SecretReference{Name: "tapes"}}), accepted},
		"keys of a Secret without name": {
			stored(v1alpha1.RecordingStorage{URL: "s3://recordings", CredentialsSecretRef: &v1alpha1.SecretReference{}}),
			"credentialsSecretRef.name in body should be at least 1 chars long",
		},
		"keys for a directory": {
			stored(v1alpha1.RecordingStorage{URL: "file:///store", CredentialsSecretRef: &v1alpha1.SecretReference{Name: "tapes"}}),
			"a directory needs no credentials",
		},
		"files that stay for a day": {stored(v1alpha1.RecordingStorage{URL: "gs://recordings", KeepLocal: "24h"}), accepted},
		"files that stay for ever":  {stored(v1alpha1.RecordingStorage{URL: "gs://recordings", KeepLocal: "always"}), "keepLocal in body should match"},
		"an upload of two weeks":    {stored(v1alpha1.RecordingStorage{URL: "gs://recordings", UploadTimeout: "336h"}), "at most 168h"},

		"room for an hour":         {disk("1Gi"), accepted},
		"room for less":            {disk("1000Mi"), "maxDisk must be 1Gi or more"},
		"room in bytes":            {disk("2000000000"), accepted},
		"neither room nor storage": {bot(v1alpha1.Recordings{}), "set storage or maxDisk, or leave recordings out"},
		"media that the service hosts": {
			controllertest.Bot(ns, "reception").ServiceHosted().With(func(b *v1alpha1.CallingBot) {
				b.Spec.Media.Recordings = &v1alpha1.Recordings{MaxDisk: ptr.To(resource.MustParse("2Gi"))}
			}), accepted, // what its flows have recorded
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { create(t, tc.bot.Object(), tc.want) })
	}
}
