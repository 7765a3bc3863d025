// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

func attributes(detach bool) *syscall.SysProcAttr {
	if detach {
		return &syscall.SysProcAttr{Setsid: true}
	}
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// startTime returns when a process started, in the kernel's own count, or ""
// when it is gone or a zombie.
func startTime(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The name, in brackets, may hold anything; what follows is numbers.
	// proc_pid_stat(5): state is field 3, number of threads field 20, start time field 22. The state is that of the first
	// thread: as long as there are others, they hold what the process holds, its ports among them.
	_, rest, ok := cutLast(string(data), ")")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 || fields[0] == "Z" && fields[17] == "1" || fields[0] == "X" {
		return ""
	}
	return fields[19]
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
