// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// What a console shows of a kind: every field at the first level below spec and status, and of those that hold others the ones that people
// set or look at. Names and texts come from the schema, so that a field that comes or goes is followed.

// deeper are the fields whose members are shown instead, by path. A member that is only now and then of use stays in the YAML.
var deeper = map[string]bool{
	"spec.autoscaling": true, "spec.capacity": true, "spec.identity": true, "spec.identity.credential": true,
	"spec.media": true, "spec.media.certificate": true, "spec.media.endpoint": true, "spec.media.recordings": true, "spec.rollout": true, "spec.signaling": true,
	"spec.botRef": true, "spec.behavior": true, "spec.leave": true, "spec.rejoin": true, "spec.meeting": true, "spec.drain": true,
	"status.rollout": true, "status.seats": true, "status.call": true, "status.participants": true, "status.media": true, "status.endpoint": true,
}

// uninteresting are fields that are for machines.
var uninteresting = map[string]bool{"status.observedGeneration": true, "status.selector": true}

const (
	uiPrefix   = "urn:alm:descriptor:com.tectonic.ui:"
	kubePrefix = "urn:alm:descriptor:io.kubernetes"
)

// drawn are fields that a console knows how to draw, where the schema does not say it.
var drawn = map[string][]string{
	"spec.replicas":                          {uiPrefix + "podCount"},
	"status.replicas":                        {uiPrefix + "podCount"},
	"status.readyReplicas":                   {uiPrefix + "podCount"},
	"status.conditions":                      {kubePrefix + ".conditions"},
	"status.phase":                           {kubePrefix + ".phase"},
	"status.state":                           {kubePrefix + ".phase"},
	"status.endReason":                       {kubePrefix + ".phase.reason"},
	"spec.botRef.name":                       {kubePrefix + ":callfleet.dev:v1alpha1:CallingBot"},
	"status.mediaPod":                        {kubePrefix + ":callfleet.dev:v1alpha1:MediaPod"},
	"spec.media.certificate.secretName":      {kubePrefix + ":Secret"},
	"status.media.listenURL":                 {"urn:alm:descriptor:org.w3:link"},
	"spec.template":                          {uiPrefix + "advanced"},
	"spec.deletionPolicy":                    {uiPrefix + "advanced"},
	"spec.media.platformPorts":               {uiPrefix + "advanced"},
	"spec.identity.custom":                   {uiPrefix + "advanced"},
	"spec.media.endpoint.serviceAnnotations": {uiPrefix + "advanced"},
}

// descriptors of the spec or the status of a kind, in the order of their paths.
func descriptors(crd object, part string) ([]any, error) {
	versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
	if err != nil || len(versions) != 1 {
		return nil, fmt.Errorf("%s has %d versions: %v", crd, len(versions), err)
	}
	schema, found, err := unstructured.NestedMap(versions[0].(map[string]any), "schema", "openAPIV3Schema", "properties", part)
	if err != nil || !found {
		return nil, fmt.Errorf("%s has no %s: %v", crd, part, err)
	}
	var list []any
	var walk func(schema map[string]any, path string)
	walk = func(schema map[string]any, path string) {
		properties, _ := schema["properties"].(map[string]any)
		names := make([]string, 0, len(properties))
		for name := range properties {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			property, at := properties[name].(map[string]any), path+"."+name
			switch {
			case uninteresting[at]:
			case deeper[at] && property["properties"] != nil:
				walk(property, at)
			default:
				list = append(list, descriptor(property, strings.TrimPrefix(at, part+"."), at))
			}
		}
	}
	walk(schema, part)
	return list, nil
}

func descriptor(schema map[string]any, path, at string) map[string]any {
	text, _ := schema["description"].(string)
	d := map[string]any{"path": path, "displayName": title(path), "description": strings.Join(strings.Fields(text), " ")}
	hints := slices.Clone(drawn[at])
	if strings.HasPrefix(at, "spec.") {
		switch values, _ := schema["enum"].([]any); {
		case len(values) > 0:
			for _, value := range values {
				hints = append(hints, uiPrefix+"select:"+fmt.Sprint(value))
			}
		case schema["type"] == "boolean":
			hints = append(hints, uiPrefix+"booleanSwitch")
		case schema["type"] == "integer" && len(hints) == 0:
			hints = append(hints, uiPrefix+"number")
		case schema["type"] == "string" && len(hints) == 0:
			hints = append(hints, uiPrefix+"text")
		}
	}
	if len(hints) > 0 {
		list := make([]any, len(hints))
		for i, hint := range hints {
			list[i] = hint
		}
		d["x-descriptors"] = list
	}
	return d
}

// title makes words of a path: leave.aloneTimeout is "Leave alone timeout".
func title(path string) string {
	var out strings.Builder
	runes := []rune(strings.ReplaceAll(path, ".", " "))
	for i, r := range runes {
		switch {
		case i == 0:
			out.WriteRune(unicode.ToUpper(r))
		case unicode.IsUpper(r) && unicode.IsLower(runes[i-1]):
			out.WriteByte(' ')
			// An abbreviation stays one: appID, joinURL.
			if i+1 < len(runes) && unicode.IsLower(runes[i+1]) {
				r = unicode.ToLower(r)
			}
			out.WriteRune(r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}
