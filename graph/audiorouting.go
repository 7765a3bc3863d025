// SPDX-License-Identifier: Apache-2.0

package graph

import "context"

// AudioRoutingGroup sends what one participant says to some and not to all. Only the four loudest speakers are ever forwarded.
type AudioRoutingGroup struct {
	ID          string      `json:"id,omitempty"`
	RoutingMode RoutingMode `json:"routingMode,omitempty"`
	Sources     []string    `json:"sources"` // ids of participants
	Receivers   []string    `json:"receivers"`
}

func (g AudioRoutingGroup) MarshalJSON() ([]byte, error) {
	type plain AudioRoutingGroup
	return encode("audioRoutingGroup", plain(g))
}

// ListAudioRoutingGroups reads the groups of a call.
func (c *Client) ListAudioRoutingGroups(ctx context.Context, scenarioID, callID string) ([]AudioRoutingGroup, error) {
	return list[AudioRoutingGroup](ctx, c, opListGroups, scenarioID, callID)
}

// CreateAudioRoutingGroup adds one.
func (c *Client) CreateAudioRoutingGroup(ctx context.Context, scenarioID, callID string, group AudioRoutingGroup) (*AudioRoutingGroup, error) {
	made := new(AudioRoutingGroup)
	if err := c.ask(ctx, opCreateGroup, scenarioID, group, made, callID); err != nil {
		return nil, err
	}
	return made, nil
}

// GetAudioRoutingGroup reads one.
func (c *Client) GetAudioRoutingGroup(ctx context.Context, scenarioID, callID, groupID string) (*AudioRoutingGroup, error) {
	group := new(AudioRoutingGroup)
	if err := c.askBelow(ctx, opGetGroup, scenarioID, nil, group, callID, groupID); err != nil {
		return nil, err
	}
	return group, nil
}

// UpdateAudioRoutingGroup changes one; the receivers of a multicast group are what may change.
func (c *Client) UpdateAudioRoutingGroup(ctx context.Context, scenarioID, callID, groupID string, group AudioRoutingGroup) error {
	group.ID = groupID
	return c.askBelow(ctx, opUpdateGroup, scenarioID, group, nil, callID, groupID)
}

// DeleteAudioRoutingGroup removes one: everybody hears its members as before.
func (c *Client) DeleteAudioRoutingGroup(ctx context.Context, scenarioID, callID, groupID string) error {
	return c.askBelow(ctx, opDeleteGroup, scenarioID, nil, nil, callID, groupID)
}
