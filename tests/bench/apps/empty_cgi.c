/*
 * empty_cgi: a plain CGI program that answers a constant. What it takes is the start of a process.
 */
#include <string.h>
#include <unistd.h>

int
main(void)
{
	static const char page[] = "Status: 200 OK\r\n"
				   "Content-Type: application/json; charset=utf-8\r\n"
				   "Content-Length: 29\r\n"
				   "\r\n"
				   "{\"message\":\"Have a good day\"}";

	return write(STDOUT_FILENO, page, sizeof(page) - 1) != sizeof(page) - 1;
}
