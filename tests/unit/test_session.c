/*
 * test_session: how a session begins, goes on and ends; who is in one, and who is not when the
 * store is lost, damaged or another site's.
 */
#include "auth/session.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "mint.h"
#include "unit.h"

enum { NOW = 1000000, DAY = 86400, SESSION_TTL = 28800, LEASE = 3600 };

#define PWV "0123456789abcdef"
#define OTHER_PWV "fedcba9876543210"

/* A program that signs, or checks, with a store. The sessions keep the address of the settings. */
struct program {
	struct config config;
	struct store *store;
	struct sessions sessions;
	struct unit_log caught;
	struct log log;
};

/* The settings; `state` is the path of a folder, or STORE_NONE. */
static void
configure(struct program *program, const char *state, const char *secret, const char *previous)
{
	*program = (struct program){ .config = { .issuer = "postern",
					 .token_ttl = 300,
					 .session_ttl = SESSION_TTL,
					 .sessions = 100 } };
	assert_true(text_copy(program->config.state, sizeof(program->config.state), state));
	assert_true(text_copy(program->config.secret, sizeof(program->config.secret), secret));
	assert_true(text_copy(program->config.secret_previous,
	    sizeof(program->config.secret_previous), previous));
	program->log = unit_log(&program->caught);
}

static void
open_program(struct program *program)
{
	struct text_why why;
	const char *wrong;

	program->store = store_open(program->config.state, "postern", &wrong);
	assert_non_null(program->store);
	if (!session_open(&program->sessions, &program->config, program->store, NOW, &why))
		fail_msg("%s", why.text);
}

static void
start(struct program *program, const char *state, const char *secret, const char *previous)
{
	configure(program, state, secret, previous);
	open_program(program);
}

static void
stop(struct program *program)
{
	session_close(&program->sessions);
	store_close(program->store);
}

/* What the log has said since the last time; NULL where that is nothing. */
static const char *
heard(struct program *program)
{
	static struct unit_log last;

	last = program->caught;
	program->log = unit_log(&program->caught);
	return last.lines > 0 ? last.text : NULL;
}

/* The log has said this since the last time, and in one line. */
static bool
hears(struct program *program, const char *part)
{
	const size_t lines = program->caught.lines;
	const char *text = heard(program);

	return lines == 1 && strstr(text, part) != NULL;
}

/* A new, empty folder for a store. */
static void
new_folder(char out[static UNIT_PATH_SIZE], void **state)
{
	static unsigned number;
	char name[16];

	snprintf(name, sizeof(name), "store%u", number++);
	unit_path(out, *state, name);
	assert_int_equal(mkdir(out, 0700), 0);
}

static struct account
account_of(const char *user, const char *pwv)
{
	struct account account = { .known = true, .pwv_count = 1 };

	assert_true(text_copy(account.user, sizeof(account.user), user));
	assert_true(text_copy(account.pwv[0], sizeof(account.pwv[0]), pwv));
	return account;
}

/* Sign in, all of it. The status; 0 where `out` is a token. */
static int
sign_in_by(char out[static TOKEN_SIZE], struct program *program, const char *user, char kind,
    time_t now)
{
	const struct account account = account_of(user, PWV);
	char word[LIST_WORD_SIZE];
	long seconds;
	int status;

	strcpy(out, "unset");
	if (!session_prepare(word, &program->sessions, user, now, &program->log))
		return 503;
	status = session_begin(out, &seconds, &program->sessions, &account, kind, word, now,
	    &program->log);
	assert_true((status == 0) == (out[0] != '\0') && (status != 0 || seconds > 0));
	return status;
}

static int
sign_in(char out[static TOKEN_SIZE], struct program *program, const char *user, time_t now)
{
	return sign_in_by(out, program, user, LIST_COOKIE, now);
}

static struct text_span
span(const char *text)
{
	return (struct text_span){ text, strlen(text) };
}

/* Is this token good? Else it is zeroed, and `*why` says why not. */
static enum session
look(struct token *token, const char **why, struct program *program, const char *text, time_t now)
{
	static const struct token nobody;
	const struct text_span one = span(text);
	enum session session;

	*why = "unset";
	session = session_check(token, why, &program->sessions, &one, 1, now, &program->log);
	assert_true(session == SESSION_GOOD || memcmp(token, &nobody, sizeof(nobody)) == 0);
	return session;
}

static enum session
check(struct program *program, const char *text, time_t now)
{
	struct token token;
	const char *why;

	return look(&token, &why, program, text, now);
}

/* Was the session of this token ended, or is it not known for another reason? */
static bool
is_ended(struct program *program, const char *text, time_t now)
{
	struct token token;
	const char *why;

	return look(&token, &why, program, text, now) == SESSION_BAD && strcmp(why, "ended") == 0;
}

/* Revoke. -1 where it is done, else the status. */
static int
sign_out(struct program *program, const char *text, bool everywhere, time_t now)
{
	const struct text_span one = span(text);
	struct token token;
	int status = -1;
	const bool done = session_revoke(&token, &status, &program->sessions, &one, everywhere, now,
	    &program->log);

	return done ? -1 : status;
}

/* Read a token that is good whatever the store says. */
static struct token
read_token(struct program *program, const char *text, time_t now)
{
	const struct token_rules rules = { "postern", now, program->config.session_ttl };
	struct token token;
	const char *why = "";

	if (!token_verify(&token, text, &program->sessions.keys, &rules, &why))
		fail_msg("%s", why);
	return token;
}

/* Another token of the session of this one. */
static bool
renew(char out[static TOKEN_SIZE], struct program *program, const char *text, time_t now)
{
	const struct token token = read_token(program, text, now);
	const struct account account = account_of(token.user, PWV);
	long seconds = -1;

	return session_renew(out, &seconds, &program->sessions, &token, &account, now,
	    &program->log);
}

/* -- settings ------------------------------------------------------------------------------- */

static void
test_secrets(void **state)
{
	struct program none, one, two, stranger;
	struct token_key key;
	struct text_why why;

	(void)state;
	configure(&none, STORE_NONE, "", "");
	assert_false(session_open(&none.sessions, &none.config, NULL, NOW, &why));
	assert_string_not_equal(why.text, "");
	session_close(&none.sessions);

	start(&one, STORE_NONE, MINT_SECRET, "");
	start(&two, STORE_NONE, MINT_SECRET, MINT_PREVIOUS);
	start(&stranger, STORE_NONE, MINT_STRANGER, "");
	assert_int_equal(one.sessions.keys.count, 1);
	assert_int_equal(two.sessions.keys.count, 2);
	assert_true(token_key_of_secret(&key, MINT_SECRET));
	assert_string_equal(one.sessions.keys.keys[0].kid, key.kid);
	assert_string_equal(two.sessions.keys.keys[0].kid, key.kid);
	assert_string_not_equal(stranger.sessions.keys.keys[0].kid, key.kid);
	assert_true(token_key_of_secret(&key, MINT_PREVIOUS));
	assert_string_equal(two.sessions.keys.keys[1].kid, key.kid);
	stop(&one);
	stop(&two);
	stop(&stranger);
	assert_int_equal(two.sessions.keys.count, 0);
}

static void
write_key(const char *path, EVP_PKEY *pkey, bool private)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_int_equal(private ? PEM_write_PrivateKey(out, pkey, NULL, NULL, 0, NULL, NULL)
				 : PEM_write_PUBKEY(out, pkey),
	    1);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

/* With key files the secret signs nothing; what only verifies has no private key. */
static void
test_key_files(void **state)
{
	static const struct {
		const char *name, *key, *previous, *public_key;
		size_t count;
		const char *why; /* NULL where they are right */
	} rows[] = {
		{ "one that signs", "private", "", "", 1, NULL },
		{ "and one before it", "private", "other", "", 2, NULL },
		{ "of the one before only the public key", "private", "public", "", 2, NULL },
		{ "one that verifies", "", "", "public", 1, NULL },
		{ "what signs has no private key", "public", "", "", 0,
		    "POSTERN_KEY_FILE: public: has no private key" },
		{ "what verifies has one", "", "", "private", 0,
		    "POSTERN_PUBLIC_KEY_FILE: private: has a private key" },
		{ "there is no file", "nothing", "", "", 0, "POSTERN_KEY_FILE: nothing: No such" },
		{ "nor one before it", "private", "nothing", "", 0,
		    "POSTERN_KEY_FILE_PREVIOUS: nothing: No such" },
		{ "nor one that verifies", "", "", "nothing", 0,
		    "POSTERN_PUBLIC_KEY_FILE: nothing: No such" },
	};
	EVP_PKEY *one = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	char here[UNIT_PATH_SIZE];

	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(*state), 0);
	write_key("private", one, true);
	write_key("public", one, false);
	write_key("other", other, true);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct text_why why = { "" };
		struct program program;
		char token[TOKEN_SIZE];
		bool opened;

		configure(&program, STORE_NONE, MINT_SECRET, "");
		strcpy(program.config.key, rows[i].key);
		strcpy(program.config.key_previous, rows[i].previous);
		strcpy(program.config.public_key, rows[i].public_key);
		program.store = store_open(STORE_NONE, "", &(const char *){ NULL });
		opened = session_open(&program.sessions, &program.config, program.store, NOW, &why);
		CHECK(rows[i].name, opened == (rows[i].why == NULL));
		CHECK(rows[i].name,
		    strstr(why.text, rows[i].why != NULL ? rows[i].why : "") != NULL);
		if (opened) {
			CHECK(rows[i].name, program.sessions.keys.count == rows[i].count);
			CHECK(rows[i].name,
			    sign_in(token, &program, "ada", NOW) ==
				(rows[i].key[0] != '\0' ? 0 : 500));
		}
		stop(&program);
	}
	assert_int_equal(chdir(here), 0);
	EVP_PKEY_free(one);
	EVP_PKEY_free(other);
}

/* The settings bind a token: its issuer and the length of a session. */
static void
test_settings(void **state)
{
	struct program program;
	char text[TOKEN_SIZE];
	struct token token;
	const char *why;

	(void)state;
	start(&program, STORE_NONE, MINT_SECRET, "");
	assert_int_equal(sign_in(text, &program, "ada", NOW), 0);
	program.config.session_ttl = 299;
	assert_int_equal(check(&program, text, NOW), SESSION_BAD);
	program.config.session_ttl = 300;
	assert_int_equal(check(&program, text, NOW), SESSION_GOOD);
	strcpy(program.config.issuer, "another");
	assert_int_equal(look(&token, &why, &program, text, NOW), SESSION_BAD);
	assert_string_equal(why, "iss");
	stop(&program);
}

/* -- beginning ------------------------------------------------------------------------------ */

/* What a new token says, and for how long. */
static void
test_begin(void **state)
{
	static const struct {
		const char *name;
		long token_ttl, session_ttl, want;
	} cases[] = {
		{ "a token's life", 300, SESSION_TTL, 300 },
		{ "a session shorter than a token", 300, 60, 60 },
		{ "both the same", 300, 300, 300 },
	};
	char folder[UNIT_PATH_SIZE];

	new_folder(folder, state);
	for (size_t i = 0; i < 2 * COUNT(cases); i++) {
		const char *name = cases[i / 2].name;
		const struct account account = account_of("ada", PWV);
		struct program program;
		char text[TOKEN_SIZE], word[LIST_WORD_SIZE];
		struct token token;
		long seconds;

		configure(&program, i % 2 == 0 ? STORE_NONE : folder, MINT_SECRET, MINT_PREVIOUS);
		program.config.token_ttl = cases[i / 2].token_ttl;
		program.config.session_ttl = cases[i / 2].session_ttl;
		open_program(&program);
		CHECK(name,
		    session_prepare(word, &program.sessions, "ada", NOW, &program.log) &&
			session_begin(text, &seconds, &program.sessions, &account, LIST_COOKIE,
			    word, NOW, &program.log) == 0);
		CHECK(name, seconds == cases[i / 2].want);
		/* The current key signs it. */
		program.sessions.keys.count = 1;
		token = read_token(&program, text, NOW);
		CHECK_TEXT(name, token.user, "ada");
		CHECK_TEXT(name, token.pwv, PWV);
		CHECK(name, token.issued == NOW && token.auth_time == NOW);
		CHECK(name, token.expires == NOW + seconds);
		CHECK(name, check(&program, text, NOW) == SESSION_GOOD);
		stop(&program);
	}
}

static void
test_begin_refuses(void **state)
{
	static const char *const names[] = { "", "a b", "a:b", "\xff" };
	struct program program;

	(void)state;
	start(&program, STORE_NONE, MINT_SECRET, "");
	for (size_t i = 0; i < COUNT(names); i++) {
		char text[TOKEN_SIZE] = "unset";

		CHECK(names[i], sign_in(text, &program, names[i], NOW) == 500);
		CHECK_TEXT(names[i], text, "");
	}
	stop(&program);
}

/* Each sign-in has a sid of its own. */
static void
test_sids(void **state)
{
	char folder[UNIT_PATH_SIZE], one[TOKEN_SIZE], two[TOKEN_SIZE];
	struct program program;
	struct token token, again;

	new_folder(folder, state);
	start(&program, folder, MINT_SECRET, "");
	assert_int_equal(sign_in(one, &program, "ada", NOW), 0);
	assert_int_equal(sign_in(two, &program, "ada", NOW), 0);
	token = read_token(&program, one, NOW);
	again = read_token(&program, two, NOW);
	assert_string_not_equal(token.sid, again.sid);
	assert_int_equal(check(&program, one, NOW), SESSION_GOOD);
	assert_int_equal(check(&program, two, NOW), SESSION_GOOD);
	stop(&program);
}

/* The inode and the time of change of a user's record; zero where there is none. */
static struct stat
record(const char *folder, const char *user)
{
	char name[64], path[UNIT_PATH_SIZE];
	struct stat st = { 0 };

	snprintf(name, sizeof(name), "sessions/%s", user);
	unit_path(path, folder, name);
	if (stat(path, &st) != 0)
		st = (struct stat){ 0 };
	return st;
}

static bool
is_same_record(struct stat a, struct stat b)
{
	return a.st_ino == b.st_ino && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
	    a.st_ctim.tv_sec == b.st_ctim.tv_sec && a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

/* All sessions were revoked while a password was hashed: that sign-in comes to nothing. */
static void
test_revoked_meanwhile(void **state)
{
	const struct account account = account_of("ada", PWV);
	char folder[UNIT_PATH_SIZE], one[TOKEN_SIZE], text[TOKEN_SIZE] = "unset";
	char word[LIST_WORD_SIZE];
	struct program program, other;
	struct stat before;
	long seconds = -1;

	new_folder(folder, state);
	start(&program, folder, MINT_SECRET, "");
	start(&other, folder, MINT_SECRET, "");
	assert_int_equal(sign_in(one, &program, "ada", NOW), 0);
	assert_true(session_prepare(word, &program.sessions, "ada", NOW, &program.log));
	assert_int_equal(sign_out(&other, one, true, NOW), -1);
	before = record(folder, "ada");
	assert_int_equal(session_begin(text, &seconds, &program.sessions, &account, LIST_COOKIE,
			     word, NOW, &program.log),
	    503);
	assert_string_equal(text, "");
	assert_int_equal(seconds, 0);
	assert_true(is_same_record(before, record(folder, "ada")));
	/* The next one is right. */
	assert_int_equal(sign_in(text, &program, "ada", NOW), 0);
	assert_int_equal(check(&other, text, NOW), SESSION_GOOD);
	stop(&program);
	stop(&other);
}

/* Signing out of one session does not stop a sign-in. */
static void
test_signed_out_meanwhile(void **state)
{
	const struct account account = account_of("ada", PWV);
	char folder[UNIT_PATH_SIZE], one[TOKEN_SIZE], two[TOKEN_SIZE], word[LIST_WORD_SIZE];
	struct program program;
	long seconds;

	new_folder(folder, state);
	start(&program, folder, MINT_SECRET, "");
	assert_int_equal(sign_in(one, &program, "ada", NOW), 0);
	assert_true(session_prepare(word, &program.sessions, "ada", NOW, &program.log));
	assert_int_equal(sign_out(&program, one, false, NOW), -1);
	assert_int_equal(session_begin(two, &seconds, &program.sessions, &account, LIST_COOKIE,
			     word, NOW, &program.log),
	    0);
	assert_true(is_ended(&program, one, NOW));
	assert_int_equal(check(&program, two, NOW), SESSION_GOOD);
	stop(&program);
}

/* The first two sign-ins of a user, in a new store, at once: both are in. */
static void
test_two_from_nothing(void **state)
{
	const struct account account = account_of("ada", PWV);
	char folder[UNIT_PATH_SIZE], texts[2][TOKEN_SIZE], words[2][LIST_WORD_SIZE];
	struct program programs[2];
	long seconds;

	new_folder(folder, state);
	for (int i = 0; i < 2; i++) {
		start(&programs[i], folder, MINT_SECRET, "");
		assert_true(
		    session_prepare(words[i], &programs[i].sessions, "ada", NOW, &programs[i].log));
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(session_begin(texts[i], &seconds, &programs[i].sessions, &account,
				     LIST_COOKIE, words[i], NOW, &programs[i].log),
		    0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(check(&programs[i / 2], texts[i % 2], NOW), SESSION_GOOD);
	stop(&programs[0]);
	stop(&programs[1]);
}

enum { PROCESSES = 4, EACH = 5 };

/* Sign in so many times, and write the tokens to a pipe. */
static void
sign_in_again_and_again(const char *folder, int out)
{
	struct program program;
	char text[TOKEN_SIZE];

	start(&program, folder, MINT_SECRET, "");
	for (int i = 0; i < EACH; i++) {
		memset(text, 0, sizeof(text));
		if (sign_in(text, &program, "ada", NOW) != 0 ||
		    write(out, text, sizeof(text)) != sizeof(text))
			_exit(1);
	}
	_exit(0);
}

/* Nobody who signs in takes another one off the list, as long as there is room. */
static void
test_many_processes(void **state)
{
	char folder[UNIT_PATH_SIZE], text[TOKEN_SIZE];
	struct program program;
	int fds[2], status;

	new_folder(folder, state);
	assert_int_equal(pipe(fds), 0);
	for (int i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			sign_in_again_and_again(folder, fds[1]);
	}
	close(fds[1]);
	start(&program, folder, MINT_SECRET, "");
	for (int i = 0; i < PROCESSES * EACH; i++) {
		assert_int_equal(read(fds[0], text, sizeof(text)), sizeof(text));
		assert_int_equal(check(&program, text, NOW), SESSION_GOOD);
	}
	for (int i = 0; i < PROCESSES; i++)
		assert_true(wait(&status) > 0 && status == 0);
	close(fds[0]);
	stop(&program);
}

/* What falls off the list is over, and is not renewed; bearer tokens have a room of their own. */
static void
test_more_than_may_be(void **state)
{
	enum { MOST = 3, SIGN_INS = 6 };
	char folder[UNIT_PATH_SIZE], texts[SIGN_INS][TOKEN_SIZE], bearers[MOST][TOKEN_SIZE];
	char out[TOKEN_SIZE];
	struct program program;

	new_folder(folder, state);
	configure(&program, folder, MINT_SECRET, "");
	program.config.sessions = MOST;
	open_program(&program);
	for (int i = 0; i < MOST; i++)
		assert_int_equal(sign_in_by(bearers[i], &program, "ada", LIST_BEARER, NOW + i), 0);
	for (int i = 0; i < SIGN_INS; i++)
		assert_int_equal(sign_in(texts[i], &program, "ada", NOW + 10 + i), 0);
	for (int i = 0; i < SIGN_INS; i++) {
		const bool is_out = i < SIGN_INS - MOST;

		assert_int_equal(is_ended(&program, texts[i], NOW + 20), is_out);
		assert_int_equal(check(&program, texts[i], NOW + 20),
		    is_out ? SESSION_BAD : SESSION_GOOD);
		assert_int_equal(renew(out, &program, texts[i], NOW + 200), !is_out);
		assert_int_equal(out[0] == '\0', is_out);
	}
	for (int i = 0; i < MOST; i++)
		assert_int_equal(check(&program, bearers[i], NOW + 20), SESSION_GOOD);
	stop(&program);
}

/* -- checking ------------------------------------------------------------------------------- */

/* The parts of a text that bars separate; one may be empty. */
static size_t
split(struct text_span parts[], size_t max, const char *text)
{
	size_t count = 0;

	while (count < max) {
		parts[count] = (struct text_span){ text, strcspn(text, "|") };
		text += parts[count++].length;
		if (*text++ == '\0')
			break;
	}
	return count;
}

static const struct {
	const char *name, *tokens;
	enum session want;
	const char *user, *why;
} cases[] = {
	{ "a good one", "$G", SESSION_GOOD, "ada", "" },
	{ "of the previous secret", "$P", SESSION_GOOD, "ada", "" },
	{ "no token", "", SESSION_BAD, "", "form" },
	{ "not a token", "abc", SESSION_BAD, "", "form" },
	{ "in quotes", "\"$G\"", SESSION_BAD, "", "form" },
	{ "a space behind it", "$G ", SESSION_BAD, "", "form" },
	{ "two in one", "$G, $G", SESSION_BAD, "", "form" },
	{ "over", "$X", SESSION_BAD, "", "expired" },
	{ "a stranger's", "$S", SESSION_BAD, "", "signature" },
	{ "too long for a token", "$G$G$G$G$G", SESSION_BAD, "", "form" },

	{ "a bad one first", "abc|$G", SESSION_GOOD, "ada", "" },
	{ "a bad one last", "$G|abc", SESSION_GOOD, "ada", "" },
	{ "a stranger's before it", "$S|$G", SESSION_GOOD, "ada", "" },
	{ "one that is over before it", "$X|$G", SESSION_GOOD, "ada", "" },
	{ "twice the same", "$G|$G", SESSION_GOOD, "ada", "" },
	{ "two sessions", "$G|$L", SESSION_BAD, "", "sid" },
	{ "two sessions, the longer one first", "$L|$G", SESSION_BAD, "", "sid" },
	{ "two sessions of one user", "$P|$G", SESSION_BAD, "", "sid" },
	{ "two sessions and a bad one", "$G|abc|$L", SESSION_BAD, "", "sid" },
	{ "two sessions and a bad one behind", "$G|$L|abc", SESSION_BAD, "", "sid" },
	{ "two sessions, the second one twice", "$G|$L|$L", SESSION_BAD, "", "sid" },
	{ "two bad ones", "$X|abc", SESSION_BAD, "", "form" },
	{ "the eighth", "a|b|c|d|e|f|g|$G", SESSION_GOOD, "ada", "" },
	{ "the ninth", "a|b|c|d|e|f|g|h|$G", SESSION_BAD, "", "form" },
};

static void
check_cases(struct program *program, char tokens[][TOKEN_SIZE])
{
	static const struct token nobody;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct text_span parts[16];
		const char *why = "unset";
		struct token token;
		char text[16384];
		size_t count;

		mint_expand(text, sizeof(text), cases[i].tokens, tokens);
		count = split(parts, COUNT(parts), text);
		CHECK(cases[i].name,
		    session_check(&token, &why, &program->sessions, parts, count, NOW,
			&program->log) == cases[i].want);
		CHECK_TEXT(cases[i].name, token.user, cases[i].user);
		if (cases[i].want != SESSION_GOOD) {
			CHECK(cases[i].name, memcmp(&token, &nobody, sizeof(token)) == 0);
			CHECK_TEXT(cases[i].name, why, cases[i].why);
		}
	}
}

static void
test_check(void **state)
{
	struct program before, program, stranger;
	char folder[UNIT_PATH_SIZE], tokens[5][TOKEN_SIZE];

	new_folder(folder, state);
	for (int i = 0; i < 2; i++) {
		const char *place = i == 0 ? STORE_NONE : folder;
		struct text_span none[1];
		struct token token;
		const char *why;

		start(&before, place, MINT_PREVIOUS, "");
		assert_int_equal(sign_in(tokens[2], &before, "ada", NOW), 0);
		start(&program, place, MINT_SECRET, MINT_PREVIOUS);
		start(&stranger, STORE_NONE, MINT_STRANGER, "");
		assert_int_equal(sign_in(tokens[0], &program, "ada", NOW - 10), 0);
		assert_int_equal(sign_in(tokens[1], &program, "bob", NOW), 0);
		assert_int_equal(sign_in(tokens[3], &program, "ada", NOW - 300), 0);
		assert_int_equal(sign_in(tokens[4], &stranger, "ada", NOW), 0);
		check_cases(&program, tokens);
		assert_int_equal(session_check(&token, &why, &program.sessions, none, 0, NOW,
				     &program.log),
		    SESSION_BAD);
		assert_null(heard(&program));
		stop(&before);
		stop(&program);
		stop(&stranger);
	}
}

/* Of several tokens of one session the freshest counts, wherever it stands. */
static void
test_freshest(void **state)
{
	const struct token_rules rules = { "postern", NOW, SESSION_TTL };
	char older[TOKEN_SIZE], newer[TOKEN_SIZE];
	struct program program;
	struct token token;
	const char *why;

	(void)state;
	start(&program, STORE_NONE, MINT_SECRET, "");
	assert_int_equal(sign_in(older, &program, "ada", NOW), 0);
	token = read_token(&program, older, NOW);
	token.expires += 7;
	assert_true(token_sign(newer, &token, &program.sessions.keys, &rules));
	for (int newer_first = 0; newer_first < 2; newer_first++) {
		const struct text_span texts[] = { span(newer_first ? newer : older),
			span(newer_first ? older : newer) };

		assert_int_equal(session_check(&token, &why, &program.sessions, texts, 2, NOW,
				     &program.log),
		    SESSION_GOOD);
		assert_int_equal(token.expires, NOW + 307);
	}
	stop(&program);
}

/* One that is ended beside a good one does no harm; one that cannot be told does. */
static void
test_ended_beside_good(void **state)
{
	char folder[UNIT_PATH_SIZE], one[TOKEN_SIZE], two[TOKEN_SIZE];
	struct program program;

	new_folder(folder, state);
	start(&program, folder, MINT_SECRET, "");
	assert_int_equal(sign_in(one, &program, "ada", NOW), 0);
	assert_int_equal(sign_in(two, &program, "ada", NOW), 0);
	assert_int_equal(sign_out(&program, one, false, NOW), -1);
	for (int i = 0; i < 2; i++) {
		const struct text_span texts[] = { span(i == 0 ? one : two),
			span(i == 0 ? two : one) };
		struct token token;
		const char *why;

		assert_int_equal(session_check(&token, &why, &program.sessions, texts, 2, NOW,
				     &program.log),
		    SESSION_GOOD);
		assert_string_equal(token.user, "ada");
	}
	stop(&program);
}

/* A token may live longer than its session is listed for. */
static void
test_listed_until(void **state)
{
	const struct token_rules rules = { "postern", NOW, SESSION_TTL };
	char folder[UNIT_PATH_SIZE], text[TOKEN_SIZE];
	struct program program;
	struct token token;

	new_folder(folder, state);
	start(&program, folder, MINT_SECRET, "");
	assert_int_equal(sign_in(text, &program, "ada", NOW), 0);
	token = read_token(&program, text, NOW);
	token.expires += 1000;
	assert_true(token_sign(text, &token, &program.sessions.keys, &rules));
	assert_int_equal(check(&program, text, NOW + 299), SESSION_GOOD);
	assert_true(is_ended(&program, text, NOW + 300));
	assert_true(is_ended(&program, text, NOW + 301));
	stop(&program);
}

/* -- renewal -------------------------------------------------------------------------------- */

/* A token of a session that began at NOW is shown `age` seconds later. */
static void
test_due(void **state)
{
	static const struct {
		const char *name;
		long token_ttl, session_ttl, age;
		bool bearer, want;
	} rows[] = {
		{ "new", 300, 28800, 0, false, false },
		{ "half its life", 300, 28800, 150, false, false },
		{ "past half", 300, 28800, 151, false, true },
		{ "past half, for a bearer", 300, 28800, 151, true, false },
		{ "the last second", 300, 28800, 299, false, true },
		{ "the session is not longer", 300, 300, 299, false, false },
		{ "the session is a second longer", 300, 301, 299, false, true },
		{ "the clock was set back", 300, 28800, -50, false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct program program;
		const struct token token = { .auth_time = NOW,
			.issued = NOW,
			.expires = NOW + rows[i].token_ttl,
			.bearer = rows[i].bearer };

		start(&program, STORE_NONE, MINT_SECRET, "");
		program.config.token_ttl = rows[i].token_ttl;
		program.config.session_ttl = rows[i].session_ttl;
		CHECK(rows[i].name,
		    session_is_due(&program.sessions, &token, NOW + rows[i].age) == rows[i].want);
		/* What only verifies renews nothing. */
		program.sessions.keys.keys[0].signing = NULL;
		CHECK(rows[i].name, !session_is_due(&program.sessions, &token, NOW + rows[i].age));
		stop(&program);
	}
}

static void
test_renewed(void **state)
{
	const char *const secrets[] = { MINT_PREVIOUS, MINT_SECRET };
	char folder[UNIT_PATH_SIZE];

	new_folder(folder, state);
	for (size_t i = 0; i < 2 * COUNT(secrets); i++) {
		const char *place = i % 2 == 0 ? STORE_NONE : folder;
		struct account account = account_of("ada", PWV);
		char first[TOKEN_SIZE], second[TOKEN_SIZE] = "unset";
		struct program before, program;
		struct token old, new;
		long seconds;

		start(&before, place, secrets[i / 2], "");
		assert_int_equal(sign_in(first, &before, "ada", NOW), 0);
		stop(&before);
		start(&program, place, MINT_SECRET, MINT_PREVIOUS);
		old = read_token(&program, first, NOW + 200);
		assert_true(session_renew(second, &seconds, &program.sessions, &old, &account,
		    NOW + 200, &program.log));
		assert_int_equal(seconds, 300);
		/* The current key signs it, whichever signed the one before. */
		program.sessions.keys.count = 1;
		new = read_token(&program, second, NOW + 200);
		assert_string_equal(new.sid, old.sid);
		assert_string_equal(new.user, "ada");
		assert_true(new.auth_time == NOW &&new.issued == NOW + 200);
		assert_true(new.expires == NOW + 500);
		assert_int_equal(check(&program, second, NOW + 499), SESSION_GOOD);
		/* And it can be renewed again. */
		assert_true(session_renew(second, &seconds, &program.sessions, &new, &account,
		    NOW + 400, &program.log));
		/* But not with another password, nor by another user. */
		strcpy(account.pwv[0], OTHER_PWV);
		assert_false(session_renew(second, &seconds, &program.sessions, &new, &account,
		    NOW + 400, &program.log));
		assert_string_equal(second, "");
		strcpy(account.pwv[0], PWV);
		account.known = false;
		strcpy(second, "unset");
		assert_false(session_renew(second, &seconds, &program.sessions, &new, &account,
		    NOW + 400, &program.log));
		assert_string_equal(second, "");
		stop(&program);
	}
}

/* The line's pwv was of the previous secret: what is renewed has that of the current one. */
static void
test_renewed_pwv(void **state)
{
	struct account account = account_of("ada", OTHER_PWV);
	struct program program;
	char text[TOKEN_SIZE];
	struct token token;
	long seconds;

	(void)state;
	strcpy(account.pwv[1], PWV);
	account.pwv_count = 2;
	start(&program, STORE_NONE, MINT_SECRET, "");
	assert_int_equal(sign_in(text, &program, "ada", NOW), 0);
	token = read_token(&program, text, NOW);
	assert_string_equal(token.pwv, PWV);
	assert_true(session_renew(text, &seconds, &program.sessions, &token, &account, NOW + 200,
	    &program.log));
	token = read_token(&program, text, NOW + 200);
	assert_string_equal(token.pwv, OTHER_PWV);
	stop(&program);
}

/* The last token of a session ends with it. */
static void
test_renewed_to_the_end(void **state)
{
	const struct account account = account_of("ada", PWV);
	char folder[UNIT_PATH_SIZE], text[TOKEN_SIZE];
	struct program program;
	struct token token;
	long seconds;

	new_folder(folder, state);
	for (int i = 0; i < 2; i++) {
		configure(&program, i == 0 ? STORE_NONE : folder, MINT_SECRET, "");
		program.config.session_ttl = 450;
		open_program(&program);
		assert_int_equal(sign_in(text, &program, "ada", NOW), 0);
		token = read_token(&program, text, NOW);
		assert_true(session_renew(text, &seconds, &program.sessions, &token, &account,
		    NOW + 200, &program.log));
		assert_int_equal(seconds, 250);
		assert_int_equal(check(&program, text, NOW + 449), SESSION_GOOD);
		assert_int_equal(check(&program, text, NOW + 450), SESSION_BAD);
		stop(&program);
	}
}

/*
 * Somebody is here for all of a session: nothing is written when a token is checked, and at most
 * once an hour when it is renewed.
 */
static void
test_writes(void **state)
{
	char folder[UNIT_PATH_SIZE], text[TOKEN_SIZE];
	time_t written_at = NOW - LEASE;
	struct program program;
	struct stat last, next;
	int writes = 0;

	new_folder(folder, state);
	start(&program, folder, MINT_SECRET, "");
	assert_int_equal(sign_in(text, &program, "ada", NOW), 0);
	last = record(folder, "ada");
	assert_true(last.st_ino != 0);
	for (time_t now = NOW; now < NOW + SESSION_TTL; now += 50) {
		struct token token;
		const char *why;

		assert_int_equal(look(&token, &why, &program, text, now), SESSION_GOOD);
		assert_true(is_same_record(last, record(folder, "ada")));
		if (!session_is_due(&program.sessions, &token, now))
			continue;
		assert_true(renew(text, &program, text, now));
		next = record(folder, "ada");
		if (is_same_record(last, next))
			continue;
		assert_true(now >= written_at + LEASE);
		written_at = now;
		writes++;
		last = next;
	}
	assert_in_range(writes, 2, SESSION_TTL / LEASE);
	assert_int_equal(check(&program, text, NOW + SESSION_TTL), SESSION_BAD);
	stop(&program);
}

/* A session that was revoked meanwhile is not listed again by a renewal. */
static void
test_renewed_after_the_end(void **state)
{
	for (int everywhere = 0; everywhere < 2; everywhere++) {
		char folder[UNIT_PATH_SIZE], text[TOKEN_SIZE], out[TOKEN_SIZE];
		struct program program, other;
		struct stat before;

		new_folder(folder, state);
		start(&program, folder, MINT_SECRET, "");
		start(&other, folder, MINT_SECRET, "");
		assert_int_equal(sign_in(text, &program, "ada", NOW), 0);
		assert_int_equal(check(&program, text, NOW + 200), SESSION_GOOD);
		assert_int_equal(sign_out(&other, text, everywhere, NOW + 200), -1);
		before = record(folder, "ada");
		strcpy(out, "unset");
		assert_false(renew(out, &program, text, NOW + 200));
		assert_string_equal(out, "");
		assert_true(is_same_record(before, record(folder, "ada")));
		assert_true(is_ended(&program, text, NOW + 200));
		stop(&program);
		stop(&other);
	}
}

/* What another process does, once, when a record has just been read. */
static void (*after_a_read)(void);

ssize_t
readv(int fd, const struct iovec *parts, int count)
{
	const ssize_t got = syscall(SYS_readv, fd, parts, count);
	void (*act)(void) = after_a_read;

	after_a_read = NULL;
	if (act != NULL)
		act();
	return got;
}

static struct program ending;
static char ended_token[TOKEN_SIZE];

static void
end_as_other(void)
{
	assert_int_equal(sign_out(&ending, ended_token, false, NOW + 200), -1);
}

/* A session that ends while it is renewed is not listed again. */
static void
test_ended_while_renewed(void **state)
{
	char folder[UNIT_PATH_SIZE], out[TOKEN_SIZE];
	struct program program;

	new_folder(folder, state);
	start(&program, folder, MINT_SECRET, "");
	start(&ending, folder, MINT_SECRET, "");
	assert_int_equal(sign_in(ended_token, &program, "ada", NOW), 0);
	after_a_read = end_as_other;
	assert_false(renew(out, &program, ended_token, NOW + 200));
	assert_null(after_a_read);
	assert_true(is_ended(&program, ended_token, NOW + 200));
	stop(&program);
	stop(&ending);
}

enum { RACES = 500 };

/* Each byte that comes is a go: renew the session of the token that lies in memory of both. */
static void
renew_again_and_again(const char *folder, const char *text, int go, int done)
{
	struct program program;
	char out[TOKEN_SIZE], byte;

	start(&program, folder, MINT_SECRET, "");
	while (read(go, &byte, 1) == 1) {
		renew(out, &program, text, NOW + 200);
		if (write(done, "x", 1) != 1)
			break;
	}
	_exit(0);
}

/* Whichever is faster, a renewal or the end of the session: it has ended. */
static void
test_renewed_at_the_end(void **state)
{
	char folder[UNIT_PATH_SIZE], byte;
	char *text =
	    mmap(NULL, TOKEN_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct program program;
	int go[2], done[2], status;
	pid_t pid;

	new_folder(folder, state);
	assert_true(text != MAP_FAILED && pipe(go) == 0 && pipe(done) == 0);
	if ((pid = fork()) == 0) {
		close(go[1]);
		renew_again_and_again(folder, text, go[0], done[1]);
	}
	start(&program, folder, MINT_SECRET, "");
	for (int i = 0; i < RACES; i++) {
		assert_int_equal(sign_in(text, &program, "ada", NOW), 0);
		assert_int_equal(write(go[1], "x", 1), 1);
		assert_int_equal(sign_out(&program, text, i % 2, NOW + 200), -1);
		assert_int_equal(read(done[0], &byte, 1), 1);
		assert_true(is_ended(&program, text, NOW + 200));
	}
	close(go[1]);
	assert_true(waitpid(pid, &status, 0) == pid && status == 0);
	close(go[0]);
	close(done[0]);
	close(done[1]);
	munmap(text, TOKEN_SIZE);
	stop(&program);
}

/* -- ending --------------------------------------------------------------------------------- */

static void
test_revoked(void **state)
{
	char folder[UNIT_PATH_SIZE], one[TOKEN_SIZE], two[TOKEN_SIZE], bob[TOKEN_SIZE];
	char later[TOKEN_SIZE];
	struct program program;
	off_t length;

	new_folder(folder, state);
	start(&program, folder, MINT_SECRET, "");
	assert_int_equal(sign_in(one, &program, "ada", NOW), 0);
	assert_int_equal(sign_in_by(two, &program, "ada", LIST_BEARER, NOW), 0);
	assert_int_equal(sign_in(bob, &program, "bob", NOW), 0);
	assert_int_equal(check(&program, one, NOW), SESSION_GOOD);
	assert_true(hears(&program, "the store is new"));
	length = record(folder, "ada").st_size;
	assert_int_equal(sign_out(&program, one, false, NOW), -1);
	assert_true(record(folder, "ada").st_size < length);
	assert_true(is_ended(&program, one, NOW));
	assert_int_equal(check(&program, two, NOW), SESSION_GOOD);
	/* What is over is not revoked again. */
	assert_int_equal(sign_out(&program, one, false, NOW), 0);
	assert_int_equal(sign_out(&program, one, true, NOW), 0);
	assert_int_equal(check(&program, two, NOW), SESSION_GOOD);

	assert_int_equal(sign_out(&program, two, true, NOW + 1), -1);
	assert_true(is_ended(&program, two, NOW + 1));
	assert_true(is_ended(&program, one, NOW + 1));
	assert_int_equal(check(&program, bob, NOW + 1), SESSION_GOOD);

	/* All within one second: in again, out everywhere once more, and in again. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(sign_in(later, &program, "ada", NOW + 1), 0);
		assert_int_equal(check(&program, later, NOW + 1), SESSION_GOOD);
		assert_true(is_ended(&program, two, NOW + 1));
		assert_int_equal(sign_out(&program, later, true, NOW + 1), -1);
		assert_true(is_ended(&program, later, NOW + 1));
	}
	assert_null(heard(&program));
	stop(&program);
}

/* Of both secrets; and what is bad revokes nothing. */
static void
test_what_revokes(void **state)
{
	char folder[UNIT_PATH_SIZE], text[TOKEN_SIZE], bad[TOKEN_SIZE];
	struct program before, program, stranger;
	struct token token;
	int status;

	new_folder(folder, state);
	start(&before, folder, MINT_PREVIOUS, "");
	start(&stranger, STORE_NONE, MINT_STRANGER, "");
	assert_int_equal(sign_in(text, &before, "ada", NOW), 0);
	assert_int_equal(sign_in(bad, &stranger, "ada", NOW), 0);
	start(&program, folder, MINT_SECRET, MINT_PREVIOUS);
	for (int everywhere = 0; everywhere < 2; everywhere++) {
		assert_int_equal(sign_out(&program, bad, everywhere, NOW), 0);
		assert_int_equal(sign_out(&program, "x", everywhere, NOW), 0);
		assert_int_equal(sign_out(&program, "", everywhere, NOW), 0);
		assert_int_equal(sign_out(&program, text, everywhere, NOW + 300), 0);
	}
	assert_int_equal(check(&program, text, NOW), SESSION_GOOD);
	assert_true(session_revoke(&token, &status, &program.sessions,
	    &(struct text_span){ text, strlen(text) }, false, NOW, &program.log));
	assert_string_equal(token.user, "ada");
	assert_true(is_ended(&program, text, NOW));
	stop(&before);
	stop(&program);
	stop(&stranger);
}

/* A clock that is set back brings nobody back, and keeps nobody out. */
static void
test_clock(void **state)
{
	char folder[UNIT_PATH_SIZE], one[TOKEN_SIZE], later[TOKEN_SIZE], ended[TOKEN_SIZE];
	struct program program;

	new_folder(folder, state);
	start(&program, folder, MINT_SECRET, "");
	assert_int_equal(sign_in(ended, &program, "ada", NOW + 1), 0);
	assert_int_equal(sign_out(&program, ended, false, NOW + 1), -1);
	assert_int_equal(sign_in(later, &program, "ada", NOW + 1), 0);

	/* By a day: who signs in then is in, and so is the other one when the clock is right. */
	assert_int_equal(sign_in(one, &program, "ada", NOW - DAY), 0);
	assert_int_equal(check(&program, one, NOW - DAY), SESSION_GOOD);
	assert_int_equal(read_token(&program, one, NOW - DAY).auth_time, NOW - DAY);
	assert_int_equal(check(&program, later, NOW + 1), SESSION_GOOD);
	assert_int_equal(sign_out(&program, one, true, NOW - DAY), -1);
	assert_true(is_ended(&program, one, NOW - DAY));
	assert_true(is_ended(&program, later, NOW + 1));
	assert_int_equal(sign_in(one, &program, "ada", NOW - DAY), 0);
	assert_int_equal(check(&program, one, NOW - DAY), SESSION_GOOD);

	/* By a little: a minute is nothing. */
	assert_int_equal(sign_in(later, &program, "ada", NOW), 0);
	assert_int_equal(check(&program, later, NOW - 60), SESSION_GOOD);
	assert_int_equal(check(&program, later, NOW - 61), SESSION_BAD);
	assert_int_equal(check(&program, later, NOW), SESSION_GOOD);
	assert_true(is_ended(&program, ended, NOW - 59));
	assert_true(is_ended(&program, ended, NOW + 1));
	stop(&program);
}

/* A machine whose clock is ahead for a while takes nobody off the list. */
static void
test_clock_ahead(void **state)
{
	char folder[UNIT_PATH_SIZE], one[TOKEN_SIZE], ahead[TOKEN_SIZE];
	struct program program, other;

	new_folder(folder, state);
	start(&program, folder, MINT_SECRET, "");
	start(&other, folder, MINT_SECRET, "");
	assert_int_equal(sign_in(one, &program, "ada", NOW), 0);
	assert_int_equal(sign_in(ahead, &other, "ada", NOW + SESSION_TTL - 1), 0);
	assert_int_equal(check(&program, one, NOW), SESSION_GOOD);
	assert_int_equal(sign_out(&other, ahead, false, NOW + SESSION_TTL - 1), -1);
	assert_int_equal(check(&program, one, NOW), SESSION_GOOD);
	stop(&program);
	stop(&other);
}

/* Whatever life the tokens had that were begun before, none outlives the end of all of them. */
static void
test_revoked_for_as_long_as_need_be(void **state)
{
	char folder[UNIT_PATH_SIZE], old[TOKEN_SIZE], one[TOKEN_SIZE];
	struct program program;

	new_folder(folder, state);
	configure(&program, folder, MINT_SECRET, "");
	program.config.session_ttl = 30 * DAY;
	program.config.token_ttl = 10 * DAY;
	open_program(&program);
	assert_int_equal(sign_in(old, &program, "ada", NOW), 0);
	program.config.token_ttl = 300;
	assert_int_equal(sign_in(one, &program, "ada", NOW), 0);
	assert_int_equal(sign_out(&program, one, true, NOW + 1), -1);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(sign_in(one, &program, i % 2 ? "ada" : "bob", NOW + 3 * DAY), 0);
		assert_int_equal(sign_out(&program, one, false, NOW + 3 * DAY), -1);
	}
	assert_true(is_ended(&program, old, NOW + 3 * DAY));
	stop(&program);
}

/* -- the store ------------------------------------------------------------------------------ */

/* Without a store a token is good until it expires, and signing out everywhere is not to be had. */
static void
test_no_store(void **state)
{
	struct program program;
	char text[TOKEN_SIZE];

	(void)state;
	start(&program, STORE_NONE, MINT_SECRET, "");
	assert_int_equal(sign_in(text, &program, "ada", NOW), 0);
	assert_int_equal(sign_out(&program, text, false, NOW), -1);
	assert_null(heard(&program));
	assert_int_equal(check(&program, text, NOW), SESSION_GOOD);
	assert_int_equal(sign_out(&program, text, true, NOW), 503);
	assert_true(hears(&program, "POSTERN_STATE is none"));
	assert_int_equal(sign_out(&program, "x", true, NOW), 0);
	assert_int_equal(check(&program, text, NOW + 299), SESSION_GOOD);
	stop(&program);
}

/* Without its folder nothing is known of a session: neither yes nor no. */
static void
test_no_folder(void **state)
{
	const struct account account = account_of("ada", PWV);
	struct program program, other;
	char text[TOKEN_SIZE], out[TOKEN_SIZE] = "unset", word[LIST_WORD_SIZE] = LIST_NO_WORD;
	long seconds;

	(void)state;
	start(&other, STORE_NONE, MINT_SECRET, "");
	start(&program, "/nonexistent/store", MINT_SECRET, "");
	assert_int_equal(sign_in(text, &other, "ada", NOW), 0);
	assert_int_equal(check(&program, text, NOW), SESSION_UNKNOWN);
	assert_true(hears(&program, "event=state "));
	assert_int_equal(check(&program, "x", NOW), SESSION_BAD);
	assert_false(session_prepare(word, &program.sessions, "ada", NOW, &program.log));
	assert_true(hears(&program, "event=state "));
	/* Where there are no users there is nothing to read. */
	assert_true(session_prepare(word, &program.sessions, "", NOW, &program.log));
	assert_string_equal(word, LIST_NO_WORD);
	assert_null(heard(&program));
	assert_int_equal(session_begin(out, &seconds, &program.sessions, &account, LIST_COOKIE,
			     word, NOW, &program.log),
	    503);
	assert_string_equal(out, "");
	assert_true(hears(&program, "event=state "));
	assert_false(renew(out, &program, text, NOW + 200));
	assert_int_equal(sign_out(&program, text, false, NOW), 503);
	assert_int_equal(sign_out(&program, text, true, NOW), 503);
	assert_int_equal(sign_out(&program, "x", false, NOW), 0);
	stop(&program);
	stop(&other);
}

/* A token that cannot be told beside a good one is no good one. */
static void
test_unknown_beside_good(void **state)
{
	char folder[UNIT_PATH_SIZE], path[UNIT_PATH_SIZE], ada[TOKEN_SIZE], bob[TOKEN_SIZE];
	struct program program;
	struct token token;
	const char *why;

	new_folder(folder, state);
	start(&program, folder, MINT_SECRET, "");
	assert_int_equal(sign_in(ada, &program, "ada", NOW), 0);
	assert_int_equal(sign_in(bob, &program, "bob", NOW), 0);
	/* A record that leads to itself cannot be read. */
	unit_path(path, folder, "sessions/bob");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("bob", path), 0);
	assert_int_equal(check(&program, bob, NOW), SESSION_UNKNOWN);
	for (int i = 0; i < 2; i++) {
		const struct text_span texts[] = { span(i == 0 ? ada : bob),
			span(i == 0 ? bob : ada) };

		assert_int_equal(session_check(&token, &why, &program.sessions, texts, 2, NOW,
				     &program.log),
		    SESSION_UNKNOWN);
		assert_string_equal(token.user, "");
	}
	/* Nor is a bad one behind it the answer. */
	assert_int_equal(session_check(&token, &why, &program.sessions,
			     (struct text_span[]){ span(bob), span("x") }, 2, NOW, &program.log),
	    SESSION_UNKNOWN);
	assert_int_equal(sign_out(&program, bob, false, NOW), 503);
	assert_int_equal(sign_in(bob, &program, "bob", NOW), 503);
	stop(&program);
}

/* For a while after it was told so, a process knows that a session is open without the store. */
static void
test_grace(void **state)
{
	char folder[UNIT_PATH_SIZE], away[UNIT_PATH_SIZE], one[TOKEN_SIZE], two[TOKEN_SIZE];
	char ended[TOKEN_SIZE], out[TOKEN_SIZE];
	struct program program;

	new_folder(folder, state);
	unit_path(away, *state, "away");
	configure(&program, folder, MINT_SECRET, "");
	program.config.state_grace = 3600;
	open_program(&program);
	assert_int_equal(sign_in(one, &program, "ada", NOW), 0);
	assert_int_equal(sign_in(two, &program, "ada", NOW), 0);
	assert_int_equal(sign_in(ended, &program, "ada", NOW), 0);
	assert_int_equal(check(&program, one, NOW), SESSION_GOOD);
	assert_int_equal(check(&program, ended, NOW), SESSION_GOOD);
	assert_int_equal(sign_out(&program, ended, false, NOW), -1);

	assert_int_equal(rename(folder, away), 0);
	assert_int_equal(check(&program, one, NOW), SESSION_GOOD);
	assert_int_equal(check(&program, one, NOW + 300), SESSION_BAD);
	assert_int_equal(check(&program, two, NOW), SESSION_UNKNOWN);
	assert_int_equal(check(&program, ended, NOW), SESSION_UNKNOWN);
	/* Nothing is begun, and what is to end is open no more. */
	assert_int_equal(sign_in(out, &program, "ada", NOW), 503);
	assert_false(renew(out, &program, one, NOW + 200));
	assert_int_equal(sign_out(&program, one, false, NOW), 503);
	assert_int_equal(check(&program, one, NOW), SESSION_UNKNOWN);

	assert_int_equal(rename(away, folder), 0);
	assert_int_equal(check(&program, one, NOW), SESSION_GOOD);
	assert_int_equal(check(&program, two, NOW), SESSION_GOOD);
	assert_int_equal(sign_out(&program, two, true, NOW), -1);
	assert_int_equal(rename(folder, away), 0);
	assert_int_equal(check(&program, one, NOW), SESSION_UNKNOWN);
	assert_int_equal(check(&program, two, NOW), SESSION_UNKNOWN);
	assert_int_equal(rename(away, folder), 0);
	stop(&program);
}

/* A session that another process ended is not one that is open, once that was seen. */
static void
test_grace_of_another(void **state)
{
	char folder[UNIT_PATH_SIZE], away[UNIT_PATH_SIZE], text[TOKEN_SIZE];
	struct program program, other;

	new_folder(folder, state);
	unit_path(away, *state, "away");
	configure(&program, folder, MINT_SECRET, "");
	program.config.state_grace = 3600;
	open_program(&program);
	start(&other, folder, MINT_SECRET, "");
	assert_int_equal(sign_in(text, &program, "ada", NOW), 0);
	assert_int_equal(check(&program, text, NOW), SESSION_GOOD);
	assert_int_equal(check(&other, text, NOW), SESSION_GOOD);
	assert_int_equal(sign_out(&other, text, false, NOW), -1);
	assert_true(is_ended(&program, text, NOW));
	assert_int_equal(rename(folder, away), 0);
	assert_int_equal(check(&program, text, NOW), SESSION_UNKNOWN);
	assert_int_equal(rename(away, folder), 0);
	stop(&program);
	stop(&other);
}

/* Read the record of a user into `out`, and return its length. */
static size_t
slurp(char *out, size_t size, const char *path)
{
	FILE *file = fopen(path, "r");
	size_t length;

	assert_non_null(file);
	length = fread(out, 1, size, file);
	fclose(file);
	return length;
}

/* Nobody is in by what lies there now; and whoever signs in again is. */
static void
check_damaged(const char *name, const char *folder, const char *old, bool is_told)
{
	char text[TOKEN_SIZE], out[TOKEN_SIZE];
	struct program program;

	start(&program, folder, MINT_SECRET, "");
	CHECK(name, is_ended(&program, old, NOW));
	CHECK(name, is_told == (heard(&program) != NULL));
	CHECK(name, !renew(out, &program, old, NOW + 200));
	CHECK(name, sign_out(&program, old, false, NOW) == 0);
	heard(&program);
	CHECK(name, sign_in(text, &program, "ada", NOW) == 0);
	heard(&program);
	CHECK(name, check(&program, text, NOW) == SESSION_GOOD);
	CHECK(name, is_ended(&program, old, NOW));
	CHECK(name, heard(&program) == NULL);
	stop(&program);
}

static void
test_record_is_lost(void **state)
{
	static char bytes[4096];
	char folder[UNIT_PATH_SIZE], path[UNIT_PATH_SIZE], bob_path[UNIT_PATH_SIZE];
	char old[TOKEN_SIZE], bob[TOKEN_SIZE];
	struct program program;
	size_t length;

	new_folder(folder, state);
	start(&program, folder, MINT_SECRET, "");
	assert_int_equal(sign_in(old, &program, "ada", NOW), 0);
	assert_int_equal(sign_in(bob, &program, "bob", NOW), 0);
	unit_path(path, folder, "sessions/ada");
	unit_path(bob_path, folder, "sessions/bob");
	length = slurp(bytes, sizeof(bytes), path);
	assert_in_range(length, 100, sizeof(bytes) - 1);

	assert_int_equal(unlink(path), 0);
	check_damaged("removed", folder, old, false);
	unit_write(path, "");
	check_damaged("emptied", folder, old, true);
	unit_write(path, "no record\n");
	check_damaged("something else", folder, old, true);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	check_damaged("a folder", folder, old, true);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(link(bob_path, path), 0);
	check_damaged("another user's", folder, old, true);
	for (size_t cut = 1; cut < length; cut += 7) {
		unit_write_bytes(path, bytes, length - cut, 0600);
		check_damaged("cut", folder, old, true);
	}
	/* Every byte but the times of its file is vouched for. */
	for (size_t i = 0; i < length; i += 3) {
		bytes[i] ^= 1;
		unit_write_bytes(path, bytes, length, 0600);
		check_damaged("another byte", folder, old, true);
		bytes[i] ^= 1;
	}
	unit_write_bytes(path, bytes, length, 0600);
	unit_date(path, NOW);
	check_damaged("over", folder, old, false);
	/* What was not touched is as it was. */
	assert_int_equal(check(&program, bob, NOW), SESSION_GOOD);
	stop(&program);
}

/* All of the store is gone, or only which site it is of. */
static void
test_store_is_begun_anew(void **state)
{
	char folder[UNIT_PATH_SIZE], path[UNIT_PATH_SIZE], old[TOKEN_SIZE], text[TOKEN_SIZE];
	struct program program, next;

	new_folder(folder, state);
	start(&program, folder, MINT_SECRET, "");
	assert_int_equal(sign_in(old, &program, "ada", NOW), 0);
	assert_true(hears(&program, "the store is new"));
	/* That is said once. */
	start(&next, folder, MINT_SECRET, "");
	assert_int_equal(check(&next, old, NOW), SESSION_GOOD);
	assert_null(heard(&next));
	stop(&next);

	assert_int_equal(nftw(folder, unit_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_true(is_ended(&program, old, NOW));
	start(&next, folder, MINT_SECRET, "");
	assert_true(is_ended(&next, old, NOW));
	assert_true(hears(&next, "the store is new"));
	assert_int_equal(sign_in(text, &next, "ada", NOW), 0);
	assert_int_equal(check(&program, text, NOW), SESSION_GOOD);
	stop(&next);

	unit_path(path, folder, "site/site");
	for (int damaged = 0; damaged < 2; damaged++) {
		if (damaged)
			unit_write(path, "damaged");
		else
			assert_int_equal(unlink(path), 0);
		start(&next, folder, MINT_SECRET, "");
		assert_int_equal(check(&next, text, NOW), SESSION_GOOD);
		assert_non_null(strstr(heard(&next), "the store is new"));
		assert_int_equal(check(&next, text, NOW), SESSION_GOOD);
		assert_null(heard(&next));
		stop(&next);
	}
	stop(&program);
}

/* The store of a site with another secret is not used, and stays as it is. */
static void
test_store_of_another_site(void **state)
{
	char folder[UNIT_PATH_SIZE], old[TOKEN_SIZE], text[TOKEN_SIZE], out[TOKEN_SIZE];
	struct program program, stranger, none;
	struct stat before;

	new_folder(folder, state);
	start(&program, folder, MINT_SECRET, "");
	assert_int_equal(sign_in(old, &program, "ada", NOW), 0);
	before = record(folder, "ada");
	start(&none, STORE_NONE, MINT_STRANGER, "");
	assert_int_equal(sign_in(text, &none, "ada", NOW), 0);
	for (int i = 0; i < 2; i++) {
		start(&stranger, folder, MINT_STRANGER, i == 0 ? "" : MINT_PREVIOUS);
		/* Each time that it is asked. */
		for (int again = 0; again < 2; again++) {
			assert_int_equal(sign_in(out, &stranger, "ada", NOW), 503);
			assert_true(hears(&stranger, "the secret has changed"));
			assert_int_equal(check(&stranger, text, NOW), SESSION_UNKNOWN);
			assert_true(hears(&stranger, "the secret has changed"));
			assert_int_equal(sign_out(&stranger, text, true, NOW), 503);
			assert_true(hears(&stranger, "the secret has changed"));
		}
		stop(&stranger);
	}
	assert_true(is_same_record(before, record(folder, "ada")));
	assert_int_equal(check(&program, old, NOW), SESSION_GOOD);
	stop(&program);
	stop(&none);
}

/* A secret is changed in two steps, and then changed again. */
static void
test_secret_is_changed(void **state)
{
	static const struct {
		const char *name, *secret, *previous;
		bool want;
	} steps[] = {
		{ "the first secret", MINT_PREVIOUS, "", true },
		{ "the second, with the first", MINT_SECRET, MINT_PREVIOUS, true },
		{ "the first, which is none now", MINT_PREVIOUS, "", false },
		{ "the second alone", MINT_SECRET, "", true },
		{ "the third alone", MINT_STRANGER, "", false },
		{ "the third, with the second", MINT_STRANGER, MINT_SECRET, true },
		{ "the second, which is none now", MINT_SECRET, MINT_PREVIOUS, false },
		{ "back again", MINT_SECRET, MINT_STRANGER, true },
	};
	char folder[UNIT_PATH_SIZE];

	new_folder(folder, state);
	for (size_t i = 0; i < COUNT(steps); i++) {
		struct program program;
		char text[TOKEN_SIZE];

		start(&program, folder, steps[i].secret, steps[i].previous);
		CHECK(steps[i].name,
		    sign_in(text, &program, "ada", NOW) == (steps[i].want ? 0 : 503));
		if (steps[i].want)
			CHECK(steps[i].name, check(&program, text, NOW) == SESSION_GOOD);
		if (i > 0)
			CHECK(steps[i].name, steps[i].want == (heard(&program) == NULL));
		stop(&program);
	}
}

/* The store was not to be had when a program started with the second secret: it changes it then. */
static void
test_secret_is_changed_later(void **state)
{
	char folder[UNIT_PATH_SIZE], away[UNIT_PATH_SIZE], text[TOKEN_SIZE];
	struct program program;

	new_folder(folder, state);
	unit_path(away, *state, "away");
	start(&program, folder, MINT_PREVIOUS, "");
	assert_int_equal(sign_in(text, &program, "ada", NOW), 0);
	stop(&program);
	assert_int_equal(rename(folder, away), 0);
	start(&program, folder, MINT_SECRET, MINT_PREVIOUS);
	assert_int_equal(check(&program, text, NOW), SESSION_UNKNOWN);
	heard(&program);
	assert_int_equal(rename(away, folder), 0);
	assert_int_equal(check(&program, text, NOW), SESSION_GOOD);
	assert_null(heard(&program));
	stop(&program);
	start(&program, folder, MINT_SECRET, "");
	assert_int_equal(sign_in(text, &program, "ada", NOW), 0);
	assert_null(heard(&program));
	stop(&program);
}

/* Both secrets may be known for as long as it takes to start, and not until a request comes. */
static void
test_secret_is_changed_at_the_start(void **state)
{
	char folder[UNIT_PATH_SIZE], text[TOKEN_SIZE];
	struct program program;

	new_folder(folder, state);
	start(&program, folder, MINT_PREVIOUS, "");
	assert_int_equal(sign_in(text, &program, "ada", NOW), 0);
	stop(&program);
	start(&program, folder, MINT_SECRET, MINT_PREVIOUS);
	stop(&program);
	start(&program, folder, MINT_SECRET, "");
	assert_int_equal(sign_in(text, &program, "ada", NOW), 0);
	assert_null(heard(&program));
	stop(&program);
}

/* What could not be made is not said to be new. */
static void
test_store_cannot_be_begun(void **state)
{
	char folder[UNIT_PATH_SIZE], site[UNIT_PATH_SIZE], text[TOKEN_SIZE];
	struct program program;

	new_folder(folder, state);
	unit_path(site, folder, "site");
	assert_int_equal(symlink("nowhere", site), 0);
	start(&program, folder, MINT_SECRET, "");
	assert_int_equal(sign_in(text, &program, "ada", NOW), 503);
	assert_true(hears(&program, "file=site/site"));
	stop(&program);
}

/* What only verifies, with no secret, takes the store of what signs; one of its own is a mistake.
 */
static void
test_only_verifies(void **state)
{
	char folder[UNIT_PATH_SIZE], private[UNIT_PATH_SIZE], public[UNIT_PATH_SIZE];
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	struct program signs, verifies;
	char text[TOKEN_SIZE];

	new_folder(folder, state);
	unit_path(private, *state, "private.pem");
	unit_path(public, *state, "public.pem");
	write_key(private, pkey, true);
	write_key(public, pkey, false);
	EVP_PKEY_free(pkey);
	configure(&signs, folder, MINT_SECRET, "");
	strcpy(signs.config.key, private);
	open_program(&signs);
	configure(&verifies, folder, "", "");
	strcpy(verifies.config.public_key, public);
	open_program(&verifies);

	/* A token of the same key, but nobody has signed in here. */
	strcpy(signs.config.state, STORE_NONE);
	store_close(signs.store);
	signs.store = signs.sessions.store = store_open(STORE_NONE, "", &(const char *){ NULL });
	assert_int_equal(sign_in(text, &signs, "ada", NOW), 0);
	assert_int_equal(check(&verifies, text, NOW), SESSION_UNKNOWN);
	assert_true(hears(&verifies, "share the store of the program that signs"));
	assert_int_equal(check(&verifies, text, NOW), SESSION_UNKNOWN);
	stop(&signs);
	heard(&verifies);
	/* One address of Redis is the store of all: where it is lost, sessions are over. */
	store_close(verifies.store);
	verifies.store = verifies.sessions.store = store_open(folder, "", &(const char *){ NULL });
	strcpy(verifies.config.state, "redis://192.0.2.1");
	assert_true(is_ended(&verifies, text, NOW));
	assert_null(heard(&verifies));
	stop(&verifies);
	configure(&verifies, folder, "", "");
	strcpy(verifies.config.public_key, public);
	open_program(&verifies);

	configure(&signs, folder, MINT_SECRET, "");
	strcpy(signs.config.key, private);
	open_program(&signs);
	assert_int_equal(sign_in(text, &signs, "ada", NOW), 0);
	heard(&verifies);
	assert_int_equal(check(&verifies, text, NOW), SESSION_GOOD);
	assert_int_equal(sign_out(&signs, text, false, NOW), -1);
	assert_true(is_ended(&verifies, text, NOW));
	assert_null(heard(&verifies));
	stop(&signs);
	stop(&verifies);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_key_files),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_begin),
		cmocka_unit_test(test_begin_refuses),
		cmocka_unit_test(test_sids),
		cmocka_unit_test(test_revoked_meanwhile),
		cmocka_unit_test(test_signed_out_meanwhile),
		cmocka_unit_test(test_two_from_nothing),
		cmocka_unit_test(test_many_processes),
		cmocka_unit_test(test_more_than_may_be),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_freshest),
		cmocka_unit_test(test_ended_beside_good),
		cmocka_unit_test(test_listed_until),
		cmocka_unit_test(test_due),
		cmocka_unit_test(test_renewed),
		cmocka_unit_test(test_renewed_pwv),
		cmocka_unit_test(test_renewed_to_the_end),
		cmocka_unit_test(test_writes),
		cmocka_unit_test(test_renewed_after_the_end),
		cmocka_unit_test(test_ended_while_renewed),
		cmocka_unit_test(test_renewed_at_the_end),
		cmocka_unit_test(test_revoked),
		cmocka_unit_test(test_what_revokes),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_clock_ahead),
		cmocka_unit_test(test_revoked_for_as_long_as_need_be),
		cmocka_unit_test(test_no_store),
		cmocka_unit_test(test_no_folder),
		cmocka_unit_test(test_unknown_beside_good),
		cmocka_unit_test(test_grace),
		cmocka_unit_test(test_grace_of_another),
		cmocka_unit_test(test_record_is_lost),
		cmocka_unit_test(test_store_is_begun_anew),
		cmocka_unit_test(test_store_of_another_site),
		cmocka_unit_test(test_secret_is_changed),
		cmocka_unit_test(test_secret_is_changed_later),
		cmocka_unit_test(test_secret_is_changed_at_the_start),
		cmocka_unit_test(test_store_cannot_be_begun),
		cmocka_unit_test(test_only_verifies),
	};

	return cmocka_run_group_tests_name("session", tests, unit_make_memory_folder,
	    unit_remove_folder);
}
