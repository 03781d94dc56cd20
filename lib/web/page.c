#include "web/page.h"

#include <errno.h>
#include <nettle/base64.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

/* The Makefile makes a string literal of each file of src/pages. */
/* clang-format off */
static const struct builtin {
	const char *name, *text;
} builtins[PAGE_COUNT] = {
	[PAGE_LOGIN] = { "login.html",
#include "pages/login.html.inc"
	},
	[PAGE_SIGNED_IN] = { "signed-in.html",
#include "pages/signed-in.html.inc"
	},
	[PAGE_LOGOUT] = { "logout.html",
#include "pages/logout.html.inc"
	},
	[PAGE_WELCOME] = { "welcome.html",
#include "pages/welcome.html.inc"
	},
	[PAGE_AGAIN] = { "again.html",
#include "pages/again.html.inc"
	},
	[PAGE_FORBIDDEN] = { "forbidden.html",
#include "pages/forbidden.html.inc"
	},
	[PAGE_MESSAGE] = { "message.html",
#include "pages/message.html.inc"
	},
	[PAGE_SETUP] = { "setup.html",
#include "pages/setup.html.inc"
	},
	[PAGE_STYLE] = { "style.css",
#include "pages/style.css.inc"
	},
};
/* clang-format on */

/* Browsers read CR LF as LF, and hash the style so. */
static void
strip_returns(char *text)
{
	char *out = text;

	for (; *text != '\0'; text++) {
		if (*text != '\r')
			*out++ = *text;
	}
	*out = '\0';
}

/* Take the folder's page of this name. True also where it has none, and the built-in one stays. */
static bool
load_own(struct pages *pages, size_t page, const char *folder, char why[static PAGE_WHY_SIZE])
{
	char path[1024], reason[FILE_WHY_SIZE];
	struct file file = { 0 };

	if (!text_format(path, sizeof(path), "%s/%s", folder, builtins[page].name)) {
		text_copy(why, PAGE_WHY_SIZE, "its path is too long");
		return false;
	}
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return true;
	if (file_read(&file, path, PAGE_FILE_MAX, false, 0, reason) != FILE_READ) {
		text_format(why, PAGE_WHY_SIZE, "%s: %s", builtins[page].name, reason);
		return false;
	}
	strip_returns(file.text);
	pages->text[page] = pages->own[page] = file.text;
	return true;
}

static void
hash_style(struct pages *pages)
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha256;
	const char *style = pages->text[PAGE_STYLE];

	sha256_init(&sha256);
	sha256_update(&sha256, strlen(style), (const uint8_t *)style);
	sha256_digest(&sha256, sizeof(digest), digest);
	base64_encode_raw(pages->style_hash, sizeof(digest), digest);
	pages->style_hash[PAGE_STYLE_HASH_SIZE - 1] = '\0';
}

bool
pages_load(struct pages *pages, const char *folder, const char *title,
    char why[static PAGE_WHY_SIZE])
{
	bool own = folder[0] != '\0', loaded;

	pages_forget(pages);
	pages->title = title;
	for (size_t i = 0; i < PAGE_COUNT; i++)
		pages->text[i] = builtins[i].text;
	loaded = !own || access(folder, X_OK) == 0;
	if (!loaded)
		text_copy(why, PAGE_WHY_SIZE, strerror(errno));
	/* Where there is a folder there are settings, and nothing is set up. */
	for (size_t i = 0; i < PAGE_COUNT && own && loaded; i++)
		loaded = i == PAGE_SETUP || load_own(pages, i, folder, why);
	if (loaded)
		hash_style(pages);
	return loaded;
}

void
pages_forget(struct pages *pages)
{
	for (size_t i = 0; i < PAGE_COUNT; i++)
		free(pages->own[i]);
	*pages = (struct pages){ .style_hash = "" };
}

/* -- filling -------------------------------------------------------------------------- */

struct output {
	char *at, *end; /* `end` is where the NUL will stand at the latest */
	bool full;
};

static void
put(struct output *output, const char *text, size_t length)
{
	if (output->full || length > (size_t)(output->end - output->at)) {
		output->full = true;
		return;
	}
	memcpy(output->at, text, length);
	output->at += length;
}

/* Escaped for HTML, between tags and in quoted attributes alike. */
static void
put_escaped(struct output *output, const char *text)
{
	static const struct {
		char c;
		const char *entity;
	} entities[] = {
		{ '&', "&amp;" },
		{ '<', "&lt;" },
		{ '>', "&gt;" },
		{ '"', "&quot;" },
		{ '\'', "&#39;" },
	};

	for (; *text != '\0'; text++) {
		const char *entity = NULL;

		for (size_t i = 0; i < COUNT(entities); i++) {
			if (entities[i].c == *text)
				entity = entities[i].entity;
		}
		put(output, entity != NULL ? entity : text, entity != NULL ? strlen(entity) : 1);
	}
}

static bool
is_named(const char *name, size_t length, const char *wanted)
{
	return strlen(wanted) == length && memcmp(wanted, name, length) == 0;
}

/* Fill the slot whose name is these `length` bytes. False when it has no text on this page. */
static bool
put_slot(struct output *output, const char *name, size_t length, const struct page_slot slots[],
    size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (is_named(name, length, slots[i].name)) {
			put_escaped(output, slots[i].text);
			return true;
		}
	}
	return false;
}

bool
page_fill(char out[static PAGE_SIZE], const struct pages *pages, enum page page,
    const struct page_slot slots[], size_t count)
{
	struct output output = { out, out + PAGE_SIZE - 1, false };
	const char *at = pages->text[page];
	const char *open, *close;

	while ((open = strstr(at, "{{")) != NULL && (close = strstr(open, "}}")) != NULL) {
		size_t length = (size_t)(close - open) - 2;

		put(&output, at, (size_t)(open - at));
		at = close + 2;
		if (is_named(open + 2, length, "style"))
			put(&output, pages->text[PAGE_STYLE], strlen(pages->text[PAGE_STYLE]));
		else if (is_named(open + 2, length, "title"))
			put_escaped(&output, pages->title);
		else if (!put_slot(&output, open + 2, length, slots, count))
			put(&output, open, (size_t)(at - open));
	}
	put(&output, at, strlen(at));
	if (output.full)
		output.at = out;
	*output.at = '\0';
	return !output.full;
}
