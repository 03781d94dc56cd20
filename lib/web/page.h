/*
 * page: an HTML page from a template.
 *
 * A template is a file of src/pages, compiled in, or one of the same name in the folder
 * POSTERN_PAGES. It has slots, {{name}}. A slot is filled once, its text escaped for HTML
 * between tags or in a quoted attribute; one that has no text on this page stays as it is.
 * Every page has {{title}}; {{style}}, in a <style> element, takes style.css as it is.
 */
#ifndef POSTERN_PAGE_H
#define POSTERN_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

enum {
	PAGE_FILE_MAX = 32768,     /* bytes of a template, and of the style */
	PAGE_SIZE = 131072,        /* of a filled page, with the NUL */
	PAGE_STYLE_HASH_SIZE = 45, /* SHA-256 in base64, with the NUL */
};

enum page {
	PAGE_LOGIN,
	PAGE_SIGNED_IN, /* of somebody who asks for the form and needs none */
	PAGE_LOGOUT,
	PAGE_WELCOME,
	PAGE_AGAIN,     /* of somebody who has sent something and is not signed in any more */
	PAGE_FORBIDDEN, /* of somebody who may not see what is guarded */
	PAGE_MESSAGE,   /* what went wrong */
	PAGE_SETUP,     /* while there are no settings; always the built-in one */
	PAGE_STYLE,
	PAGE_COUNT,
};

/* Zero one before the first pages_load(); pages_forget() ends it. */
struct pages {
	const char *text[PAGE_COUNT];
	char *own[PAGE_COUNT];                 /* those from the folder; NULL for a built-in one */
	char style_hash[PAGE_STYLE_HASH_SIZE]; /* for a Content-Security-Policy */
	const char *title;                     /* the caller's; kept, not copied */
};

struct page_slot {
	const char *name, *text;
};

/*
 * Load every page from `folder`, or the built-in one where the folder has none; an empty
 * folder is none. False on a fault: `why` says which file and why.
 */
bool pages_load(struct pages *pages, const char *folder, const char *title, struct text_why *why);

/* Free the pages from the folder, and zero `pages`. */
void pages_forget(struct pages *pages);

/*
 * Write the page to `out`, its slots filled. False, with `out` emptied, when it does not fit.
 */
bool page_fill(char out[static PAGE_SIZE], const struct pages *pages, enum page page,
    const struct page_slot slots[], size_t count);

#endif
