// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

var (
	conditionDesc = prometheus.NewDesc("callfleet_bot_condition",
		"1 for a condition of a CallingBot that is True, 0 for one that is False; none for one that is Unknown.", append(botLabels[:2:2], "condition"), nil)
	longestDrainDesc = prometheus.NewDesc("callfleet_bot_longest_drain_seconds",
		"How long the media pod of the bot that drains longest has done so; 0 if none drains.", botLabels, nil)
)

// standing tells how bots stand when it is asked. What time alone changes, and what other controllers write, a pass of this one
// would be late to see.
type standing struct {
	cache client.Reader
	clock clock.PassiveClock
	// elected is closed once this manager acts. Another that told the same would have each bot counted twice.
	elected <-chan struct{}
}

// Describe implements prometheus.Collector.
func (s *standing) Describe(ch chan<- *prometheus.Desc) {
	ch <- conditionDesc
	ch <- longestDrainDesc
}

// Collect implements prometheus.Collector. The lists come from the cache; while that is not there, nothing is told.
func (s *standing) Collect(ch chan<- prometheus.Metric) {
	select {
	case <-s.elected:
	default:
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var bots v1alpha1.CallingBotList
	var pods v1alpha1.MediaPodList
	if s.cache.List(ctx, &bots, client.UnsafeDisableDeepCopy) != nil || s.cache.List(ctx, &pods, client.UnsafeDisableDeepCopy) != nil {
		return
	}
	now, longest := s.clock.Now(), map[types.NamespacedName]time.Duration{}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if mark := pod.Spec.Drain; mark != nil {
			bot := types.NamespacedName{Namespace: pod.Namespace, Name: pod.Spec.BotRef.Name}
			longest[bot] = max(longest[bot], now.Sub(mark.Since.Time))
		}
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for i := range bots.Items {
		bot := &bots.Items[i]
		gauge(longestDrainDesc, longest[client.ObjectKeyFromObject(bot)].Seconds(), bot.Namespace, bot.Name)
		for _, c := range bot.Status.Conditions {
			switch c.Status {
			case metav1.ConditionTrue:
				gauge(conditionDesc, 1, bot.Namespace, bot.Name, c.Type)
			case metav1.ConditionFalse:
				gauge(conditionDesc, 0, bot.Namespace, bot.Name, c.Type)
			}
		}
	}
}
