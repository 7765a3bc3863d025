// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"fmt"
	"strings"
)

// Class groups results by whose business they are.
type Class string

const (
	ClassNormalEnd        Class = "NormalEnd"
	ClassMediaUnreachable Class = "MediaUnreachable" // the service cannot reach the bot's media
	ClassLiveness         Class = "Liveness"         // the bot stopped keeping its call alive
	ClassCallee           Class = "Callee"           // the other side, or the lack of it
	ClassPlatform         Class = "Platform"         // Microsoft's side
	ClassThrottled        Class = "Throttled"        // too much, too fast
	ClassConfiguration    Class = "Configuration"    // nothing changes until somebody changes something
	ClassUnknown          Class = "Unknown"
)

// Retryable reports whether trying again, with a new scenario id, may end differently.
func (c Class) Retryable() bool {
	return c == ClassMediaUnreachable || c == ClassPlatform || c == ClassThrottled
}

// Explanation says in words what a result or an error means.
type Explanation struct {
	Reason   string // CamelCase, stable, fit for a condition's reason
	Sentence string // what happened and why
	Remedy   string // what to do about it; empty when nothing is to be done
	Class    Class
}

// Message is the sentence with what to do about it.
func (e Explanation) Message() string {
	if e.Remedy == "" {
		return e.Sentence
	}
	return e.Sentence + " " + e.Remedy
}

// Explain says why a call ended. It never fails: what no table knows is explained by its code alone, and keeps the
// service's own text.
func Explain(r ResultInfo) Explanation {
	if r.Code <= 0 && r.Subcode == 0 {
		if parsed, ok := ParseDiagCode(r.Message); ok {
			r = parsed
		}
	}
	if _, exact := endCodes[codes{r.Code, r.Subcode}]; !exact {
		if e, ok := explainPhone(r); ok {
			return withRawText(e, r)
		}
	}
	return withRawText(lookUp(endCodes, endCodeRanges, r), r)
}

// ExplainOperation says how an operation, such as playing a prompt, ended.
func ExplainOperation(r ResultInfo) Explanation {
	return withRawText(lookUp(operationCodes, operationCodeRanges, r), r)
}

// ExplainOperationEnd says how an operation ended, from everything that it carries.
func ExplainOperationEnd(op *Operation) Explanation {
	var r ResultInfo
	if op.ResultInfo != nil {
		r = *op.ResultInfo
	}
	e := ExplainOperation(r)
	if more, ok := completionReasons[strings.ToLower(op.CompletionReason)]; ok && (e.Reason == ReasonOperationCompleted || e.Reason == ReasonOperationFailed) {
		e = more
	}
	if op.Status == OperationFailed && e.Reason == ReasonOperationCompleted {
		e = Explanation{ReasonOperationFailed, "The service says that it failed, and not why.", remedyRetry, ClassPlatform}
		if op.CompletionReason != "" {
			e.Sentence = "It failed: " + ended(clip(op.CompletionReason, 64))
		}
	}
	return e
}

type codes struct{ code, subcode int }

// codeRange explains the subcodes first to last of a code, or all of them when last is 0; code 0 to 9 stands for its hundred.
type codeRange struct {
	code, first, last int
	explanation       Explanation
}

func (c codeRange) holds(r ResultInfo) bool {
	if c.code < 10 && c.code > 0 {
		if r.Code/100 != c.code {
			return false
		}
	} else if r.Code != c.code {
		return false
	}
	return c.last == 0 || c.first <= r.Subcode && r.Subcode <= c.last
}

func lookUp(exact map[codes]Explanation, ranges []codeRange, r ResultInfo) Explanation {
	if e, ok := exact[codes{r.Code, r.Subcode}]; ok {
		return e
	}
	for _, c := range ranges {
		if c.holds(r) {
			return c.explanation
		}
	}
	return Explanation{
		Reason: ReasonUnknown, Class: ClassUnknown,
		Sentence: "The service gave a result that is not known.",
		Remedy:   "Look its code up in Microsoft's list of call end codes, or ask Microsoft's support.",
	}
}

// withRawText adds the codes and the service's own words where our sentence is not specific to them.
func withRawText(e Explanation, r ResultInfo) Explanation {
	switch e.Reason {
	case ReasonUnknown, ReasonEnded, ReasonCalleeUnavailable, ReasonPlatformError, ReasonTimeout, ReasonMediaSetupFailed, ReasonOperationFailed,
		ReasonCallForbidden, ReasonCalleeNotFound, ReasonPhoneNetworkFailed, ReasonCallCanceled:
	default:
		return e
	}
	if r.Code == 0 && r.Subcode == 0 && r.Message == "" {
		return e
	}
	e.Sentence += fmt.Sprintf(" Code %d/%d", r.Code, r.Subcode)
	if text := r.Text(); text != "" {
		e.Sentence += ": " + text
	}
	if last := e.Sentence[len(e.Sentence)-1]; last != '.' && last != '!' {
		e.Sentence += "."
	}
	return e
}
