// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
)

// need is a feature that is asked for, and where.
type need struct {
	feature graph.Feature
	where   string
}

// Indexes of the manager's cache: each unfinished session and call under the features it needs, as <bot>/<feature>.
const (
	sessionFeatures = "preflight/session-features"
	callFeatures    = "preflight/call-features"
)

// What is looked for in sessions and in calls.
var (
	featuresOfSessions = []graph.Feature{
		graph.FeatureJoinMeetings, graph.FeatureJoinAsGuest, graph.FeatureLookUpMeetings, graph.FeatureCreateMeetings,
		graph.FeatureInvite, graph.FeatureScreenSharing, graph.FeatureRecordingStatus,
	}
	featuresOfCalls = []graph.Feature{
		graph.FeatureCallUsers, graph.FeatureCallPhones, graph.FeatureGroupCalls,
		graph.FeatureInvite, graph.FeatureScreenSharing, graph.FeatureRecordingStatus,
	}
)

// needsOf are the features that the bot's spec, its sessions and its calls ask for, each once.
func (r *Reconciler) needsOf(ctx context.Context, bot *v1alpha1.CallingBot) ([]need, error) {
	needs := needsOfSpec(&bot.Spec)
	for _, of := range []struct {
		list     client.ObjectList
		index    string
		features []graph.Feature
		name     func(client.ObjectList) string
	}{
		{&v1alpha1.MeetingSessionList{}, sessionFeatures, featuresOfSessions, func(l client.ObjectList) string {
			if items := l.(*v1alpha1.MeetingSessionList).Items; len(items) > 0 {
				return "MeetingSession " + items[0].Name
			}
			return ""
		}},
		{&v1alpha1.CallList{}, callFeatures, featuresOfCalls, func(l client.ObjectList) string {
			if items := l.(*v1alpha1.CallList).Items; len(items) > 0 {
				return "Call " + items[0].Name
			}
			return ""
		}},
	} {
		for _, feature := range of.features {
			if has(needs, feature) {
				continue
			}
			if err := r.client.List(ctx, of.list, client.InNamespace(bot.Namespace), client.Limit(1),
				client.MatchingFields{of.index: featureKey(bot.Name, feature)}); err != nil {
				return nil, fmt.Errorf("looking for who needs %s: %w", feature, err)
			}
			if where := of.name(of.list); where != "" {
				needs = append(needs, need{feature, where})
			}
		}
	}
	return needs, nil
}

func has(needs []need, feature graph.Feature) bool {
	return slices.ContainsFunc(needs, func(n need) bool { return n.feature == feature })
}

// needsOfSpec are those of the bot itself.
func needsOfSpec(spec *v1alpha1.CallingBotSpec) []need {
	var needs []need
	add := func(feature graph.Feature, where string) {
		if !has(needs, feature) {
			needs = append(needs, need{feature, where})
		}
	}
	if spec.Media.Hosting != v1alpha1.HostingService {
		add(graph.FeatureApplicationHostedMedia, "spec.media.hosting: Application")
	}
	for i, rule := range spec.Incoming {
		where := fmt.Sprintf("spec.incoming[%d]", i)
		if rule.From != nil && len(rule.From.Users)+len(rule.From.Kinds) > 0 {
			add(graph.FeatureSeeCallers, where+".from")
		}
		switch rule.Action {
		case v1alpha1.IncomingRedirect:
			add(graph.FeatureRedirect, where+".action: Redirect")
		case v1alpha1.IncomingAnswer:
			if rule.PolicyRecording != nil && *rule.PolicyRecording {
				add(graph.FeaturePolicyRecording, where+".policyRecording")
			}
			if rule.Call != nil && rule.Call.RecordingStatus == v1alpha1.Recording {
				add(graph.FeatureRecordingStatus, where+".call.recordingStatus")
			}
			if rule.Behavior != nil && rule.Behavior.Recording != nil {
				add(graph.FeatureRecordingStatus, where+".behavior.recording")
			}
		}
	}
	return needs
}

// sessionNeeds is the index of a session.
func sessionNeeds(o client.Object) []string {
	session := o.(*v1alpha1.MeetingSession)
	if session.Status.Phase.Finished() {
		return nil
	}
	features := callNeeds(&session.Spec.CallSpec)
	if session.Spec.GuestName != "" {
		features = append(features, graph.FeatureJoinAsGuest)
	} else {
		features = append(features, graph.FeatureJoinMeetings)
	}
	switch m := session.Spec.Meeting; {
	case m.Create != nil:
		features = append(features, graph.FeatureCreateMeetings)
	case m.VideoTeleconferenceID != "", m.Organizer != "":
		features = append(features, graph.FeatureLookUpMeetings)
	}
	return featureKeys(session.Spec.BotRef.Name, features)
}

// outgoingNeeds is the index of a Call.
func outgoingNeeds(o client.Object) []string {
	call := o.(*v1alpha1.Call)
	if call.Status.Phase.Finished() {
		return nil
	}
	features := callNeeds(&call.Spec.CallSpec)
	switch to := call.Spec.To; {
	case len(to) > 1:
		features = append(features, graph.FeatureGroupCalls)
	case len(to) == 1 && to[0].Phone != "":
		features = append(features, graph.FeatureCallPhones)
	case len(to) == 1:
		features = append(features, graph.FeatureCallUsers)
	}
	return featureKeys(call.Spec.BotRef.Name, features)
}

func callNeeds(spec *v1alpha1.CallSpec) []graph.Feature {
	var features []graph.Feature
	if len(spec.Invite) > 0 {
		features = append(features, graph.FeatureInvite)
	}
	if spec.ScreenSharing != "" && spec.ScreenSharing != v1alpha1.ScreenSharingNone {
		features = append(features, graph.FeatureScreenSharing)
	}
	if spec.RecordingStatus == v1alpha1.Recording || spec.Behavior != nil && spec.Behavior.Recording != nil {
		features = append(features, graph.FeatureRecordingStatus)
	}
	return features
}

func featureKey(bot string, feature graph.Feature) string { return bot + "/" + string(feature) }

func featureKeys(bot string, features []graph.Feature) []string {
	keys := make([]string, 0, len(features))
	for _, f := range features {
		keys = append(keys, featureKey(bot, f))
	}
	return keys
}
