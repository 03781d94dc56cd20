/*
 * The filling of a page. The input: a template, a title, a style and the text of a slot, with a
 * NUL between them.
 */
#include "base/text.h"
#include "fuzz.h"
#include "web/page.h"

/* How many bytes of `text` could open or end a tag or an attribute. */
static size_t
count_markup(const char *text)
{
	size_t count = 0;

	for (; (text = strpbrk(text, "<>\"'")) != NULL; text++)
		count++;
	return count;
}

/* Fill the template with `title` and `text`; the caller frees the result. */
static char *
fill(const char *template, const char *style, const char *title, const char *text)
{
	const struct page_slot slots[] = { { "user", text }, { "next", text } };
	const struct pages pages = {
		.text = { [PAGE_MESSAGE] = template, [PAGE_STYLE] = style },
		.title = title,
	};
	char *out = malloc(PAGE_SIZE);

	CHECK(out != NULL);
	if (!page_fill(out, &pages, PAGE_MESSAGE, slots, COUNT(slots)))
		CHECK(out[0] == '\0');
	CHECK(strlen(out) < PAGE_SIZE);
	return out;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *template = fuzz_part(&data, &size), *title = fuzz_part(&data, &size);
	char *style = fuzz_part(&data, &size), *text = fuzz_part(&data, &size);
	char *filled = fill(template, style, title, text);
	char *bare = fill(template, style, "", "");

	/* No text, whatever is in it, adds markup to a page. */
	if (filled[0] != '\0')
		CHECK(count_markup(filled) == count_markup(bare));
	if (strstr(template, "{{") == NULL)
		CHECK(strcmp(filled, template) == 0 || strlen(template) >= PAGE_SIZE);
	free(bare);
	free(filled);
	free(text);
	free(style);
	free(title);
	free(template);
	return 0;
}
