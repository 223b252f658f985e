# Outrigger: models beside your web server.
#
#   make run           install what is missing, build, serve the example models behind Caddy on 127.0.0.1:8080
#   make check         install what is missing, build, run every test
#
# More targets: make help. Variables:
#   WEB=caddy|apache|nginx   the web server of make run
#   PREFIX=/usr/local  DESTDIR=   where make install puts things; CONFDIR=DIR: /etc/outrigger, or PREFIX/etc/outrigger
#   RPATH=DIR          where programs look for libraries of our own, instead of where a build and make install have them
#   SANITIZE=address,undefined | thread   a build of its own under build/, for every target
#   ORT_ROOT=DIR       an official ONNX Runtime release instead of the one that deploy/install-deps finds
#   CFLAGS, LDFLAGS    added to ours
#   WERROR=1           warnings are errors (make check says so; users need not)

SHELL    := /bin/bash
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

VERSION  := 0.1.0
PREFIX   ?= /usr/local
WEB      ?= caddy
SANITIZE ?=
comma    := ,
BUILD    := build$(if $(SANITIZE),/$(subst $(comma),-,$(SANITIZE)))
BIN      := $(BUILD)/bin

# ---- who is who: a program is a folder; it includes itself and common/, never another program ----

PROGRAMS := frontend broker worker collector supervisor ctl batch stream
FOLDER_frontend   := broker/frontend
FOLDER_broker     := broker
FOLDER_worker     := worker
FOLDER_collector  := broker/collector
FOLDER_supervisor := broker/supervisor
FOLDER_ctl        := broker/ctl
FOLDER_batch      := broker/jobs/batch
FOLDER_stream     := broker/jobs/stream
PACKAGES_common     := libzmq msgpack libconfig yyjson libcrypto libseccomp cjose xxhash zlib
PACKAGES_frontend   := fcgi libcurl
PACKAGES_broker     := hiredis
PACKAGES_worker     := onnxruntime
PACKAGES_collector  := microhttpd libcurl zlib
PACKAGES_ctl        := ncursesw
PACKAGES_batch      := sqlite3 libpq zlib
PACKAGES_stream     := rdkafka hiredis
name-of = $(BIN)/$(if $(filter ctl,$1),outrigger,outrigger-$1)

# ---- flags; what pkg-config says is kept in build/flags.mk, which is made (and the packages installed) first ----

ours  := -std=gnu17 -O2 -g -fno-omit-frame-pointer -pthread -D_GNU_SOURCE -DOUTRIGGER_VERSION='"$(VERSION)"'
warnings := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wpointer-arith -Wwrite-strings -Wundef -Wformat=2 $(if $(WERROR),-Werror)
harden := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection \
          $(if $(filter x86_64,$(shell uname -m)),-fcf-protection) -fPIC
# The plain build has warned already, and lines are all that a finding tells: a fifth less to compile.
ours  += $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -O1 -g1 -w,$(harden) $(warnings))
# Libraries of our own prefix are found beside the program: in the build tree, and where make install puts them.
ifeq ($(origin RPATH),undefined)
rpath-programs := -Wl,-rpath,'$$ORIGIN/../deps/lib:$$ORIGIN/../../deps/lib:$$ORIGIN/../lib/outrigger'
rpath-python   := -Wl,-rpath,'$$ORIGIN/../deps/lib:$$ORIGIN/../../deps/lib:$$ORIGIN/..'
else
rpath-programs := $(if $(RPATH),-Wl$(comma)-rpath$(comma)$(RPATH))
rpath-python   := $(rpath-programs)
endif
links := -pthread $(if $(SANITIZE),-fsanitize=$(SANITIZE),-pie -Wl$(comma)-z$(comma)relro$(comma)-z$(comma)now$(comma)-z$(comma)noexecstack) \
         -Wl,--as-needed $(rpath-programs)

# ThreadSanitizer does not know the threads of C11, which librdkafka has.
c11-threads := $(if $(filter thread,$(SANITIZE)),$(BUILD)/thrd_create.o)
links += $(c11-threads)

ifeq ($(filter help clean distclean plugin,$(MAKECMDGOALS)),)
-include build/flags.mk
endif

# The worker as a library, for interpreters of Python; without sanitizers, of which those know nothing.
PYTHON_WORKER := $(BUILD)/python/outrigger_worker.so

.PHONY: all
all: $(foreach p,$(PROGRAMS),$(call name-of,$p)) $(PYTHON_WORKER)  ## build everything (the default)

ort-release = $(if $(ORT_ROOT),$(abspath $(ORT_ROOT)))
build/flags.mk: Makefile deploy/install-deps
	@deploy/install-deps --have build run || deploy/install-deps build run
	@mkdir -p build
	@set -e; export PKG_CONFIG_PATH=$(CURDIR)/build/deps/lib/pkgconfig:$$PKG_CONFIG_PATH; \
	 say() { printf 'CPPFLAGS_%s := %s\nLIBS_%s := %s\n' "$$1" "$$2" "$$1" "$$3"; }; \
	 flags() { pkg-config --exists --print-errors "$$2"; say "$$1" "$$(pkg-config --cflags $$2)" "$$(pkg-config --libs $$2 | sed 's/-Wl,-rpath,[^ ]*//g')"; }; \
	 msgpack=msgpack-c; pkg-config --exists $$msgpack || msgpack=msgpack; ort='$(ort-release)'; \
	 { flags libzmq libzmq; flags msgpack $$msgpack; flags libconfig libconfig; flags yyjson yyjson; \
	   flags fcgi fcgi; flags microhttpd libmicrohttpd; flags xxhash libxxhash; flags ncursesw ncursesw; \
	   flags libcrypto libcrypto; flags libseccomp libseccomp; flags cjose cjose; flags libcurl libcurl; \
	   flags zlib zlib; flags hiredis hiredis; flags rdkafka rdkafka; flags sqlite3 sqlite3; flags libpq libpq; \
	   flags check check; \
	   if [ -n "$$ort" ]; then say onnxruntime "-I$$ort/include" "-L$$ort/lib -Wl,-rpath,$$ort/lib -lonnxruntime"; \
	   else flags onnxruntime libonnxruntime; fi; } > $@.new; mv $@.new $@

# ---- how a folder becomes a program: all its .c but main.c into an archive (the tests use it), main.c beside ----

packages-cflags = $(foreach k,$1,$(CPPFLAGS_$k))
packages-libs   = $(foreach k,$1,$(LIBS_$k))
HEADERS_common := -Icommon

COMMON_SOURCES := $(wildcard common/*.c)
COMMON := $(BUILD)/libcommon.a
$(COMMON): $(COMMON_SOURCES:%.c=$(BUILD)/%.o) | $(c11-threads)
$(BUILD)/thrd_create.o: tests/harness/thrd_create.c
	@mkdir -p $(@D)
	@$(CC) $(ours) $(CFLAGS) -c -o $@ $<

define program
SOURCES_$1 := $$(filter-out $$(FOLDER_$1)/main.c,$$(wildcard $$(FOLDER_$1)/*.c))
$$(BUILD)/lib$1.a: $$(SOURCES_$1:%.c=$$(BUILD)/%.o)
$$(call name-of,$1): $$(BUILD)/$$(FOLDER_$1)/main.o $$(BUILD)/lib$1.a $$(COMMON)
	@mkdir -p $$(@D)
	@echo "  LINK  $$@"
	@$$(CC) $$(links) $$(LDFLAGS) -o $$@ $$^ $$(call packages-libs,$$(PACKAGES_$1) $$(PACKAGES_common)) -lm
$$(BUILD)/$$(FOLDER_$1)/%.o: $$(FOLDER_$1)/%.c build/flags.mk
	@mkdir -p $$(@D)
	@echo "  CC    $$<"
	@$$(CC) $$(ours) $$(CFLAGS) $$(HEADERS_common) -I$$(FOLDER_$1) $$(call packages-cflags,$$(PACKAGES_$1) $$(PACKAGES_common)) -MMD -MP -c -o $$@ $$<
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$p)))

$(BUILD)/common/%.o: common/%.c build/flags.mk
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(ours) $(CFLAGS) $(HEADERS_common) $(call packages-cflags,$(PACKAGES_common)) -MMD -MP -c -o $@ $<

# Files that are embedded (common/embed.h).
$(BUILD)/broker/frontend/docs.o: $(wildcard broker/frontend/docs/page.*)
$(BUILD)/broker/collector/dashboard_page.o: $(wildcard broker/collector/dashboard/*) $(wildcard build/deps/share/uPlot/*)
$(BUILD)/broker/frontend/openapi.o: broker/frontend/docs/openapi.json
# outrigger-worker as a library for Python, of the same objects but for its engines. An interpreter knows nothing of
# sanitizers: their builds have the plain one.
ifeq ($(SANITIZE),)
$(PYTHON_WORKER): $(patsubst %.c,$(BUILD)/%.o,$(wildcard worker/python/*.c) $(filter-out worker/host.c worker/backend%.c worker/onnx_% worker/xgboost_%,$(wildcard worker/*.c))) $(COMMON)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) -shared -pthread -Wl,-Bsymbolic,--exclude-libs,ALL -Wl,-z,relro,-z,now,-z,noexecstack,-z,defs -Wl,--as-needed $(rpath-python) \
	  $(LDFLAGS) -o $@ $^ $(call packages-libs,$(PACKAGES_common)) -lm
else
.PHONY: $(PYTHON_WORKER)
$(PYTHON_WORKER):
	@$(MAKE) --no-print-directory SANITIZE= build/python/outrigger_worker.so
	@mkdir -p $(@D)
	@ln -sf $(CURDIR)/build/python/outrigger_worker.so $@
endif

%.a:
	@mkdir -p $(@D)
	@rm -f $@; ar rcs $@ $^

-include $(shell find $(BUILD) \( -path build/packages -o -path '*/coverage' \) -prune -o -name '*.d' -type f -print 2>/dev/null)

# ---- tests: tests/unit/test_X.c is one Check suite; it may use any folder's archive ----

UNIT_TESTS   := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
ARCHIVES     := $(foreach p,$(PROGRAMS),$(BUILD)/lib$p.a)
# ThreadSanitizer looks for races: what starts no thread, as its plain build tells, has none; nor has the simulation.
ifeq ($(SANITIZE),thread)
THREADLESS   := $(patsubst build/%,$(BUILD)/%,$(shell tests/harness/threadless build/tests/test_* build/fuzz/fuzz_*))
UNIT_TESTS   := $(filter-out $(THREADLESS),$(UNIT_TESTS))
FUZZ_TARGETS := $(filter-out $(THREADLESS),$(FUZZ_TARGETS))
endif
all-packages := fcgi libcurl onnxruntime microhttpd xxhash hiredis rdkafka ncursesw sqlite3 libpq check $(PACKAGES_common)

# A suite runs once: to make it fast takes two thirds of the time that it takes to compile.
ours-of-suites := $(filter-out -O% -D_FORTIFY_SOURCE=%,$(ours)) -O0
# But for those that try at random what takes long.
$(BUILD)/tests/test_judge: private ours-of-suites := $(ours)
$(BUILD)/tests/%: tests/unit/%.c $(ARCHIVES) $(COMMON)
	@mkdir -p $(@D)
	@echo "  TEST  $@"
	@$(CC) $(ours-of-suites) $(CFLAGS) $(HEADERS_common) $(foreach p,$(PROGRAMS),-I$(FOLDER_$p)) $(call packages-cflags,$(all-packages)) \
	  -MMD -MP -o $@ $< $(links) $(LDFLAGS) -Wl,--start-group $(ARCHIVES) $(COMMON) -Wl,--end-group $(call packages-libs,$(all-packages)) -lm

# The interface of plug-ins as a later header may have it, with a member more at the end of each structure: the worker's side
# of it is built with that for one suite.
GROWN := $(BUILD)/grown/outrigger/backend.h
$(GROWN): worker/outrigger/backend.h
	@mkdir -p $(@D)
	@sed '/^struct outrigger_[a-z]* {/,/^};/s/^};/    uint64_t grown[3];\n};/' $< >$@
$(BUILD)/tests/test_backend_plugin $(BUILD)/tests/test_plugin_growth: private override CFLAGS += -DGROWN_FOLDER='"$(BUILD)/grown"'
$(BUILD)/tests/test_backend_plugin $(BUILD)/tests/test_plugin_growth: $(GROWN)
$(BUILD)/tests/test_plugin_growth: private override CFLAGS += -I$(BUILD)/grown
$(BUILD)/tests/test_plugin_growth: worker/backend_plugin.c

# The broker on virtual time: its archive and common's, with the world in place of the loop, the network in place of
# libzmq, the report in place of the log (whose objects are not taken from the archive then), and with the clock, the dice
# and the broker's doors wrapped.
SIMULATION         := $(BUILD)/tests/simulation
SIMULATION_SOURCES := $(wildcard tests/fault/simulation/*.c)
simulation-wraps   := clock_gettime getrandom object_panic control_tell port_new port_send port_post \
                      observer_new observer_free observer_show observer_put
$(BUILD)/tests/fault/simulation/%.o: tests/fault/simulation/%.c build/flags.mk
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(ours) $(CFLAGS) $(HEADERS_common) -Ibroker $(call packages-cflags,$(PACKAGES_broker) $(PACKAGES_common)) -MMD -MP -c -o $@ $<
$(SIMULATION): $(SIMULATION_SOURCES:tests/%.c=$(BUILD)/tests/%.o) $(BUILD)/libbroker.a $(COMMON)
	@echo "  LINK  $@"
	@$(CC) $(links) $(LDFLAGS) $(simulation-wraps:%=-Wl,--wrap=%) -o $@ $^ $(call packages-libs,$(filter-out libzmq,$(PACKAGES_broker) $(PACKAGES_common))) -lm

.PHONY: unit process compiled tested check simulate simulate-check
simulate: $(SIMULATION)  ## the broker on virtual time, a million requests (REQUESTS=1000000 SCENARIO=all SEED=any)
	@$(SIMULATION) --requests $(or $(REQUESTS),1000000) --scenario $(or $(SCENARIO),all) $(if $(SEED),--seed $(SEED))
simulate-check: $(SIMULATION)
	@tests/harness/sanitized $(SIMULATION) --check

# Suites wait much of their time, for processes and clocks: six run at a time, each one's output in one piece; first the
# one that waits longest, for the groups of a Kafka.
UNIT_RUNS := $(BUILD)/tests/test_stream_kafka.run $(filter-out %/test_stream_kafka.run,$(UNIT_TESTS:%=%.run))
.PHONY: $(UNIT_RUNS)
$(UNIT_RUNS): %.run: %
	@tests/harness/sanitized $<
unit: $(UNIT_TESTS)  ## build and run the unit tests
	@$(if $(THREADLESS),echo "NOT RUN: $(words $(filter $(BUILD)/tests/%,$(THREADLESS))) suites that start no thread")
	@$(MAKE) --no-print-directory -j$(or $(SUITES),6) -Otarget $(UNIT_RUNS)

# What process tests use beside the programs.
PROBES := $(BUILD)/tests/token_probe $(BUILD)/tests/job_probe $(BUILD)/tests/kafka_mock $(BUILD)/tests/kafka_client
$(BUILD)/tests/kafka_%: tests/harness/kafka_%.c $(COMMON)
	@mkdir -p $(@D)
	@echo "  TEST  $@"
	@$(CC) $(ours) $(CFLAGS) $(HEADERS_common) $(call packages-cflags,rdkafka yyjson) -MMD -MP -o $@ $< $(links) $(LDFLAGS) $(COMMON) \
	  $(call packages-libs,rdkafka $(PACKAGES_common)) -lm
process: all $(PROBES)  ## the real programs behind the real web servers
	@OUTRIGGER_BUILD=$(BUILD) tests/harness/sanitized /usr/bin/python3 tests/process/run

# Apart from make check: it comes from Maven's central repository, by mvn as it is set up here, and takes minutes.
.PHONY: check-kafka
check-kafka: all $(PROBES)  ## streams with a real Apache Kafka, and killed there; MESSAGES=20000 KILLS=20 SEED=7
	@! /usr/bin/python3 tests/harness/kafka.py || OUTRIGGER_BUILD=$(BUILD) OUTRIGGER_KAFKA=real MESSAGES=$(or $(MESSAGES),20000) KILLS=$(or $(KILLS),20) SEED=$(or $(SEED),7) \
	  tests/harness/sanitized /usr/bin/python3 tests/process/run stream_kafka

# What make check (tests/check) does with one build: compiled on every core, then tested. Suites and process tests wait
# for different things, and go beside each other.
compiled: all $(UNIT_TESTS) $(PROBES) $(FUZZ_TARGETS) $(if $(filter thread,$(SANITIZE)),,$(SIMULATION))
tested:
	@$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$$(nproc)) compiled
	@for goal in fuzz-replay $(if $(filter thread,$(SANITIZE)),,simulate-check); do $(MAKE) --no-print-directory $$goal || exit 1; done
	@$(MAKE) --no-print-directory -j2 SUITES=3 unit process

check:  ## install what is missing, build, run every test: plain (and a minute of chaos), ASan + UBSan, TSan
	@deploy/install-deps --have build run web check || deploy/install-deps build run web check
	@$(MAKE) --no-print-directory includes
	@+tests/check

.PHONY: fuzz fuzz-run fuzz-replay chaos overload lint includes bench bench-engines
# A fuzz target is linked to any archive it needs, like a unit test: with libFuzzer's main, or with the one that replays the seeds.
fuzz-main := $(if $(findstring fuzzer,$(SANITIZE)),-fsanitize=fuzzer,tests/fuzz/replay_main.c)
$(BUILD)/fuzz/%: tests/fuzz/%.c tests/fuzz/replay_main.c $(ARCHIVES) $(COMMON)
	@mkdir -p $(@D)
	@echo "  FUZZ  $@"
	@$(CC) $(ours) $(CFLAGS) $(HEADERS_common) $(foreach p,$(PROGRAMS),-I$(FOLDER_$p)) $(call packages-cflags,$(all-packages)) \
	  -o $@ $< $(fuzz-main) $(links) $(LDFLAGS) -Wl,--start-group $(ARCHIVES) $(COMMON) -Wl,--end-group $(call packages-libs,$(all-packages)) -lm

fuzz:  ## run every fuzz target for a minute (SECONDS_EACH=60)
	@deploy/install-deps --have build fuzz || deploy/install-deps build fuzz
	@$(MAKE) --no-print-directory CC=clang SANITIZE=fuzzer-no-link,address,undefined fuzz-run
fuzz-run: $(FUZZ_TARGETS)
	@tests/fuzz/run $(or $(SECONDS_EACH),60) $(BUILD)/fuzz
fuzz-replay: $(FUZZ_TARGETS)
	@$(if $(FUZZ_TARGETS),tests/fuzz/run --replay $(BUILD)/fuzz,echo "NOT RUN: the targets of fuzzing start no thread")

# Behind nginx unless WEB is given: the one web server that hides the death of a frontend.
chaos: all  ## everything killed, stopped, restarted under load; SECONDS=60 SEED= WEB=nginx KILLS=worker,broker,...
	@deploy/install-deps --have run web check || deploy/install-deps run web check
	@OUTRIGGER_BUILD=$(BUILD) tests/harness/sanitized tests/fault/chaos --seconds $(or $(SECONDS),60) $(SEED:%=--seed %) $(KILLS:%=--kills %) \
	  --web $(if $(filter file,$(origin WEB)),nginx,$(WEB))

overload: all  ## ten times the load that can be served, and one API key against another; SECONDS=60
	@deploy/install-deps --have run web check || deploy/install-deps run web check
	@OUTRIGGER_BUILD=$(BUILD) tests/fault/overload --seconds $(or $(SECONDS),60) $(SEED:%=--seed %)

lint:  ## clang-format, clang-tidy, cppcheck, shellcheck, actionlint
	@deploy/install-deps --have build lint || deploy/install-deps build lint
	@tests/lint

includes:  ## who may include whom
	@tests/includes

# What Outrigger is compared with, as far as it is C: the bare FastCGI programs and the bare engine.
FLOORS := $(BUILD)/bench/floor_threads $(BUILD)/bench/floor_epoll
$(FLOORS): $(BUILD)/bench/%: tests/bench/%.c tests/bench/floor.c tests/bench/floor.h build/flags.mk
	@mkdir -p $(@D)
	@echo "  BENCH $@"
	@$(CC) $(ours) $(CFLAGS) $(CPPFLAGS_fcgi) -o $@ $(filter %.c,$^) $(links) $(LDFLAGS) $(LIBS_fcgi)
$(BUILD)/bench/online: tests/bench/online.c build/flags.mk
	@mkdir -p $(@D)
	@echo "  BENCH $@"
	@$(CC) $(ours) $(CFLAGS) -o $@ $< $(links) $(LDFLAGS) -lm
$(BUILD)/bench/raw_onnx: tests/bench/raw_onnx.c $(COMMON)
	@mkdir -p $(@D)
	@echo "  BENCH $@"
	@$(CC) $(ours) $(CFLAGS) $(HEADERS_common) $(CPPFLAGS_onnxruntime) -o $@ $^ $(links) $(LDFLAGS) $(LIBS_onnxruntime)

$(BUILD)/bench/raw_xgboost: tests/bench/raw_xgboost.c $(COMMON)
	@mkdir -p $(@D)
	@echo "  BENCH $@"
	@$(CC) $(ours) $(CFLAGS) $(HEADERS_common) -o $@ $^ $(links) $(LDFLAGS) -lxgboost
$(BUILD)/bench/through_worker: tests/bench/through_worker.c $(BUILD)/libworker.a $(COMMON)
	@mkdir -p $(@D)
	@echo "  BENCH $@"
	@$(CC) $(ours) $(CFLAGS) $(HEADERS_common) -Iworker $(call packages-cflags,$(PACKAGES_worker) $(PACKAGES_common)) -o $@ $^ $(links) $(LDFLAGS) \
	  $(call packages-libs,$(PACKAGES_worker) $(PACKAGES_common)) -lm

bench-engines: $(BUILD)/bench/raw_onnx $(BUILD)/bench/raw_xgboost $(BUILD)/bench/through_worker  ## what a worker adds to its engine
	@tests/bench/engines

bench: all $(FLOORS) $(BUILD)/bench/raw_onnx  ## the speed of the whole, beside floors and peers
	@deploy/install-deps --have build run web bench || deploy/install-deps build run web bench
	@tests/bench/bench

# ---- using it ----

# The template of worker/plugin, under another name; what it is built with stands in its Makefile from then on.
PLUGIN := $(or $(DIR),$(NAME))
.PHONY: plugin
plugin:  ## a model of your own in C: NAME=churn (DIR=churn); copies the template, and builds it
	@test -n "$(NAME)" || { echo "make plugin NAME=churn" >&2; exit 2; }
	@test ! -e "$(PLUGIN)" || { echo "$(PLUGIN) is there already" >&2; exit 2; }
	@mkdir -p "$(PLUGIN)"
	@cp worker/plugin/* "$(PLUGIN)"/
	@sed -i 's|^NAME .*|NAME    ?= $(NAME)|;s|^INCLUDE .*|INCLUDE ?= $(CURDIR)/worker|;s|^WORKER .*|WORKER  ?= $(abspath $(BIN))/outrigger-worker|' "$(PLUGIN)"/Makefile
	@$(MAKE) --no-print-directory -C "$(PLUGIN)" CPPFLAGS= CFLAGS="-O2 -g -Wall -Wextra" LDFLAGS= model.so

.PHONY: run install uninstall deb check-deb
web-group := $(if $(filter-out caddy,$(WEB)),web)
run: all  ## serve the example models behind WEB on 127.0.0.1:8080 until Ctrl-C
	@deploy/install-deps --have run $(web-group) || deploy/install-deps run $(web-group)
	@WEB=$(WEB) exec deploy/run-local

# Where things go. /usr and /usr/local have their configuration in /etc, any other prefix its own.
CONFDIR ?= $(if $(filter /usr /usr/local,$(PREFIX)),/etc,$(PREFIX)/etc)/outrigger
LIBRARY := $(PREFIX)/lib/outrigger
SHARE   := $(PREFIX)/share/outrigger
UNITDIR ?= $(PREFIX)/lib/systemd/system
# Where bash, zsh and fish look for what completes a command.
COMPLETIONS := bash-completion/completions/outrigger zsh/site-functions/_outrigger fish/vendor_completions.d/outrigger.fish
UNITS       := $(notdir $(wildcard deploy/systemd/*.service deploy/systemd/*.socket deploy/systemd/*.timer))
MANUALS     := $(notdir $(wildcard deploy/man/*.[158]))
WEB_SERVERS := caddy apache nginx
manual-to   = $(PREFIX)/share/man/man$(subst .,,$(suffix $1))/$1
placed      = sed 's|@BINDIR@|$(PREFIX)/bin|g;s|@CONFDIR@|$(CONFDIR)|g;s|@DATADIR@|$(SHARE)|g;s|@VERSION@|$(VERSION)|g'
to          = $(DESTDIR)$1

# A file of the configuration that is there already, and is another, stays: the new one lies beside it.
define configure
	@mkdir -p $(dir $(call to,$2)); $(placed) $1 >$(call to,$2).new; \
	 if [ ! -e $(call to,$2) ] || cmp -s $(call to,$2).new $(call to,$2); then mv $(call to,$2).new $(call to,$2); \
	 else echo "  $(call to,$2) is left as it is; the new one: $(call to,$2).new"; fi

endef

install: all  ## to DESTDIR PREFIX: programs, libraries, manuals, configuration, units, examples
	install -d $(call to,$(PREFIX)/bin) $(call to,$(LIBRARY)/python/tools) $(call to,$(SHARE)/plugin) $(call to,$(SHARE)/jobs) $(call to,$(SHARE)/systemd) \
	  $(call to,$(SHARE)/deploy/scripts) \
	  $(call to,$(PREFIX)/include/outrigger) $(call to,$(PREFIX)/share/pkgconfig) $(call to,$(CONFDIR)/jobs) $(call to,$(CONFDIR)/workers) \
	  $(call to,$(UNITDIR)) $(call to,$(PREFIX)/lib/sysusers.d) $(call to,$(PREFIX)/lib/tmpfiles.d)
	install $(foreach p,$(PROGRAMS),$(call name-of,$p)) $(call to,$(PREFIX)/bin)
	for l in $(wildcard build/deps/lib/*.so.* $(if $(ort-release),$(ort-release)/lib/*.so*)); do cp -P $$l $(call to,$(LIBRARY))/; done
	install -m 644 worker/python/*.py $(PYTHON_WORKER) $(call to,$(LIBRARY)/python)
	install -m 644 worker/python/tools/*.py $(call to,$(LIBRARY)/python/tools)
	@$(foreach m,$(MANUALS),install -D -m 644 deploy/man/$m $(call to,$(call manual-to,$m)) &&) true
	cp -r conf $(call to,$(SHARE))/
	cp -r tests/models/repository $(call to,$(SHARE))/models.new && rm -rf $(call to,$(SHARE))/models && mv $(call to,$(SHARE))/models.new $(call to,$(SHARE))/models
	install -m 644 deploy/jobs/* $(call to,$(SHARE)/jobs)
	install -m 644 deploy/README.md $(call to,$(SHARE)/deploy)
	install $(filter-out %/common.sh,$(wildcard deploy/scripts/*.sh)) $(call to,$(SHARE)/deploy/scripts)
	install -m 644 deploy/scripts/common.sh $(call to,$(SHARE)/deploy/scripts)
	install -m 644 deploy/systemd/outrigger-worker-tcp.conf $(call to,$(SHARE)/systemd)
	install -m 644 worker/outrigger/*.h $(call to,$(PREFIX)/include/outrigger)
	install -m 644 worker/plugin/* $(call to,$(SHARE)/plugin)
	install -m 644 worker/outrigger/example.c $(call to,$(SHARE))
	$(placed) deploy/outrigger.pc >$(call to,$(PREFIX)/share/pkgconfig/outrigger.pc)
	install -d $(dir $(COMPLETIONS:%=$(call to,$(PREFIX)/share/)%))
	for s in bash:$(word 1,$(COMPLETIONS)) zsh:$(word 2,$(COMPLETIONS)) fish:$(word 3,$(COMPLETIONS)); do \
	  LD_LIBRARY_PATH=build/deps/lib $(call name-of,ctl) completion $${s%%:*} >$(call to,$(PREFIX)/share)/$${s#*:} || exit 1; done
	@$(foreach u,$(UNITS),$(placed) deploy/systemd/$u >$(call to,$(UNITDIR)/$u) &&) true
	install -m 644 deploy/systemd/outrigger.sysusers.conf $(call to,$(PREFIX)/lib/sysusers.d/outrigger.conf)
	install -m 644 deploy/systemd/outrigger.tmpfiles.conf $(call to,$(PREFIX)/lib/tmpfiles.d/outrigger.conf)
	$(call configure,deploy/outrigger.conf,$(CONFDIR)/outrigger.conf)
	$(foreach f,$(foreach w,$(WEB_SERVERS),$(wildcard conf/$w/*)),$(call configure,$f,$(CONFDIR)/$(f:conf/%=%)))
	$(if $(filter /etc/outrigger,$(CONFDIR)),$(call configure,deploy/outrigger.logrotate,/etc/logrotate.d/outrigger))
	$(if $(DESTDIR),,@echo "As root, where systemd runs: systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload && systemctl enable --now outrigger")

uninstall:  ## what install put there, but for the configuration
	rm -f $(foreach p,$(PROGRAMS),$(call to,$(PREFIX)/bin/$(notdir $(call name-of,$p)))) $(foreach m,$(MANUALS),$(call to,$(call manual-to,$m))) \
	  $(UNITS:%=$(call to,$(UNITDIR))/%) $(call to,$(PREFIX)/lib/sysusers.d/outrigger.conf) $(call to,$(PREFIX)/lib/tmpfiles.d/outrigger.conf) \
	  $(call to,$(PREFIX)/share/pkgconfig/outrigger.pc) $(COMPLETIONS:%=$(call to,$(PREFIX)/share/)%)
	rm -rf $(call to,$(LIBRARY)) $(call to,$(SHARE)) $(call to,$(PREFIX)/include/outrigger)

deb:  ## packages of this Debian, in build/packages: outrigger, outrigger-dev, and on Debian 12 outrigger-onnxruntime
	@deploy/install-deps --have build run package || deploy/install-deps build run package
	@deploy/build-deb

# Apart from make check: it makes two systems from nothing, and takes a quarter of an hour.
check-deb:  ## the packages of Debian 12 and 13, each built, installed and served from in a fresh system; SUITES="bookworm trixie"
	@tests/packages/run $(or $(SUITES),bookworm trixie)

.PHONY: help clean distclean
help:  ## this text
	@sed -n '/^#/!q;s/^# \{0,1\}//p' Makefile; echo
	@echo "Targets:"
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1|\2/p' Makefile | column -t -s '|'

clean:  ## remove what was built (not what was downloaded)
	@find build -mindepth 1 -maxdepth 1 ! -name deps ! -name downloads -exec rm -rf {} + 2>/dev/null || true

distclean:  ## remove all of build/
	@rm -rf build
