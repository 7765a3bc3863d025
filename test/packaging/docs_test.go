// SPDX-License-Identifier: Apache-2.0

package packaging

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
)

// The kinds of Kubernetes itself that documents show are taken by the API server, field by field. Those of ours test/house judges; those of others, such as
// Argo CD, are not there.
func TestTheAPIServerTakesWhatDocumentsShow(t *testing.T) {
	s := start(t)
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d documents: %v", len(files), err)
	}
	fence := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")
	shown := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range fence.FindAllStringSubmatch(string(text), -1) {
			if !strings.HasPrefix(block[1], "apiVersion: ") {
				continue // a part of one
			}
			for _, o := range parse(t, file, []byte(block[1])) {
				gvk := o.GroupVersionKind()
				if _, err := s.RESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version); meta.IsNoMatchError(err) {
					continue
				}
				if ns := o.GetNamespace(); ns != "" {
					s.namespace(t, ns)
				}
				shown++
				s.strict(t, []object{o})
			}
		}
	}
	if shown == 0 {
		t.Error("no document shows a kind of Kubernetes")
	}
}
