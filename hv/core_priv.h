/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the core share. */
#ifndef HV_CORE_PRIV_H
#define HV_CORE_PRIV_H

#include <stdint.h>

#include <xen/event_channel.h>
#include <xen/sched.h>
#include <xen/xen.h>

#include "hv/core.h"

#define CORE_DOM0_PORTS	 8192u
#define CORE_STATE_MAGIC 0x31534656u
#define CORE_NAME_MAX	 64

/* In a memfd that only we and the keeper have, so that it survives us. */
struct core_port {
	uint32_t status; /* EVTCHNSTAT_*; written last */
	uint32_t remote_port;
	uint16_t remote_domid;
};

struct core_state {
	uint32_t magic;
	uint32_t generation; /* written last at creation: 0 is an unfinished domain */
	uint32_t domid;
	uint64_t nr_pages;
	struct core_port ports[CORE_MAX_PORTS];
};

/* As core_state, one for all domains. */
struct core_counters {
	uint32_t magic;
	uint32_t generation;
	uint32_t last_domid;
};

struct core_channel {
	int to_guest, from_guest;
};

struct core_domain {
	uint16_t domid;
	int ram_fd, pages_fd, state_fd;
	uint8_t *pages;
	struct core_state *state;
	unsigned int nr_backends; /* that have it open */
	struct core_channel channels[CORE_MAX_PORTS];
};

/* Domain 0's end of a channel. */
struct core_binding {
	const void *owner; /* NULL: free */
	uint16_t domid;
	uint32_t generation;
	uint32_t port;
	bool connected;
};

struct core {
	struct core_keeper keeper;
	struct core_hooks hooks;
	int counters_fd;
	struct core_counters *counters;
	uint32_t next_local_port;
	struct core_domain *domains[DOMID_FIRST_RESERVED];
	struct core_binding bindings[CORE_DOM0_PORTS];
};

struct core_domain *core_domain_find(const struct core *core, uint16_t domid);
void core_keep(struct core *core, const char *name, int fd);
void core_unkeep(struct core *core, const char *name);
/* Close everything of a domain that dies. */
void core_evtchn_close_all(struct core *core, struct core_domain *d);
void core_port_name(char name[CORE_NAME_MAX], uint16_t domid, uint32_t port, bool to_guest);

#endif
