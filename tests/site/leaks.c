/*
 * leaks: where the sanitizer looks for leaks when a program ends.
 *
 * Not in plain CGI: there it takes longer than all else that a run does, and FastCGI has the same
 * code. Linked into programs under sanitizers only.
 */
#include <stdlib.h>

int __lsan_is_turned_off(void);

int
__lsan_is_turned_off(void)
{
	return getenv("GATEWAY_INTERFACE") != NULL;
}
