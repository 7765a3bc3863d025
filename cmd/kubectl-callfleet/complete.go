// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"sort"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/callfleet/callfleet/api/client"
)

// completeTimeout: nobody waits longer for a tab.
const completeTimeout = 3 * time.Second

// completeFlag has a flag's values completed; cli's commands have what they name.
func (c *cli) completeFlag(cmd *cobra.Command, flag string, values func(*cobra.Command) []string) {
	// It fails for a flag that does not exist, which no test would let pass.
	_ = cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return values(cmd), cobra.ShellCompDirectiveNoFileComp
	})
}

// completeArgs completes the first argument, and the others knowing those before.
func (c *cli) completeArgs(first func(*cobra.Command) []string, next func(cmd *cobra.Command, args []string) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		switch {
		case len(args) == 0:
			return first(cmd), cobra.ShellCompDirectiveNoFileComp
		case next != nil:
			return next(cmd, args), cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// look asks the cluster for completions; whatever goes wrong, there are none.
func (c *cli) look(cmd *cobra.Command, ask func(context.Context, *cluster) []string) []string {
	cl, err := c.connect()
	if err != nil {
		return nil
	}
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completeTimeout)
	defer cancel()
	return ask(ctx, cl)
}

func (c *cli) liveCalls(cmd *cobra.Command) []string {
	return c.look(cmd, func(ctx context.Context, cl *cluster) []string {
		rows, err := cl.list(ctx, cl.namespace, callsFlags{live: true})
		if err != nil {
			return nil
		}
		var found []string
		for _, r := range rows {
			found = append(found, cobra.CompletionWithDesc(r.ref().String(), r.bot+" "+string(r.status.Phase)))
		}
		return found
	})
}

func (c *cli) moreCalls(cmd *cobra.Command, _ []string) []string { return c.liveCalls(cmd) }

func (c *cli) participants(cmd *cobra.Command, args []string) []string {
	ref, err := parseReference(args[0])
	if err != nil || len(args) > 1 {
		return nil
	}
	return c.look(cmd, func(ctx context.Context, cl *cluster) []string {
		t, err := cl.target(ctx, ref)
		if err != nil || t.status.Participants == nil {
			return nil
		}
		var found []string
		for _, p := range t.status.Participants.List {
			if p.ID != "" {
				found = append(found, cobra.CompletionWithDesc(p.ID, p.DisplayName))
			}
		}
		return found
	})
}

// promptKeys are the keys of ConfigMaps that hold files.
func (c *cli) promptKeys(cmd *cobra.Command, _ []string) []string { return c.promptsAsFlag(cmd) }

func (c *cli) promptsAsFlag(cmd *cobra.Command) []string {
	return c.look(cmd, func(ctx context.Context, cl *cluster) []string {
		list := &corev1.ConfigMapList{}
		if cl.core.Get().Namespace(cl.namespace).Resource("configmaps").Do(ctx).Into(list) != nil {
			return nil
		}
		var found []string
		for _, cm := range list.Items {
			for key := range cm.BinaryData {
				found = append(found, cm.Name+"/"+key)
			}
		}
		sort.Strings(found)
		return found
	})
}

func (c *cli) namespaces(cmd *cobra.Command) []string {
	return c.look(cmd, func(ctx context.Context, cl *cluster) []string {
		return names(ctx, cl.core.Get().Resource("namespaces"))
	})
}

func (c *cli) serviceAccounts(cmd *cobra.Command) []string {
	return c.look(cmd, func(ctx context.Context, cl *cluster) []string {
		return names(ctx, cl.core.Get().Namespace(cl.namespace).Resource("serviceaccounts"))
	})
}

func (c *cli) bots(cmd *cobra.Command) []string {
	return c.look(cmd, func(ctx context.Context, cl *cluster) []string {
		return names(ctx, cl.callfleet.Get().Namespace(cl.namespace).Resource("callingbots"))
	})
}

func (c *cli) mediaPods(cmd *cobra.Command) []string {
	return c.look(cmd, func(ctx context.Context, cl *cluster) []string {
		return names(ctx, cl.callfleet.Get().Namespace(cl.namespace).Resource(client.MediaPods))
	})
}

// names are those of a list of any kind.
func names(ctx context.Context, list *rest.Request) []string {
	raw, err := list.SetHeader("Accept", "application/json").DoRaw(ctx)
	if err != nil {
		return nil
	}
	var found struct {
		Items []struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
		} `json:"items"`
	}
	if json.Unmarshal(raw, &found) != nil {
		return nil
	}
	var all []string
	for _, item := range found.Items {
		all = append(all, item.Metadata.Name)
	}
	return all
}
