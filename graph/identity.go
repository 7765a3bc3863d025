// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"encoding/json"
	"strings"
)

// IdentitySet says who somebody is, usually under exactly one of its keys. It is the union of Graph's
// identitySet and communicationsIdentitySet.
type IdentitySet struct {
	User                           *Identity `json:"user,omitempty"`
	Application                    *Identity `json:"application,omitempty"`
	ApplicationInstance            *Identity `json:"applicationInstance,omitempty"`
	Guest                          *Identity `json:"guest,omitempty"`
	Phone                          *Identity `json:"phone,omitempty"`
	Encrypted                      *Identity `json:"encrypted,omitempty"` // all there is when the app has no Calls role
	OnPremises                     *Identity `json:"onPremises,omitempty"`
	AzureCommunicationServicesUser *Identity `json:"azureCommunicationServicesUser,omitempty"`
	AssertedIdentity               *Identity `json:"assertedIdentity,omitempty"`
	Device                         *Identity `json:"device,omitempty"`
	EndpointType                   string    `json:"endpointType,omitempty"`

	// Other holds identities under keys not known here. It is filled only when none of the keys above is there.
	Other map[string]Identity `json:"-"`
}

// Identity is one member of an IdentitySet.
type Identity struct {
	ID               string `json:"id,omitempty"`
	DisplayName      string `json:"displayName,omitempty"`
	TenantID         string `json:"tenantId,omitempty"`
	IdentityProvider string `json:"identityProvider,omitempty"`
	// ApplicationType marks the service's own participants, such as "LargeGallery-V2".
	ApplicationType string `json:"applicationType,omitempty"`
}

func (i Identity) MarshalJSON() ([]byte, error) {
	type plain Identity
	return encode("identity", plain(i))
}

// MarshalJSON uses identitySet for every key: so do all of Graph's examples, and the type is open.
func (s IdentitySet) MarshalJSON() ([]byte, error) {
	type plain IdentitySet
	object, err := encode("identitySet", plain(s))
	if err != nil || len(s.Other) == 0 {
		return object, err
	}
	other, err := json.Marshal(s.Other)
	if err != nil {
		return nil, err
	}
	return append(append(object[:len(object)-1], ','), other[1:]...), nil
}

func (s *IdentitySet) UnmarshalJSON(data []byte) error {
	type plain IdentitySet
	if err := decode(data, (*plain)(s)); err != nil {
		return err
	}
	if _, id := s.Primary(); id == nil && isObject(data) {
		s.Other = otherIdentities(data)
	}
	return nil
}

func otherIdentities(data []byte) map[string]Identity {
	var members map[string]json.RawMessage
	if decode(data, &members) != nil {
		return nil
	}
	var other map[string]Identity
	for key, value := range members {
		var id Identity
		if strings.HasPrefix(key, "@") || !isObject(value) || decode(value, &id) != nil {
			continue
		}
		if other == nil {
			other = map[string]Identity{}
		}
		other[key] = id
	}
	return other
}

// Primary returns the identity that says most about who this is, and the key it stood under. It returns nil for an empty set.
func (s *IdentitySet) Primary() (key string, id *Identity) {
	switch {
	case s.User != nil:
		return "user", s.User
	case s.ApplicationInstance != nil: // an instance often carries its application beside it
		return "applicationInstance", s.ApplicationInstance
	case s.Application != nil:
		return "application", s.Application
	case s.Guest != nil:
		return "guest", s.Guest
	case s.Phone != nil:
		return "phone", s.Phone
	case s.AzureCommunicationServicesUser != nil:
		return "azureCommunicationServicesUser", s.AzureCommunicationServicesUser
	case s.OnPremises != nil:
		return "onPremises", s.OnPremises
	case s.Encrypted != nil:
		return "encrypted", s.Encrypted
	case s.AssertedIdentity != nil:
		return "assertedIdentity", s.AssertedIdentity
	case s.Device != nil:
		return "device", s.Device
	}
	for k, v := range s.Other {
		if id == nil || k < key { // map order is random, the answer must not be
			key, id = k, &v
		}
	}
	return key, id
}
