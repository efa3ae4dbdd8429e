/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions whose answers tell that the host is still on the network: a ping, a TCP connection, a name.
 * All are asked at once, each in a process of its own, again and again until it is answered or time is
 * up; so none can hold up the daemon, whatever a resolver does.
 */
#ifndef POLICY_PROBE_H
#define POLICY_PROBE_H

#include <stddef.h>
#include <stdint.h>
#include <net/if.h>

#include "base/loop.h"

#define PROBE_TIMEOUT_MS 5000 /* where nothing else is said */
#define PROBE_NAME_LEN	 64
#define PROBE_TARGET_LEN 254
#define PROBES_MAX	 16

enum probe_kind { PROBE_PING, PROBE_TCP, PROBE_RESOLVE };

struct probe {
	enum probe_kind kind;
	char name[PROBE_NAME_LEN];
	char target[PROBE_TARGET_LEN]; /* an address of either family; of PROBE_RESOLVE a name */
	uint16_t port;		       /* of PROBE_TCP */
	char from[IFNAMSIZ];	       /* by that link only; "": as the host routes */
	unsigned int timeout_ms;
};

struct policy;

/* Those of @policy. Return: their number. */
size_t pol_probes(const struct policy *policy, struct probe list[PROBES_MAX]);

struct probes;

/**
 * probes_start() - Ask all
 * @fn: Called once, from the loop: @why NULL: all were answered, else which was not. It may free them.
 * Return: 0; -errno.
 */
int probes_start(struct loop *loop, const struct probe *list, size_t nr,
		 void (*fn)(void *arg, const char *why), void *arg, struct probes **probes_out);
/* Ends what still runs. NULL is allowed. */
void probes_free(struct probes *probes);

/* One, in this process. Return: 0; -errno: not answered in time. */
int probe_ask(const struct probe *probe);

#endif
