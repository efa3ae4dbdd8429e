/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A connection: TLS 1.3 with a certificate at both ends, and messages after their length. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hv/relocation/relocation.h"

#define DRAIN_READS 256
/*
 * When the guest suspends itself, what was sent but has not been taken there comes before the rest of it: little is to be
 * under way. A local network has a round trip in 0.2 ms, so this is more than TLS's pace.
 */
#define SOCKET_BUFFER (208 << 10)
/* A key of 128 bits is enough, and costs less than the longer one that NORMAL has first. */
#define PRIORITY                                                                                   \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305"

static int fail(struct relocation_link *link, int rc, const char *what, const char *why)
{
	snprintf(link->why, sizeof(link->why), "%.200s: %.300s", what, why);
	return rc;
}

/* What GnuTLS says, as one of ours. */
static int failed(struct relocation_link *link, const char *what, int code)
{
	if (code == GNUTLS_E_AGAIN || code == GNUTLS_E_TIMEDOUT)
		return fail(link, -ETIMEDOUT, what, "the other end is silent");
	if (code == GNUTLS_E_PREMATURE_TERMINATION)
		return fail(link, -EPIPE, what, "the connection was lost");
	if (code == GNUTLS_E_FATAL_ALERT_RECEIVED)
		return fail(link, -EPROTO, what,
			    gnutls_alert_get_name(gnutls_alert_get(link->session)));
	return fail(link, -EPROTO, what, gnutls_strerror(code));
}

static int load(struct relocation_link *link, const struct relocation_conf *conf)
{
	int rc = gnutls_certificate_allocate_credentials(&link->credentials);

	if (rc < 0)
		return failed(link, "TLS", rc);
	rc = gnutls_certificate_set_x509_trust_file(link->credentials, conf->ca,
						    GNUTLS_X509_FMT_PEM);
	if (rc <= 0)
		return fail(link, -EINVAL, conf->ca,
			    rc ? gnutls_strerror(rc) : "no certificate is in it");
	rc = gnutls_certificate_set_x509_key_file(link->credentials, conf->certificate, conf->key,
						  GNUTLS_X509_FMT_PEM);
	return rc < 0 ? fail(link, -EINVAL, conf->certificate, gnutls_strerror(rc)) : 0;
}

/* Why the other end's certificate is none that we take. */
static void say_verification(struct relocation_link *link)
{
	unsigned int status = gnutls_session_get_verify_cert_status(link->session);
	gnutls_datum_t text = { 0 };

	if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0))
		return;
	snprintf(link->why, sizeof(link->why), "certificate: %s", text.data);
	gnutls_free(text.data);
}

static int shake_hands(struct relocation_link *link)
{
	int rc;

	gnutls_handshake_set_timeout(link->session, RELOCATION_TLS_MS);
	do
		rc = gnutls_handshake(link->session);
	while (rc < 0 && !gnutls_error_is_fatal(rc) && rc != GNUTLS_E_AGAIN);
	if (!rc)
		return 0;
	gnutls_alert_send_appropriate(link->session, rc);
	rc = rc == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR ? -EACCES : failed(link, "TLS", rc);
	if (rc == -EACCES)
		say_verification(link);
	return rc;
}

/* GnuTLS's records, of 16 KiB at most: a message of several leaves in one piece. */
static int flush(struct relocation_link *link)
{
	for (size_t at = 0; at < link->nr_held;) {
		ssize_t n = send(link->fd, link->held + at, link->nr_held - at, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	link->nr_held = 0;
	return 0;
}

static ssize_t push(gnutls_transport_ptr_t arg, const void *data, size_t size)
{
	struct relocation_link *link = arg;

	if (!link->holds || size > sizeof(link->held))
		return send(link->fd, data, size, MSG_NOSIGNAL);
	if (size > sizeof(link->held) - link->nr_held && flush(link))
		return -1;
	memcpy(link->held + link->nr_held, data, size);
	link->nr_held += size;
	return (ssize_t)size;
}

/* GnuTLS asks for the five bytes before a record, then for the record. */
static ssize_t pull(gnutls_transport_ptr_t arg, void *data, size_t size)
{
	struct relocation_link *link = arg;

	if (link->ahead_at == link->nr_ahead) {
		ssize_t n = recv(link->fd, link->ahead, sizeof(link->ahead), 0);

		if (n <= 0)
			return n;
		link->ahead_at = 0;
		link->nr_ahead = (size_t)n;
	}
	if (size > link->nr_ahead - link->ahead_at)
		size = link->nr_ahead - link->ahead_at;
	memcpy(data, link->ahead + link->ahead_at, size);
	link->ahead_at += size;
	return (ssize_t)size;
}

/* GnuTLS asks while it shakes hands. */
static int pull_timeout(gnutls_transport_ptr_t arg, unsigned int ms)
{
	struct relocation_link *link = arg;

	if (link->ahead_at < link->nr_ahead)
		return 1;
	return gnutls_system_recv_timeout((gnutls_transport_ptr_t)(intptr_t)link->fd, ms);
}

int relocation_link_open(struct relocation_link *link, const struct relocation_conf *conf, int fd,
			 const char *host)
{
	const struct timeval quiet = { .tv_sec = RELOCATION_QUIET_S };
	const int one = 1, buffer = SOCKET_BUFFER;
	int rc;

	memset(link, 0, sizeof(*link));
	link->fd = fd;
	/* What is sent is not to wait for more. */
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &quiet, sizeof(quiet)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &quiet, sizeof(quiet)))
		return fail(link, -errno, "socket", strerror(errno));
	rc = load(link, conf);
	if (rc)
		return rc;
	rc = gnutls_init(&link->session, host ? GNUTLS_CLIENT : GNUTLS_SERVER);
	if (!rc)
		rc = gnutls_priority_set_direct(link->session, PRIORITY, NULL);
	if (!rc)
		rc = gnutls_credentials_set(link->session, GNUTLS_CRD_CERTIFICATE,
					    link->credentials);
	if (rc < 0)
		return failed(link, "TLS", rc);
	if (!host)
		gnutls_certificate_server_set_request(link->session, GNUTLS_CERT_REQUIRE);
	gnutls_session_set_verify_cert(link->session, host, 0);
	gnutls_transport_set_ptr(link->session, link);
	gnutls_transport_set_push_function(link->session, push);
	gnutls_transport_set_pull_function(link->session, pull);
	gnutls_transport_set_pull_timeout_function(link->session, pull_timeout);
	return shake_hands(link);
}

/* What we said last would be lost, if we closed with something unread. */
static void drain(int fd)
{
	const struct timeval soon = { .tv_sec = 1 };
	char rest[4096];

	shutdown(fd, SHUT_WR);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	for (int i = 0; i < DRAIN_READS && read(fd, rest, sizeof(rest)) > 0; i++)
		;
}

void relocation_link_close(struct relocation_link *link)
{
	if (link->session) {
		gnutls_bye(link->session, GNUTLS_SHUT_WR);
		gnutls_deinit(link->session);
		drain(link->fd);
	}
	if (link->credentials)
		gnutls_certificate_free_credentials(link->credentials);
	close(link->fd);
}

static int send_all(struct relocation_link *link, const uint8_t *data, size_t size)
{
	while (size) {
		ssize_t n = gnutls_record_send(link->session, data, size);

		if (n == GNUTLS_E_INTERRUPTED)
			continue;
		if (n <= 0)
			return failed(link, "sending", (int)n);
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

int relocation_send(struct relocation_link *link, const void *data, size_t size)
{
	uint32_t length = htonl((uint32_t)size);
	int rc;

	link->holds = true;
	rc = send_all(link, (const uint8_t *)&length, sizeof(length));
	if (!rc)
		rc = send_all(link, data, size);
	link->holds = false;
	if (!rc && flush(link))
		rc = fail(link, -EPIPE, "sending",
			  errno == EAGAIN ? "the other end is silent" : strerror(errno));
	link->nr_held = 0;
	return rc;
}

int relocation_send_json(struct relocation_link *link, json_t *message)
{
	char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	int rc = !text ? -ENOMEM
		 : strlen(text) > RELOCATION_MESSAGE_MAX
			 ? -EMSGSIZE
			 : relocation_send(link, text, strlen(text));

	if (rc == -ENOMEM || rc == -EMSGSIZE)
		fail(link, rc, "message", strerror(-rc));
	json_decref(message);
	free(text);
	return rc;
}

static int recv_all(struct relocation_link *link, uint8_t *data, size_t size)
{
	while (size) {
		ssize_t n = gnutls_record_recv(link->session, data, size);

		if (n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_REHANDSHAKE)
			continue;
		if (!n)
			return fail(link, -EPIPE, "receiving", "the other end has closed");
		if (n < 0)
			return failed(link, "receiving", (int)n);
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

ssize_t relocation_recv(struct relocation_link *link, void *data, size_t size)
{
	uint32_t length;
	int rc = recv_all(link, (uint8_t *)&length, sizeof(length));

	if (rc)
		return rc;
	length = ntohl(length);
	if (length > size)
		return fail(link, -EMSGSIZE, "receiving", "a message of absurd size");
	rc = recv_all(link, data, length);
	return rc ? rc : (ssize_t)length;
}

void relocation_wait(const struct relocation_link *link, int timeout_ms)
{
	struct pollfd p = { .fd = link->fd, .events = POLLIN };

	if (link->ahead_at == link->nr_ahead)
		poll(&p, 1, timeout_ms);
}

int relocation_recv_json(struct relocation_link *link, json_t **message_out)
{
	char *text = malloc(RELOCATION_MESSAGE_MAX);
	ssize_t n = text ? relocation_recv(link, text, RELOCATION_MESSAGE_MAX) : -ENOMEM;
	json_t *message = n >= 0 ? json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL) : NULL;
	const char *error = json_string_value(json_object_get(message, "error"));
	int rc = n < 0 ? (int)n : 0;

	if (!rc && !json_is_object(message))
		rc = fail(link, -EPROTO, "receiving", "no message");
	else if (error)
		rc = fail(link, -EREMOTEIO, "the other host", error);
	free(text);
	if (!rc && message_out)
		*message_out = message;
	else
		json_decref(message);
	return rc;
}
