// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"strings"
	"testing"

	"github.com/callfleet/callfleet/mediapod/flow"
)

// BenchmarkHandle is a caller who chooses, and is asked the next thing: two events, and a prompt of text.
func BenchmarkHandle(b *testing.B) {
	const looped = `
start: choose
speech: {url: https://speech.example/say}
variables: {key: nothing}
steps:
- name: choose
  menu:
    prompts: [{text: "You pressed ${key}. Press 1 for more."}]
    variable: key
    choices: [{key: "1", next: choose}]
`
	m := flow.New(program(b, looped), answered())
	commands := m.Begin(noon)
	b.ReportAllocs()
	for b.Loop() {
		play := commands[0].(flow.Play)
		m.Handle(noon, flow.Tone{Key: "1"})
		commands = m.Handle(noon, flow.Played{ID: play.ID})
	}
	if m.End() != "" {
		b.Fatal(m.Message())
	}
}

// BenchmarkHandleNothing is a key that nobody takes once the buffer is full.
func BenchmarkHandleNothing(b *testing.B) {
	m := flow.New(program(b, menus), answered())
	m.Begin(noon)
	var key flow.Event = flow.Tone{Key: "7"}
	for range 32 {
		m.Handle(noon, key)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.Handle(noon, key)
	}
}

// BenchmarkState has ten variables of forty characters.
func BenchmarkState(b *testing.B) {
	var set []string
	for _, name := range strings.Split("abcdefghij", "") {
		set = append(set, name+`: "0123456789012345678901234567890123456789"`)
	}
	m := flow.New(program(b, strings.Replace(menus, "steps:", "variables: {"+strings.Join(set, ", ")+"}\nsteps:", 1)), answered())
	m.Begin(noon)
	b.ReportAllocs()
	for b.Loop() {
		m.State()
	}
}
