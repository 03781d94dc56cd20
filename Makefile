# Postern: sign-in for anything behind a web server. The targets:
#
#   make            build cgi-bin/login.fcgi and cgi-bin/welcome.fcgi
#   make run        bring up the demo on 127.0.0.1:8080 (PORT=8081 for another port)
#   make test       run all tests, under sanitizers
#   make test-package
#                   install what is handed out, in small Debian systems of its own (as root)
#   make test-cluster
#                   run the tests of several hosts ten times, and restart the engine of their
#                   state a thousand times (as root, or where a user may make namespaces)
#   make replay     run the inputs that fuzzing has kept
#   make fuzz       look for inputs that break a promise (SECONDS=60 for each harness)
#   make mutate     take away one check at a time, and see a unit test fail
#   make bench      how fast it is, beside others: writes tests/bench/RESULTS.md
#   make dist       pack static programs for a host where one can only upload files, into build/dist
#   make install    install the programs, man pages and deploy/ below PREFIX, with DESTDIR before it
#   make WITHOUT_REDIS=1
#                   build without hiredis: the state lies in a folder, or nowhere
#   make clean      remove all that was built
#   make help       show this list
#
# SAN=address,undefined builds with those sanitizers, into build/san. CC, CFLAGS and LDFLAGS
# may be given as usual; warnings and hardening are kept apart, so that these cannot drop them.

VERSION := 1.0.0

CC ?= cc
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
PORT ?= 8080
SECONDS ?= 60

BUILD := build/$(or $(if $(SAN),san),$(if $(STATIC),static),plain)
BIN := $(if $(SAN)$(STATIC),$(BUILD)/)cgi-bin

# The highest level that this compiler takes with these CFLAGS; none without optimization.
fortify = $(shell printf '\#include <stdlib.h>\n' | $(CC) $(CFLAGS) -U_FORTIFY_SOURCE \
	-D_FORTIFY_SOURCE=$(1) -Werror -E -x c - >/dev/null 2>&1 && echo $(1))
FORTIFY := $(if $(SAN),,$(firstword $(call fortify,3) $(call fortify,2)))

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 \
	-Wconversion
HARDEN := -fPIE -fstack-protector-strong -fstack-clash-protection \
	$(if $(FORTIFY),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$(FORTIFY))
SANS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)

# The state may be kept by Valkey or Redis where hiredis is there, and over TLS where that has it.
has = $(if $(WITHOUT_REDIS)$(STATIC),0,$(shell $(CC) $(CFLAGS) -include stddef.h -include sys/time.h \
	-include $(1) -E -x c /dev/null >/dev/null 2>&1 && echo 1 || echo 0))
REDIS := $(call has,hiredis/hiredis.h)
TLS := $(call has,hiredis/hiredis_ssl.h)

COMPILE = $(CC) -std=c11 -D_GNU_SOURCE -DSTATE_REDIS=$(REDIS) -DSTATE_TLS=$(TLS) -Ilib -I$(BUILD) -MMD -MP $(CFLAGS) $(WARN) $(HARDEN) $(SANS)
PIE := -pie
LINK = $(CC) $(CFLAGS) $(LDFLAGS) $(PIE) -Wl,-z,relro,-z,now $(SANS)
LIBS := -lfcgi -ljwt -ljson-c -llmdb -lnettle -lcrypto -lcrypt $(if $(filter 1,$(REDIS)),-lhiredis) \
	$(if $(filter 1,$(TLS)),-lhiredis_ssl -lssl -lcrypto)

LIB := $(patsubst %.c,$(BUILD)/%.o,$(wildcard lib/*/*.c))
LIB := $(filter-out $(if $(filter 0,$(REDIS)),%/state_redis.o %/state_engine.o) $(if $(filter 0,$(TLS)),%/state_tls.o),$(LIB))
PAGES := $(patsubst src/%,$(BUILD)/%.inc,$(wildcard src/pages/*))
UNIT := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c))
HARNESSES := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ := $(HARNESSES:%=$(BUILD)/tests/fuzz/fuzz_%)

all: $(BIN)/login.fcgi $(BIN)/welcome.fcgi

ifdef STATIC
include deploy/static/static.mk
endif

$(BIN)/%.fcgi: $(BUILD)/src/%.o $(LIB) $(ARCHIVES) $(if $(SAN),$(BUILD)/tests/site/leaks.o)
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(LIBS)

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(LIB)
	$(LINK) -o $@ $^ $(LIBS) -lcmocka

$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(LIB)
	$(LINK) -o $@ $^ $(LIBS)

# The programs that ours are compared with need nothing of it.
$(BUILD)/tests/bench/apps/empty: $(BUILD)/tests/bench/apps/empty.o
	$(LINK) -o $@ $^ -lfcgi

$(BUILD)/tests/bench/apps/empty_at_once: tests/bench/apps/empty.c $(BUILD)/command
	$(COMPILE) -DAT_ONCE $(PIE) -o $@ $< -lfcgi

$(BUILD)/tests/bench/apps/decode: $(BUILD)/tests/bench/apps/decode.o
	$(LINK) -o $@ $^ -lfcgi -ljwt

$(BUILD)/tests/bench/apps/empty_cgi: $(BUILD)/tests/bench/apps/empty_cgi.o
	$(LINK) -o $@ $^

$(BUILD)/tests/bench/apps/empty_cgi_static: tests/bench/apps/empty_cgi.c $(BUILD)/command
	$(CC) $(CFLAGS) -static -o $@ $<

# It needs the libraries that a static program is built with.
$(BUILD)/tests/bench/apps/least_cgi_static: tests/bench/apps/least_cgi.c $(BUILD)/command
	$(CC) $(CFLAGS) -static-pie -s -I$(wildcard build/static/libjwt-*/include) -o $@ $< \
		build/static/libjwt.a build/static/libjansson.a -llmdb -lnettle

# libFuzzer has a main() of its own.
$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o \
		$(if $(findstring fuzzer,$(SAN)),,$(BUILD)/tests/fuzz/replay.o) $(LIB)
	$(LINK) -o $@ $^ $(LIBS)

$(BUILD)/%.o: %.c $(BUILD)/command
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<

$(BUILD)/lib/web/page.o: $(PAGES)

# A string literal of a page, a line of it on each line.
$(BUILD)/pages/%.inc: src/pages/%
	@mkdir -p $(@D)
	sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $< >$@

# Changes with the compiler or its flags, and then everything is built again.
$(BUILD)/command: FORCE
	@mkdir -p $(@D)
	@echo '$(COMPILE) $(LINK)' | cmp -s - $@ || echo '$(COMPILE) $(LINK)' >$@

# -- packages of Debian ------------------------------------------------------------------

ROOT := $(if $(filter 0,$(shell id -u)),,sudo)
BUILD_PACKAGES := gcc libc6-dev libfcgi-dev libjwt-dev libjson-c-dev liblmdb-dev libhiredis-dev nettle-dev libssl-dev libcrypt-dev
# openssl and whois (mkpasswd) make the demo's secret and its user; curl is what to type next.
RUN_PACKAGES := $(BUILD_PACKAGES) lighttpd openssl whois curl
TEST_PACKAGES := $(RUN_PACKAGES) clang clang-format libcmocka-dev python3-pytest python3-pytest-xdist \
	python3-selenium python3-jwt \
	python3-cryptography php-cli php-phpseclib3 \
	chromium chromium-driver fail2ban apache2 libapache2-mod-fcgid lighttpd-mod-openssl \
	nginx caddy php-cgi procps systemd apache2-suexec-pristine mandoc redis-server redis-sentinel \
	stunnel4 nftables iproute2 $(if $(shell command -v npm),,npm)
DIST_PACKAGES := $(filter-out libjwt-dev libhiredis-dev,$(BUILD_PACKAGES)) libjansson-dev debian-archive-keyring binutils xz-utils
PACKAGE_PACKAGES := $(DIST_PACKAGES) debootstrap lighttpd python3-pytest whois
FUZZ_PACKAGES := $(BUILD_PACKAGES) clang libclang-rt-dev
BENCH_PACKAGES := $(RUN_PACKAGES) python3-pytest python3-selenium python3-jwt python3-cryptography redis-server apache2 libapache2-mod-fcgid \
	libapache2-mod-auth-openidc nginx php-cgi php-fpm valgrind strace wrk nghttp2-client gnuplot-nox \
	$(if $(shell command -v npm),,npm)

# Install those of the packages $(1) that are missing. Debian starts a newly installed server,
# on port 80: that is not what somebody wanted who tries us out.
define need
	@missing=$$(for p in $(1); do \
		dpkg-query -W -f '$${Status}\n' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; \
	done); \
	if [ -n "$$missing" ]; then \
		echo "Installing" $$missing; \
		$(ROOT) apt-get update -q; \
		$(ROOT) env DEBIAN_FRONTEND=noninteractive \
			apt-get install -q -y --no-install-recommends $$missing || exit 1; \
		for s in lighttpd apache2 nginx caddy fail2ban redis-server redis-sentinel 'php*-fpm'; do \
			case " $$(echo $$missing) " in *" $$(echo "$$s" | tr -d '*') "*) \
				! [ -d /run/systemd/system ] || $(ROOT) systemctl disable --now \
					$$(cd /lib/systemd/system && echo $$s.service);; \
			esac; \
		done; \
	fi
endef

run-packages:
	$(call need,$(RUN_PACKAGES))

test-packages:
	$(call need,$(TEST_PACKAGES))

# -- the demo ----------------------------------------------------------------------------

# lighttpd is in /usr/sbin, which not every user has in the PATH.
run: run-packages
	@$(MAKE) --no-print-directory all demo
	@echo
	@echo "Postern:  http://127.0.0.1:$(PORT)/"
	@echo "Guarded:  http://127.0.0.1:$(PORT)/private/"
	@echo "User:     admin, password: password"
	@echo "To stop:  Ctrl-C"
	@echo
	@PATH="$$PATH:/usr/sbin" PORT=$(PORT) lighttpd -D -f lighttpd.conf

demo: build/demo/postern.env build/demo/users build/demo/www/private/index.html
	@mkdir -p -m 700 build/demo/state

build/demo/www/private/index.html:
	@mkdir -p $(@D)
	@echo 'A file for those who are signed in.' >$(@D)/notes.txt
	@printf '%s\n' '<!DOCTYPE html>' '<html lang="en">' '<meta charset="utf-8">' \
		'<title>Private</title>' '<h1>Private</h1>' \
		'<p>You see this page, and <a href="notes.txt">a file</a>, as you are signed in.' \
		'<p><a href="/welcome">Who am I?</a>' >$@

build/demo/postern.env:
	@mkdir -p $(@D)
	@umask 077 && echo "POSTERN_SECRET=$$(openssl rand -hex 32)" >$@

build/demo/users:
	@mkdir -p $(@D)
	@umask 077 && echo "admin:$$(mkpasswd -m yescrypt password)" >$@

# -- tests -------------------------------------------------------------------------------

# Tests wait more than they work: so three files of them at a time, on however many cores. Those of
# several hosts are about limits of time, and have the machine for themselves.
test: test-packages
	@$(MAKE) --no-print-directory -j$$(nproc) SAN=address,undefined test-programs all
	@$(MAKE) --no-print-directory SAN=address,undefined unit replay
	@$(MAKE) --no-print-directory -j$$(nproc) all
	npm ci --prefix tests/site --loglevel=error --no-audit --no-fund
	/usr/bin/python3 -m pytest -q tests/site/test_cluster.py
	/usr/bin/python3 -m pytest -q -n 3 --dist loadfile --ignore tests/site/test_cluster.py tests/site

test-package:
	$(call need,$(PACKAGE_PACKAGES))
	/usr/bin/python3 -m pytest -q tests/package

test-cluster: test-packages
	@$(MAKE) --no-print-directory SAN=address,undefined all
	@$(MAKE) --no-print-directory all
	@set -e; for i in 1 2 3 4 5 6 7 8 9 10; do \
		/usr/bin/python3 -m pytest -q tests/site/test_cluster.py; \
	done
	RESTARTS=1000 /usr/bin/python3 -m pytest -q -s tests/site/test_cluster.py -k restarts

test-programs: $(UNIT) $(FUZZ)

unit: $(UNIT)
	@set -e; for t in $(UNIT); do $$t; done

replay: $(FUZZ)
	@set -e; for name in $(HARNESSES); do \
		$(BUILD)/tests/fuzz/fuzz_$$name tests/fuzz/corpus/$$name; \
	done

# What is new goes to build/fuzz/corpus/NAME, an input that breaks something to build/fuzz. What
# tests/fuzz/corpus/NAME keeps is made of both: into an empty folder KEPT,
#	build/fuzz/tests/fuzz/fuzz_NAME -merge=1 -use_counters=0 KEPT tests/fuzz/corpus/NAME \
#		build/fuzz/corpus/NAME
# picks the shortest that reach all there is to reach; the few that show more are put in by hand.
fuzz:
	$(call need,$(FUZZ_PACKAGES))
	@$(MAKE) --no-print-directory BUILD=build/fuzz SAN=fuzzer,address,undefined CC=clang \
		$(HARNESSES:%=build/fuzz/tests/fuzz/fuzz_%)
	@set -e; for name in $(HARNESSES); do \
		printf '%s ' $$name; \
		mkdir -p build/fuzz/corpus/$$name; \
		build/fuzz/tests/fuzz/fuzz_$$name -max_total_time=$(SECONDS) -timeout=20 \
			-artifact_prefix=build/fuzz/$$name- build/fuzz/corpus/$$name \
			tests/fuzz/corpus/$$name >build/fuzz/$$name.log 2>&1 || \
			{ tail -n 60 build/fuzz/$$name.log; exit 1; }; \
		grep -a DONE build/fuzz/$$name.log; \
	done

mutate: test-packages
	@$(MAKE) --no-print-directory SAN=address,undefined unit
	/usr/bin/python3 tests/unit/mutate.py token key form cookie redirect session groups throttle device state state_lmdb state_store \
		state_url state_redis state_engine state_grace verified

BENCH := $(patsubst %.c,build/plain/%,$(filter-out %/least_cgi.c,$(wildcard tests/bench/*.c tests/bench/apps/*.c))) \
	$(patsubst %,build/plain/tests/bench/apps/%,empty_at_once empty_cgi_static least_cgi_static)

bench: dist
	$(call need,$(BENCH_PACKAGES))
	@$(MAKE) --no-print-directory all $(BENCH)
	npm ci --prefix tests/bench --loglevel=error --no-audit --no-fund
	/usr/bin/python3 tests/bench/bench.py
	/usr/bin/python3 tests/bench/timing.py

# -- what is handed out ------------------------------------------------------------------

dist:
	$(call need,$(DIST_PACKAGES))
	@$(MAKE) --no-print-directory STATIC=1 tarball

# -- the rest ----------------------------------------------------------------------------

# What a shared host gets is not among it: there nobody can run make, and its names begin with a
# dot. Nor is what static programs are built with.
TO = $(DESTDIR)$(PREFIX)
DOC = $(TO)/share/doc/postern
DEPLOY = $(shell find deploy -path deploy/shared-hosting -prune -o -path deploy/static -prune \
	-o -type f ! -name postern.env -print)
MAN = $(wildcard man/*.[1-9])

install: all
	install -d $(TO)/lib/cgi-bin/postern $(sort $(dir $(DEPLOY:%=$(DOC)/%))) $(DOC)/examples \
		$(patsubst .%,$(TO)/share/man/man%,$(sort $(suffix $(MAN))))
	install -m 755 cgi-bin/login.fcgi cgi-bin/welcome.fcgi $(TO)/lib/cgi-bin/postern
	install -m 644 README.md $(DOC)
	install -m 644 deploy/postern.env $(DOC)/examples
	@set -e; for f in $(DEPLOY); do install -m 644 $$f $(DOC)/$$f; done
	@set -e; for f in $(MAN); do install -m 644 $$f $(TO)/share/man/man$${f##*.}; done

clean:
	rm -rf build cgi-bin/*.fcgi

help:
	@sed -n 's/^#   //p' Makefile

FORCE:
.PHONY: all run demo run-packages test test-packages test-package test-cluster test-programs unit replay fuzz mutate bench dist install clean help FORCE
.SECONDARY:
.DELETE_ON_ERROR:

-include $(patsubst %.o,%.d,$(LIB)) $(BUILD)/src/login.d $(BUILD)/src/welcome.d $(UNIT:=.d) \
	$(FUZZ:=.d) $(BUILD)/tests/fuzz/replay.d
