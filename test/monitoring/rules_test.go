// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"sigs.k8s.io/yaml"
)

// alerts of config/prometheus/rules.yaml, by name.
func alerts(t *testing.T) map[string]rulefmt.Rule {
	t.Helper()
	var object struct{ Spec any }
	if err := yaml.Unmarshal([]byte(read(t, "config/prometheus/rules.yaml")), &object); err != nil {
		t.Fatal(err)
	}
	spec, err := yaml.Marshal(object.Spec)
	if err != nil {
		t.Fatal(err)
	}
	// The expressions, the templates and the fields, as Prometheus takes them at its start.
	parsed, faults := rulefmt.Parse(spec, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	for _, fault := range faults {
		t.Error(fault)
	}
	if parsed == nil {
		t.FailNow()
	}
	found := map[string]rulefmt.Rule{}
	for _, group := range parsed.Groups {
		for _, rule := range group.Rules {
			if _, twice := found[rule.Alert]; twice || rule.Alert == "" {
				t.Errorf("group %s has %q twice, or no alert", group.Name, rule.Alert)
			}
			found[rule.Alert] = rule
		}
	}
	return found
}

func TestAlertsNameDocumentedMetrics(t *testing.T) {
	known := documented(t)
	for name, rule := range alerts(t) {
		for _, fault := range undocumented(parse(t, rule.Expr), known) {
			t.Errorf("%s: docs/metrics.md has no %s", name, fault)
		}
	}
}

func TestEveryAlertHasARunbook(t *testing.T) {
	const where = "https://github.com/callfleet/callfleet/blob/main/docs/runbooks.md#"
	sections := regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(read(t, "docs/runbooks.md"), -1)
	var headings []string
	for _, s := range sections {
		headings = append(headings, s[1])
	}
	all := alerts(t)
	for name, rule := range all {
		if rule.Annotations["runbook_url"] != where+strings.ToLower(name) || !slices.Contains(headings, name) {
			t.Errorf("%s leads to %q; want %s, and a section of that name", name, rule.Annotations["runbook_url"], where+strings.ToLower(name))
		}
		if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" || !slices.Contains([]string{"critical", "warning"}, rule.Labels["severity"]) {
			t.Errorf("%s lacks a summary, a description or a severity", name)
		}
	}
	for _, heading := range headings {
		if _, ok := all[heading]; !ok {
			t.Errorf("docs/runbooks.md has %s, which is no alert", heading)
		}
	}
}

const bot = `namespace="voice",bot="reception"`

// stories are what Prometheus sees, a sample a minute, and when each alert fires: not before its time, and not for what is well.
var stories = map[string]struct {
	series  string
	fires   time.Duration // within the story; never without it
	summary string        // part of what is told
	well    string        // series with which it must not fire
}{
	"CallfleetNoLeader": {
		series: `leader_election_master_status{name="callfleet-manager",pod="a"} 1x10 0x30`, fires: 16 * time.Minute, summary: "No manager",
		well: `leader_election_master_status{name="callfleet-manager",pod="a"} 0x60
			leader_election_master_status{name="callfleet-manager",pod="b"} 1x60`,
	},
	"CallfleetBotNotReady": {
		series: `callfleet_bot_condition{condition="Ready",` + bot + `} 0x60`, fires: 10 * time.Minute, summary: "voice/reception",
		well: `callfleet_bot_condition{condition="Ready",` + bot + `} 0x8 1x50
			callfleet_bot_condition{condition="RolloutComplete",` + bot + `} 0x60`,
	},
	"CallfleetNoFreeSeats": {
		series: `callfleet_bot_seats{use="free",` + bot + `} 0x60
			callfleet_bot_seat_capacity{` + bot + `} 20x60`, fires: 5 * time.Minute, summary: "no free seat",
		well: `callfleet_bot_seats{use="free",` + bot + `} 0x60
			callfleet_bot_seat_capacity{` + bot + `} 0x60`, // scaled to zero
	},
	"CallfleetSessionsWaiting": {
		series: `callfleet_sessions_waiting{reason="NoSeat",` + bot + `} 3x60`, fires: 5 * time.Minute, summary: "3 sessions of bot voice/reception",
		well: `callfleet_sessions_waiting{reason="NoSeat",` + bot + `} 3x3 0x50`,
	},
	"CallfleetDrainStuck": {
		series: `callfleet_bot_longest_drain_seconds{` + bot + `} 43170+60x60`, fires: 11 * time.Minute, summary: "12h",
		well: `callfleet_bot_longest_drain_seconds{` + bot + `} 7200+60x60`,
	},
	"CallfleetPodsLost": {
		series: `callfleet_mediapod_processes_lost_total{` + bot + `} 0x20 1x40`, fires: 21 * time.Minute, summary: "lost a media pod",
		well: `callfleet_mediapod_processes_lost_total{` + bot + `} 4x60`,
	},
	"CallfleetCallsFailing": {
		series: `callfleet_sessions_ended_total{reason="EndedByBot",` + bot + `} 0+4x60
			callfleet_sessions_ended_total{reason="MediaLost",` + bot + `} 0+1x60`, fires: 6 * time.Minute, summary: "20% of the calls",
		well: `callfleet_sessions_ended_total{reason="EndedByBot",` + bot + `} 0+4x60
			callfleet_sessions_ended_total{reason="NoAnswer",` + bot + `} 0+4x60
			callfleet_sessions_ended_total{reason="MediaLost",namespace="voice",bot="rare"} 0x30 1x30`,
	},
	"CallfleetMediaQualityPoor": {
		series: `callfleet_media_call_mos_bucket{le="3.6",pod="a",` + bot + `} 0+1x60
			callfleet_media_call_mos_count{pod="a",` + bot + `} 0+4x60`, fires: 7 * time.Minute, summary: "25% of the calls",
		well: `callfleet_media_call_mos_bucket{le="3.6",pod="a",` + bot + `} 0+1x60
			callfleet_media_call_mos_count{pod="a",` + bot + `} 0+40x60`,
	},
	"CallfleetRecordingsNotStored": {
		series: `callfleet_mediapod_recordings_failing{pod="a",` + bot + `} 2x60`, fires: 15 * time.Minute, summary: "2 recordings",
		well: `callfleet_mediapod_recordings_failing{pod="a",` + bot + `} 1x5 0x50`,
	},
	"CallfleetWebhookAuthFailures": {
		series: `callfleet_signaling_tokens_refused_total{cause="WrongAudience",pod="a",` + bot + `} 0+2x60`, fires: 11 * time.Minute, summary: "WrongAudience",
		well: `callfleet_signaling_tokens_refused_total{cause="Missing",pod="a",` + bot + `} 0+50x60`, // junk of the internet
	},
	"CallfleetCredentialsFailing": {
		series: `callfleet_bot_condition{condition="CredentialsValid",` + bot + `} 1x10 0x50`, fires: 16 * time.Minute, summary: "no tokens",
		well: `callfleet_bot_condition{condition="CredentialsValid",` + bot + `} 1x60
			callfleet_token_request_seconds_count{code="2xx",pod="a",` + bot + `} 0+5x60`,
	},
	"CallfleetCertificateExpiring": {
		series: `callfleet_mediapod_certificate_expiry_timestamp_seconds{pod="reception-0",` + bot + `} 172800x120`, fires: time.Hour, summary: "reception-0",
		well: `callfleet_mediapod_certificate_expiry_timestamp_seconds{pod="reception-0",` + bot + `} 2592000x120
			callfleet_mediapod_certificate_expiry_timestamp_seconds{pod="reception-1",` + bot + `} 0x120
			callfleet_router_certificate_expiry_timestamp_seconds{pod="r",namespace="callfleet-system"} 2592000x120`,
	},
	"CallfleetNotificationsSlow": {
		series: `callfleet_router_request_seconds_bucket{kind="newCall",le="1",pod="r"} 0+10x60
			callfleet_router_request_seconds_bucket{kind="newCall",le="2.5",pod="r"} 0+20x60
			callfleet_router_request_seconds_bucket{kind="newCall",le="+Inf",pod="r"} 0+20x60`, fires: 11 * time.Minute, summary: "One notification in a hundred",
		well: `callfleet_router_request_seconds_bucket{kind="newCall",le="1",pod="r"} 0+20x60
			callfleet_router_request_seconds_bucket{kind="newCall",le="2.5",pod="r"} 0+20x60
			callfleet_router_request_seconds_bucket{kind="newCall",le="+Inf",pod="r"} 0+20x60
			callfleet_router_request_seconds_bucket{kind="reach",le="2.5",pod="r"} 0+20x60
			callfleet_router_request_seconds_bucket{kind="reach",le="+Inf",pod="r"} 0+20x60`,
	},
}

func TestAlertsFireWhenTheyShouldAndNotOtherwise(t *testing.T) {
	for name, rule := range alerts(t) {
		t.Run(name, func(t *testing.T) {
			story, ok := stories[name]
			if !ok {
				t.Fatal("no story tells when it fires")
			}
			at, summary := firstFiring(t, rule, story.series)
			if at != story.fires || !strings.Contains(summary, story.summary) {
				t.Errorf("it fires after %s, saying %q; want after %s, about %q", at, summary, story.fires, story.summary)
			}
			if at, summary := firstFiring(t, rule, story.well); at != 0 {
				t.Errorf("it fires after %s although all is well, saying %q", at, summary)
			}
		})
	}
}

// firstFiring plays series to a rule for two hours, and tells when it fires first; 0 if it never does.
func firstFiring(t *testing.T, rule rulefmt.Rule, series string) (time.Duration, string) {
	t.Helper()
	store := promqltest.LoadedStorage(t, "load 1m\n"+indented(series))
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, LookbackDelta: 5 * time.Minute})
	defer func() { _ = engine.Close() }()
	alerting := rules.NewAlertingRule(rule.Alert, parse(t, rule.Expr), time.Duration(rule.For), time.Duration(rule.KeepFiringFor),
		labels.FromMap(rule.Labels), labels.FromMap(rule.Annotations), labels.EmptyLabels(), "", true, slog.New(slog.DiscardHandler))
	query := rules.EngineQueryFunc(engine, store)
	for minute := range playedFor(series) {
		after := time.Duration(minute) * time.Minute
		if _, err := alerting.Eval(t.Context(), 0, time.Unix(0, 0).Add(after), query, &url.URL{}, 0); err != nil {
			t.Fatal(err)
		}
		for _, alert := range alerting.ActiveAlerts() {
			if alert.State == rules.StateFiring {
				return after, alert.Annotations.Get("summary")
			}
		}
	}
	return 0, ""
}

// playedFor is how many minutes the series last: what comes after them is staleness.
func playedFor(series string) (minutes int) {
	for line := range strings.Lines(series) {
		n := 0
		for _, m := range regexp.MustCompile(`x(\d+)`).FindAllStringSubmatch(line, -1) {
			var times int
			_, _ = fmt.Sscan(m[1], &times)
			n += times + 1
		}
		if minutes == 0 || n < minutes {
			minutes = n
		}
	}
	return minutes
}

func indented(series string) string {
	var b strings.Builder
	for line := range strings.Lines(series) {
		b.WriteString("  " + strings.TrimSpace(line) + "\n")
	}
	return b.String()
}
