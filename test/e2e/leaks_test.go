// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"io"
	"os"
	"sync"

	"github.com/callfleet/callfleet/test/rig"
)

// seen is what this run printed and published, which no secret may be in.
var seen rig.Haystack

// wrongSecret is a client secret that is none; no more may be told of it than of the right one.
const wrongSecret = "wrong-S3cret"

// overhear keeps what the tests print from now on, until the function it gives is called: what somebody sends along with a
// question about a test that failed.
func overhear() (end func(), err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	stdout := os.Stdout
	os.Stdout = w
	var copied sync.WaitGroup
	copied.Go(func() { _, _ = io.Copy(seen.Tee("the output of the tests", stdout), r) })
	return func() {
		os.Stdout = stdout
		_ = w.Close()
		copied.Wait()
	}, nil
}
