#include "auth/session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

#include "auth/session_grace.h"
#include "base/secret.h"

enum {
	LEASE_AHEAD = 3600, /* seconds that a renewal moves the end of a session on */
	DAY = 86400,
	SWAPS_MAX = 64, /* times that another process may be faster */
	SITE_SIZE = 128,
};

static const struct store_key site_key = { "site", "site" };

/* The record of the site: a random word, and its MAC by a key of this secret. */
static void
make_site(char out[static SITE_SIZE], const char *word, const char *secret)
{
	unsigned char digest[SECRET_DIGEST_BYTES];
	char hex[2 * SECRET_DIGEST_BYTES + 1];

	secret_mac(digest, secret, "store", word);
	secret_hex(hex, digest, sizeof(digest));
	text_format(out, SITE_SIZE, "%s %s", word, hex);
}

static bool
new_word(char out[static LIST_WORD_SIZE])
{
	unsigned char random[(LIST_WORD_SIZE - 1) / 2];

	if (!secret_random(random, sizeof(random)))
		return false;
	secret_hex(out, random, sizeof(random));
	return true;
}

/*
 * Is the store that of this site, as its record says? STORE_DONE if it is. A store without one is
 * new: a program that signs gives it a record. A record that was made with the previous secret is
 * written anew. STORE_CHANGED where another process was faster.
 */
static enum store_swapped
check_site(struct sessions *sessions, const struct store_value *site, time_t now,
    const struct log *log)
{
	const struct config *config = sessions->config;
	const bool is_new = site->found != STORE_TEXT;
	char word[LIST_WORD_SIZE], wanted[SITE_SIZE], before[SITE_SIZE] = "";
	enum store_swapped swapped;

	/* Without a secret the record can neither be checked nor made. */
	if (config->secret[0] == '\0') {
		if (!is_new || config->state[0] != '/')
			return STORE_DONE;
		log_event(log, "state",
		    "reason=\"POSTERN_STATE is a folder in which nobody has signed in: share the "
		    "store of the program that signs\"");
		return STORE_FAULT;
	}
	text_format(word, sizeof(word), "%.*s", LIST_WORD_SIZE - 1, site->text);
	if (is_new && !new_word(word))
		return STORE_FAULT;
	make_site(wanted, word, config->secret);
	if (config->secret_previous[0] != '\0')
		make_site(before, word, config->secret_previous);
	if (strcmp(site->text, wanted) == 0)
		return STORE_DONE;
	if (!is_new && strcmp(site->text, before) != 0) {
		log_event(log, "state",
		    "reason=\"the store is another site's, or the secret has changed: set "
		    "POSTERN_SECRET_PREVIOUS, or remove the record site/site\"");
		return STORE_FAULT;
	}
	swapped = store_swap(sessions->store, &site_key, site, wanted, STORE_FOREVER, now, log);
	if (is_new && swapped == STORE_DONE)
		log_event(log, "state",
		    "reason=\"the store is new: sessions that began before are over\"");
	return swapped;
}

/* Read the list of a user's open sessions into sessions->list. False on a fault. */
static bool
read_list(struct sessions *sessions, struct store_value *list, const char *user, time_t now,
    const struct log *log)
{
	const struct store_key keys[] = { { "sessions", user }, site_key };
	struct store_value values[] = { { .text = sessions->list }, { .text = sessions->changed } };
	enum store_swapped checked = STORE_CHANGED;

	for (int i = 0; i < SWAPS_MAX && checked == STORE_CHANGED; i++) {
		const size_t count = sessions->store_is_ours ? 1 : 2;

		if (!store_get(sessions->store, keys, values, count, now, log))
			return false;
		checked = count == 1 ? STORE_DONE : check_site(sessions, &values[1], now, log);
	}
	sessions->store_is_ours = checked == STORE_DONE;
	*list = values[0];
	return sessions->store_is_ours;
}

/* Add the key of a key file, if `path` names one. */
static bool
add_file(struct sessions *sessions, const char *setting, const char *path, time_t now,
    struct text_why *why)
{
	const size_t i = sessions->keys.count;
	const char *wrong = NULL;
	struct text_why reason;
	struct key *file;

	if (path[0] == '\0')
		return true;
	if ((file = sessions->files[i] = calloc(1, sizeof(*file))) == NULL)
		return text_refuse(why, "out of memory");
	if (!key_read(file, path, now, &reason))
		wrong = reason.text;
	else if (strcmp(setting, "POSTERN_KEY_FILE") == 0 && file->private[0] == '\0')
		wrong = "has no private key: what signs needs it";
	else if (strcmp(setting, "POSTERN_PUBLIC_KEY_FILE") == 0 && file->private[0] != '\0')
		wrong = "has a private key: `openssl pkey -pubout` makes the public one of it";
	else if (!token_key_of_file(&sessions->keys.keys[i], file))
		wrong = "cannot be used";
	sessions->keys.count++;
	return wrong == NULL || text_refuse(why, "%s: %s: %s", setting, path, wrong);
}

bool
session_open(struct sessions *sessions, const struct config *config, struct store *store,
    time_t now, struct text_why *why)
{
	const char *const secrets[] = { config->secret, config->secret_previous };
	struct token_keys *keys = &sessions->keys;
	const struct log log = log_stderr();
	struct store_value list;

	*sessions = (struct sessions){ .config = config, .store = store };
	if (!add_file(sessions, "POSTERN_PUBLIC_KEY_FILE", config->public_key, now, why) ||
	    !add_file(sessions, "POSTERN_KEY_FILE", config->key, now, why) ||
	    !add_file(sessions, "POSTERN_KEY_FILE_PREVIOUS", config->key_previous, now, why))
		return false;
	/* Without a key file the secrets sign. */
	for (size_t i = 0; sessions->files[0] == NULL && i < COUNT(secrets); i++) {
		if (secrets[i][0] != '\0' &&
		    !token_key_of_secret(&keys->keys[keys->count++], secrets[i]))
			return text_refuse(why, "no token can be signed: out of memory");
	}
	if (keys->count == 0)
		return text_refuse(why, "no token can be signed: out of memory");
	if (!store_is_none(store)) {
		if ((sessions->list = malloc((size_t)2 * STORE_VALUE_SIZE)) == NULL ||
		    (config->state_grace > 0 &&
			(sessions->grace = grace_new(config->state_grace)) == NULL))
			return text_refuse(why, "out of memory");
		sessions->changed = sessions->list + STORE_VALUE_SIZE;
	}
	/* The record of the site is made with the new secret now: a request may never come while
	   both secrets are known. */
	if (config->secret_previous[0] != '\0' && !store_is_none(store))
		read_list(sessions, &list, "-", now, &log);
	return true;
}

void
session_close(struct sessions *sessions)
{
	for (size_t i = 0; i < COUNT(sessions->files); i++) {
		if (sessions->files[i] != NULL)
			secret_wipe(sessions->files[i], sizeof(*sessions->files[i]));
		free(sessions->files[i]);
	}
	token_keys_forget(&sessions->keys);
	free(sessions->list);
	free(sessions->grace);
	secret_wipe(sessions, sizeof(*sessions));
}

/* What becomes of the list of a user's open sessions. */
enum change {
	BEGIN,  /* the entry is added, if the word is the same */
	EXTEND, /* the entry is replaced, if it is there */
	END,    /* the entry is removed */
	END_ALL,
};

/* Change the list of a user; again where another process was faster. */
static bool
change_list(struct sessions *sessions, const char *user, enum change change,
    const struct list_entry *entry, const char *word, time_t now, const struct log *log)
{
	const struct config *config = sessions->config;
	const struct store_key key = { "sessions", user };

	for (int i = 0; i < SWAPS_MAX; i++) {
		char listed_word[LIST_WORD_SIZE];
		enum store_swapped swapped;
		struct list_entry listed;
		struct store_value list;

		if (!read_list(sessions, &list, user, now, log))
			return false;
		list_word(listed_word, list.text);
		if (change == BEGIN && strcmp(listed_word, word) != 0) {
			log_event(log, "state",
			    "reason=\"all sessions of the user were revoked during a sign-in\"");
			return false;
		}
		if ((change == EXTEND && !list_find(&listed, list.text, entry->sid)) ||
		    (change == END_ALL && !new_word(listed_word)))
			return false;
		if (change == END)
			list_remove(sessions->changed, list.text, entry->sid);
		else if (change == END_ALL)
			list_begin(sessions->changed, listed_word);
		else if (!list_put(sessions->changed, STORE_VALUE_SIZE, list.text, entry,
			     (size_t)config->sessions, now))
			return false;
		/* No session that is listed lasts longer, though the clock be set back a day. */
		swapped = store_swap(sessions->store, &key, &list, sessions->changed,
		    now + config->session_ttl + DAY, now, log);
		if (swapped != STORE_CHANGED)
			return swapped == STORE_DONE;
	}
	log_event(log, "state", "reason=\"other processes change the record again and again\"");
	return false;
}

/* Is this token good? `why` says in a word what is wrong with a bad one. */
static enum session
check_one(struct token *token, const char **why, struct sessions *sessions,
    const struct text_span *text, time_t now, const struct log *log)
{
	const struct config *config = sessions->config;
	const struct token_rules rules = { config->issuer, now, config->session_ttl };
	struct list_entry entry;
	struct store_value list;
	char copy[TOKEN_SIZE];
	bool verified;

	*why = "form";
	*token = (struct token){ 0 };
	if (!text_format(copy, sizeof(copy), "%.*s", (int)text->length, text->at))
		return SESSION_BAD;
	verified = token_verify(token, copy, &sessions->keys, &rules, why);
	secret_wipe(copy, text->length);
	if (!verified)
		return strcmp(*why, TOKEN_MEMORY) == 0 ? SESSION_FAULT : SESSION_BAD;
	if (store_is_none(sessions->store))
		return SESSION_GOOD;
	*why = "ended";
	/* While the store is not to be had: was the session open, not long ago? */
	if (!read_list(sessions, &list, token->user, now, log))
		return grace_has(sessions->grace, token->sid) ? SESSION_GOOD : SESSION_UNKNOWN;
	if (list_find(&entry, list.text, token->sid) && entry.until > now) {
		grace_keep(sessions->grace, token->sid);
		return SESSION_GOOD;
	}
	grace_forget(sessions->grace, token->sid);
	return SESSION_BAD;
}

enum session
session_check(struct token *token, const char **why, struct sessions *sessions,
    const struct text_span texts[], size_t count, time_t now, const struct log *log)
{
	enum session worst = SESSION_BAD;
	bool good = false, conflicting = false;

	*token = (struct token){ 0 };
	*why = "form";
	for (size_t i = 0; i < count && i < SESSION_TOKENS_MAX; i++) {
		const char *reason;
		struct token one;
		enum session session = check_one(&one, &reason, sessions, &texts[i], now, log);

		if (session != SESSION_GOOD) {
			*why = reason;
			if (worst != SESSION_FAULT && session != SESSION_BAD)
				worst = session;
			continue;
		}
		/* Another host below the same domain may have planted a good one of its own. */
		conflicting = conflicting || (good && strcmp(one.sid, token->sid) != 0);
		good = true;
		if (one.expires > token->expires)
			*token = one;
	}
	if (good && !conflicting && worst == SESSION_BAD)
		return SESSION_GOOD;
	if (conflicting)
		*why = "sid";
	*token = (struct token){ 0 };
	return worst;
}

/* When a token made now is over: no session lasts longer than it may. */
static time_t
expiry(const struct sessions *sessions, time_t auth_time, time_t now)
{
	const struct config *config = sessions->config;

	return MIN(now + config->token_ttl, auth_time + config->session_ttl);
}

/* Complete and sign a token whose user, sid and auth_time are set. */
static bool
sign(char out[static TOKEN_SIZE], long *seconds, const struct sessions *sessions,
    struct token *token, const struct account *account, time_t now)
{
	const struct config *config = sessions->config;
	const struct token_rules rules = { config->issuer, now, config->session_ttl };

	token->issued = now;
	token->expires = expiry(sessions, token->auth_time, now);
	*seconds = token->expires - now;
	return text_copy(token->pwv, sizeof(token->pwv), account->pwv[0]) &&
	    token_sign(out, token, &sessions->keys, &rules);
}

bool
session_prepare(char word[static LIST_WORD_SIZE], struct sessions *sessions, const char *user,
    time_t now, const struct log *log)
{
	struct store_value list;

	list_word(word, "");
	/* Where there are no users there is no account. */
	if (store_is_none(sessions->store) || user[0] == '\0')
		return true;
	if (!read_list(sessions, &list, user, now, log))
		return false;
	list_word(word, list.text);
	return true;
}

int
session_begin(char out[static TOKEN_SIZE], long *seconds, struct sessions *sessions,
    const struct account *account, char kind, const char *word, time_t now, const struct log *log)
{
	struct token token = { .auth_time = now };
	struct list_entry entry = { .kind = kind, .since = now, .renewed = now };

	out[0] = '\0';
	*seconds = 0;
	if (!text_copy(token.user, sizeof(token.user), account->user) || !new_word(token.sid))
		return 500;
	text_copy(entry.sid, sizeof(entry.sid), token.sid);
	entry.until = expiry(sessions, now, now);
	if (!store_is_none(sessions->store) &&
	    !change_list(sessions, account->user, BEGIN, &entry, word, now, log))
		return 503;
	return sign(out, seconds, sessions, &token, account, now) ? 0 : 500;
}

bool
session_is_due(const struct sessions *sessions, const struct token *token, time_t now)
{
	return sessions->keys.keys[0].signing != NULL && !token->bearer &&
	    2 * (token->expires - now) < sessions->config->token_ttl &&
	    expiry(sessions, token->auth_time, now) > token->expires;
}

bool
session_renew(char out[static TOKEN_SIZE], long *seconds, struct sessions *sessions,
    const struct token *token, const struct account *account, time_t now, const struct log *log)
{
	const time_t needed = expiry(sessions, token->auth_time, now);
	struct token renewed = *token;
	struct list_entry entry = { .until = needed };
	struct store_value list;

	out[0] = '\0';
	if (!account->known || !users_has_pwv(account, token->pwv))
		return false;
	if (!store_is_none(sessions->store) &&
	    (!read_list(sessions, &list, token->user, now, log) ||
		!list_find(&entry, list.text, token->sid)))
		return false;
	/* An active session moves its end on once in LEASE_AHEAD. */
	if (entry.until < needed) {
		entry.renewed = now;
		entry.until =
		    MIN(needed + LEASE_AHEAD, token->auth_time + sessions->config->session_ttl);
		if (!change_list(sessions, token->user, EXTEND, &entry, NULL, now, log))
			return false;
	}
	return sign(out, seconds, sessions, &renewed, account, now);
}

bool
session_revoke(struct token *token, int *status, struct sessions *sessions,
    const struct text_span *text, bool everywhere, time_t now, const struct log *log)
{
	static const int
	    statuses[] = { [SESSION_FAULT] = 500, [SESSION_UNKNOWN] = 503, [SESSION_GOOD] = 0 };
	const char *why;
	const enum session session = check_one(token, &why, sessions, text, now, log);
	struct list_entry entry;

	*status = statuses[session];
	if (session != SESSION_GOOD)
		return false;
	if (store_is_none(sessions->store)) {
		if (!everywhere)
			return true;
		log_event(log, "state",
		    "reason=\"POSTERN_STATE is none: no session but this ends\"");
	} else {
		grace_forget(sessions->grace, everywhere ? NULL : token->sid);
		text_copy(entry.sid, sizeof(entry.sid), token->sid);
		if (change_list(sessions, token->user, everywhere ? END_ALL : END, &entry, NULL,
			now, log))
			return true;
	}
	*status = 503;
	return false;
}
