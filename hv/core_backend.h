/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The core's filling of the seam, apart from how its hypercalls travel. */
#ifndef HV_CORE_BACKEND_H
#define HV_CORE_BACKEND_H

#include "base/list.h"
#include "hv/hv.h"
#include "hv/hypercall.h"

/* What we hold of a grant entry; frame is valid while a count is not 0. */
struct core_pin {
	uint32_t frame;
	uint16_t readers, writers;
};

/* A domain's memory as a backend has it. Shared by all who opened it in one struct hv. */
struct hv_domain {
	struct list list;
	struct core_backend *backend;
	uint16_t domid;
	uint32_t generation;
	unsigned int users;
	uint8_t *memory;
	uint64_t nr_pages;
	void *pages; /* the second memfd */
	size_t pages_size;
	grant_entry_v1_t *grants; /* shared with the guest, hostile */
	uint32_t nr_grants;
	struct core_pin *pins;
	struct core_dirty *dirty;
};

struct core_backend {
	struct hv hv; /* first: what callers hold */
	struct hypercall_link link;
	struct list domains;
	struct core_bound *bound; /* event channels, to bind anew when the server is back */
	size_t nr_bound, capacity;
	char *socket_path; /* NULL: local */
	char *store_path;
};

extern const struct hv_gnt_ops core_gnt_ops;

/* @link is the backend's; taken over. */
int core_backend_create(const struct hypercall_link *link, struct core_backend **backend_out);
/* Of all calls but notification: to be @link again after the server has gone and come back. */
int core_backend_reconnect(struct core_backend *backend);

#endif
