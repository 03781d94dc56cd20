#include "web/page.h"

#include <errno.h>
#include <nettle/base64.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

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

/* Take the folder's page of this name. True also where it has none, and the built-in one stays. */
static bool
load_own(struct pages *pages, size_t page, const char *folder, struct text_why *why)
{
	struct file file = { 0 };
	struct text_why reason;
	char path[1024], *out;

	if (!text_format(path, sizeof(path), "%s/%s", folder, builtins[page].name))
		return text_refuse(why, "its path is too long");
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return true;
	if (file_read(&file, path, PAGE_FILE_MAX, FILE_ANYBODYS, 0, &reason) != FILE_READ)
		return text_refuse(why, "%s: %s", builtins[page].name, reason.text);
	/* Browsers read CR LF as LF, and hash the style so. */
	out = file.text;
	for (const char *at = file.text; *at != '\0'; at++) {
		if (*at != '\r')
			*out++ = *at;
	}
	*out = '\0';
	pages->text[page] = pages->own[page] = file.text;
	return true;
}

bool
pages_load(struct pages *pages, const char *folder, const char *title, struct text_why *why)
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha256;
	const char *style;

	pages_forget(pages);
	pages->title = title;
	for (size_t i = 0; i < PAGE_COUNT; i++)
		pages->text[i] = builtins[i].text;
	if (folder[0] != '\0' && access(folder, X_OK) != 0)
		return text_refuse(why, "%s", strerror(errno));
	/* Where there is a folder there are settings, and nothing is set up. */
	for (size_t i = 0; i < PAGE_COUNT && folder[0] != '\0'; i++) {
		if (i != PAGE_SETUP && !load_own(pages, i, folder, why))
			return false;
	}
	style = pages->text[PAGE_STYLE];
	sha256_init(&sha256);
	sha256_update(&sha256, strlen(style), (const uint8_t *)style);
	sha256_digest(&sha256, sizeof(digest), digest);
	base64_encode_raw(pages->style_hash, sizeof(digest), digest);
	pages->style_hash[PAGE_STYLE_HASH_SIZE - 1] = '\0';
	return true;
}

void
pages_forget(struct pages *pages)
{
	for (size_t i = 0; i < PAGE_COUNT; i++)
		free(pages->own[i]);
	*pages = (struct pages){ .style_hash = "" };
}

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
	static const char special[] = "&<>\"'";
	static const char *const entities[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&#39;" };

	for (; *text != '\0'; text++) {
		const char *found = strchr(special, *text);

		if (found != NULL)
			put(output, entities[found - special], strlen(entities[found - special]));
		else
			put(output, text, 1);
	}
}

/* The text for this slot; NULL when it has none on this page. */
static const char *
find_text(const struct text_span *name, const struct page_slot slots[], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (text_is(name, slots[i].name))
			return slots[i].text;
	}
	return NULL;
}

bool
page_fill(char out[static PAGE_SIZE], const struct pages *pages, enum page page,
    const struct page_slot slots[], size_t count)
{
	struct output output = { out, out + PAGE_SIZE - 1, false };
	const char *at = pages->text[page];
	const char *open, *close;

	while ((open = strstr(at, "{{")) != NULL && (close = strstr(open, "}}")) != NULL) {
		struct text_span name = { open + 2, (size_t)(close - open) - 2 };
		const char *text = find_text(&name, slots, count);

		put(&output, at, (size_t)(open - at));
		at = close + 2;
		if (text_is(&name, "style"))
			put(&output, pages->text[PAGE_STYLE], strlen(pages->text[PAGE_STYLE]));
		else if (text_is(&name, "title"))
			put_escaped(&output, pages->title);
		else if (text != NULL)
			put_escaped(&output, text);
		else
			put(&output, open, (size_t)(at - open));
	}
	put(&output, at, strlen(at));
	if (output.full)
		output.at = out;
	*output.at = '\0';
	return !output.full;
}
