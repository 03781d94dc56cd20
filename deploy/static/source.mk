# The source of a package of Debian 13, in a tarball as its authors made it.

KEYRING := /usr/share/keyrings/debian-archive-keyring.gpg

# apt with folders of its own, which any user may have. It downloads from where it always does.
APT = $(abspath $(@D))/apt
APT_GET = apt-get -q -o Dir::Etc::sourcelist=$(APT)/sources.list -o Dir::Etc::sourceparts=/dev/null \
	-o Dir::State=$(APT) -o Dir::Cache=$(APT) -o APT::Sandbox::User=$(shell id -un)

# Download the tarball $@ of the source package $(1).
define fetch_source
	@mkdir -p $(APT)/lists/partial $(APT)/archives/partial
	@apt-get indextargets --format '$$(REPO_URI) $$(RELEASE)' 'Created-By: Packages' | \
		sed -n 's|\(.*\) [^-]*$$|deb-src [signed-by=$(KEYRING)] \1 trixie main|p' | \
		head -n 1 >$(APT)/sources.list
	$(APT_GET) update
	cd $(@D) && $(APT_GET) source --download-only --tar-only $(1)
endef

# Unpack the tarball $< beside itself, if it is the one whose SHA-256 is $(1).
define unpack_source
	echo '$(1)  $<' | sha256sum --check --quiet
	tar -x -m -C $(<D) -f $<
endef
