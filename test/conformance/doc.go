// SPDX-License-Identifier: Apache-2.0

// Package conformance holds the Graph client against the local Teams, which is written from Microsoft's documentation and refuses what the
// service would refuse: one test for each operation, whose names are the methods of graph.Client.
// docs/graph-coverage.md is made from them.
package conformance
