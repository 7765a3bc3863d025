// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// filler fills everything in a value, texts with one that is like no other, and keeps by their types what it filled in.
type filler map[reflect.Type][]string

func (f filler) fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(key)
		f.fill(value)
		v.SetMapIndex(key, value)
	case reflect.String:
		text := fmt.Sprintf("v%d", len(f[v.Type()]))
		v.SetString(text)
		f[v.Type()] = append(f[v.Type()], text)
	}
}

// A member that is added to a step must be known to all that look at steps, or it is neither checked nor compiled.
func TestNoMemberOfAStepIsForgotten(t *testing.T) {
	var s callfleetv1.FlowStep
	filled := filler{}
	filled.fill(reflect.ValueOf(&s).Elem())

	t.Run("what it does", func(t *testing.T) {
		var want []string
		for i := range reflect.TypeFor[callfleetv1.FlowStep]().NumField() {
			name, _, _ := strings.Cut(reflect.TypeFor[callfleetv1.FlowStep]().Field(i).Tag.Get("json"), ",")
			want = append(want, name)
		}
		want = slices.DeleteFunc(want, func(name string) bool { return name == "name" || name == "next" })
		if diff := cmp.Diff(want, names(kindsOf(&s))); diff != "" {
			t.Errorf("kinds are not all members (-want +got):\n%s", diff)
		}
	})
	t.Run("where it leads", func(t *testing.T) {
		got := []string{string(s.Name)}
		for _, e := range exits(&s, nil) {
			got = append(got, string(e.to))
		}
		same(t, filled[reflect.TypeFor[callfleetv1.StepName]()], got)
	})
	t.Run("what is put in", func(t *testing.T) {
		var got []string
		texts(&s, nil, func(_ *field.Path, text callfleetv1.Template) { got = append(got, string(text)) })
		same(t, filled[reflect.TypeFor[callfleetv1.Template]()], got)
	})
	t.Run("what it sets", func(t *testing.T) {
		var got []string
		for name := range s.Webhook.Data { // members of what is sent, no variables
			got = append(got, string(name))
		}
		f := flow{spec: &callfleetv1.CallFlowSpec{Steps: []callfleetv1.FlowStep{s}}}
		f.variables(func(name callfleetv1.VariableName) { got = append(got, string(name)) })
		same(t, filled[reflect.TypeFor[callfleetv1.VariableName]()], got)
	})
	t.Run("what is checked", func(t *testing.T) {
		// Of these types every value is wrong here.
		got := map[reflect.Type]int{}
		f := &reading{flow: &flow{spec: &callfleetv1.CallFlowSpec{Steps: []callfleetv1.FlowStep{s}}, steps: map[callfleetv1.StepName]*step{}}}
		f.given, f.graph = f.spec, newGraph(f.flow)
		for _, k := range kinds { // values are checked of one kind at a time
			one := callfleetv1.FlowStep{Name: s.Name}
			for i := range reflect.TypeFor[callfleetv1.FlowStep]().NumField() {
				if name, _, _ := strings.Cut(reflect.TypeFor[callfleetv1.FlowStep]().Field(i).Tag.Get("json"), ","); name == k.name {
					reflect.ValueOf(&one).Elem().Field(i).Set(reflect.ValueOf(s).Field(i))
				}
			}
			f.spec.Steps[0] = one
			f.checkKeys(0)
			f.checkValues(0)
		}
		for _, err := range f.errs {
			got[reflect.TypeOf(err.BadValue)]++
		}
		for _, kind := range []reflect.Type{reflect.TypeFor[callfleetv1.Duration](), reflect.TypeFor[callfleetv1.HTTPSURL](), reflect.TypeFor[callfleetv1.PhoneKey]()} {
			if want := len(filled[kind]); got[kind] < want {
				t.Errorf("%d of %d values of type %s are found to be wrong", got[kind], want, kind)
			}
		}
	})
}

func same(t *testing.T, want, got []string) {
	t.Helper()
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("not all are there (-want +got):\n%s", diff)
	}
}
