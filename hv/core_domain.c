/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/core.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hv/core_dirty.h"
#include "hv/core_priv.h"

struct core_domain *core_domain_find(const struct core *core, uint16_t domid)
{
	return domid < DOMID_FIRST_RESERVED ? core->domains[domid] : NULL;
}

void core_keep(struct core *core, const char *name, int fd)
{
	/* A descriptor that is not kept is lost with us and no sooner: nothing to undo here. */
	if (core->keeper.store)
		core->keeper.store(core->keeper.arg, name, fd);
}

void core_unkeep(struct core *core, const char *name)
{
	if (core->keeper.drop)
		core->keeper.drop(core->keeper.arg, name);
}

/* Sealed against a change of size: a peer that maps it never takes a SIGBUS. */
static int sealed_memfd(const char *name, uint64_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), rc;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static int map_fd(int fd, size_t size, void *map_out)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	/* A guest's first processes are forked from here: other domains' pages are not theirs. */
	madvise(p, size, MADV_DONTFORK);
	memcpy(map_out, &p, sizeof(p));
	return 0;
}

int core_create(const struct core_keeper *keeper, struct core **core_out)
{
	struct core *core = calloc(1, sizeof(*core));
	int rc;

	if (!core)
		return -ENOMEM;
	if (keeper)
		core->keeper = *keeper;
	core->next_local_port = 1;
	core->counters_fd = sealed_memfd("vifrost-core", sizeof(*core->counters));
	rc = core->counters_fd;
	if (rc >= 0)
		rc = map_fd(core->counters_fd, sizeof(*core->counters), &core->counters);
	if (rc < 0) {
		core_destroy(core);
		return rc;
	}
	core->counters->magic = CORE_STATE_MAGIC;
	*core_out = core;
	return 0;
}

static void domain_free(struct core_domain *d)
{
	for (unsigned int i = 0; i < CORE_MAX_PORTS; i++) {
		if (d->channels[i].to_guest >= 0)
			close(d->channels[i].to_guest);
		if (d->channels[i].from_guest >= 0)
			close(d->channels[i].from_guest);
	}
	if (d->pages)
		munmap(d->pages, (size_t)CORE_NR_PAGES * CORE_PAGE_SIZE);
	if (d->state)
		munmap(d->state, sizeof(*d->state));
	if (d->ram_fd >= 0)
		close(d->ram_fd);
	if (d->pages_fd >= 0)
		close(d->pages_fd);
	if (d->state_fd >= 0)
		close(d->state_fd);
	free(d);
}

void core_destroy(struct core *core)
{
	if (!core)
		return;
	for (unsigned int i = 0; i < DOMID_FIRST_RESERVED; i++)
		if (core->domains[i])
			domain_free(core->domains[i]);
	if (core->counters)
		munmap(core->counters, sizeof(*core->counters));
	if (core->counters_fd >= 0)
		close(core->counters_fd);
	free(core);
}

void core_set_hooks(struct core *core, const struct core_hooks *hooks)
{
	core->hooks = *hooks;
}

static struct core_domain *domain_alloc(uint16_t domid)
{
	struct core_domain *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->domid = domid;
	d->ram_fd = d->pages_fd = d->state_fd = -1;
	for (unsigned int i = 0; i < CORE_MAX_PORTS; i++)
		d->channels[i].to_guest = d->channels[i].from_guest = -1;
	return d;
}

size_t core_pages_size(uint64_t nr_pages)
{
	size_t dirty = core_dirty_size(nr_pages);

	return ((size_t)CORE_PAGE_DIRTY + (dirty + CORE_PAGE_SIZE - 1) / CORE_PAGE_SIZE) *
	       CORE_PAGE_SIZE;
}

static int domain_map(struct core_domain *d)
{
	int rc = map_fd(d->pages_fd, (size_t)CORE_NR_PAGES * CORE_PAGE_SIZE, &d->pages);

	return rc < 0 ? rc : map_fd(d->state_fd, sizeof(*d->state), &d->state);
}

static int domain_memory(struct core_domain *d, uint64_t size)
{
	int rc;

	rc = d->ram_fd = sealed_memfd("vifrost-memory", size);
	if (rc < 0)
		return rc;
	rc = d->pages_fd = sealed_memfd("vifrost-pages", core_pages_size(size / CORE_PAGE_SIZE));
	if (rc < 0)
		return rc;
	rc = d->state_fd = sealed_memfd("vifrost-state", sizeof(*d->state));
	return rc < 0 ? rc : domain_map(d);
}

static void fill_start_info(struct core_domain *d)
{
	struct core_start_info *info = (void *)(d->pages + CORE_PAGE_START_INFO * CORE_PAGE_SIZE);

	*info = (struct core_start_info){
		.magic = CORE_START_MAGIC,
		.version = 1,
		.domid = d->domid,
		.store_port = CORE_PORT_STORE,
		.console_port = CORE_PORT_CONSOLE,
		.store_page = CORE_PAGE_STORE,
		.console_page = CORE_PAGE_CONSOLE,
		.grant_page = CORE_PAGE_GRANTS,
		.nr_grant_frames = CORE_GRANT_FRAMES,
		.nr_pages = d->state->nr_pages,
	};
}

/* Counts on past the last one given, so that a dead domain's id stays unused for long. */
static uint16_t next_domid(const struct core *core)
{
	uint32_t domid = core->counters->last_domid;

	for (unsigned int i = 1; i < DOMID_FIRST_RESERVED; i++) {
		domid = domid + 1 < DOMID_FIRST_RESERVED ? domid + 1 : 1;
		if (!core->domains[domid])
			return (uint16_t)domid;
	}
	return 0;
}

static const char *const fd_suffix[] = { "ram", "pages", "state" };

static void keep_domain(struct core *core, const struct core_domain *d)
{
	const int fds[] = { d->ram_fd, d->pages_fd, d->state_fd };
	char name[CORE_NAME_MAX];

	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "d%u.%s", d->domid, fd_suffix[i]);
		core_keep(core, name, fds[i]);
	}
}

static void unkeep_domain(struct core *core, uint16_t domid)
{
	char name[CORE_NAME_MAX];

	for (int i = 2; i >= 0; i--) {
		snprintf(name, sizeof(name), "d%u.%s", domid, fd_suffix[i]);
		core_unkeep(core, name);
	}
}

int core_domain_create(struct core *core, unsigned int memory_mib, uint16_t *domid_out)
{
	uint16_t domid = next_domid(core);
	struct core_domain *d;
	uint32_t port;
	int rc;

	if (!memory_mib || memory_mib > CORE_MAX_MEMORY)
		return -EINVAL;
	if (!domid)
		return -ENOSPC;
	d = domain_alloc(domid);
	if (!d)
		return -ENOMEM;
	rc = domain_memory(d, (uint64_t)memory_mib << 20);
	if (rc < 0) {
		domain_free(d);
		return rc;
	}
	/* Kept only once it can be restored: with the first domain. */
	if (!core->counters->generation)
		core_keep(core, "core", core->counters_fd);
	core->counters->last_domid = domid;
	*d->state = (struct core_state){ .magic = CORE_STATE_MAGIC,
					 .domid = domid,
					 .nr_pages = ((uint64_t)memory_mib << 20) /
						     CORE_PAGE_SIZE };
	fill_start_info(d);
	core->domains[domid] = d;
	keep_domain(core, d);
	rc = core_evtchn_alloc(core, domid, 0, &port);
	if (!rc)
		rc = core_evtchn_alloc(core, domid, 0, &port);
	if (rc < 0) {
		core_domain_destroy(core, domid);
		return rc;
	}
	__atomic_store_n(&d->state->generation, ++core->counters->generation, __ATOMIC_RELEASE);
	*domid_out = domid;
	return 0;
}

/* Calls @fn for the parts of the grant table that the guest has ever touched. */
static void for_each_grant(struct core_domain *d, void (*fn)(grant_entry_v1_t *entry))
{
	off_t start = CORE_PAGE_GRANTS * CORE_PAGE_SIZE, end = CORE_NR_PAGES * CORE_PAGE_SIZE;

	for (;;) {
		off_t data = lseek(d->pages_fd, start, SEEK_DATA);

		if (data < 0 || data >= end)
			return;
		data &= ~(off_t)(CORE_PAGE_SIZE - 1);
		for (unsigned int i = 0; i < CORE_PAGE_SIZE / sizeof(grant_entry_v1_t); i++)
			fn((grant_entry_v1_t *)(void *)(d->pages + data) + i);
		start = data + CORE_PAGE_SIZE;
	}
}

static void revoke_grant(grant_entry_v1_t *entry)
{
	__atomic_store_n(&entry->flags, GTF_invalid, __ATOMIC_RELAXED);
}

static void release_grant(grant_entry_v1_t *entry)
{
	if (entry->flags & (GTF_reading | GTF_writing))
		__atomic_fetch_and(&entry->flags, (uint16_t) ~(GTF_reading | GTF_writing),
				   __ATOMIC_RELEASE);
}

int core_domain_destroy(struct core *core, uint16_t domid)
{
	struct core_domain *d = core_domain_find(core, domid);

	if (!d)
		return -ENOENT;
	/* First, so that a successor of ours does not take up half a domain. */
	d->state->generation = 0;
	core_evtchn_close_all(core, d);
	for_each_grant(d, revoke_grant);
	unkeep_domain(core, domid);
	core->domains[domid] = NULL;
	domain_free(d);
	return 0;
}

/* What a backend holds stays marked, and the mark goes when it lets go: nobody uses the page before. */
static void end_grant(grant_entry_v1_t *entry)
{
	__atomic_fetch_and(&entry->flags, GTF_reading | GTF_writing, __ATOMIC_RELEASE);
}

void core_domain_program_gone(struct core *core, uint16_t domid)
{
	struct core_domain *d = core_domain_find(core, domid);

	if (!d)
		return;
	for (uint32_t port = 1; port < CORE_MAX_PORTS; port++)
		if (port != CORE_PORT_STORE && port != CORE_PORT_CONSOLE)
			core_evtchn_close(core, domid, port);
	for_each_grant(d, end_grant);
}

bool core_domain_exists(const struct core *core, uint16_t domid)
{
	return core_domain_find(core, domid) != NULL;
}

uint16_t core_domain_next(const struct core *core, uint16_t domid)
{
	for (uint32_t i = domid + 1u; i < DOMID_FIRST_RESERVED; i++)
		if (core->domains[i])
			return (uint16_t)i;
	return 0;
}

uint32_t core_domain_generation(const struct core *core, uint16_t domid)
{
	const struct core_domain *d = core_domain_find(core, domid);

	return d ? d->state->generation : 0;
}

void *core_domain_page(const struct core *core, uint16_t domid, enum core_page page)
{
	const struct core_domain *d = core_domain_find(core, domid);

	return d ? d->pages + (size_t)page * CORE_PAGE_SIZE : NULL;
}

uint64_t core_domain_memory(const struct core *core, uint16_t domid)
{
	const struct core_domain *d = core_domain_find(core, domid);

	return d ? d->state->nr_pages * CORE_PAGE_SIZE : 0;
}

int core_domain_get(struct core *core, uint16_t domid, int *ram_fd_out, int *pages_fd_out)
{
	struct core_domain *d = core_domain_find(core, domid);

	if (!d)
		return -ENOENT;
	d->nr_backends++;
	*ram_fd_out = d->ram_fd;
	*pages_fd_out = d->pages_fd;
	return 0;
}

void core_domain_put(struct core *core, uint16_t domid, uint32_t generation)
{
	struct core_domain *d = core_domain_find(core, domid);

	if (!d || d->state->generation != generation || !d->nr_backends)
		return;
	if (--d->nr_backends == 0)
		for_each_grant(d, release_grant);
}

int core_domain_shutdown(struct core *core, uint16_t domid, unsigned int reason)
{
	if (!core_domain_find(core, domid))
		return -ENOENT;
	if (reason > SHUTDOWN_MAX)
		return -EINVAL;
	if (!core->hooks.shutdown)
		return -ENOSYS;
	core->hooks.shutdown(core->hooks.arg, domid, reason);
	return 0;
}

int core_store_open(struct core *core, uint16_t domid, struct hv_store **store_out)
{
	if (!core->hooks.store_open)
		return -ENOSYS;
	return core->hooks.store_open(core->hooks.arg, domid, store_out);
}

/* Takes the descriptor into @d by the part of the name behind "d<domid>.". */
static bool restore_part(struct core_domain *d, const char *part, int fd)
{
	unsigned int port;
	char side;
	int *slot = NULL, used = 0;

	if (!strcmp(part, "ram"))
		slot = &d->ram_fd;
	else if (!strcmp(part, "pages"))
		slot = &d->pages_fd;
	else if (!strcmp(part, "state"))
		slot = &d->state_fd;
	else if (sscanf(part, "p%u.%c%n", &port, &side, &used) == 2 && !part[used] && port &&
		 port < CORE_MAX_PORTS && (side == 't' || side == 'f'))
		slot = side == 't' ? &d->channels[port].to_guest : &d->channels[port].from_guest;
	if (!slot || *slot >= 0)
		return false;
	*slot = fd;
	return true;
}

static bool restore_counters(struct core *core, int fd)
{
	struct core_counters *counters;

	if (map_fd(fd, sizeof(*counters), &counters) < 0)
		return false;
	if (counters->magic != CORE_STATE_MAGIC) {
		munmap(counters, sizeof(*counters));
		return false;
	}
	munmap(core->counters, sizeof(*core->counters));
	close(core->counters_fd);
	core->counters = counters;
	core->counters_fd = fd;
	return true;
}

bool core_restore(struct core *core, const char *name, int fd)
{
	unsigned int domid;
	int used = 0;

	if (!strcmp(name, "core"))
		return restore_counters(core, fd);
	if (sscanf(name, "d%u.%n", &domid, &used) != 1 || !used || !domid ||
	    domid >= DOMID_FIRST_RESERVED)
		return false;
	if (!core->domains[domid])
		core->domains[domid] = domain_alloc((uint16_t)domid);
	return core->domains[domid] && restore_part(core->domains[domid], name + used, fd);
}

static bool domain_complete(struct core_domain *d)
{
	if (d->ram_fd < 0 || d->pages_fd < 0 || d->state_fd < 0 || domain_map(d) < 0)
		return false;
	return d->state->magic == CORE_STATE_MAGIC && d->state->domid == d->domid &&
	       d->state->generation;
}

/* Backends' ends died with the server they were bound at; they bind again when they come back. */
static void restore_ports(struct core *core, struct core_domain *d)
{
	char name[CORE_NAME_MAX];

	for (uint32_t i = 1; i < CORE_MAX_PORTS; i++) {
		struct core_port *p = &d->state->ports[i];
		bool whole = d->channels[i].to_guest >= 0 && d->channels[i].from_guest >= 0;

		if (p->status != EVTCHNSTAT_closed && whole) {
			p->status = EVTCHNSTAT_unbound;
			p->remote_port = 0;
			continue;
		}
		p->status = EVTCHNSTAT_closed;
		for (int side = 0; side < 2; side++) {
			int *fd = side ? &d->channels[i].to_guest : &d->channels[i].from_guest;

			if (*fd < 0)
				continue;
			core_port_name(name, d->domid, i, side);
			core_unkeep(core, name);
			close(*fd);
			*fd = -1;
		}
	}
}

void core_restore_done(struct core *core)
{
	char name[CORE_NAME_MAX];

	for (uint32_t domid = 1; domid < DOMID_FIRST_RESERVED; domid++) {
		struct core_domain *d = core->domains[domid];

		if (!d)
			continue;
		if (domain_complete(d)) {
			restore_ports(core, d);
			continue;
		}
		for (uint32_t i = 1; i < CORE_MAX_PORTS; i++)
			for (int side = 0; side < 2; side++) {
				if ((side ? d->channels[i].to_guest : d->channels[i].from_guest) <
				    0)
					continue;
				core_port_name(name, d->domid, i, side);
				core_unkeep(core, name);
			}
		unkeep_domain(core, d->domid);
		core->domains[domid] = NULL;
		domain_free(d);
	}
}
