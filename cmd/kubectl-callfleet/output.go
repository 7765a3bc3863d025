// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// outputFlag adds -o with these formats.
func (c *cli) outputFlag(cmd *cobra.Command, formats ...string) {
	cmd.Flags().StringVarP(&c.output, "output", "o", "", "Output format: "+strings.Join(formats, ", "))
	c.completeFlag(cmd, "output", func(*cobra.Command) []string { return formats })
	check := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if c.output != "" && !slices.Contains(formats, c.output) {
			return misuse("-o %s is not known; there are %s", c.output, strings.Join(formats, ", "))
		}
		if check != nil {
			return check(cmd, args)
		}
		return nil
	}
}

// print writes a value as asked for; the text is for people.
func (c *cli) print(value any, text string) error {
	switch c.output {
	case "json":
		return printJSON(c.Out, value)
	case "yaml":
		raw, err := yaml.Marshal(value)
		if err != nil {
			return err
		}
		_, err = c.Out.Write(raw)
		return err
	}
	_, err := fmt.Fprintln(c.Out, text)
	return err
}

func printJSON(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "    ") // as kubectl
	return e.Encode(value)
}
