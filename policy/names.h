/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names in address sets, and which addresses they have by now. Who calls says what time it is, in
 * milliseconds of any clock that never steps; only name_ask() knows of a network.
 *
 * An answer holds for its TTL, within bounds. An address that a new answer leaves out goes when the answer
 * that had it last is over. While a name fails it keeps what it had for a grace: a short one when it is said
 * not to exist, a long one when nobody answers, for then it is not the name that is at fault.
 *
 * Answers are hostile: they are read in a process of their own, and of what they say only so many addresses
 * are taken, none of them special, none of this host.
 */
#ifndef POLICY_NAMES_H
#define POLICY_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "vswitch/wanted.h"

#define NAMES_FAMILIES	      2	 /* AF_INET, AF_INET6 */
#define NAMES_ADDRS_MAX	      32 /* of one name and family */
#define NAMES_TTL_MIN_S	      5
#define NAMES_TTL_MAX_S	      3600
#define NAMES_GRACE_GONE_S    300
#define NAMES_GRACE_SILENT_S  86400
#define NAMES_RETRY_MAX_S     60
#define NAMES_ANSWER_PIPE_MAX 4096

/* Of one family. */
struct name_answer {
	int rc; /* 0: @v, which may be none; -ENOENT: no such name; else nobody answered, or not well */
	uint32_t ttl_s;
	uint16_t nr;
	uint16_t nr_refused, nr_over; /* that nobody may have; that were too many */
	uint8_t v[NAMES_ADDRS_MAX][16];
};

struct name_answers {
	struct name_answer family[NAMES_FAMILIES];
};

struct name_addr {
	uint8_t address[16]; /* network byte order */
	uint64_t until_ms;   /* of the answer that had it last */
};

struct name {
	char text[VS_FQDN_LEN];
	bool is_used;  /* the policy names it */
	bool is_asked; /* for the caller: a question is under way */
	uint64_t next_ms;
	int rc; /* of the last answer; -EINPROGRESS: none yet */
	unsigned int nr_failed;
	uint16_t nr_refused, nr_over; /* of the last answer that was one */
	struct {
		uint64_t failing_ms; /* since then; 0: it does not */
		size_t nr;
		struct name_addr v[NAMES_ADDRS_MAX];
	} family[NAMES_FAMILIES];
};

struct names {
	struct name **v;
	size_t nr;
};

void names_fini(struct names *names);
/* Those of @w are used, all others are not. Return: 0; -ENOMEM. */
int names_follow(struct names *names, const struct vs_wanted *w, uint64_t now_ms);
/* Forget those that are not used. */
void names_drop_unused(struct names *names);
/* NULL: unknown. */
struct name *names_find(const struct names *names, const char *text);
/* The one to be asked for first of those that are used and not asked for; NULL: none. */
struct name *names_next(const struct names *names);
/* Return: whether its addresses have changed. */
bool name_take(struct name *name, const struct name_answers *answers, uint64_t now_ms);
/* What the sets of @w stand for now. Return: 0; -ENOMEM. */
int names_fill(const struct names *names, struct vs_wanted *w);

/* {"version": 1, "names": {NAME: [address]}}: all that is used. NULL: out of memory. */
json_t *names_json(const struct names *names);
/* What is not like that is skipped. Return: 0; -ENOMEM. */
int names_load(struct names *names, const json_t *json);
/* [{name, state, reason?, addresses, sets}] of those in @w; NULL: there are none. */
json_t *names_status_json(const struct names *names, const struct vs_wanted *w);

/* Whether an address may be a name's at all: not this network's, loopback, link-local, multicast, ... */
bool name_may_have(int family, const uint8_t *address);
const char *name_error_text(int rc);

/* names_ask.c. Wait for the answers of @servers (none: the host's), in this process. */
void name_ask(const char *text, const struct vs_prefix *servers, size_t nr_servers,
	      struct name_answers *answers);
/* What a DNS server's answer to a question for @family says; own addresses aside. Untrusted. */
void name_read_answer(int family, const uint8_t *message, size_t size, struct name_answer *out);

#endif
