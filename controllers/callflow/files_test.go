// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// shelf is one ConfigMap, read as metadata or as a whole.
type shelf struct {
	client.Reader
	content *corev1.ConfigMap
	// behind is the version that the cache shows, if it is not the present one.
	behind string
	err    error
	reads  int
}

func (s *shelf) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	if s.err != nil {
		return s.err
	}
	if s.content == nil || s.content.Name != key.Name {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, key.Name)
	}
	switch o := o.(type) {
	case *metav1.PartialObjectMetadata:
		o.UID, o.ResourceVersion = s.content.UID, s.content.ResourceVersion
		if s.behind != "" {
			o.ResourceVersion = s.behind
		}
	case *corev1.ConfigMap:
		s.reads++
		s.content.DeepCopyInto(o)
	}
	return nil
}

func TestAFileIsReadOnceAVersion(t *testing.T) {
	s := &shelf{content: &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "prompts", UID: "u", ResourceVersion: "1"},
		BinaryData: map[string][]byte{"good.wav": sound(1), "bad.wav": []byte("OggS")}, Data: map[string]string{"text.wav": "hello"},
	}}
	f := newFiles(s, s)
	find := func(key string) file {
		t.Helper()
		found, err := f.find(context.Background(), "voice", ref(key))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for range 3 {
		if one := find("good.wav"); one.missing+one.unplayable != "" || one.digest == [32]byte{} {
			t.Errorf("a good file: %+v", one)
		}
	}
	for key, want := range map[string]string{
		"bad.wav":  `key "bad.wav" of ConfigMap "prompts" is an Ogg file; `,
		"text.wav": `key "text.wav" of ConfigMap "prompts" is text; `,
	} {
		if one := find(key); !strings.HasPrefix(one.unplayable, want) {
			t.Errorf("%s: %+v, want %q", key, one, want)
		}
	}
	if one := find("none.wav"); !strings.Contains(one.missing, `no binaryData key "none.wav"`) {
		t.Errorf("a key that is not there: %+v", one)
	}
	if s.reads != 1 {
		t.Errorf("%d reads of one version", s.reads)
	}

	s.content.ResourceVersion, s.content.BinaryData["bad.wav"] = "2", sound(2)
	if one := find("bad.wav"); one.unplayable != "" || s.reads != 2 {
		t.Errorf("another version, after %d reads: %+v", s.reads, one)
	}
	// Another object of the same name and version, as after a restore.
	s.content.UID, s.content.BinaryData = "v", nil
	if one := find("good.wav"); one.missing == "" {
		t.Errorf("another object: %+v", one)
	}
	s.content = nil
	if one := find("good.wav"); !strings.Contains(one.missing, "kubectl create configmap prompts --from-file=good.wav=") {
		t.Errorf("no object: %+v", one)
	}
	if len(f.known) > 0 {
		t.Error("what is gone is remembered")
	}
	s.err = errors.New("no connection")
	if _, err := f.find(context.Background(), "voice", ref("good.wav")); !errors.Is(err, s.err) {
		t.Errorf("without an API server: %v", err)
	}
}

func TestTheLatestIsNotTheCachesVersion(t *testing.T) {
	s := &shelf{behind: "1", content: &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "prompts", UID: "u", ResourceVersion: "2"}, BinaryData: map[string][]byte{"a.wav": sound(1)},
	}}
	f := newFiles(s, s)
	name := types.NamespacedName{Namespace: "voice", Name: "prompts"}
	f.known[name] = judged{uid: "u", version: "1", files: map[string]file{"a.wav": {unplayable: "is an MP3 file"}}}
	if one, err := f.find(context.Background(), "voice", ref("a.wav")); err != nil || one.unplayable == "" {
		t.Errorf("the cache's version: %+v, %v", one, err)
	}
	files, err := f.latest(context.Background(), name)
	if one, err := pick(ref("a.wav"), files, err); err != nil || one.unplayable != "" {
		t.Errorf("the latest: %+v, %v", one, err)
	}
}
