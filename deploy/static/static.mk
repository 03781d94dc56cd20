# What `make dist` does otherwise: STATIC=1 builds programs with every library inside, into
# build/static, and packs them for a host where one can only upload files.
#
# Debian has a static library of each of them but libjwt: that is built from the source of
# Debian 13's package.

LIBJWT := libjwt-1.17.2
LIBJWT_SHA256 := 8d52fceba532317359eca8e920c6186577aed45504f47a9be0a13c70ef8586cc
LIBJWT_TARBALL := $(BUILD)/$(subst -,_,$(LIBJWT)).orig.tar.xz

# A warning of the linker ends the build; and no path of this machine stays in a program.
PIE := -static-pie -s -Wl,--fatal-warnings -Wl,--wrap=gethostbyname
COMPILE += -I$(BUILD)/$(LIBJWT)/include -ffile-prefix-map='$(CURDIR)'=.
LIB := $(filter-out %/key.o,$(LIB)) $(BUILD)/deploy/static/absent.o
ARCHIVES := $(BUILD)/libjwt.a $(BUILD)/libjansson.a
LIBS := -lfcgi -ljson-c -lnettle -lcrypt

# -- libjwt ------------------------------------------------------------------------------

$(LIBJWT_TARBALL):
	$(call fetch_source,libjwt)

$(BUILD)/$(LIBJWT)/include/jwt.h: $(LIBJWT_TARBALL)
	$(call unpack_source,$(LIBJWT_SHA256))
	: >$(BUILD)/$(LIBJWT)/config.h

$(BUILD)/lib/auth/token.o: $(BUILD)/$(LIBJWT)/include/jwt.h

$(BUILD)/$(LIBJWT)/jwt.o: $(BUILD)/$(LIBJWT)/include/jwt.h $(BUILD)/command
	$(CC) -D_GNU_SOURCE $(CFLAGS) $(HARDEN) -Wall -ffile-prefix-map='$(CURDIR)'=. \
		-I$(BUILD)/$(LIBJWT) -I$(BUILD)/$(LIBJWT)/include -Ideploy/static \
		-c -o $@ $(BUILD)/$(LIBJWT)/libjwt/jwt.c

$(BUILD)/deploy/static/hmac.o: COMPILE += -I$(BUILD)/$(LIBJWT)/libjwt
$(BUILD)/deploy/static/hmac.o: $(BUILD)/$(LIBJWT)/include/jwt.h

# jansson, which libjwt stands on, has two names in common with json-c.
$(BUILD)/libjwt.a: $(BUILD)/$(LIBJWT)/jwt.o $(BUILD)/deploy/static/hmac.o \
		$(BUILD)/deploy/static/base64.o deploy/static/renamed
	rm -f $@
	$(AR) rcD $@ $(filter %.o,$^)
	objcopy --redefine-syms=deploy/static/renamed $@

$(BUILD)/libjansson.a: deploy/static/renamed
	@mkdir -p $(@D)
	objcopy --redefine-syms=$< "$$($(CC) -print-file-name=libjansson.a)" $@

# -- the tarball -------------------------------------------------------------------------

DIST := build/dist
HOST := deploy/shared-hosting
STAGE := $(BUILD)/stage
# Of the files in the tarball, so that it can be made a second time: of the last commit.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || stat -c %Y Makefile)

# What the licences ask for: their texts, and where the source of each library is.
INSIDE := libc6-dev libcrypt-dev libfcgi-dev libjansson-dev libjson-c-dev nettle-dev

$(BUILD)/LICENSES.txt: all
	{ printf '%s\n' 'Postern, and the libraries that are inside its programs. The source of each' \
		'library is in the Debian source package that is named, and on its site.' && \
	printf '\n\n==== Postern $(VERSION)\n\n' && cat LICENSE && \
	printf '\n\n==== $(LIBJWT), the source package libjwt\n\n' && cat $(BUILD)/$(LIBJWT)/LICENSE && \
	for p in $(INSIDE); do \
		dpkg-query -W -f '\n\n==== the source package $${source:Package} $${source:Version}\n\n' \
			$$p && cat /usr/share/doc/$$p/copyright || exit 1; \
	done && \
	for l in GPL-3 LGPL-2.1 LGPL-3; do \
		printf '\n\n==== %s\n\n' $$l && cat /usr/share/common-licenses/$$l || exit 1; \
	done; } >$@

tarball: all $(BUILD)/LICENSES.txt
	rm -rf $(STAGE) $(DIST)
	install -d -m 755 $(STAGE)/cgi-bin $(DIST)
	install -d -m 700 $(STAGE)/.htpostern $(STAGE)/.htpostern/state $(STAGE)/.htpostern/examples
	install -m 755 $(BIN)/login.fcgi $(BIN)/welcome.fcgi $(STAGE)/cgi-bin
	install -m 644 $(HOST)/cgi-bin/.htaccess $(STAGE)/cgi-bin
	install -m 600 $(HOST)/.htpostern/.htaccess $(HOST)/.htpostern/INSTALL.txt \
		$(HOST)/.htpostern/postern.env.example $(BUILD)/LICENSES.txt $(STAGE)/.htpostern
	install -m 600 $(HOST)/examples/*.htaccess $(STAGE)/.htpostern/examples
	install -m 600 /dev/null $(STAGE)/.htpostern/users
	tar -c -C $(STAGE) --format=ustar --sort=name --mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 \
		--numeric-owner --mode=ug-s .htpostern cgi-bin | gzip -9n >$(DIST)/$(TARBALL)
	install -m 644 $(HOST)/.htpostern/INSTALL.txt $(DIST)
	@echo
	@ls -l $(DIST)

TARBALL := postern-$(VERSION)-x86_64.tar.gz

.PHONY: tarball
