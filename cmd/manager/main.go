// SPDX-License-Identifier: Apache-2.0

// Command manager runs Callfleet's controllers.
package main

import (
	"flag"
	"fmt"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"
)

func main() {
	o := options{identity: podIdentity(), namespace: os.Getenv("POD_NAMESPACE")}
	o.bind(flag.CommandLine)
	flag.Parse()
	if err := o.validate(); err != nil {
		fmt.Fprintln(os.Stderr, "manager:", err)
		os.Exit(2)
	}
	log := newLog(os.Stderr, o.logLevel)
	if err := run(ctrl.SetupSignalHandler(), o, log); err != nil {
		log.Error(err, "the manager ends")
		os.Exit(1)
	}
}
