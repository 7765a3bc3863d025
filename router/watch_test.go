// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// apiServer lists one media pod in each namespace that may be read; watches bring nothing.
func apiServer(t *testing.T, readable func(namespace string) bool) *rest.Config {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		namespace := ""
		if _, after, ok := strings.Cut(r.URL.Path, "/namespaces/"); ok {
			namespace, _, _ = strings.Cut(after, "/")
		}
		w.Header().Set("Content-Type", "application/json")
		refuse := func(code int, reason metav1.StatusReason) {
			w.WriteHeader(code)
			_ = json.NewEncoder(w).Encode(metav1.Status{
				TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reason,
			})
		}
		switch {
		case !readable(namespace):
			refuse(http.StatusForbidden, metav1.StatusReasonForbidden)
		case r.URL.Query().Get("sendInitialEvents") != "":
			refuse(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid) // so that it is listed
		case r.URL.Query().Get("watch") != "":
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		default:
			list := callfleetv1.MediaPodList{
				TypeMeta: metav1.TypeMeta{APIVersion: callfleetv1.GroupVersion.String(), Kind: "MediaPodList"}, ListMeta: metav1.ListMeta{ResourceVersion: "7"},
			}
			mp := mediaPod("reception-0", "10.0.0.1", 3)
			mp.Namespace = namespace
			list.Items = append(list.Items, *mp)
			_ = json.NewEncoder(w).Encode(list)
		}
	}))
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL}
}

func TestTheTableIsCompleteWhenEveryNamespaceHasBeenRead(t *testing.T) {
	watch := func(readable func(string) bool, namespaces ...string) (*Table, chan struct{}) {
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		table, synced, access := NewTable(), make(chan struct{}), apiServer(t, readable)
		go func() {
			if err := Watch(ctx, access, namespaces, table, func() { close(synced) }); err != nil {
				t.Error(err)
			}
		}()
		return table, synced
	}
	await := func(what string, synced chan struct{}) {
		t.Helper()
		select {
		case <-synced:
		case <-time.After(time.Minute):
			t.Fatal(what)
		}
	}
	table, synced := watch(func(namespace string) bool { return namespace == "voice" || namespace == "sales" }, "voice", "sales")
	await("two namespaces that may be read are not complete", synced)
	if !table.knows(Bot{"voice", "reception"}) || !table.knows(Bot{"sales", "reception"}) {
		t.Error("a bot of a namespace that is served is not known")
	}

	table, synced = watch(func(namespace string) bool { return namespace == "" })
	await("the whole cluster is not complete", synced)
	if !table.knows(Bot{"", "reception"}) {
		t.Error("without namespaces the cluster is not listed")
	}

	// One is missing: what is known of the other serves, but the router does not say that it knows all.
	table, synced = watch(func(namespace string) bool { return namespace == "voice" }, "voice", "sales")
	for end := time.Now().Add(time.Minute); !table.knows(Bot{"voice", "reception"}); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the namespace that may be read is not known")
		}
	}
	select {
	case <-synced:
		t.Error("the table is called complete while a namespace could not be read")
	case <-time.After(100 * time.Millisecond):
	}
}
