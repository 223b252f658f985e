# Outrigger: models beside your web server.
#
#   make run           install what is missing, build, serve the example models behind Caddy on 127.0.0.1:8080
#   make check         install what is missing, build, run every test
#
# More targets: make help. Variables:
#   WEB=caddy|apache|nginx   the web server of make run
#   PREFIX=/usr/local  DESTDIR=   where make install puts things
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

PROGRAMS := frontend broker worker collector supervisor ctl
FOLDER_frontend   := broker/frontend
FOLDER_broker     := broker
FOLDER_worker     := worker
FOLDER_collector  := broker/collector
FOLDER_supervisor := broker/supervisor
FOLDER_ctl        := broker/ctl
PACKAGES_common     := libzmq msgpack libconfig yyjson
PACKAGES_frontend   := fcgi
PACKAGES_worker     := onnxruntime
PACKAGES_collector  := microhttpd
name-of = $(BIN)/$(if $(filter ctl,$1),outrigger,outrigger-$1)

# ---- flags; what pkg-config says is kept in build/flags.mk, which is made (and the packages installed) first ----

ours  := -std=gnu17 -O2 -g -fno-omit-frame-pointer -pthread -D_GNU_SOURCE -DOUTRIGGER_VERSION='"$(VERSION)"' \
         -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes \
         -Wpointer-arith -Wwrite-strings -Wundef -Wformat=2 $(if $(WERROR),-Werror)
harden := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection \
          $(if $(filter x86_64,$(shell uname -m)),-fcf-protection) -fPIE
ours  += $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -O1,$(harden))
links := -pthread $(if $(SANITIZE),-fsanitize=$(SANITIZE),-pie -Wl$(comma)-z$(comma)relro$(comma)-z$(comma)now$(comma)-z$(comma)noexecstack) \
         -Wl,--as-needed
override CFLAGS  := $(ours) $(CFLAGS)
override LDFLAGS := $(links) $(LDFLAGS)

ifeq ($(filter help clean distclean,$(MAKECMDGOALS)),)
-include build/flags.mk
endif

.PHONY: all
all: $(foreach p,$(PROGRAMS),$(call name-of,$p))  ## build everything (the default)

build/flags.mk: Makefile deploy/install-deps $(if $(ORT_ROOT),$(ORT_ROOT)/include)
	@deploy/install-deps --have build run || deploy/install-deps build run
	@mkdir -p build
	@export PKG_CONFIG_PATH=$(CURDIR)/build/deps/lib/pkgconfig; \
	 flags() { printf 'CPPFLAGS_%s := %s\nLIBS_%s := %s\n' "$$1" "$$(pkg-config --cflags $$2)" "$$1" "$$(pkg-config --libs $$2)"; }; \
	 msgpack=msgpack-c; pkg-config --exists msgpack-c || msgpack=msgpack; \
	 { flags libzmq libzmq && flags msgpack $$msgpack && flags libconfig libconfig && flags yyjson yyjson && \
	   flags fcgi fcgi && flags microhttpd libmicrohttpd && flags check check && \
	   $(if $(ORT_ROOT),printf 'CPPFLAGS_onnxruntime := -I%s/include\nLIBS_onnxruntime := -L%s/lib -Wl,-rpath,%s/lib -lonnxruntime\n' \
	     $(abspath $(ORT_ROOT)) $(abspath $(ORT_ROOT)) $(abspath $(ORT_ROOT)),flags onnxruntime libonnxruntime) ; } > $@.new && mv $@.new $@

# ---- how a folder becomes a program: all its .c but main.c into an archive (the tests use it), main.c beside ----

packages-cflags = $(foreach k,$1,$(CPPFLAGS_$k))
packages-libs   = $(foreach k,$1,$(LIBS_$k))
HEADERS_common := -Icommon

COMMON_SOURCES := $(wildcard common/*.c)
COMMON := $(BUILD)/libcommon.a
$(COMMON): $(COMMON_SOURCES:%.c=$(BUILD)/%.o)

define program
SOURCES_$1 := $$(filter-out $$(FOLDER_$1)/main.c,$$(wildcard $$(FOLDER_$1)/*.c))
$$(BUILD)/lib$1.a: $$(SOURCES_$1:%.c=$$(BUILD)/%.o)
$$(call name-of,$1): $$(BUILD)/$$(FOLDER_$1)/main.o $$(BUILD)/lib$1.a $$(COMMON)
	@mkdir -p $$(@D)
	@echo "  LINK  $$@"
	@$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(call packages-libs,$$(PACKAGES_$1) $$(PACKAGES_common)) -lm
$$(BUILD)/$$(FOLDER_$1)/%.o: $$(FOLDER_$1)/%.c build/flags.mk
	@mkdir -p $$(@D)
	@echo "  CC    $$<"
	@$$(CC) $$(CFLAGS) $$(HEADERS_common) -I$$(FOLDER_$1) $$(call packages-cflags,$$(PACKAGES_$1) $$(PACKAGES_common)) -MMD -MP -c -o $$@ $$<
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$p)))

$(BUILD)/common/%.o: common/%.c build/flags.mk
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(CFLAGS) $(HEADERS_common) $(call packages-cflags,$(PACKAGES_common)) -MMD -MP -c -o $@ $<

%.a:
	@mkdir -p $(@D)
	@rm -f $@; ar rcs $@ $^

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# ---- tests: tests/unit/test_X.c is one Check suite; it may use any folder's archive ----

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
ARCHIVES   := $(foreach p,$(PROGRAMS),$(BUILD)/lib$p.a)
all-packages := fcgi onnxruntime microhttpd check $(PACKAGES_common)

$(BUILD)/tests/%: tests/unit/%.c $(ARCHIVES) $(COMMON)
	@mkdir -p $(@D)
	@echo "  TEST  $@"
	@$(CC) $(CFLAGS) $(HEADERS_common) $(foreach p,$(PROGRAMS),-I$(FOLDER_$p)) $(call packages-cflags,$(all-packages)) \
	  -MMD -MP -o $@ $< $(LDFLAGS) -Wl,--start-group $(ARCHIVES) $(COMMON) -Wl,--end-group $(call packages-libs,$(all-packages)) -lm

.PHONY: unit
unit: $(UNIT_TESTS)  ## build and run the unit tests alone
	@set -e; for t in $(UNIT_TESTS); do $$t; done

# ---- the rest ----

.PHONY: help clean distclean
help:  ## this text
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile
	@echo "Targets:"
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1|\2/p' Makefile | column -t -s '|'

clean:  ## remove what was built (not what was downloaded)
	@find build -mindepth 1 -maxdepth 1 ! -name deps ! -name downloads -exec rm -rf {} + 2>/dev/null || true

distclean:  ## remove all of build/
	@rm -rf build
