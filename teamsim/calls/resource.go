// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"fmt"
	"maps"

	"github.com/callfleet/callfleet/teamsim/callback"
)

type document = map[string]any

func (c *call) path() string { return "/communications/calls/" + c.id }

// notify queues a notification about the call itself; the caller holds the lock, which keeps the order.
func (c *call) notify(change, summary string, data any) {
	c.queue.Enqueue(callback.Notification{ChangeType: change, ResourceURL: c.path(), Data: data, Summary: summary})
}

// stateData is resourceData of a change of state: the state and what came with it, not the whole call (reference
// section 2.1, "Partial objects").
func (c *call) stateData() document {
	c.etag++
	d := document{
		"@odata.type": ns + "call",
		"@odata.id":   c.path(),
		"@odata.etag": fmt.Sprintf(`W/"%d"`, c.etag),
		"state":       c.state,
		"callChainId": c.chainID,
		"tenantId":    c.tenantID,
	}
	switch c.state {
	case stateEstablished:
		if c.scheduled() {
			d["chatInfo"], d["meetingInfo"] = c.chatDoc(), c.request.rawMeetingInfo
		}
		if c.mediaActive {
			d["mediaState"] = document{"@odata.type": ns + "callMediaState", "audio": "active"}
		}
	case stateTerminated:
		d["resultInfo"] = resultDoc(*c.result)
		maps.Copy(d, c.terminal)
		maps.DeleteFunc(d, func(_ string, v any) bool { return v == nil })
	}
	return d
}

func resultDoc(r Result) document {
	return document{"@odata.type": ns + "resultInfo", "code": r.Code, "subcode": r.Subcode, "message": r.Message}
}

func (c *call) chatDoc() document {
	d := document{"@odata.type": ns + "chatInfo", "threadId": c.meeting.ThreadID, "messageId": c.meeting.MessageID}
	if r := c.request.ChatInfo; r != nil && r.ReplyChainMessageID != nil {
		d["replyChainMessageId"] = *r.ReplyChainMessageID
	}
	return d
}

// resource is the call as POST and GET return it. The blob is not given back: it holds a token.
func (c *call) resource() document {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := document{
		"@odata.type":         ns + "call",
		"@odata.context":      c.service.BaseURL + "/v1.0/$metadata#communications/calls/$entity",
		"id":                  c.id,
		"state":               c.state,
		"direction":           c.direction,
		"subject":             c.request.Subject,
		"callbackUri":         c.callbackURI,
		"callChainId":         c.chainID,
		"callRoutes":          []any{},
		"requestedModalities": c.request.RequestedModalities,
		"mediaConfig":         document{"@odata.type": c.request.MediaConfig.Type},
		"source":              c.sourceDoc(),
		"targets":             c.targetDocs(),
		"tenantId":            c.tenantID,
		"myParticipantId":     c.participantID,
		"toneInfo":            nil,
		"resultInfo":          nil,
	}
	if c.request.MediaConfig.Type == "" {
		delete(d, "mediaConfig") // none before the answer
	}
	if c.scheduled() {
		d["chatInfo"], d["meetingInfo"] = c.chatDoc(), c.request.rawMeetingInfo
	}
	if c.mediaActive {
		d["mediaState"] = document{"@odata.type": ns + "callMediaState", "audio": "active"}
	}
	return d
}

func (c *call) sourceDoc() document {
	var who document
	src := c.request.Source
	switch {
	case c.from != nil:
		return c.from.sourceDoc(c.app)
	case c.request.guest() != nil:
		g := c.request.guest()
		who = identityDoc("guest", g.ID, g.DisplayName, "")
	case src != nil && src.Identity.ApplicationInstance != nil:
		who = identityDoc("applicationInstance", c.app.InstanceID, c.app.Name(), c.tenantID)
	default:
		who = identityDoc("application", c.app.ID, c.app.Name(), "")
	}
	return document{"@odata.type": ns + "participantInfo", "identity": who}
}

func (c *call) targetDocs() []document {
	docs := []document{}
	if c.from != nil {
		return append(docs, c.from.targetDoc(c.app, c.tenantID))
	}
	for _, i := range c.request.invitees() {
		kind := "user"
		if i.phone() {
			kind = "phone"
		}
		docs = append(docs, document{"@odata.type": ns + "invitationParticipantInfo", "identity": identityDoc(kind, i.id, i.displayName, "")})
	}
	return docs
}

func identityDoc(kind, id, name, tenant string) document {
	one := document{"@odata.type": ns + "identity", "id": id, "displayName": name}
	if tenant != "" {
		one["tenantId"], one["identityProvider"] = tenant, "AAD"
	}
	return document{"@odata.type": ns + "identitySet", kind: one}
}
