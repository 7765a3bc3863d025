# SPDX-License-Identifier: Apache-2.0
#
# Needs Go, make and git; no root, no containers (but for "images", "e2e-kubelet" and "chaos"). "make help" lists the targets.

.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

# Images: who they are for, and where to.
REGISTRY ?= callfleet
TAG      ?= dev
# A Windows container runs only on hosts of its own build: ltsc2022, ltsc2025.
WINDOWS  ?= ltsc2022
# PUSH=1 pushes what "images" builds. A Windows image can be built on Linux, but not loaded there.
PUSH     ?=

# Time for each fuzz target; runs of each benchmark.
FUZZTIME  ?= 20s
# The same for the four that "make test" runs; .ci/run gives them a minute.
WIREFUZZTIME ?= 5s
BENCHTIME ?= 1s
# What "make test" plays of the fault matrix: two rounds, a minute. The thousand of "make faults" take five.
ROUNDS    ?= -scenarios 224
# Real nodes for "e2e-kubelet", and which of its tests.
NODES     ?= 2
RUN       ?=
# KEEP=1 leaves the demo running.
KEEP ?=

# Beside that of the demo, so that ending one leaves the other alone.
DEVCLUSTER = --dir .devcluster/local

# The newest whose controller can be had as one module.
CERT_MANAGER = github.com/cert-manager/cert-manager@v1.11.5

GO        := go
GOBUILD    = CGO_ENABLED=0 $(GO) build -trimpath
CONTROLLER_GEN = $(GO) tool -modfile=hack/tools/go.mod controller-gen
GOLANGCI_LINT  = $(GO) tool -modfile=hack/tools/lint/go.mod golangci-lint

# Packages with tests, in two lots: those that start an API server go two at a time, as they mostly wait for it; all
# the rest run side by side. Of test/faults, what needs no cluster runs with the first lot: it is what judges.
TESTED = $(GO) list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}}{{end}}' ./... \
	| grep -v '/test/\(e2e\|faults\|load\|windows\) '
SERVERS = controllers/controllertest|hack/devcluster/cluster|hack/devcluster/plane|controller-runtime/pkg/envtest
FAST   = $(TESTED) | grep -Ev '$(SERVERS)' | cut -d' ' -f1
SLOW   = $(TESTED) | grep -E '$(SERVERS)' | cut -d' ' -f1

# The race detector needs cgo and a C compiler with its headers.
RACE = $$($(GO) build -race runtime/cgo >/dev/null 2>&1 && echo -race)

##@ Everyday

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z][a-z0-9-]*:.*## / {printf "  %-17s %s\n", $$1, $$2}' Makefile

.PHONY: demo
demo: ## Show it: a bot joins a meeting on this machine and gives back what it hears (KEEP=1 leaves it running)
	@$(GO) run ./hack/demo $(if $(KEEP),-keep)

.PHONY: demo-down
demo-down: ## End a demo that was left running
	@[ ! -d .devcluster/demo ] || $(GO) run ./hack/demo -down

.PHONY: test
test: ## Run everything: verify, vet, unit, API server, fuzz and end-to-end tests, and two of nine rounds of the fault matrix
	@began=$$(date +%s); \
	if $(MAKE) verify vet test-unit test-gitops test-monitoring test-packaging fuzz-wire e2e && $(MAKE) faults FAULTS="$(ROUNDS)"; then \
		echo "==> make test: everything passed, after $$(( $$(date +%s) - began )) s"; \
	else \
		echo "==> make test: FAILED, after $$(( $$(date +%s) - began )) s; the first error is above" >&2; exit 1; \
	fi

.PHONY: build
build: ## Build manager, router, mediapod, teamsim and kubectl-callfleet into bin/
	$(GOBUILD) -o bin/ ./cmd/manager ./cmd/router ./cmd/mediapod ./cmd/teamsim ./cmd/kubectl-callfleet

.PHONY: build-windows
build-windows: ## Cross-build bin/mediapod.exe
	GOOS=windows GOARCH=amd64 $(GOBUILD) -o bin/mediapod.exe ./cmd/mediapod

.PHONY: generate
generate: ## Write generated code, CRDs, the manager's role, its webhook's configuration, the chart, the bundle, docs/graph-coverage.md and docs/metrics.md anew
	@echo "==> generating"
	@$(CONTROLLER_GEN) object:headerFile=hack/boilerplate.go.txt paths=./api/v1alpha1
	@$(CONTROLLER_GEN) crd paths=./api/v1alpha1 output:crd:dir=config/crd/bases
	@$(CONTROLLER_GEN) rbac:roleName=callfleet-manager paths=./controllers/... paths=./cmd/manager output:rbac:dir=config/rbac
	@$(CONTROLLER_GEN) webhook paths=./controllers/... output:webhook:dir=config/webhook
	@$(GO) run ./hack/coverage
	@$(GO) run ./hack/metrics
	@$(GO) run ./hack/packaging

##@ Tests, one by one

.PHONY: verify
verify: ## Fail if a generated file is not what "make generate" writes, or a Go file is not formatted
	@echo "==> generated files and formatting are up to date"
	@tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && \
	$(CONTROLLER_GEN) object:headerFile=hack/boilerplate.go.txt paths=./api/v1alpha1 output:object:dir="$$tmp/object" && \
	$(CONTROLLER_GEN) crd paths=./api/v1alpha1 output:crd:dir="$$tmp/crd" && \
	$(CONTROLLER_GEN) rbac:roleName=callfleet-manager paths=./controllers/... paths=./cmd/manager output:rbac:dir="$$tmp/rbac" && \
	$(CONTROLLER_GEN) webhook paths=./controllers/... output:webhook:dir="$$tmp/webhook" && \
	{ diff -u api/v1alpha1/zz_generated.deepcopy.go "$$tmp/object/zz_generated.deepcopy.go" && \
	  diff -ru config/crd/bases "$$tmp/crd" && \
	  diff -u config/rbac/role.yaml "$$tmp/rbac/role.yaml" && \
	  diff -u config/webhook/manifests.yaml "$$tmp/webhook/manifests.yaml" || \
	  { echo 'A generated file differs from its source: run "make generate" and commit the result.' >&2; exit 1; }; }
	@unformatted=$$(gofmt -l $$($(GO) list -f '{{.Dir}}' ./...)); \
	if [ -n "$$unformatted" ]; then echo "Not formatted, run gofmt -w:"; echo "$$unformatted"; exit 1; fi >&2

.PHONY: vet
vet: ## Run go vet, for Linux and for the media pod on Windows
	@echo "==> vet"
	@$(GO) vet ./...
	@GOOS=windows GOARCH=amd64 CGO_ENABLED=0 $(GO) vet ./cmd/mediapod

.PHONY: lint
lint: ## Run golangci-lint (built once from source, which takes minutes)
	$(GOLANGCI_LINT) run

.PHONY: test-unit
test-unit: ## Run all tests but the end-to-end ones, with the race detector
	@echo "==> binaries of the API server, built once per machine"
	@$(GO) run ./hack/devcluster assets etcd kube-apiserver kube-controller-manager kubectl >/dev/null
	@race="$(RACE)"; [ -n "$$race" ] || echo "==> no C compiler: tests run without the race detector"; \
	echo "==> unit tests $$race"; \
	$(GO) test $$race -timeout 15m $$($(FAST)) && \
	$(GO) test $$race -timeout 5m -short ./test/faults && \
	{ [ -z "$$race" ] || { echo "==> without it: calls of ten minutes, 300 simulated fleets"; \
		$(GO) test -run 'TenMinutes|WhateverHappensNoCallIsCut' ./mediapod/media ./test/sim; }; } && \
	echo "==> tests with an API server $$race" && \
	KUBEBUILDER_ASSETS=$$($(GO) run ./hack/devcluster assets etcd kube-apiserver kube-controller-manager kubectl) \
		$(GO) test $$race -p 2 -timeout 15m $$($(SLOW))

.PHONY: cert-manager
cert-manager: ## Build cert-manager's controller, once per machine: where it is there, tests have it issue certificates
	@echo "==> cert-manager"
	@dir=$$(cd "$$(mktemp -d)" && $(GO) mod download -json $(CERT_MANAGER) | sed -n 's/.*"Dir": "\(.*\)",.*/\1/p') && [ -n "$$dir" ] && \
	CGO_ENABLED=0 $(GO) build -C "$$dir" -mod=readonly \
		-o "$${XDG_CACHE_HOME:-$$HOME/.cache}/callfleet/cert-manager-$$(echo $(CERT_MANAGER) | cut -d@ -f2)/controller" ./cmd/controller

.PHONY: e2e
e2e: ## Run the end-to-end tests on a dev cluster
	@echo "==> binaries of the dev cluster, built once per machine"
	@$(GO) run ./hack/devcluster assets >/dev/null
	@echo "==> end-to-end tests"
	@tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && export CALLFLEET_SCRAPES="$$tmp" && \
	$(GO) test ./test/e2e/... -count=1 -v -timeout 30m && \
	echo "==> what the dashboards and alerts make of that run" && \
	cd test/monitoring && $(GO) test -count=1 -run Run ./...

.PHONY: e2e-kubelet
e2e-kubelet: ## Run the end-to-end tests on real kubelets, as root (NODES=2, RUN=regexp); says what to install if something is missing
	@echo "==> end-to-end tests on $(NODES) real nodes"
	@$(GO) test ./test/e2e/... -count=1 -v -timeout 40m $(if $(RUN),-run '$(RUN)') -args -kubelets $(NODES)

.PHONY: chaos
chaos: ## Hold a hundred calls on two real kubelets, as root, while everything happens to the fleet (CHAOS="-calls 20 -seed 7" etc.)
	@$(GO) run ./test/chaos $(CHAOS)

.PHONY: sim
sim: ## Play ten thousand random fleets in simulated time, which takes two cores a quarter of an hour (SEEDS="-from 7 -seeds 1" plays one of them)
	@echo "==> simulated fleets"
	@$(GO) test ./test/sim -count=1 -v -timeout 10h -run TestWhateverHappens $(or $(SEEDS),-seeds 10000)

.PHONY: test-gitops
test-gitops: ## Have kstatus and Argo CD's health scripts judge what the controllers write; a Go module of its own
	@echo "==> what GitOps tools make of the statuses"
	@cd test/gitops && $(GO) test -count=1 ./...

.PHONY: test-monitoring
test-monitoring: ## Have Prometheus' own code judge the alerts and dashboards of config/; a Go module of its own
	@echo "==> what Prometheus makes of the alerts and dashboards"
	@cd test/monitoring && $(GO) test ./...

.PHONY: test-packaging
test-packaging: ## Have Helm, OLM's validators and an API server judge how the operator is packaged; a Go module of its own
	@echo "==> kustomize, chart and bundle"
	@KUBEBUILDER_ASSETS=$$($(GO) run ./hack/devcluster assets etcd kube-apiserver kube-controller-manager kubectl) && export KUBEBUILDER_ASSETS && \
		cd test/packaging && $(GO) test -count=1 -timeout 15m ./...

.PHONY: test-windows
test-windows: ## Have the Windows binary of the media pod hold a call, under wine; says what to install if that is missing
	@echo "==> binaries of the dev cluster, built once per machine"
	@$(GO) run ./hack/devcluster assets >/dev/null
	@echo "==> the media pod for Windows"
	@$(GO) test ./test/windows -count=1 -v -timeout 20m

.PHONY: fuzz-wire
fuzz-wire: ## Fuzz what comes from outside, notifications, join links, tokens and their claims, for WIREFUZZTIME each
	@for target in FuzzParseNotifications:./graph FuzzParseJoinURL:./graph FuzzVerify:./mediapod/signaling FuzzClaims:./mediapod/signaling; do \
		echo "==> $${target%%:*} for $(WIREFUZZTIME)"; \
		$(GO) test -run '^$$' -fuzz "^$${target%%:*}\$$" -fuzztime $(WIREFUZZTIME) "$${target#*:}" || exit 1; \
	done

.PHONY: faults
faults: ## Let a thousand calls go wrong in every known way, by seed (FAULTS="-seed 7 -scenarios 100" plays one round)
	@$(GO) run ./hack/devcluster assets >/dev/null
	@echo "==> fault matrix"
	@$(GO) test ./test/faults -count=1 -v -timeout 20m $(if $(FAULTS),-run TestFaultMatrix $(FAULTS))

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | while IFS=: read -r file target; do \
		echo "==> $${target#func } in $$(dirname "$$file")"; \
		$(GO) test -run '^$$' -fuzz "^$${target#func }\$$" -fuzztime $(FUZZTIME) "./$$(dirname "$$file")" || exit 1; \
	done

.PHONY: bench
bench: ## Run the benchmarks, flood the router, then measure the whole: times to ready and to a heard voice, memory
	@echo "==> packages"
	@$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) -p 1 \
		$$(grep -rl --include='*_test.go' '^func Benchmark' . | grep -v '^./test/' | xargs -n 1 dirname | sort -u)
	@echo "==> a flood that reaches the router's limits"
	@$(GO) test ./router -run TestFloodAtTheLimits -limits -count=1 -v
	@$(GO) run ./hack/devcluster assets >/dev/null
	@echo "==> the whole path"
	@$(GO) run ./test/load

.PHONY: load
load: ## Measure what the operator carries: 10,000 sessions on 1,000 pods that kwok plays (LOAD="-nodes 20 -pods 100 -sessions 1000")
	@echo "==> binaries of the dev cluster and kwok, built once per machine"
	@$(GO) run ./hack/devcluster assets >/dev/null && $(GO) run ./hack/devcluster assets kwok >/dev/null
	@$(GO) run ./test/load/fleet $(LOAD)

.PHONY: bench-media
bench-media: ## Measure what calls cost the media engine, beside a raw echo and Janus if it is there, and how fast flows react (MEDIA="-calls 500" etc.)
	@$(GOBUILD) -o bin/ ./test/load/media
	@first="chrt -f 5"; $$first true 2>/dev/null || { first=; echo "==> no right to a real-time priority: pacing is that of the machine, too"; }; \
		$$first bin/media $(MEDIA)

##@ A cluster on this machine

.PHONY: devcluster-up
devcluster-up: build ## Start the dev cluster, with the images of this tree known to its node
	@$(GOBUILD) -o bin/ ./hack/devcluster
	@bin/devcluster up $(DEVCLUSTER) --image callfleet/manager:dev=bin/manager --image callfleet/router:dev=bin/router --image callfleet/mediapod:dev=bin/mediapod

.PHONY: devcluster-status
devcluster-status: ## Show what runs of the dev cluster
	@$(GO) run ./hack/devcluster status $(DEVCLUSTER)

.PHONY: devcluster-down
devcluster-down: ## End the dev cluster and remove its data
	@$(GO) run ./hack/devcluster down $(DEVCLUSTER)

##@ Release

.PHONY: dist
dist: ## Write dist/: install.yaml for kubectl, and the bundle for OLM, with the images of REGISTRY and TAG
	@$(GO) run ./hack/packaging -dist dist -registry $(REGISTRY) -tag $(TAG)

.PHONY: images
images: ## Build the container images (docker buildx; PUSH=1 pushes them to REGISTRY)
	@set -e; for target in manager router mediapod; do \
		docker buildx build --target $$target -t $(REGISTRY)/$$target:$(TAG) $(if $(PUSH),--push,--load) .; \
	done
	docker buildx build --target mediapod-windows --platform windows/amd64 --build-arg WINDOWS=$(WINDOWS) \
		-t $(REGISTRY)/mediapod:$(TAG)-windows-$(WINDOWS) $(if $(PUSH),--push,--output type=oci$(comma)dest=bin/mediapod-windows-$(WINDOWS).tar) .

.PHONY: clean
clean: demo-down devcluster-down ## End what runs and remove what was built here
	rm -rf bin dist .devcluster

comma := ,
