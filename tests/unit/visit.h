/*
 * visit: a site, and a request to it, made by hand: nothing is read from a web server.
 */
#ifndef POSTERN_VISIT_H
#define POSTERN_VISIT_H

#include "mint.h"
#include "unit.h"
#include "web/site.h"

enum { VISIT_NOW = 2000000000 };

/* Of the password "password". */
#define VISIT_HASH "$2y$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu"
#define VISIT_USERS "ada:" VISIT_HASH "\nbob:" VISIT_HASH "\n"

/* A request of which nothing was sent. */
static inline struct http
visit_http(const char *method)
{
	return (struct http){ .method = method,
		.script_name = "",
		.path_info = "",
		.query = "",
		.uri = "",
		.content_type = "",
		.content_length = "",
		.remote_addr = "::1",
		.https = "",
		.document_root = "",
		.host = "example.org",
		.origin = "",
		.accept = "",
		.authorization = "",
		.fetch_site = "",
		.fetch_mode = "",
		.fetch_dest = "",
		.upgrade = "",
		.forwarded = "",
		.forwarded_for = "",
		.real_ip = "",
		.role = "",
		.apache_role = "",
		.gate = "",
		.require = "",
		.redirect_status = "",
		.redirect_method = "",
		.signals = -1 };
}

/* Open a site with these secrets, and this POSTERN_STATE. Its users are ada and bob. */
static inline void
visit_open(struct site *site, const char *folder, const char *secret, const char *previous,
    const char *place)
{
	struct config *config = &site->config;
	struct text_why why;
	const char *wrong;

	*site = (struct site){ .config = { .issuer = "postern",
				   .cookie = "token",
				   .login = "/login",
				   .logout = "/logout",
				   .home = "/welcome",
				   .token_ttl = 300,
				   .session_ttl = 28800,
				   .sessions = 100 } };
	snprintf(config->secret, sizeof(config->secret), "%s", secret);
	snprintf(config->secret_previous, sizeof(config->secret_previous), "%s", previous);
	snprintf(config->users, sizeof(config->users), "%s/users", folder);
	unit_write(config->users, VISIT_USERS);
	assert_true(pages_load(&site->pages, "", "Sign in", &why));
	assert_non_null(site->store = store_open(place, config->issuer, &wrong));
	assert_true(session_open(&site->sessions, config, site->store, VISIT_NOW, &why));
}

/* Make a token of a new session of this user. */
static inline void
visit_sign_in(char out[static TOKEN_SIZE], struct site *site, const char *user, char kind,
    time_t now)
{
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	char word[LIST_WORD_SIZE];
	struct account account;
	long seconds;

	assert_true(users_read(&site->users, &site->config, now, &log));
	users_find(&account, &site->users, user, &site->config);
	assert_true(session_prepare(word, &site->sessions, user, now, &log));
	assert_int_equal(session_begin(out, &seconds, &site->sessions, &account, kind, word, now,
			     &log),
	    0);
}

#endif
