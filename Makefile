# Each target installs what it needs from a lockfile, and does nothing twice.
.PHONY: demo test package check bench bench-policy soak chaos build clean
.DELETE_ON_ERROR:

NODE := node_modules/.bin/node
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

node_modules/.installed: package.json package-lock.json .npmrc
	npm ci --no-audit --no-fund
	@touch $@

examples/archive/node_modules/.installed: examples/archive/package.json examples/archive/package-lock.json
	cd examples/archive && npm ci --no-audit --no-fund
	@touch $@

demo: node_modules/.installed examples/archive/node_modules/.installed
	bin/plimsoll run examples/archive/pipeline.yaml

test: node_modules/.installed examples/archive/node_modules/.installed
	npm run --silent test

# Packed, and used in empty folders under each Node that it allows, which npm brings: 2 min.
package: node_modules/.installed
	node --disable-warning=ExperimentalWarning --test test/package/package.test.ts

check: node_modules/.installed
	npm run --silent check

build: node_modules/.installed
	npm run --silent build

bench: node_modules/.installed examples/archive/node_modules/.installed
	node bench/run.ts

# The workloads and traces are not part of the project: PLIMSOLL_SHARED names their folder, default ../shared.
bench-policy: node_modules/.installed
	node bench/run.ts policy laws tiny spread fuzz

# Ten thousand seeds of the daemon in a simulated world: minutes, on all processors.
soak: node_modules/.installed
	node test/dst/soak.ts

# Real processes under kills, stops, lies and a foreign eater; some minutes, ten at most.
chaos: node_modules/.installed
	node test/chaos/chaos.ts

clean:
	rm -rf dist .plimsoll bench/out
