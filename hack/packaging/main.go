// SPDX-License-Identifier: Apache-2.0

// Command packaging makes of config/, which is the only source, what else the operator is installed from:
//
//   - charts/callfleet: those templates of the Helm chart that are named generated-*, and the table of values in its README
//   - bundle/ and bundle.Dockerfile: what the Operator Lifecycle Manager takes
//   - with -dist, one file for kubectl, and the bundle, with the images of a release
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	root := flag.String("root", ".", "the root of the repository")
	dist := flag.String("dist", "", "write install.yaml, admission.yaml and the bundle of a release into this folder instead")
	registry := flag.String("registry", "callfleet", "with -dist: where the images are")
	tag := flag.String("tag", "dev", "with -dist: tag of the images")
	flag.Parse()
	if err := run(*root, *dist, *registry, *tag); err != nil {
		fmt.Fprintln(os.Stderr, "packaging:", err)
		os.Exit(1)
	}
}

func run(root, dist, registry, tag string) error {
	c, err := load(root)
	if err != nil {
		return err
	}
	if dist != "" {
		files, err := distribution(root, c, registry, tag)
		if err != nil {
			return err
		}
		return write(dist, files)
	}
	files, err := generate(root, c)
	if err != nil {
		return err
	}
	stale, err := unwanted(root, files)
	if err != nil {
		return err
	}
	for _, path := range stale {
		if err := os.Remove(filepath.Join(root, path)); err != nil {
			return err
		}
	}
	return write(root, files)
}

// generate gives all files of the repository that are made here, by their path from the root.
func generate(root string, c *config) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, make := range []func(string, *config) (map[string][]byte, error){chart, chartReadme, bundle} {
		made, err := make(root, c)
		if err != nil {
			return nil, err
		}
		for path, content := range made {
			files[path] = content
		}
	}
	return files, nil
}

// unwanted are files that were generated once, and are no longer: those of kinds that are gone.
func unwanted(root string, files map[string][]byte) ([]string, error) {
	var list []string
	for _, pattern := range []string{chartFolder + "/templates/" + generatedPrefix + "*", bundleFolder + "/*/*", bundleFolder + "/*/*/*"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		for _, path := range found {
			if info, err := os.Stat(path); err != nil || info.IsDir() {
				continue
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				return nil, err
			}
			if name = filepath.ToSlash(name); files[name] == nil {
				list = append(list, name)
			}
		}
	}
	slices.Sort(list)
	return list, nil
}

// write writes what differs, so that the times of the rest stay.
func write(dir string, files map[string][]byte) error {
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// dashed is a name of a Kubernetes object as part of a file's name.
func dashed(name string) string { return strings.NewReplacer(".", "-", ":", "-").Replace(name) }
