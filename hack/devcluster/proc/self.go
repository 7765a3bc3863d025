// SPDX-License-Identifier: Apache-2.0

package proc

import "os"

// WriteSelf writes a pid file for this process, for others to Find.
func WriteSelf(pidPath string) error {
	p := &Process{PID: os.Getpid(), born: startTime(os.Getpid()), path: pidPath}
	return p.writePIDFile()
}
