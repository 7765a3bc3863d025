// SPDX-License-Identifier: Apache-2.0

package secrets

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestABookKnowsWhatIsSecret(t *testing.T) {
	var b Book
	b.Add(Passcode, "ABC123")
	b.Add(Passcode, "")
	b.AddThread("19:meeting_TWVldGluZw@thread.v2")
	b.AddThread("19:0a1b2c3d@thread.tacv2")
	want := map[string]string{"ABC123": Passcode, "TWVldGluZw": Thread, "0a1b2c3d": Thread}
	if diff := cmp.Diff(want, b.All()); diff != "" {
		t.Errorf("All() (-want +got):\n%s", diff)
	}
}

func TestWithoutABookNothingIsWrittenDown(t *testing.T) {
	var b *Book
	b.Add(Passcode, "ABC123")
	if all := b.All(); len(all) != 0 {
		t.Errorf("All() = %v", all)
	}
}
