# The rest of the tests, and what is handed out. More targets:
#
#   make test       run all tests, under sanitizers (as root)
#   make test-package
#                   install what is handed out, in small Debian systems of its own (as root)
#   make test-cluster
#                   run the tests of several hosts ten times, with a thousand restarts of Redis
#   make replay     run the inputs that fuzzing has kept
#   make fuzz       look for inputs that break a promise (SECONDS=60 for each harness)
#   make mutate     take away one check at a time, and see a unit test fail
#   make bench      how fast it is, beside others: writes tests/bench/RESULTS.md (BEFORE=FOLDER
#                   for a checkout of the version before, which then takes part)
#   make dist       pack static programs for a host where one can only upload files, into build/dist

SECONDS ?= 60

HARNESSES := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ := $(HARNESSES:%=$(BUILD)/tests/fuzz/fuzz_%)

# `make check` leaves out what wants root or a redis-server.
LEFT_TO_TEST := $(if $(CHECK),owners store store_mount store_redis)
UNIT := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c))
UNIT := $(filter-out $(LEFT_TO_TEST:%=$(BUILD)/tests/unit/test_%),$(UNIT))
CHECK_SITE := $(patsubst %,tests/site/test_%.py,http sessions throttle token verdicts faults house)

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(LIB)
	$(LINK) -o $@ $^ $(LIBS) -lcmocka

# libFuzzer has a main() of its own.
$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o \
		$(if $(findstring fuzzer,$(SAN)),,$(BUILD)/tests/fuzz/replay.o) $(LIB)
	$(LINK) -o $@ $^ $(LIBS)

# Tests wait more than they work: so three files of them at a time, on however many cores. Those of
# several hosts are about limits of time, and have the machine for themselves.
test:
	@tests/packages test
	@$(MAKE) --no-print-directory -j$$(nproc) SAN=address,undefined test-programs all
	@$(MAKE) --no-print-directory SAN=address,undefined unit replay
	@$(MAKE) --no-print-directory -j$$(nproc) all tls
	npm ci --prefix tests/site --loglevel=error --no-audit --no-fund
	/usr/bin/python3 -m pytest -q tests/site/test_cluster.py
	/usr/bin/python3 -m pytest -q -n 3 --dist loadfile --ignore tests/site/test_cluster.py tests/site

test-package:
	@tests/packages package
	/usr/bin/python3 -m pytest -q tests/package

test-cluster:
	@tests/packages test
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

# -- TLS to Redis ------------------------------------------------------------------------

# Programs whose hiredis has TLS, for the tests: with the system's, or, where that has none, with
# one built from the source of Debian 13's package.
include deploy/static/source.mk

HIREDIS := build/tls/hiredis-1.2.0
HIREDIS_SHA256 := 82ad632d31ee05da13b537c124f819eb88e18851d9cb0c30ae0552084811588c

tls: $(if $(filter 0,$(TLS)),build/tls/lib/libhiredis.a)
	@$(MAKE) --no-print-directory SAN=address,undefined BUILD=build/tls $(if $<, \
		CFLAGS='$(CFLAGS) -isystem build/tls/include' LDFLAGS='$(LDFLAGS) -Lbuild/tls/lib') all

build/tls/hiredis_1.2.0.orig.tar.gz:
	$(call fetch_source,hiredis)

build/tls/lib/libhiredis.a: build/tls/hiredis_1.2.0.orig.tar.gz
	$(call unpack_source,$(HIREDIS_SHA256))
	$(MAKE) -C $(HIREDIS) static USE_SSL=1 WARNINGS=-w
	@mkdir -p $(@D) build/tls/include/hiredis
	cp $(HIREDIS)/*.h build/tls/include/hiredis
	cp $(HIREDIS)/libhiredis_ssl.a $(HIREDIS)/libhiredis.a $(@D)

# -- fuzzing and mutation ----------------------------------------------------------------

# What is new goes to build/fuzz/corpus/NAME, an input that breaks something to build/fuzz. What
# tests/fuzz/corpus/NAME keeps is made of both: into an empty folder KEPT,
#	build/fuzz/tests/fuzz/fuzz_NAME -merge=1 -use_counters=0 KEPT tests/fuzz/corpus/NAME \
#		build/fuzz/corpus/NAME
# picks the shortest that reach all there is to reach; the few that show more are put in by hand.
fuzz:
	@tests/packages fuzz
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

mutate:
	@tests/packages test
	@$(MAKE) --no-print-directory SAN=address,undefined unit
	/usr/bin/python3 tests/unit/mutate.py groups key password session session_grace session_list \
		throttle token token_cache users store store_folder store_redis redis_url form cookie csrf \
		redirect visitor gate

# -- bench -------------------------------------------------------------------------------

APPS := $(BUILD)/tests/bench/apps
BENCH := $(patsubst %.c,build/plain/%,$(filter-out %/least_cgi.c,$(wildcard tests/bench/*.c tests/bench/apps/*.c))) \
	$(patsubst %,build/plain/tests/bench/apps/%,empty_at_once empty_cgi_static least_cgi_static)

$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(LIB)
	$(LINK) -o $@ $^ $(LIBS)

# The programs that ours are compared with need nothing of it.
$(APPS)/empty $(APPS)/decode $(APPS)/empty_cgi: $(APPS)/%: $(APPS)/%.o
	$(LINK) -o $@ $^ $(if $(filter empty decode,$*),-lfcgi) $(if $(filter decode,$*),-ljwt)

$(APPS)/empty_at_once: tests/bench/apps/empty.c $(BUILD)/command
	$(COMPILE) -DAT_ONCE $(PIE) -o $@ $< -lfcgi

$(APPS)/empty_cgi_static: tests/bench/apps/empty_cgi.c $(BUILD)/command
	$(CC) $(CFLAGS) -static -o $@ $<

# It needs the libraries that a static program is built with.
$(APPS)/least_cgi_static: tests/bench/apps/least_cgi.c $(BUILD)/command
	$(CC) $(CFLAGS) -static-pie -s -I$(wildcard build/static/libjwt-*/include) -o $@ $< \
		build/static/libjwt.a build/static/libjansson.a -lnettle

bench: dist
	@tests/packages bench
	@$(MAKE) --no-print-directory all $(BENCH)
	$(if $(BEFORE),$(MAKE) -C $(BEFORE) all build/plain/tests/bench/flood)
	$(if $(BEFORE),$(MAKE) -C $(BEFORE) STATIC=1 all)
	npm ci --prefix tests/bench --loglevel=error --no-audit --no-fund
	BEFORE=$(abspath $(BEFORE)) /usr/bin/python3 tests/bench/bench.py
	/usr/bin/python3 tests/bench/timing.py

# -- what is handed out ------------------------------------------------------------------

dist:
	@tests/packages dist
	@$(MAKE) --no-print-directory STATIC=1 tarball

.PHONY: test test-package test-cluster test-programs unit replay tls fuzz mutate bench dist

-include $(UNIT:=.d) $(FUZZ:=.d) $(BUILD)/tests/fuzz/replay.d
