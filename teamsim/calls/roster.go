// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"fmt"
	"strconv"

	"github.com/callfleet/callfleet/teamsim/callback"
	"github.com/callfleet/callfleet/teamsim/meeting"
)

// notifyRoster queues the full roster, or what changed if the bot asked for that (reference section 2.4, 6 and 7), and
// who shares a screen; the caller holds the lock.
func (c *call) notifyRoster(seen []meeting.Participant) {
	n := callback.Notification{ChangeType: "updated", ResourceURL: c.path() + "/participants"}
	if c.request.CallOptions.IsDeltaRosterEnabled {
		d, news := c.delta.Next(seen)
		if !news {
			return
		}
		docs := participantDocs(d.Changed)
		for _, p := range d.Left {
			gone := participantDoc(p)
			gone["removedState"] = document{"@odata.type": ns + "removedState", "reason": "Left"}
			gone["rosterSequenceNumber"] = p.Sequence + 1
			docs = append(docs, gone)
		}
		n.Data = document{"@odata.type": ns + "deltaParticipants", "sequenceNumber": d.Sequence, "participants": docs}
		n.Summary = fmt.Sprintf("roster change %d: %d changed, %d left", d.Sequence, len(d.Changed), len(d.Left))
	} else {
		n.Data, n.Summary = participantDocs(seen), fmt.Sprintf("roster of %d", len(seen))
	}
	if c.inLobby {
		n.Summary = "roster in the lobby"
	}
	c.queue.Enqueue(n)
	c.notifySharing(meeting.SharingSession(seen))
}

// notifySharing tells of content sharing that began or ended (reference section 2.4, 12).
func (c *call) notifySharing(session string) {
	before := c.sharing
	c.sharing = session
	if before == session || !c.request.CallOptions.IsContentSharingNotificationEnabled {
		return
	}
	for _, n := range []struct{ change, id string }{{"deleted", before}, {"created", session}} {
		if n.id != "" {
			c.queue.Enqueue(callback.Notification{
				ChangeType: n.change, ResourceURL: c.path() + "/contentsharingsessions",
				Data:    []document{{"@odata.type": ns + "contentSharingSession", "id": n.id}},
				Summary: "content sharing " + n.change,
			})
		}
	}
}

func participantDocs(all []meeting.Participant) []document {
	docs := make([]document, 0, len(all))
	for _, p := range all {
		docs = append(docs, participantDoc(p))
	}
	return docs
}

var identityKinds = map[meeting.Kind]string{
	meeting.KindPerson: "user", meeting.KindBot: "application", meeting.KindGuest: "guest", meeting.KindPhone: "phone",
	meeting.KindService: "application",
}

func participantDoc(p meeting.Participant) document {
	who := identityDoc(identityKinds[p.Kind], p.IdentityID, p.DisplayName, p.TenantID)
	if p.ApplicationType != "" {
		who["application"].(document)["ApplicationType"] = p.ApplicationType
	}
	d := document{
		"@odata.type": ns + "participant",
		"id":          p.ID,
		"info": document{
			"@odata.type": ns + "participantInfo", "identity": who,
			"languageId": nil, "region": nil, "countryCode": nil, "participantId": p.ID,
		},
		"isInLobby":            p.InLobby,
		"isMuted":              p.Muted,
		"mediaStreams":         streamDocs(p),
		"metadata":             nil,
		"recordingInfo":        nil,
		"rosterSequenceNumber": p.Sequence,
	}
	if p.Metadata != "" {
		d["metadata"] = p.Metadata
	}
	if r := p.Recording; r != nil {
		d["recordingInfo"] = document{
			"@odata.type": ns + "recordingInfo", "recordingStatus": r.Status,
			"initiator": document{
				"@odata.type": ns + "participantInfo", "identity": identityDoc("application", r.InitiatorID, r.InitiatorName, r.Tenant),
				"participantId": r.InitiatorParticipant,
			},
		}
	}
	return d
}

func streamDocs(p meeting.Participant) []document {
	docs := []document{}
	add := func(kind, label, direction string, source uint32, muted bool) {
		docs = append(docs, document{
			"@odata.type": ns + "mediaStream", "mediaType": kind, "label": label, "sourceId": strconv.FormatUint(uint64(source), 10),
			"direction": direction, "serverMuted": muted,
		})
	}
	if p.Kind != meeting.KindService {
		direction := "sendReceive"
		if p.InLobby {
			direction = "inactive"
		}
		add("audio", "main-audio", direction, p.SourceID, p.Muted)
	}
	for _, s := range p.Streams {
		add(s.Type, s.Label, s.Direction, s.SourceID, false)
	}
	return docs
}
