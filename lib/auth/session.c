#include "auth/session.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "web/cookie.h"

_Static_assert((int)COOKIE_VALUE_SIZE == (int)TOKEN_SIZE, "a cookie holds a token");

/* NULL, or why a key file with a private key, or without one, will not do for this setting. */
static const char *
check_file(const char *setting, bool private)
{
	if (strcmp(setting, "POSTERN_KEY_FILE") == 0 && !private)
		return "has no private key: what signs needs it";
	if (strcmp(setting, "POSTERN_PUBLIC_KEY_FILE") == 0 && private)
		return "has a private key: `openssl pkey -pubout` makes the public one of it";
	return NULL;
}

/* The key of a key file. None where `path` is empty. */
static bool
add_file(struct session_policy *policy, const char *setting, const char *path, time_t now,
    char why[static CONFIG_WHY_SIZE])
{
	struct key *file;
	char reason[KEY_WHY_SIZE] = "out of memory";
	const char *wrong = reason;

	if (path[0] == '\0')
		return true;
	file = policy->files[policy->key_count] = calloc(1, sizeof(*file));
	if (file != NULL && key_read(file, path, now, reason))
		wrong = check_file(setting, file->private[0] != '\0');
	if (wrong == NULL && !token_key_of_file(&policy->keys[policy->key_count++], file))
		wrong = "cannot be used";
	if (wrong != NULL)
		text_format(why, CONFIG_WHY_SIZE, "%s: %s: %s", setting, path, wrong);
	return wrong == NULL;
}

/* What the key files are for: to sign and verify tokens, in the place of the secrets. */
static bool
add_files(struct session_policy *policy, time_t now, char why[static CONFIG_WHY_SIZE])
{
	const struct config *config = policy->config;

	return add_file(policy, "POSTERN_PUBLIC_KEY_FILE", config->public_key, now, why) &&
	    add_file(policy, "POSTERN_KEY_FILE", config->key, now, why) &&
	    add_file(policy, "POSTERN_KEY_FILE_PREVIOUS", config->key_previous, now, why);
}

/* What a secret is for, beside signing; where there is no key file it signs, too. */
static bool
add_secret(struct session_policy *policy, const char *secret, bool signs)
{
	size_t i = policy->secret_count;

	if (secret[0] == '\0')
		return true;
	policy->secret_count++;
	secret_derive(policy->pwv_keys[i], secret, "pwv");
	secret_derive(policy->device_keys[i], secret, "device");
	return !signs || token_key_of_secret(&policy->keys[policy->key_count++], secret);
}

bool
session_policy(struct session_policy *policy, const struct config *config, struct state *state,
    time_t now, char why[static CONFIG_WHY_SIZE])
{
	bool signs;

	*policy = (struct session_policy){ .config = config, .state = state };
	secret_derive(policy->decoy_key, config->secret, "decoy");
	secret_derive(policy->throttle_key, config->secret, "throttle");
	if (!add_files(policy, now, why))
		return false;
	signs = policy->key_count == 0;
	if (add_secret(policy, config->secret, signs) &&
	    add_secret(policy, config->secret_previous, signs) && policy->key_count > 0)
		return true;
	text_copy(why, CONFIG_WHY_SIZE, "no token can be signed: out of memory");
	return false;
}

void
session_forget(struct session_policy *policy)
{
	for (size_t i = 0; i < COUNT(policy->files); i++) {
		if (policy->files[i] != NULL)
			secret_wipe(policy->files[i], sizeof(*policy->files[i]));
		free(policy->files[i]);
	}
	secret_wipe(policy, sizeof(*policy));
}

static struct token_rules
rules_at(const struct session_policy *policy, time_t now)
{
	return (struct token_rules){ policy->config->issuer, now, policy->config->session_ttl };
}

bool
session_pwv(char out[static TOKEN_PWV_SIZE], const struct session_policy *policy, size_t secret,
    const char *user, const char *hash)
{
	unsigned char digest[SECRET_DIGEST_BYTES];
	char line[1024];

	if (!text_format(line, sizeof(line), "%s:%s", user, hash))
		return false;
	secret_digest(digest, policy->pwv_keys[secret], SECRET_DIGEST_BYTES, line, strlen(line));
	secret_hex(out, digest, (TOKEN_PWV_SIZE - 1) / 2);
	return true;
}

/* -- how it begins and goes on --------------------------------------------------------- */

static bool
new_sid(char out[static TOKEN_SID_SIZE])
{
	unsigned char random[(TOKEN_SID_SIZE - 1) / 2];

	if (!secret_random(random, sizeof(random)))
		return false;
	secret_hex(out, random, sizeof(random));
	return true;
}

/* When a token made now is over: no session lasts longer than it may. */
static time_t
expiry(const struct session_policy *policy, time_t auth_time, time_t now)
{
	time_t of_token = now + policy->config->token_ttl;
	time_t of_session = auth_time + policy->config->session_ttl;

	return of_token < of_session ? of_token : of_session;
}

/* Complete and sign a token whose user, sid and auth_time are set. */
static bool
sign(char out[static TOKEN_SIZE], long *seconds, const struct session_policy *policy,
    struct token *token, const char *hash, time_t now)
{
	const struct token_rules rules = rules_at(policy, now);

	token->issued = now;
	token->expires = expiry(policy, token->auth_time, now);
	*seconds = token->expires - now;
	return session_pwv(token->pwv, policy, 0, token->user, hash) &&
	    token_sign(out, token, &policy->keys[0], &rules);
}

int
session_begin(char out[static TOKEN_SIZE], long *seconds, const struct session_policy *policy,
    const char *user, const char *hash, time_t now, const struct log *log)
{
	struct token token = { .user = "" };

	out[0] = '\0';
	*seconds = 0;
	if (!text_copy(token.user, sizeof(token.user), user) || !new_sid(token.sid))
		return 500;
	/* Ahead of now by a second at most: another machine's clock may be behind as it is. */
	if (!state_begin_session(policy->state, token.sid, user, &token.auth_time, now, 1,
		now + policy->config->session_ttl, log))
		return 503;
	return sign(out, seconds, policy, &token, hash, now) ? 0 : 500;
}

bool
session_is_due(const struct session_policy *policy, const struct token *token, time_t now)
{
	return policy->keys[0].signing != NULL && !token->bearer &&
	    2 * (token->expires - now) < policy->config->token_ttl &&
	    expiry(policy, token->auth_time, now) > token->expires;
}

/* Is the token's pwv that of this line, with any of the secrets? */
static bool
is_unchanged(const struct session_policy *policy, const struct token *token, const char *hash)
{
	char pwv[TOKEN_PWV_SIZE];
	bool same = false;

	for (size_t i = 0; i < policy->secret_count && !same; i++)
		same = session_pwv(pwv, policy, i, token->user, hash) &&
		    secret_equal(pwv, token->pwv, sizeof(pwv));
	return same;
}

bool
session_renew(char out[static TOKEN_SIZE], long *seconds, const struct session_policy *policy,
    const struct token *token, const char *hash, time_t now)
{
	struct token renewed = *token;

	out[0] = '\0';
	return is_unchanged(policy, token, hash) && sign(out, seconds, policy, &renewed, hash, now);
}

/* -- is somebody in one? ------------------------------------------------------------------ */

/* What the cookies seen so far amount to. */
struct found {
	struct token token; /* the freshest good one */
	size_t seen, good;
	bool torn;    /* the good ones are of several sessions */
	bool fault;   /* not enough memory to check one */
	bool unknown; /* no state to ask whether one was ended */
	const char *why;
};

static void
look_at(struct found *found, const struct session_policy *policy, const char *text, time_t now,
    const struct log *log)
{
	const struct token_rules rules = rules_at(policy, now);
	struct token token;
	enum state_verdict verdict;
	const char *why;

	if (++found->seen > SESSION_TOKENS_MAX)
		return;
	if (!verified_find(&token, policy->verified, text, &rules)) {
		if (!token_verify(&token, text, policy->keys, policy->key_count, &rules, &why)) {
			found->fault = found->fault || strcmp(why, TOKEN_MEMORY) == 0;
			found->why = why;
			return;
		}
		verified_keep(policy->verified, text, &token);
	}
	verdict = state_session(policy->state, token.sid, token.user, token.auth_time, now, log);
	if (verdict != STATE_OPEN) {
		found->why = "ended";
		found->unknown = found->unknown || verdict == STATE_FAULT;
		return;
	}
	if (found->good++ > 0 && strcmp(token.sid, found->token.sid) != 0)
		found->torn = true;
	if (token.expires > found->token.expires)
		found->token = token;
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

static enum session
judge(struct found *found, const struct session_policy *policy, const struct http *http, time_t now)
{
	const char *bearer_token = bearer(http->authorization);
	char value[COOKIE_VALUE_SIZE];

	for (size_t i = 0; i < http->cookie_count; i++) {
		const char *at = http->cookies[i];

		while (cookie_next(&at, policy->config->cookie, value)) {
			look_at(found, policy, value, now, &http->log);
			secret_wipe(value, strlen(value));
		}
	}
	/* What a gate guards may use that header for itself. */
	if (found->seen > 0 && http->is_gate)
		bearer_token = NULL;
	if (found->seen > 0 && bearer_token != NULL) {
		found->why = "both";
		return SESSION_BOTH;
	}
	if (found->seen == 0 && bearer_token == NULL)
		return SESSION_NONE;
	if (bearer_token != NULL)
		look_at(found, policy, bearer_token, now, &http->log);
	found->token.bearer = bearer_token != NULL;
	if (found->fault || found->unknown)
		return found->fault ? SESSION_FAULT : SESSION_UNKNOWN;
	if (found->torn)
		found->why = "sid";
	if (found->good == 0 || found->torn)
		return bearer_token != NULL ? SESSION_BAD_BEARER : SESSION_BAD;
	return SESSION_GOOD;
}

enum session
session_check(struct token *token, const struct session_policy *policy, const struct http *http,
    time_t now)
{
	struct found found = { .why = "" };
	enum session session = judge(&found, policy, http, now);

	*token = (struct token){ 0 };
	if (session == SESSION_GOOD)
		*token = found.token;
	else if (session != SESSION_NONE && session != SESSION_UNKNOWN)
		log_event(&http->log, "token_bad", "ip=%s reason=%s", http->remote_addr, found.why);
	return session;
}

/* -- how it ends -------------------------------------------------------------------------- */

/* What session_end() is about. */
struct ending {
	const struct session_policy *policy;
	const struct http *http;
	bool everywhere;
	time_t now;
	size_t ended;
};

/* When no token of a session can be good any more, not even one that is renewed just now. */
static time_t
over_at(const struct ending *ending, const struct token *token)
{
	const struct config *config = ending->policy->config;
	time_t last = ending->now + config->token_ttl;

	if (ending->everywhere)
		return ending->now + TOKEN_CLOCK_SKEW + config->session_ttl;
	return (token->expires > last ? token->expires : last) + config->token_ttl;
}

/* End the session of a token, if it is good. 0, or a status. */
static int
end_one(struct ending *ending, const char *text)
{
	const struct session_policy *policy = ending->policy;
	const struct token_rules rules = rules_at(policy, ending->now);
	const struct log *log = &ending->http->log;
	char quoted[LOG_TEXT_SIZE];
	struct token token;
	const char *why;
	enum state_verdict verdict;
	bool done;

	if (!token_verify(&token, text, policy->keys, policy->key_count, &rules, &why))
		return strcmp(why, TOKEN_MEMORY) == 0 ? 500 : 0;
	verdict =
	    state_session(policy->state, token.sid, token.user, token.auth_time, ending->now, log);
	if (verdict != STATE_OPEN)
		return verdict == STATE_ENDED ? 0 : 503;
	/* Some may have just begun on a machine whose clock is ahead. */
	done = ending->everywhere
	    ? state_end_user(policy->state, token.user, ending->now + TOKEN_CLOCK_SKEW,
		  over_at(ending, &token), log)
	    : state_end_session(policy->state, token.sid, ending->now, over_at(ending, &token),
		  log);
	if (!done)
		return 503;
	ending->ended++;
	log_event(log, ending->everywhere ? "logout_everywhere" : "logout", "user=%s ip=%s",
	    log_text(quoted, token.user), ending->http->remote_addr);
	return 0;
}

int
session_end(size_t *ended, const struct session_policy *policy, const struct http *http,
    bool everywhere, time_t now)
{
	struct ending ending = { policy, http, everywhere, now, 0 };
	const char *bearer_token = bearer(http->authorization);
	char value[COOKIE_VALUE_SIZE];
	int status = bearer_token != NULL ? end_one(&ending, bearer_token) : 0;

	/* All of them: another site may have planted one, or many, beside the one that is meant. */
	for (size_t i = 0; i < http->cookie_count; i++) {
		const char *at = http->cookies[i];

		while (status == 0 && cookie_next(&at, policy->config->cookie, value))
			status = end_one(&ending, value);
	}
	secret_wipe(value, sizeof(value));
	*ended = ending.ended;
	return status;
}
