// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/callfleet/callfleet/api/client"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// callsFlags are those of calls.
type callsFlags struct {
	all, live, noHeaders bool
	bot, pod, selector   string
}

// row is a session or call as calls shows it.
type row struct {
	object    runtime.Object
	resource  string
	meta      metav1.ObjectMeta
	bot       string
	direction string
	status    callfleetv1.CallStatus
}

func (r row) ref() reference { return reference{r.resource, r.meta.Name} }

func (c *cli) newCalls() *cobra.Command {
	var f callsFlags
	cmd := &cobra.Command{
		Use:     "calls",
		Aliases: []string{"ls"},
		Short:   "List sessions and calls",
		Long:    `List the MeetingSessions and Calls of a namespace together: which bot, how far, in which pod, with how many people.`,
		Example: `  # What goes on now
  kubectl callfleet calls --live

  # In all namespaces, with the ids that Microsoft's support asks for
  kubectl callfleet calls -A -o wide

  # The calls of one bot, for a script
  kubectl callfleet calls --bot reception -o json | jq -r '.items[].status.phase'`,
		Args:              needs(0, 0, "no arguments"),
		RunE:              running(func(ctx context.Context, _ []string) error { return c.calls(ctx, f) }),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := cmd.Flags()
	flags.BoolVarP(&f.all, "all-namespaces", "A", false, "List those of all namespaces")
	flags.BoolVar(&f.live, "live", false, "Leave out those that have ended")
	flags.BoolVar(&f.noHeaders, "no-headers", false, "Leave out the headers of the table")
	flags.StringVar(&f.bot, "bot", "", "List those of this bot alone")
	flags.StringVar(&f.pod, "pod", "", "List those in this media pod alone")
	flags.StringVarP(&f.selector, "selector", "l", "", "Label selector")
	c.completeFlag(cmd, "bot", c.bots)
	c.completeFlag(cmd, "pod", c.mediaPods)
	c.outputFlag(cmd, "json", "yaml", "name", "wide")
	return cmd
}

func (c *cli) calls(ctx context.Context, f callsFlags) error {
	cl, err := c.connect()
	if err != nil {
		return err
	}
	namespace := cl.namespace
	if f.all {
		namespace = metav1.NamespaceAll
	}
	rows, err := cl.list(ctx, namespace, f)
	if err != nil {
		return err
	}
	switch c.output {
	case "json", "yaml":
		return c.print(listOf(rows), "")
	case "name":
		for _, r := range rows {
			fmt.Fprintln(c.Out, r.ref())
		}
		return nil
	}
	if len(rows) == 0 {
		where := " in namespace " + namespace
		if f.all {
			where = ""
		}
		fmt.Fprintf(c.ErrOut, "No sessions or calls%s.\n", where)
		return nil
	}
	return c.table(rows, f)
}

func (cl *cluster) list(ctx context.Context, namespace string, f callsFlags) ([]row, error) {
	wanted := fields.Set{}
	if f.bot != "" {
		wanted["spec.botRef.name"] = f.bot
	}
	if f.pod != "" {
		wanted["status.mediaPod"] = f.pod
	}
	options := metav1.ListOptions{LabelSelector: f.selector, FieldSelector: wanted.String()}
	sessions, calls := &callfleetv1.MeetingSessionList{}, &callfleetv1.CallList{}
	for resource, into := range map[string]runtime.Object{client.MeetingSessions: sessions, client.Calls: calls} {
		req := cl.callfleet.Get().Namespace(namespace).Resource(resource)
		if options.LabelSelector != "" {
			req = req.Param("labelSelector", options.LabelSelector)
		}
		if options.FieldSelector != "" {
			req = req.Param("fieldSelector", options.FieldSelector)
		}
		if err := req.Do(ctx).Into(into); err != nil {
			if apierrors.IsNotFound(err) && notAnObject(err) {
				return nil, noCallfleet(resource)
			}
			return nil, err
		}
	}
	var rows []row
	for i := range sessions.Items {
		o := &sessions.Items[i]
		rows = append(rows, row{o, client.MeetingSessions, o.ObjectMeta, o.Spec.BotRef.Name, "Meeting", o.Status.CallStatus})
	}
	for i := range calls.Items {
		o := &calls.Items[i]
		rows = append(rows, row{o, client.Calls, o.ObjectMeta, o.Spec.BotRef.Name, string(directionOf(o)), o.Status.CallStatus})
	}
	if f.live {
		rows = slices.DeleteFunc(rows, func(r row) bool { return r.status.Phase.Finished() })
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.meta.Namespace, b.meta.Namespace), -cmp.Compare(a.resource, b.resource), cmp.Compare(a.meta.Name, b.meta.Name))
	})
	return rows, nil
}

func directionOf(o *callfleetv1.Call) callfleetv1.CallDirection {
	if o.Spec.Incoming != nil {
		return callfleetv1.CallIncoming
	}
	return callfleetv1.CallOutgoing
}

// listOf is what kubectl get -o json prints of several kinds.
func listOf(rows []row) *metav1.List {
	list := &metav1.List{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "List"}, Items: []runtime.RawExtension{}}
	for _, r := range rows {
		kind := "Call"
		if r.resource == client.MeetingSessions {
			kind = "MeetingSession"
		}
		r.object.GetObjectKind().SetGroupVersionKind(callfleetv1.GroupVersion.WithKind(kind))
		r.object.(metav1.Object).SetManagedFields(nil)
		list.Items = append(list.Items, runtime.RawExtension{Object: r.object})
	}
	return list
}

func (c *cli) table(rows []row, f callsFlags) error {
	columns := []struct {
		name string
		of   func(row) string
		when bool
	}{
		{"NAMESPACE", func(r row) string { return r.meta.Namespace }, f.all},
		{"NAME", func(r row) string { return r.ref().String() }, true},
		{"BOT", func(r row) string { return r.bot }, true},
		{"PHASE", func(r row) string { return string(cmp.Or(r.status.Phase, callfleetv1.PhasePending)) }, true},
		{"POD", func(r row) string { return cmp.Or(r.status.MediaPod, "<none>") }, true},
		{"PEOPLE", people, true},
		{"IN-CALL", inCall, true},
		{"END", func(r row) string { return cmp.Or(string(r.status.EndReason), "-") }, true},
		{"AGE", func(r row) string { return duration.HumanDuration(time.Since(r.meta.CreationTimestamp.Time)) }, true},
		{"DIRECTION", func(r row) string { return r.direction }, c.output == "wide"},
		{"MEDIA", media, c.output == "wide"},
		{"CHAIN-ID", func(r row) string { return ofCall(r, func(a *callfleetv1.CallRecord) string { return a.ChainID }) }, c.output == "wide"},
		{"CALL-ID", func(r row) string { return ofCall(r, func(a *callfleetv1.CallRecord) string { return a.ID }) }, c.output == "wide"},
	}
	w := printers.GetNewTabWriter(c.Out)
	line := func(of func(i int) string) {
		var cells []string
		for i, column := range columns {
			if column.when {
				cells = append(cells, of(i))
			}
		}
		_, _ = io.WriteString(w, strings.Join(cells, "\t")+"\n")
	}
	if !f.noHeaders {
		line(func(i int) string { return columns[i].name })
	}
	for _, r := range rows {
		line(func(i int) string { return columns[i].of(r) })
	}
	return w.Flush()
}

func people(r row) string {
	p := r.status.Participants
	switch {
	case p == nil || r.status.Phase.Finished():
		return "-"
	case p.InLobby > 0:
		return fmt.Sprintf("%d (+%d in lobby)", p.Count, p.InLobby)
	}
	return strconv.Itoa(int(p.Count))
}

// inCall is how long the bot is in, or was.
func inCall(r row) string {
	call := r.status.Call
	if call == nil || call.EstablishedTime == nil {
		return "-"
	}
	until := time.Now()
	if call.EndedTime != nil {
		until = call.EndedTime.Time
	}
	return duration.HumanDuration(until.Sub(call.EstablishedTime.Time))
}

func media(r row) string {
	if condition := meta.FindStatusCondition(r.status.Conditions, "MediaFlowing"); condition != nil {
		return string(condition.Status)
	}
	return "-"
}

func ofCall(r row, of func(*callfleetv1.CallRecord) string) string {
	if r.status.Call == nil {
		return "-"
	}
	return cmp.Or(of(r.status.Call), "-")
}
