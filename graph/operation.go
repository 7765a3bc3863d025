// SPDX-License-Identifier: Apache-2.0

package graph

// Operation is a commsOperation: something asked of a call that ends by a notification of its own.
type Operation struct {
	// Type is the kind of operation, such as playPromptOperation.
	Type          string          `json:"-"`
	ID            string          `json:"id,omitempty"`
	Status        OperationStatus `json:"status,omitempty"`
	ClientContext string          `json:"clientContext,omitempty"` // at most 256 characters
	ResultInfo    *ResultInfo     `json:"resultInfo,omitempty"`
	// CompletionReason says more than Status: a cancelled prompt is a failed operation.
	CompletionReason string `json:"completionReason,omitempty"`

	RecordingLocation    string `json:"recordingLocation,omitempty"`
	RecordingAccessToken string `json:"recordingAccessToken,omitempty"` // a secret
}

func (o Operation) MarshalJSON() ([]byte, error) {
	type plain Operation
	name := o.Type
	if name == "" {
		name = "commsOperation"
	}
	return encode(name, plain(o))
}

func (o *Operation) UnmarshalJSON(data []byte) error {
	type plain Operation
	wire := struct {
		OData string `json:"@odata.type"`
		*plain
	}{plain: (*plain)(o)}
	err := decode(data, &wire)
	o.Type = typeName(wire.OData)
	return err
}

// String names the operation without its access token.
func (o Operation) String() string { return o.Type + " " + o.ID + " " + string(o.Status) }

// MarshalLog keeps the access token out of structured logs.
func (o Operation) MarshalLog() any { return o.String() }

// Ended reports whether no further notification will come for the operation.
func (o *Operation) Ended() bool {
	return o.Status == OperationCompleted || o.Status == OperationFailed
}
