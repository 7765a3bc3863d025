// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

const (
	// leastWait for a caller, whose shortest key lasts 40 ms, with as long a pause (ITU-T Q.24).
	leastWait = 100 * time.Millisecond
	// leastRing: in less nobody answers, and nothing is heard of music.
	leastRing = time.Second
	// longest is how long a v1alpha1.Duration may be.
	longest = 168 * time.Hour
	// A recording is as Graph has it ("call: recordResponse").
	leastRecord, mostRecord = time.Second, 120 * time.Second
	// A request of a webhook, in which the caller hears nothing.
	leastRequest, mostRequest = 100 * time.Millisecond, 30 * time.Second
)

// checkValues checks what the members of a step hold.
func (f *reading) checkValues(i int) {
	s, path := &f.spec.Steps[i], stepPath(i)
	f.checkPrompts(i)
	switch {
	case s.Menu != nil:
		f.checkListening(path.Child("menu"), &s.Menu.Listening)
		if s.Menu.Variable != "" {
			f.checkVariable(path.Child("menu", "variable"), s.Menu.Variable)
		}
	case s.Collect != nil:
		f.checkCollect(path.Child("collect"), s.Collect)
	case s.Record != nil:
		f.checkRecord(path.Child("record"), s.Record)
	case s.Transfer != nil:
		f.checkTransfer(path.Child("transfer"), s.Transfer)
	case s.Invite != nil:
		path := path.Child("invite")
		f.checkParty(path, &s.Invite.FlowParty)
		f.checkDuration(path.Child("timeout"), s.Invite.Timeout, leastRing, longest)
		f.checkGiven(path.Child("onFailure"), s.Invite.OnFailure, "they do not come")
	case s.Redirect != nil:
		f.checkRedirect(path.Child("redirect"), s.Redirect)
	case s.Hold != nil:
		f.checkSize(path.Child("hold", "choices"), len(s.Hold.Choices), 0, 16)
		f.checkDuration(path.Child("hold", "duration"), s.Hold.Duration, leastRing, longest)
	case s.Set != nil:
		f.checkSize(path.Child("set"), len(s.Set), 1, 32)
		for _, name := range sorted(s.Set) {
			f.checkVariable(path.Child("set").Key(string(name)), name)
		}
	case s.Branch != nil:
		for j, c := range s.Branch.Cases {
			f.checkGiven(path.Child("branch", "cases").Index(j).Child("next"), c.Next, "the condition holds")
		}
		f.checkGiven(path.Child("branch", "else"), s.Branch.Else, "no condition holds")
	case s.Webhook != nil:
		f.checkWebhook(path.Child("webhook"), s.Webhook)
	case s.Subflow != nil:
		if name := s.Subflow.FlowRef.Name; name == "" {
			f.lacks(callPath(i), "name the CallFlow to be run")
		} else {
			f.checkLength(callPath(i), name, 253)
		}
	}
}

func (f *reading) checkPrompts(i int) {
	s, path := &f.given.Steps[i], stepPath(i)
	if s.Say != nil {
		f.checkText(path.Child("say"), *s.Say)
	}
	if s.Play != nil && len(s.Play.Prompts) == 0 {
		f.lacks(path.Child("play", "prompts"), "there is nothing to be heard; give a prompt")
	}
	promptLists(s, path, func(path *field.Path, list callfleetv1.Prompts) { f.checkSize(path, len(list), 0, 8) })
	prompts(s, path, f.checkPrompt)
}

func (f *reading) checkPrompt(path *field.Path, p *callfleetv1.Prompt) {
	switch given := count(p.ConfigMap != nil, p.URL != "", p.Text != ""); {
	case given == 0:
		f.lacks(path, "there is nothing to be heard; give the prompt configMap, url or text")
	case given > 1:
		f.forbids(path, "a prompt is one of configMap, url and text; make a prompt of each")
	}
	if p.ConfigMap != nil {
		f.checkReference(path.Child("configMap", "name"), p.ConfigMap.Name)
		f.checkReference(path.Child("configMap", "key"), p.ConfigMap.Key)
	}
	if p.URL != "" {
		f.checkURL(path.Child("url"), p.URL)
	}
	if p.Text != "" {
		f.checkText(path.Child("text"), p.Text)
	}
}

// checkText checks that there is something to be said, and somebody to say it.
func (f *reading) checkText(path *field.Path, text callfleetv1.Template) {
	if strings.TrimSpace(string(text)) == "" {
		f.lacks(path, "there is nothing to be said; write a text, or take the prompt out")
		return
	}
	if f.spec.Speech == nil {
		f.wrong(path, text, "text needs a speech service; set spec.speech, or give a file by configMap or url")
	}
}

func (f *reading) checkListening(path *field.Path, l *callfleetv1.Listening) {
	f.checkDuration(path.Child("timeout"), l.Timeout, leastWait, longest)
	f.checkRange(path.Child("noInput", "retries"), *l.NoInput.Retries, 0, 10)
	f.checkRange(path.Child("noMatch", "retries"), *l.NoMatch.Retries, 0, 10)
}

func (f *reading) checkCollect(path *field.Path, c *callfleetv1.CollectStep) {
	f.checkListening(path, &c.Listening)
	f.checkVariable(path.Child("variable"), c.Variable)
	f.checkRange(path.Child("min"), c.Min, 1, 64)
	f.checkRange(path.Child("max"), c.Max, 1, 64)
	if c.Min > c.Max {
		f.wrong(path.Child("min"), c.Min, "min must not be above max, which is %d; nobody could enter enough", c.Max)
	}
	f.checkDuration(path.Child("interDigitTimeout"), c.InterDigitTimeout, leastWait, longest)
}

func (f *reading) checkRecord(path *field.Path, r *callfleetv1.RecordStep) {
	f.checkSize(path.Child("stopTones"), len(r.StopTones), 0, 16)
	f.checkVariable(path.Child("variable"), r.Variable)
	f.checkDuration(path.Child("maxDuration"), r.MaxDuration, leastRecord, mostRecord)
	f.checkDuration(path.Child("initialSilence"), r.InitialSilence, leastRecord, mostRecord)
	f.checkDuration(path.Child("maxSilence"), r.MaxSilence, leastRecord, mostRecord)
}

func (f *reading) checkTransfer(path *field.Path, t *callfleetv1.TransferStep) {
	f.checkParty(path.Child("to"), &t.To)
	if t.Type != callfleetv1.TransferBlind && t.Type != callfleetv1.TransferConsultative {
		f.wrong(path.Child("type"), t.Type, "a transfer is Blind or Consultative")
	}
	f.checkDuration(path.Child("timeout"), t.Timeout, leastRing, longest)
	f.checkGiven(path.Child("onFailure"), t.OnFailure, "they cannot be reached or do not answer")
}

func (f *reading) checkWebhook(path *field.Path, w *callfleetv1.WebhookStep) {
	f.checkURL(path.Child("url"), w.URL)
	f.checkSize(path.Child("data"), len(w.Data), 0, 32)
	for _, name := range sorted(w.Data) {
		if !isVariable(string(name)) || len(name) > maxName {
			f.wrong(path.Child("data").Key(string(name)), name, "a name has at most %d letters, digits and _, and begins with a letter", maxName)
		}
	}
	f.checkSize(path.Child("sets"), len(w.Sets), 0, 32)
	for i, name := range w.Sets {
		f.checkVariable(path.Child("sets").Index(i), name)
		f.checkOnce(path.Child("sets").Index(i), name, slices.Contains(w.Sets[:i], name))
	}
	f.checkSize(path.Child("choices"), len(w.Choices), 0, 20)
	for i, name := range w.Choices {
		f.checkGiven(path.Child("choices").Index(i), name, "the answer chooses it")
		f.checkOnce(path.Child("choices").Index(i), name, slices.Contains(w.Choices[:i], name))
	}
	f.checkDuration(path.Child("timeout"), w.Timeout, leastRequest, mostRequest)
	f.checkRange(path.Child("retries"), *w.Retries, 0, 5)
	f.checkGiven(path.Child("onError"), w.OnError, "there is no good answer")
}

var (
	guid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	e164 = regexp.MustCompile(`^\+[1-9][0-9]{1,14}$`)
)

const (
	notAGUID = "this is no directory object id; a person or resource account is named as 11111111-2222-3333-4444-555555555555 is"
	notE164  = "this is no telephone number in E.164 form, such as +12065550100"
)

// checkParty checks who is to be called, as far as it is known before the call.
func (f *reading) checkParty(path *field.Path, p *callfleetv1.FlowParty) {
	switch count(p.User != "", p.Phone != "") {
	case 0:
		f.lacks(path, "say who: give user or phone")
	case 2:
		f.forbids(path, "user and phone are two; give one of them")
	}
	if p.User != "" && isLiteral(p.User) && !guid.MatchString(string(p.User)) {
		f.wrong(path.Child("user"), p.User, notAGUID)
	}
	if p.Phone != "" && isLiteral(p.Phone) && !e164.MatchString(string(p.Phone)) {
		f.wrong(path.Child("phone"), p.Phone, notE164)
	}
}

// isLiteral reports whether a template is the same in every call.
func isLiteral(t callfleetv1.Template) bool {
	parsed, err := parseTemplate(t)
	return err == nil && len(parsed.names) == 0
}

func (f *reading) checkRedirect(path *field.Path, r *callfleetv1.RedirectTo) {
	f.checkSize(path.Child("targets"), len(r.Targets), 1, 25)
	for i, t := range r.Targets {
		path := path.Child("targets").Index(i)
		switch count(t.User != "", t.Phone != "", t.Application != "") {
		case 0:
			f.lacks(path, "say who: give user, phone or application")
		case 1:
		default:
			f.forbids(path, "a target is one of user, phone and application; make a target of each")
		}
		if t.User != "" && !guid.MatchString(string(t.User)) {
			f.wrong(path.Child("user"), t.User, notAGUID)
		}
		if t.Phone != "" && !e164.MatchString(string(t.Phone)) {
			f.wrong(path.Child("phone"), t.Phone, notE164)
		}
		if t.Application != "" && !guid.MatchString(string(t.Application)) {
			f.wrong(path.Child("application"), t.Application, "this is no application id, such as 11111111-2222-3333-4444-555555555555")
		}
	}
	if r.RingSeconds != 0 {
		f.checkRange(path.Child("ringSeconds"), r.RingSeconds, 15, 90)
	}
}
