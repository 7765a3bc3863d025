// SPDX-License-Identifier: Apache-2.0

// Package command is the devcluster command line.
package command

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/spf13/cobra"

	"github.com/callfleet/callfleet/hack/devcluster/assets"
	"github.com/callfleet/callfleet/hack/devcluster/cluster"
	"github.com/callfleet/callfleet/hack/devcluster/kubelet"
)

// New returns the root command.
func New() *cobra.Command {
	var dir string
	root := &cobra.Command{
		Use:           "devcluster",
		Short:         "A real Kubernetes control plane on this machine, whose pods are host processes",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&dir, "dir", defaultDir(), "folder of the cluster: its keys, data, logs and the files of pods")
	root.AddCommand(
		upCommand(&dir), downCommand(&dir), statusCommand(&dir), imageCommand(&dir),
		startCommand(&dir), stopCommand(&dir), assetsCommand(), nodeCommand(),
	)
	return root
}

// defaultDir is .devcluster beside the go.mod at or above the working folder.
func defaultDir() string {
	const name = ".devcluster"
	wd, err := os.Getwd()
	if err != nil {
		return name
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, name)
		}
		if dir == filepath.Dir(dir) {
			return filepath.Join(wd, name)
		}
	}
}

func upCommand(dir *string) *cobra.Command {
	var images []string
	var nodes string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the cluster, or what is missing of it; it stays until \"down\"",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			binaries, err := parseImages(images)
			if err != nil {
				return err
			}
			kubelets, err := parseNodes(nodes)
			if err != nil {
				return err
			}
			self, err := nodeArgs()
			if err != nil {
				return err
			}
			began := time.Now()
			c, err := cluster.Start(cmd.Context(), cluster.Options{
				Dir: *dir, Images: binaries, Detach: true, NodeCommand: self, Progress: cmd.ErrOrStderr(), Kubelets: kubelets,
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "The cluster is ready after %s.\n\n  export KUBECONFIG=%s\n  export PATH=%s:$PATH   # kubectl\n\n"+
				"Logs are in %s. \"devcluster down\" ends it.\n",
				time.Since(began).Round(10*time.Millisecond), c.Kubeconfig, filepath.Dir(c.Binaries[assets.Kubectl]), c.LogDir())
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&images, "image", nil, "NAME=BINARY: the host binary that runs for an image; repeatable")
	cmd.Flags().StringVar(&nodes, "nodes", processNode, "what runs pods: processes, or kubelet:N for N real nodes, which need root and a few packages")
	return cmd
}

// processNode is the one node whose pods are processes of the user.
const processNode = "processes"

// parseNodes reads how many real nodes are asked for; 0 is none.
func parseNodes(s string) (int, error) {
	if s == processNode {
		return 0, nil
	}
	number, ok := strings.CutPrefix(s, "kubelet:")
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 1 || n > kubelet.MaxNodes {
		return 0, fmt.Errorf("--nodes is %s, or kubelet:N with N from 1 to %d, got %q", processNode, kubelet.MaxNodes, s)
	}
	return n, nil
}

// nodeArgs is how this program runs the node agent of a cluster.
func nodeArgs() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program, which runs the node agent too: %w", err)
	}
	return []string{self, "node-agent"}, nil
}

func parseImages(pairs []string) (map[string]string, error) {
	images := map[string]string{}
	for _, pair := range pairs {
		name, path, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("an image is given as NAME=BINARY, got %q", pair)
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", name, err)
		}
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			return nil, fmt.Errorf("image %s: %s is not a program that can be run", name, path)
		}
		images[name] = path
	}
	return images, nil
}

func downCommand(dir *string) *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "End the cluster with all its pods and remove its folder",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cluster.Open(*dir)
			if errors.Is(err, cluster.ErrNotFound) {
				fmt.Fprintln(cmd.OutOrStdout(), "There is no cluster in "+*dir+".")
				return nil
			}
			if err != nil {
				return err
			}
			if err := c.Close(); err != nil {
				return err
			}
			if keep {
				fmt.Fprintln(cmd.OutOrStdout(), "The cluster has ended. Its data is kept in "+c.Dir+".")
				return nil
			}
			if err := os.RemoveAll(c.Dir); err != nil {
				return fmt.Errorf("removing the cluster's folder: %w", err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), "The cluster has ended.")
			return nil
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the folder; \"up\" then goes on with the same data")
	return cmd
}

func statusCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show what runs; exits with an error unless all of it is ready",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cluster.Open(*dir)
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 3, ' ', 0)
			fmt.Fprintln(table, "COMPONENT\tSTATE\tPID\tLOG")
			var notReady []string
			for _, s := range c.Status(cmd.Context()) {
				state, pid := "stopped", "-"
				if s.PID != 0 {
					state, pid = "not ready", fmt.Sprint(s.PID)
				}
				if s.Ready {
					state = "ready"
				} else {
					notReady = append(notReady, s.Name)
				}
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", s.Name, state, pid, s.Log)
			}
			if err := table.Flush(); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "\nexport KUBECONFIG=%s\n", c.Kubeconfig)
			if len(notReady) > 0 {
				return fmt.Errorf("not ready: %s; \"devcluster up\" starts what is stopped, the logs say why the rest is not ready", strings.Join(notReady, ", "))
			}
			return nil
		},
	}
}

func imageCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "image NAME=BINARY...",
		Short: "Say which host binary runs for an image, while the cluster runs",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			images, err := parseImages(args)
			if err != nil {
				return err
			}
			c, err := cluster.Open(*dir)
			if err != nil {
				return err
			}
			for name, path := range images {
				if err := c.SetImage(name, path); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func startCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:       "start COMPONENT",
		Short:     "Start one component and wait until it is ready",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: cluster.Components(),
		RunE: func(cmd *cobra.Command, args []string) error {
			self, err := nodeArgs()
			if err != nil {
				return err
			}
			c, err := cluster.Open(*dir, self...)
			if err != nil {
				return err
			}
			return c.Start(cmd.Context(), args[0])
		},
	}
}

func stopCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:       "stop COMPONENT",
		Short:     "Stop one component; pods go on, unless it is the node",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: cluster.Components(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := cluster.Open(*dir)
			if err != nil {
				return err
			}
			return c.Stop(cmd.Context(), args[0])
		},
	}
}

func assetsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "assets [BINARY...]",
		Short: "Build the binaries that are missing and print their folder, for KUBEBUILDER_ASSETS",
		Long: "Build the binaries that are missing and print their folder, for KUBEBUILDER_ASSETS.\n" +
			"Without arguments all that every cluster needs: " + strings.Join(assets.All(), ", ") + ".\n" +
			"Real nodes need " + strings.Join(assets.Nodes(), ", ") + " besides; tests with envtest need only " + strings.Join(assets.Envtest(), ", ") + ",\n" +
			"the load test of a fleet " + assets.Kwok + " as well.",
		ValidArgs: assets.Known(),
		Args:      cobra.OnlyValidArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := assets.Dir(cmd.Context(), cmd.ErrOrStderr(), args...)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), dir)
			return nil
		},
	}
}

func nodeCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "node-agent DIR",
		Short:  "Run the node agent of the cluster in a folder; \"up\" does that",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return cluster.RunNode(cmd.Context(), args[0], logTo(cmd))
		},
	}
}

func logTo(cmd *cobra.Command) logr.Logger {
	return funcr.New(func(prefix, args string) {
		fmt.Fprintln(cmd.ErrOrStderr(), prefix, args)
	}, funcr.Options{LogTimestamp: true, Verbosity: 1})
}
