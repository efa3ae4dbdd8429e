/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moving a domain to another host: vifrost-relocation receives there and sends here, TLS in between with
 * certificates at both ends. It has no part in the domain's state: it passes on what vifrost-hvd's runners
 * write and read (hv/kvm/image.h), through a FIFO in the run directory.
 *
 * Messages, each after its length in 4 bytes, network order:
 *
 *	sender					receiver
 *	{magic, version, config, cpu}	->
 *					<-	{}, or {"error": why} and the end, as in all its answers
 *	(here the guest suspends itself; live, after most of its memory has been sent)
 *	state, in pieces; an empty one	->
 *					<-	{} it has been restored, and is paused
 *	{}				->
 *					<-	{} it runs
 *					<-	the end, when its vifs work there, or do not for long
 *	(here it is destroyed)
 *
 * Until the sender's {} any failure has the guest go on at the sender, and the receiver destroy what
 * it made. After that, with no answer, the guest stays suspended here: it may run there, and no guest runs twice.
 */
#ifndef HV_RELOCATION_RELOCATION_H
#define HV_RELOCATION_RELOCATION_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gnutls/gnutls.h>
#include <jansson.h>

#include "base/diag.h"

#define RELOCATION_MAGIC   "vifrost-relocation"
#define RELOCATION_VERSION 1
#define RELOCATION_CONF	   "/etc/vifrost/relocation.conf"
#define RELOCATION_PORT	   8002
#define RELOCATION_WHY	   512

#define RELOCATION_MESSAGE_MAX (1u << 20) /* of JSON */
#define RELOCATION_PIECE_MAX   (1u << 16) /* of state */
#define RELOCATION_TLS_MS      10000	  /* for a handshake */
#define RELOCATION_QUIET_S     90	  /* without a byte: the other end is gone */
#define RELOCATION_SETTLE_MS   5000	  /* for vifs that are connected no sooner */

/* ---- Configuration: lines of KEY = VALUE, as xend's but for the parentheses ---- */

struct relocation_conf {
	bool server;
	uint32_t port;
	char address[64]; /* "": all */
	char hosts_allow
		[1024]; /* extended regular expressions, by blanks; "": whoever has a certificate */
	char certificate[PATH_MAX], key[PATH_MAX], ca[PATH_MAX]; /* PEM */
};

/* Return: 0; -EINVAL, -errno with @diags telling why. */
int relocation_conf_load(const char *path, struct relocation_conf *conf, struct diags *diags);
int relocation_conf_parse(const char *file, const char *text, struct relocation_conf *conf,
			  struct diags *diags);
/* Whether one of @allow's expressions is the whole of @text, of either case. */
bool relocation_host_matches(const char *allow, const char *text);

/* ---- Processors ---- */

/* What this one can do, as words of CPUID: {"vendor", "words": [...]}. */
json_t *relocation_cpu(void);
/* Whether a guest of @theirs can run here; @why: what lacks. */
bool relocation_cpu_suits(const json_t *theirs, const json_t *ours, char why[RELOCATION_WHY]);

/* ---- A connection ---- */

struct relocation_link {
	int fd;
	gnutls_session_t session;
	gnutls_certificate_credentials_t credentials;
	char why[RELOCATION_WHY]; /* of the last failure */
	bool holds;		  /* what is written waits in @held for the rest of its message */
	size_t nr_held, ahead_at, nr_ahead;
	uint8_t held[RELOCATION_PIECE_MAX + 4096]; /* a piece, and what TLS adds to it */
	uint8_t ahead[RELOCATION_PIECE_MAX];	   /* read, but not asked for yet */
};

/* @fd: taken over, connected. @host: the name of the server, for its client; NULL: we are the server. */
int relocation_link_open(struct relocation_link *link, const struct relocation_conf *conf, int fd,
			 const char *host);
void relocation_link_close(struct relocation_link *link);
int relocation_send(struct relocation_link *link, const void *data, size_t size);
/* Steals @message. */
int relocation_send_json(struct relocation_link *link, json_t *message);
/* Return: bytes; -errno. -EMSGSIZE: over @size. */
ssize_t relocation_recv(struct relocation_link *link, void *data, size_t size);
/* Until there is something to receive, or the other end has closed. */
void relocation_wait(const struct relocation_link *link, int timeout_ms);
/* -EREMOTEIO: the other end says that it failed, and why. */
int relocation_recv_json(struct relocation_link *link, json_t **message_out);

/* ---- A question to vifrost-hvd that takes its time ---- */

struct relocation_ask;

/* @params: stolen. */
int relocation_ask_start(const char *rundir, const char *method, json_t *params,
			 struct relocation_ask **ask_out);
/* Readable once it is answered. */
int relocation_ask_fd(const struct relocation_ask *ask);
/* Wait, and free it. Return: 0, -ETIMEDOUT: it is left behind; -errno with @why. @result_out: may be NULL. */
int relocation_ask_finish(struct relocation_ask *ask, int timeout_ms, json_t **result_out,
			  char why[RELOCATION_WHY]);
/* Both at once. */
int relocation_call(const char *rundir, const char *method, json_t *params, json_t **result_out,
		    char why[RELOCATION_WHY]);
/* A FIFO in @rundir, open for reading, or for reading and writing; not blocking. -errno. */
int relocation_fifo(const char *rundir, bool writing, char path[PATH_MAX]);

/* ---- The programs; they return exit statuses ---- */

int relocation_serve(const char *rundir, const struct relocation_conf *conf);
/* @domain: id or name. @live: most of its memory is sent while it still runs. */
int relocation_send_domain(const char *rundir, const struct relocation_conf *conf,
			   const char *domain, const char *host, bool live);

#endif
