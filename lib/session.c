#include "session.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "cookie.h"
#include "text.h"

bool
session_policy(struct session_policy *policy, const struct config *config)
{
	bool previous = config->secret_previous[0] != '\0';

	*policy = (struct session_policy){ .config = config, .key_count = previous ? 2 : 1 };
	return token_key(&policy->keys[0], config->secret) &&
	    (!previous || token_key(&policy->keys[1], config->secret_previous)) &&
	    secret_derive(policy->pwv_key, config->secret, "pwv") &&
	    secret_derive(policy->decoy_key, config->secret, "decoy");
}

static struct token_rules
rules_at(const struct session_policy *policy, time_t now)
{
	return (struct token_rules){ policy->config->issuer, now, policy->config->session_ttl };
}

/* A digest of the user's line: it changes with the password. */
static bool
digest_line(char out[static TOKEN_PWV_SIZE], const struct session_policy *policy, const char *user,
    const char *hash)
{
	unsigned char digest[SECRET_DIGEST_BYTES];
	char line[1024];

	if (!text_format(line, sizeof(line), "%s:%s", user, hash) ||
	    !secret_digest(digest, policy->pwv_key, sizeof(policy->pwv_key), line, strlen(line)))
		return false;
	secret_hex(out, digest, (TOKEN_PWV_SIZE - 1) / 2);
	return true;
}

static bool
new_sid(char out[static TOKEN_SID_SIZE])
{
	unsigned char random[(TOKEN_SID_SIZE - 1) / 2];

	if (!secret_random(random, sizeof(random)))
		return false;
	secret_hex(out, random, sizeof(random));
	return true;
}

bool
session_begin(char out[static TOKEN_SIZE], long *seconds, const struct session_policy *policy,
    const char *user, const char *hash, time_t now)
{
	const struct token_rules rules = rules_at(policy, now);
	const struct config *config = policy->config;
	struct token token = { .issued = now, .auth_time = now };

	out[0] = '\0';
	*seconds =
	    config->token_ttl < config->session_ttl ? config->token_ttl : config->session_ttl;
	token.expires = now + *seconds;
	return text_copy(token.user, sizeof(token.user), user) && new_sid(token.sid) &&
	    digest_line(token.pwv, policy, user, hash) &&
	    token_sign(out, &token, &policy->keys[0], &rules);
}

/* What the cookies seen so far amount to. */
struct found {
	struct token token; /* the freshest good one */
	size_t seen, good;
	bool torn;  /* the good ones are of several sessions */
	bool fault; /* not enough memory to check one */
	const char *why;
};

static void
look_at(struct found *found, const struct session_policy *policy, const char *text, time_t now)
{
	const struct token_rules rules = rules_at(policy, now);
	struct token token;
	const char *why;

	if (++found->seen > SESSION_TOKENS_MAX)
		return;
	if (!token_verify(&token, text, policy->keys, policy->key_count, &rules, &why)) {
		found->why = why;
		found->fault = found->fault || errno == ENOMEM;
		return;
	}
	if (found->good++ > 0 && strcmp(token.sid, found->token.sid) != 0)
		found->torn = true;
	if (token.expires > found->token.expires)
		found->token = token;
}

static void
look_at_cookies(struct found *found, const struct session_policy *policy,
    const char *const cookies[], size_t count, time_t now)
{
	char value[COOKIE_VALUE_SIZE];

	for (size_t i = 0; i < count; i++) {
		const char *at = cookies[i];

		while (cookie_next(&at, policy->config->cookie, value))
			look_at(found, policy, value, now);
	}
	secret_wipe(value, sizeof(value));
}

/* The token of `Bearer TOKEN` (RFC 6750, section 2.1), or NULL: another scheme is not ours. */
static const char *
bearer(const char *authorization)
{
	static const char scheme[] = "Bearer";
	const size_t length = strlen(scheme);

	if (strncasecmp(authorization, scheme, length) != 0 ||
	    (authorization[length] != ' ' && authorization[length] != '\0'))
		return NULL;
	return authorization + length + strspn(authorization + length, " ");
}

enum session
session_check(struct token *token, const struct session_policy *policy, const char *const cookies[],
    size_t count, const char *authorization, time_t now, const char **why)
{
	const char *bearer_token = bearer(authorization);
	struct found found = { .why = "" };

	*token = (struct token){ 0 };
	*why = "";
	look_at_cookies(&found, policy, cookies, count, now);
	if (found.seen > 0 && bearer_token != NULL) {
		*why = "both";
		return SESSION_BOTH;
	}
	if (found.seen == 0 && bearer_token == NULL)
		return SESSION_NONE;
	if (bearer_token != NULL)
		look_at(&found, policy, bearer_token, now);
	*why = found.torn ? "sid" : found.why;
	if (found.fault)
		return SESSION_FAULT;
	if (found.good == 0 || found.torn)
		return bearer_token != NULL ? SESSION_BAD_BEARER : SESSION_BAD;
	*token = found.token;
	return SESSION_GOOD;
}
