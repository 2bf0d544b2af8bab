# The commands of the project. `make help` lists them.
SHELL := /bin/bash
GO    ?= go
export CGO_ENABLED := 0

PRODUCT    := bin/tierwall
STANDALONE := bin/tierwall-standalone
LABHOST    := bin/tierwall-labhost
UI         := ui/dist/index.html
UI_SOURCES := $(shell find ui -name node_modules -prune -o -path ui/dist -prune -o -path ui/e2e -prune -o -type f -not -name '*.test.ts*' -print) server/manager/openapi.yaml
VERSION    := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS    := -s -w -X github.com/tierwall/tierwall/cli.Version=$(VERSION)
CHART_VERSION := $(shell sed -n 's/^appVersion: "\(.*\)"/\1/p' charts/tierwall/Chart.yaml)
LINTER     := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-ui picture shots bench-ui e2e e2e-smoke image cluster cluster-down lint generate verify bench FORCE

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what the kernel tests and the lab need from the system (Debian, as root)
	@test/setup.sh

build: $(PRODUCT) $(LABHOST) $(STANDALONE) ## bin/tierwall and bin/tierwall-standalone

# The pages, which the binaries contain. npm brings a Node of its own where the system's is older.
ui/node_modules/.package-lock.json: ui/package-lock.json
	@test/setup.sh node
	@echo "fetching the packages of the Manager" >&2
	@cd ui && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund && touch node_modules/.package-lock.json

$(UI): ui/node_modules/.package-lock.json $(UI_SOURCES)
	@echo "building the Manager's pages" >&2
	@cd ui && npm run --silent build

$(PRODUCT): $(UI) FORCE
	@echo "building $@" >&2
	@$(GO) build -ldflags '$(LDFLAGS)' -o $@ ./cmd/tierwall

$(LABHOST): FORCE
	@$(GO) build -ldflags '-s -w' -o $@ ./cmd/tierwall-labhost

$(STANDALONE): $(UI) FORCE
	@echo "building $@ (it contains a Kubernetes API server: minutes the first time, seconds after that)" >&2
	@cd standalone && $(GO) build -ldflags '$(LDFLAGS)' -o ../$@ ./cmd/tierwall-standalone

demo: setup build ## the tutorial's cluster as a lab on this machine; Ctrl-C takes it down
	@$(STANDALONE) demo

test: setup build ## every test: units, laws, oracle = tables = kernel, the tutorial on real packets
	$(GO) test ./...
	cd standalone && $(GO) test -timeout 20m ./...
	# what these read is in other modules, where the cache of tests does not look
	cd tools/helm && $(GO) test -count=1 .
	cd tools/monitoring && $(GO) test -count=1 .
	$(PRODUCT) test test/conformance
	$(STANDALONE) test test/conformance/[0-9]*.yaml
	@$(MAKE) --no-print-directory test-ui

test-ui: build ## the Manager: checks, units, and tests in a real Chromium against the real server
	@test/setup.sh browser
	cd ui && npm run --silent lint && npm test && npm run --silent e2e

picture: build ## docs/pictures/manager.png, from the real server
	@test/setup.sh browser
	cd ui && npm run --silent picture

shots: build ## a screenshot of every screen in light, dark and at 320 px, in ui/test-results/shots
	@test/setup.sh browser
	cd ui && npm run --silent shots

bench-ui: build ## the Manager at 50 tiers, 2,000 policies and 5,000 endpoints, measured in Chromium
	@test/setup.sh browser
	cd ui && npm run --silent bench

image: $(PRODUCT) ## bin/tierwall.tar, an image for ctr, docker or podman to load
	@cd tools && $(GO) run ./image -o ../bin/tierwall.tar -name docker.io/tierwall/tierwall:$(CHART_VERSION) \
		-from ../$(PRODUCT):/tierwall -entrypoint /tierwall -user 65532

cluster: image ## a real cluster of two nodes on this machine, without Tierwall (docs/install.md)
	@test/cluster/setup.sh
	@test/cluster/build.sh pods kubelet helm
	@test/cluster/images.sh
	@test/cluster/up.sh

cluster-down: ## take that cluster down
	@test/cluster/down.sh

e2e: image ## tests on a real cluster and the upstream suites (15 minutes to build, once, and 20 to run)
	@test/cluster/e2e.sh

e2e-smoke: image ## a real cluster: docs/install.md as it stands, and our own scenarios
	@test/cluster/e2e.sh smoke

bench: ## the benchmarks, as a table and as bench.json; ONLY=REGEX for some
	@$(GO) run ./test/bench -only '$(value ONLY)' -o bench.json

lint: ## static checks
	$(GO) vet ./...
	cd standalone && $(GO) vet ./...
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w on these" >&2; exit 1; }
	CGO_ENABLED=0 $(GO) run $(LINTER) run ./...

generate: ## deep copies and CRDs from the Go types, the API of the Manager from its document
	tools/generate.sh
	@$(MAKE) --no-print-directory ui/node_modules/.package-lock.json
	cd ui && npm run --silent generate

verify: generate ## fail if what is generated is not current, or a go.mod is not tidy
	$(GO) mod tidy -diff
	git diff --exit-code -- api server/manager ui/src/api charts deploy/manifests

FORCE:
