// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"fmt"
	"regexp"
	"strconv"
)

// ResultInfo is how a call or an operation ended.
type ResultInfo struct {
	Code    int    `json:"code"`
	Subcode int    `json:"subcode"`
	Message string `json:"message,omitempty"`
}

// notANumber stands for a code the service sent in a form that is no number. It is not 0, because 0 means success.
const notANumber = -1

func (r ResultInfo) MarshalJSON() ([]byte, error) {
	type plain ResultInfo
	return encode("resultInfo", plain(r))
}

func (r *ResultInfo) UnmarshalJSON(data []byte) error {
	var wire struct {
		Code    looseCode `json:"code"`
		Subcode looseCode `json:"subcode"`
		Message string    `json:"message"`
	}
	err := decode(data, &wire)
	*r = ResultInfo{Code: int(wire.Code), Subcode: int(wire.Subcode), Message: wire.Message}
	return err
}

type looseCode int

func (c *looseCode) UnmarshalJSON(data []byte) error {
	n, ok := looseInt(data)
	switch {
	case ok && n == int64(int32(n)):
		*c = looseCode(n)
	case string(data) != "null":
		*c = notANumber
	}
	return nil
}

// Text is the message fit to be shown: the service may quote the request back, which holds secrets.
func (r ResultInfo) Text() string { return redact(r.Message, nil) }

// String is the form in which Microsoft's own messages name a result.
func (r ResultInfo) String() string {
	if r.Message == "" {
		return fmt.Sprintf("%d#%d", r.Code, r.Subcode)
	}
	return fmt.Sprintf("%d#%d %s", r.Code, r.Subcode, r.Message)
}

// The service ends many messages with "DiagCode: 500#1203002.@".
var diagCode = regexp.MustCompile(`(?i)\bDiagCode:\s*(\d{1,9})#(\d{1,9})`)

// ParseDiagCode reads the code and subcode out of a message such as "Server error. DiagCode: 500#1203002.@".
func ParseDiagCode(message string) (ResultInfo, bool) {
	m := diagCode.FindStringSubmatch(message)
	if m == nil {
		return ResultInfo{}, false
	}
	code, _ := strconv.Atoi(m[1]) // nine digits always fit
	subcode, _ := strconv.Atoi(m[2])
	return ResultInfo{Code: code, Subcode: subcode, Message: message}, true
}
