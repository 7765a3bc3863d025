// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"time"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// toldWithin is how long after making the object of a call that came in the pod has to say that it holds the call, once
// the process that made it is gone. Both are written one after the other, so it normally takes milliseconds.
const toldWithin = time.Minute

// untold: a call came in, and the pod that made the object has not said yet that it holds the call. It is never given to
// another pod. Until then nothing is written, not even for somebody who wants to leave: that is the pod's to do, however
// long it takes. The API server may have been away, and a call whose object is closed has to be hung up.
func untold(s *subject, f facts, now time.Time) decision {
	deadline := s.object.GetCreationTimestamp().Add(toldWithin)
	switch by := s.answeredBy; {
	case now.Before(deadline):
		return decision{verdict: idle, next: deadline}
	case by != nil && f.holder != nil && f.holder.instance == by.Instance:
		return decision{verdict: idle, next: now.Add(toldWithin)}
	}
	return decision{verdict: finish, end: &v1alpha1.CallEnd{
		Reason: v1alpha1.EndPodLost, Failed: true,
		Message: fmt.Sprintf("the media pod that answered the call did not say within %s that it holds it, and the process that did is gone; see why it is: "+
			"kubectl describe mediapods -l %s=%s", toldWithin, v1alpha1.LabelBot, s.spec.BotRef.Name),
	}}
}
