#include "store/state_tls.h"

#include <stddef.h>
#include <sys/time.h>

/* hiredis_ssl.h includes neither of these. */
#include <hiredis/hiredis.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>

struct ssl_ctx_st *
tls_new(void)
{
	SSL_CTX *trusted;

	/* secret_begin() leaves out what plain CGI needs not: with these a certificate is signed.
	 */
	EVP_add_digest(EVP_sha256());
	EVP_add_digest(EVP_sha384());
	EVP_add_digest(EVP_sha512());
	trusted = SSL_CTX_new(TLS_client_method());
	if (trusted == NULL || SSL_CTX_set_min_proto_version(trusted, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_default_verify_paths(trusted) != 1) {
		SSL_CTX_free(trusted);
		return NULL;
	}
	SSL_CTX_set_verify(trusted, SSL_VERIFY_PEER, NULL);
	return trusted;
}

void
tls_forget(struct ssl_ctx_st *trusted)
{
	SSL_CTX_free(trusted);
}

static const char *
why_not(SSL *tls)
{
	long verified = SSL_get_verify_result(tls);

	return verified != X509_V_OK ? X509_verify_cert_error_string(verified)
				     : "no TLS can be agreed on";
}

struct ssl_st *
tls_begin(struct redisContext *context, struct ssl_ctx_st *trusted, const char *address,
    const char **why)
{
	SSL *tls;

	*why = "out of memory";
	tls_forget_errors();
	tls = SSL_new(trusted);
	/* hiredis looks at no name. */
	if (tls != NULL && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), address) == 1 &&
	    redisInitiateSSL(context, tls) == REDIS_OK)
		return tls;
	if (context->err != 0)
		*why = why_not(tls);
	SSL_free(tls);
	return NULL;
}

int
tls_step(struct ssl_st *tls, const char **why)
{
	int done = SSL_do_handshake(tls), fault = SSL_get_error(tls, done);

	if (done == 1)
		return 0;
	if (fault == SSL_ERROR_WANT_READ)
		return POLLIN;
	if (fault == SSL_ERROR_WANT_WRITE)
		return POLLOUT;
	*why = why_not(tls);
	return -1;
}

void
tls_forget_errors(void)
{
	ERR_clear_error();
}
