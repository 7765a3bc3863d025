// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
)

// deployment puts values into a Deployment. Security contexts, probes, ports and mounts are no values: they are the program's.
func deployment(s *sheet, o object, object map[string]any, values, component string) error {
	spec := fields(object, "spec")
	if component == "router" {
		// An autoscaler's number is not to be set back by each upgrade.
		delete(spec, "replicas")
		s.add(spec, "{{- if not "+values+".autoscaling.enabled }}\nreplicas: {{ "+values+".replicas }}\n{{- end }}")
	} else {
		spec["replicas"] = s.scalar(values + ".replicas")
	}

	pod := fields(spec, "template")
	s.add(fields(pod, "metadata"), optional(component+".podAnnotations", "annotations"))
	s.add(fields(pod, "metadata", "labels"), "{{- with "+values+".podLabels }}\n{{- toYaml . | nindent +0 }}\n{{- end }}")
	template := fields(pod, "spec")
	template["nodeSelector"] = s.yaml("toYaml " + values + ".nodeSelector")
	for _, field := range []string{"tolerations", "affinity"} {
		s.add(template, optional(component+"."+field, field))
	}
	s.add(template, optional("image.pullSecrets", "imagePullSecrets"))
	s.add(template, "{{- with "+values+".priorityClassName }}\npriorityClassName: {{ . }}\n{{- end }}")

	c, err := container(o)
	if err != nil {
		return err
	}
	// That was a copy; this is what is rendered.
	c = template["containers"].([]any)[0].(map[string]any)
	c["image"] = s.scalar(imageOf(component))
	c["imagePullPolicy"] = s.scalar("$.Values.image.pullPolicy")
	c["resources"] = s.yaml("toYaml " + values + ".resources")
	args, _ := c["args"].([]any)
	switch component {
	case "manager":
		found := false
		for i, arg := range args {
			if strings.HasPrefix(arg.(string), "--mediapod-image=") {
				args[i], found = "--mediapod-image="+s.scalar(imageOf("mediapod")), true
			}
		}
		if !found {
			return fmt.Errorf("has no flag --mediapod-image")
		}
		args = append(args, s.item("{{- with $.Values.manager.logLevel }}\n- --log-level={{ . }}\n{{- end }}"))
	case "router":
		if err := certificateOf(s, template); err != nil {
			return err
		}
	}
	args = append(args, s.item("{{- with $.Values.namespaces }}\n- --namespaces={{ join \",\" . }}\n{{- end }}"))
	c["args"] = append(args, s.item("{{- range "+values+".extraArgs }}\n- {{ . | quote }}\n{{- end }}"))
	return nil
}

// certificateOf names the Secret with the router's certificate.
func certificateOf(s *sheet, template map[string]any) error {
	volumes, _ := template["volumes"].([]any)
	for _, v := range volumes {
		if secret, ok := v.(map[string]any)["secret"].(map[string]any); ok {
			secret["secretName"] = s.scalar("$.Values.router.tls.secretName")
			return nil
		}
	}
	return fmt.Errorf("mounts no Secret")
}

func imageOf(component string) string {
	return fmt.Sprintf(`include "callfleet.image" (dict "root" $ "image" $.Values.%s.image)`, component)
}
