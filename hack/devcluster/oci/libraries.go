// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// opened are libraries that programs open when they run, which their headers
// do not tell: what links to the C library without a C compiler does that. They
// are packed if this machine has them.
var opened = []string{"libopus.so.0"}

// libraryDirs are where the loader looks by itself (ld.so(8)), with the folders
// of architectures that Debian has.
func libraryDirs() []string {
	dirs, _ := filepath.Glob("/lib/*-linux-gnu*")
	more, _ := filepath.Glob("/usr/lib/*-linux-gnu*")
	return slices.Concat(dirs, more, []string{"/lib64", "/usr/lib64", "/lib", "/usr/lib"})
}

// needed is the program, at the top of the image, and what it needs to run:
// for a static one nothing more.
func needed(binary string) ([]file, error) {
	files := []file{{name: "/" + filepath.Base(binary), source: binary}}
	loader, libraries, err := linked(binary)
	if err != nil {
		return nil, err
	}
	if loader == "" {
		return files, nil
	}
	files = append(files, file{name: loader, source: loader})
	dirs, seen := libraryDirs(), map[string]bool{filepath.Base(loader): true}
	for queue := append(libraries, opened...); len(queue) > 0; queue = queue[1:] {
		name := queue[0]
		if seen[name] {
			continue
		}
		seen[name] = true
		path := lookUp(name, dirs)
		if path == "" {
			if slices.Contains(opened, name) {
				continue
			}
			return nil, fmt.Errorf("%s needs %s, which is in none of %s", filepath.Base(binary), name, strings.Join(dirs, ", "))
		}
		files = append(files, file{name: path, source: path})
		_, more, err := linked(path)
		if err != nil {
			return nil, err
		}
		queue = append(queue, more...)
	}
	return files, nil
}

// linked reads the loader and the libraries that a program or library asks for
// in its headers. A script has none.
func linked(path string) (loader string, libraries []string, err error) {
	f, err := elf.Open(path)
	var format *elf.FormatError
	if errors.As(err, &format) {
		return "", nil, fmt.Errorf("%s is no program that a container could run without a shell: %w", path, err)
	}
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			raw, err := io.ReadAll(p.Open())
			if err != nil {
				return "", nil, fmt.Errorf("reading the loader of %s: %w", path, err)
			}
			loader = strings.TrimRight(string(raw), "\x00")
		}
	}
	libraries, err = f.ImportedLibraries()
	if err != nil {
		return "", nil, fmt.Errorf("reading the libraries of %s: %w", path, err)
	}
	return loader, libraries, nil
}

func lookUp(name string, dirs []string) string {
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}
