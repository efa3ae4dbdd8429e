/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hypervisor core: domains, their memory, grant tables and event channels. It serves guests and
 * backends through hv/hypercall.h, over sockets in vifrost-hvd or by direct calls in a unit test
 * (hv_core_local(), hv_guest_attach_local()). Nothing here trusts a word of guest memory.
 *
 * What must outlive the process (memfds, eventfds) is offered to a keeper and taken back by
 * core_restore(). One thread.
 */
#ifndef HV_CORE_H
#define HV_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hv/hv.h"

#define CORE_PAGE_SIZE	  4096u
#define CORE_MAX_PORTS	  256u /* event channels of a guest; port 0 is never used */
#define CORE_GRANT_FRAMES 64u
#define CORE_NR_GRANTS	  (CORE_GRANT_FRAMES * CORE_PAGE_SIZE / 8)
#define CORE_MAX_MEMORY	  (1u << 20) /* MiB */

/* Where things are in the second memfd, by page. */
enum core_page {
	CORE_PAGE_START_INFO,
	CORE_PAGE_STORE,
	CORE_PAGE_CONSOLE,
	CORE_PAGE_GRANTS,
	CORE_NR_PAGES = CORE_PAGE_GRANTS + CORE_GRANT_FRAMES,
	CORE_PAGE_DIRTY = CORE_NR_PAGES, /* and following: struct core_dirty */
};

/* Of the second memfd, for a domain of @nr_pages of memory. */
size_t core_pages_size(uint64_t nr_pages);

#define CORE_PORT_STORE	  1u
#define CORE_PORT_CONSOLE 2u

#define CORE_START_MAGIC "vifrost"

/* Page CORE_PAGE_START_INFO, for the guest to read. */
struct core_start_info {
	char magic[8];
	uint32_t version; /* 1 */
	uint32_t domid;
	uint32_t store_port, console_port;
	uint32_t store_page, console_page; /* pages of the second memfd */
	uint32_t grant_page, nr_grant_frames;
	uint64_t nr_pages; /* of memory */
};

/* Takes descriptors that must survive this process. Names are at most 63 characters. */
struct core_keeper {
	int (*store)(void *arg, const char *name, int fd);
	void (*drop)(void *arg, const char *name);
	void *arg;
};

struct core_hooks {
	/* A guest asked for it: @reason is SHUTDOWN_* of xen/sched.h. */
	void (*shutdown)(void *arg, uint16_t domid, unsigned int reason);
	/* A store connection as @domid to the server in this process. NULL: there is none. */
	int (*store_open)(void *arg, uint16_t domid, struct hv_store **store_out);
	void *arg;
};

/* @keeper: copied; NULL: nothing survives. */
int core_create(const struct core_keeper *keeper, struct core **core_out);
/* Lets go of all domains without ending them: the keeper still has them. NULL is allowed. */
void core_destroy(struct core *core);
void core_set_hooks(struct core *core, const struct core_hooks *hooks);

/* Offer a kept descriptor; taken over when it is the core's, by its name. Return: whether it was. */
bool core_restore(struct core *core, const char *name, int fd);
/* After the last core_restore(): make domains of them; incomplete ones are dropped. */
void core_restore_done(struct core *core);

/**
 * core_domain_create() - A domain with memory, pages, its store and console channel
 * @memory_mib:	1 to CORE_MAX_MEMORY; taken from the host as it is touched
 * Return: 0; -EINVAL; -ENOSPC no domid left; -ENOMEM; -EMFILE.
 */
int core_domain_create(struct core *core, unsigned int memory_mib, uint16_t *domid_out);
/* Revokes its grants, closes its channels, forgets it. -ENOENT. */
int core_domain_destroy(struct core *core, uint16_t domid);
bool core_domain_exists(const struct core *core, uint16_t domid);
/* The next domain with an id above @domid, 0: none. */
uint16_t core_domain_next(const struct core *core, uint16_t domid);
/* Never the same for two domains in the life of a keeper; 0: no such domain. */
uint32_t core_domain_generation(const struct core *core, uint16_t domid);
/*
 * The program that was the guest's frontend is gone: closes the channels that it allocated and revokes
 * its grants. A page that a backend still holds stays marked as in use until that lets go.
 */
void core_domain_program_gone(struct core *core, uint16_t domid);
/* A page of the second memfd, mapped as long as the domain lives; NULL: no such domain. */
void *core_domain_page(const struct core *core, uint16_t domid, enum core_page page);
uint64_t core_domain_memory(const struct core *core, uint16_t domid);

struct core_evtchn_status {
	uint32_t status; /* EVTCHNSTAT_* */
	uint16_t remote_domid;
	uint32_t remote_port;
};

/* Xen's rules, for ports of a guest. -ENOENT no such domain, -EINVAL bad port, -ENOSPC none left. */
int core_evtchn_alloc(struct core *core, uint16_t domid, uint16_t remote_domid, uint32_t *port_out);
int core_evtchn_close(struct core *core, uint16_t domid, uint32_t port);
int core_evtchn_status(const struct core *core, uint16_t domid, uint32_t port,
		       struct core_evtchn_status *status_out);
/* The eventfds of a guest's port, borrowed: they live as long as the port does. */
int core_evtchn_fds(const struct core *core, uint16_t domid, uint32_t port, int *to_guest_out,
		    int *from_guest_out);

/*
 * Domain 0's end. @owner: who is to lose it in core_evtchn_release(). @local_port: in, the wanted
 * number or 0. -EPERM: allocated for another domain; -EBUSY: @local_port is taken.
 */
int core_evtchn_bind(struct core *core, const void *owner, uint16_t domid, uint32_t port,
		     uint32_t *local_port);
/* Puts the guest's end back to unbound, so that a restarted backend can bind to it again. */
int core_evtchn_unbind(struct core *core, const void *owner, uint32_t local_port);
void core_evtchn_release(struct core *core, const void *owner);

/* Backends with the memory mapped; at zero the marks that a dead one left on grants are wiped. */
int core_domain_get(struct core *core, uint16_t domid, int *ram_fd_out, int *pages_fd_out);
void core_domain_put(struct core *core, uint16_t domid, uint32_t generation);

/* A SHUTDOWN hypercall of @domid. */
int core_domain_shutdown(struct core *core, uint16_t domid, unsigned int reason);
int core_store_open(struct core *core, uint16_t domid, struct hv_store **store_out);

#endif
