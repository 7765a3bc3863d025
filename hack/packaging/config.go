// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// systemNamespace is where config/ puts the operator.
const systemNamespace = "callfleet-system"

// config is what kustomize makes of the folder of that name. A kustomization that gets another object has it in every package.
type config struct {
	// operator is config/default: kinds, roles, manager.
	operator []object
	// router is config/router, which needs a certificate first.
	router []object
	// admission is config/admission, which not everybody wants.
	admission []object
	// samples are what people start from.
	samples []object
}

type object struct{ *unstructured.Unstructured }

// String names an object as kubectl does.
func (o object) String() string { return o.GetKind() + "/" + o.GetName() }

func load(root string) (*config, error) {
	c := &config{}
	for folder, into := range map[string]*[]object{
		"default": &c.operator, "router": &c.router, "admission": &c.admission,
	} {
		objects, err := kustomize(filepath.Join(root, "config", folder))
		if err != nil {
			return nil, err
		}
		*into = objects
	}
	samples, err := readSamples(filepath.Join(root, "config", "samples"))
	c.samples = samples
	return c, err
}

// kustomize builds a kustomization, as kubectl apply -k does.
func kustomize(dir string) ([]object, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, fmt.Errorf("building %s: %w", dir, err)
	}
	var list []object
	for _, r := range built.Resources() {
		// Through JSON, so that whole numbers are int64.
		raw, err := r.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.CurId(), err)
		}
		o := object{&unstructured.Unstructured{}}
		if err := o.UnmarshalJSON(raw); err != nil {
			return nil, fmt.Errorf("%s: %w", r.CurId(), err)
		}
		list = append(list, o)
	}
	return list, nil
}

// ofKind are the objects of a kind.
func ofKind(objects []object, kind string) []object {
	var list []object
	for _, o := range objects {
		if o.GetKind() == kind {
			list = append(list, o)
		}
	}
	return list
}

// one is the object of this kind and name.
func one(objects []object, kind, name string) (object, error) {
	for _, o := range objects {
		if o.GetKind() == kind && o.GetName() == name {
			return o, nil
		}
	}
	return object{}, fmt.Errorf("config/ has no %s %s", kind, name)
}

// container is the only container of a Deployment.
func container(deployment object) (map[string]any, error) {
	list, _, err := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	if err != nil || len(list) != 1 {
		return nil, fmt.Errorf("%s has %d containers, not one: %v", deployment, len(list), err)
	}
	return list[0].(map[string]any), nil
}
