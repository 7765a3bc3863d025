// SPDX-License-Identifier: Apache-2.0

// Package webhook is what it takes to post to a web server that a user named: a signature by which the server knows the bot (the form
// of Standard Webhooks, https://www.standardwebhooks.com), and a client that reaches no address inside the pod or its node.
package webhook
