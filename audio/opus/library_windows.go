// SPDX-License-Identifier: Apache-2.0

package opus

import (
	"path/filepath"
	"syscall"

	"golang.org/x/sys/windows"
)

const (
	systemName = "opus.dll"
	remedy     = "put an opus.dll for this architecture beside the executable or give its path"
)

// open loads a DLL and returns what finds its functions. The current directory
// and PATH are not searched, where others might leave a DLL of that name.
func open(name string) (find func(symbol string) (uintptr, error), err error) {
	flags := uintptr(windows.LOAD_LIBRARY_SEARCH_DEFAULT_DIRS)
	if filepath.Base(name) != name {
		if name, err = filepath.Abs(name); err != nil {
			return nil, err
		}
		flags |= windows.LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR
	}
	handle, err := windows.LoadLibraryEx(name, 0, flags)
	if err != nil {
		return nil, err
	}
	return func(symbol string) (uintptr, error) { return windows.GetProcAddress(handle, symbol) }, nil
}

// invoke calls a C function.
func invoke(fn uintptr, args *[6]uintptr) uintptr {
	r, _, _ := syscall.SyscallN(fn, args[:]...)
	return r
}
