// SPDX-License-Identifier: Apache-2.0

package opus

import "github.com/ebitengine/purego"

const (
	systemName = "libopus.so.0"
	remedy     = "install it (Debian and Ubuntu: libopus0; Fedora and Alpine: opus) or give the path of a libopus.so"
)

// open loads a shared library and returns what finds its functions.
func open(name string) (find func(symbol string) (uintptr, error), err error) {
	handle, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, err
	}
	return func(symbol string) (uintptr, error) { return purego.Dlsym(handle, symbol) }, nil
}

// invoke calls a C function. Purego's registered functions read better, but
// allocate at every call.
func invoke(fn uintptr, args *[6]uintptr) uintptr {
	r, _, _ := purego.SyscallN(fn, args[:]...)
	return r
}
