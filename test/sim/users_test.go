// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// What users do.

func (w *world) update(what string, change func(*v1alpha1.CallingBot)) {
	w.say("user: %s", what)
	w.server.change(botKey, false, func(o client.Object) { change(o.(*v1alpha1.CallingBot)) })
}

// configure gives the bot the n-th configuration; the same number is the same again.
func (w *world) configure(n int) {
	w.configuration = n
	w.update(fmt.Sprintf("configuration %d", n), func(b *v1alpha1.CallingBot) { b.Spec.Signaling.Host = fmt.Sprintf("bots-%d.contoso.com", n) })
}

// deleteBot with all that is in progress; what is deleted gently may be hurried afterwards.
func (w *world) deleteBot(policy v1alpha1.DeletionPolicy) {
	bot := w.server.bot()
	if bot == nil {
		return
	}
	if policy == v1alpha1.DeletionForce {
		w.mayHangUp = true
	}
	w.update(fmt.Sprintf("deletionPolicy %s", policy), func(b *v1alpha1.CallingBot) { b.Spec.DeletionPolicy = policy })
	if bot.DeletionTimestamp == nil {
		w.say("user: delete the bot")
		w.bots++
		_ = w.server.delete(botKey, client.DeleteOptions{})
	}
}

// applyAnew makes a bot that was deleted again, as it was, the way GitOps tools do.
func (w *world) applyAnew(gone *v1alpha1.CallingBot) {
	if w.server.bot() != nil {
		return
	}
	bot := &v1alpha1.CallingBot{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: botName}, Spec: *gone.Spec.DeepCopy()}
	bot.Spec.DeletionPolicy = v1alpha1.DeletionDrain
	if w.calm {
		serveOn(bot)
	}
	w.say("user: apply the bot again")
	w.must(w.server.create(bot))
}

// renew the certificate: what shows it is told by the mediapod controller.
func (w *world) renew() {
	w.certificate++
	w.say("the certificate is renewed, for the %d. time", w.certificate)
	for _, pod := range w.server.pods() {
		w.lookAt(pod.GetName())
	}
}

func (w *world) cordon(name string, on bool) {
	w.say("user: node %s cordoned: %v", name, on)
	w.server.change(key{"Node", types.NamespacedName{Name: name}}, false, func(o client.Object) { o.(*corev1.Node).Spec.Unschedulable = on })
}

func (w *world) meet(change func(*controllertest.SessionBuilder)) string {
	name := fmt.Sprintf("s%05d", w.count())
	b := controllertest.Session(namespace, name, botName).JoinMeetingID(fmt.Sprint(1000+w.names), "").Rejoin(v1alpha1.RejoinOnFailure, 5).TTL(30)
	if change != nil {
		change(b)
	}
	w.must(w.server.create(b.Object()))
	return name
}

// dial has the bot call somebody.
func (w *world) dial() {
	c := controllertest.Call(namespace, fmt.Sprintf("c%05d", w.count()), botName).TTL(30)
	w.must(w.server.create(c.Object()))
}
