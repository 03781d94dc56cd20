# Postern: sign-in for anything behind a web server. The targets:
#
#   make            build cgi-bin/login.fcgi and cgi-bin/welcome.fcgi
#   make run        bring up the demo on 127.0.0.1:8080 (PORT=8081 for another port)
#   make check      unit tests, and the most telling ones of the site: a minute, as any user
#   make install    install the programs, man pages and deploy/ below PREFIX, with DESTDIR before it
#   make clean      remove all that was built
#   make help       show this list
#
# WITHOUT_REDIS=1 builds without hiredis; SAN=address,undefined with those sanitizers, into
# build/san. CC, CFLAGS and LDFLAGS may be given as usual; warnings and hardening are kept apart, so
# that these cannot drop them.

VERSION := 1.0.0

CC ?= cc
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
PORT ?= 8080

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

# Is the header there? Debian 12 has hiredis without TLS.
has = $(if $(WITHOUT_REDIS)$(STATIC),0,$(shell $(CC) $(CFLAGS) -include stddef.h -include sys/time.h \
	-include $(1) -E -x c /dev/null >/dev/null 2>&1 && echo 1 || echo 0))
REDIS := $(call has,hiredis/hiredis.h)
TLS := $(call has,hiredis/hiredis_ssl.h)

COMPILE = $(CC) -std=c11 -D_GNU_SOURCE -DSTORE_REDIS=$(REDIS) -DSTORE_TLS=$(TLS) -Ilib -I$(BUILD) \
	-MMD -MP $(CFLAGS) $(WARN) $(HARDEN) $(SANS)
PIE := -pie
LINK = $(CC) $(CFLAGS) $(LDFLAGS) $(PIE) -Wl,-z,relro,-z,now $(SANS)
LIBS := -lfcgi -ljwt -ljson-c -lnettle -lcrypto -lcrypt \
	$(if $(filter 1,$(TLS)),-lhiredis_ssl -lssl -lcrypto) $(if $(filter 1,$(REDIS)),-lhiredis)

# The files of lib/ that are left out without hiredis.
NEED_REDIS := store/store_redis store/redis_url
LEFT_OUT := $(if $(filter 0,$(REDIS)),$(NEED_REDIS))
LIB := $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(LEFT_OUT:%=lib/%.c),$(wildcard lib/*/*.c)))
PAGES := $(patsubst src/%,$(BUILD)/%.inc,$(wildcard src/pages/*))

all build: $(BIN)/login.fcgi $(BIN)/welcome.fcgi

ifdef STATIC
include deploy/static/static.mk
endif

$(BIN)/%.fcgi: $(BUILD)/src/%.o $(LIB) $(ARCHIVES) $(if $(SAN),$(BUILD)/tests/site/leaks.o)
	@mkdir -p $(@D)
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

# -- the demo ----------------------------------------------------------------------------

# lighttpd is in /usr/sbin, which not every user has in the PATH.
run:
	@tests/packages run
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

# -- check, install, clean, help ---------------------------------------------------------

check:
	@tests/packages -n check
	@$(MAKE) --no-print-directory -j$$(nproc) SAN=address,undefined CHECK=1 unit all
	@$(MAKE) --no-print-directory -j$$(nproc) all
	/usr/bin/python3 -m pytest -q -n 3 --dist loadfile -m 'not root and not slow' $(CHECK_SITE)

# What a shared host gets is not among it: there nobody can run make, and its names begin with a
# dot. Nor is what static programs are built with.
TO = $(DESTDIR)$(PREFIX)
DOC = $(TO)/share/doc/postern
DEPLOY = $(shell find deploy \( -name shared-hosting -o -name static -o -name postern.env \) -prune -o -type f -print)
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
	@sed -n 's/^#   //p' Makefile tests/tests.mk

FORCE:
.PHONY: all build run demo check install clean help FORCE
.SECONDARY:
.DELETE_ON_ERROR:

include tests/tests.mk

-include $(patsubst %.o,%.d,$(LIB)) $(BUILD)/src/login.d $(BUILD)/src/welcome.d
