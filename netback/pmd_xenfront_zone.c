/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netback/pmd_xenfront_zone.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>

#include "base/clock.h"
#include "hv/guest.h"

#define RETIRE_MS  1000 /* in which a backend that is there has let go of a connection */
#define POOL_PAGES 512u
#define POOL_ROOM  2048u /* two mbufs to a page */
#define POOL_CACHE 64

static struct xenfront_zone *zone_of(struct front_zone *zone)
{
	return (struct xenfront_zone *)zone;
}

unsigned int xenfront_zone_get(struct xenfront_zone *z, uint16_t *pages, unsigned int nr)
{
	rte_spinlock_lock(&z->lock);
	if (nr > z->nr_free)
		nr = z->nr_free;
	/* What was used last is in the cache still. */
	for (unsigned int i = 0; i < nr; i++)
		pages[i] = z->free[--z->nr_free];
	rte_spinlock_unlock(&z->lock);
	return nr;
}

void xenfront_zone_put(struct xenfront_zone *z, const uint16_t *pages, unsigned int nr)
{
	rte_spinlock_lock(&z->lock);
	memcpy(&z->free[z->nr_free], pages, nr * sizeof(pages[0]));
	z->nr_free += nr;
	rte_spinlock_unlock(&z->lock);
}

/* Of an mbuf that was freed, by whichever thread. */
static void on_free(void *addr, void *arg)
{
	struct xenfront_zone *z = arg;
	uint16_t page = (uint16_t)((size_t)((uint8_t *)addr - z->zone.pages) / FRONT_BUFFER_SIZE);

	xenfront_zone_put(z, &page, 1);
}

/* Those of @handle, and of any other that are old. With the lock. */
static void take_retired(struct xenfront_zone *z, unsigned int handle)
{
	uint64_t now = clock_ms();
	unsigned int left = 0;

	for (unsigned int i = 0; i < z->nr_retired; i++) {
		if (z->retired[i].handle == handle || z->retired[i].ms + RETIRE_MS <= now)
			z->free[z->nr_free++] = z->retired[i].page;
		else
			z->retired[left++] = z->retired[i];
	}
	z->nr_retired = left;
}

static bool zone_take(struct front_zone *zone, unsigned int handle, uint16_t *buffers)
{
	struct xenfront_zone *z = zone_of(zone);
	bool enough;

	rte_spinlock_lock(&z->lock);
	take_retired(z, handle);
	enough = z->nr_free >= FRONT_NR_BUFFERS;
	for (unsigned int i = 0; enough && i < FRONT_NR_BUFFERS; i++)
		buffers[i] = z->free[--z->nr_free];
	rte_spinlock_unlock(&z->lock);
	return enough;
}

static void zone_retire(struct front_zone *zone, unsigned int handle, const uint16_t *buffers,
			unsigned int nr)
{
	struct xenfront_zone *z = zone_of(zone);
	uint64_t now = clock_ms();

	rte_spinlock_lock(&z->lock);
	for (unsigned int i = 0; i < nr; i++) {
		z->retired[z->nr_retired].page = buffers[i];
		z->retired[z->nr_retired].handle = (uint16_t)handle;
		z->retired[z->nr_retired++].ms = now;
	}
	rte_spinlock_unlock(&z->lock);
}

static void zone_let_go(struct front_zone *zone, void **owners, unsigned int nr)
{
	(void)zone;
	rte_pktmbuf_free_bulk((struct rte_mbuf **)owners, nr);
}

static rte_iova_t iova_of(const void *pages)
{
	return rte_eal_iova_mode() == RTE_IOVA_VA ? (rte_iova_t)(uintptr_t)pages : RTE_BAD_IOVA;
}

/* Of the last pages, two mbufs in each. Without memory for it there is none. */
static void make_pool(struct xenfront_zone *z, const char *name)
{
	unsigned int first = z->zone.nr - POOL_PAGES;
	struct rte_pktmbuf_extmem mem = {
		.buf_ptr = z->zone.pages + (size_t)first * FRONT_BUFFER_SIZE,
		.buf_len = (size_t)POOL_PAGES * FRONT_BUFFER_SIZE,
		.elt_size = POOL_ROOM,
	};

	mem.buf_iova = iova_of(mem.buf_ptr);
	z->pool = rte_pktmbuf_pool_create_extbuf(name, POOL_PAGES * FRONT_BUFFER_SIZE / POOL_ROOM,
						 POOL_CACHE, 0, POOL_ROOM, SOCKET_ID_ANY, &mem, 1);
	if (z->pool)
		z->nr_pool = POOL_PAGES;
}

int xenfront_zone_create(struct hv_guest *guest, uint16_t domid, const char *name,
			 struct xenfront_zone **zone_out)
{
	struct xenfront_zone *z = calloc(1, sizeof(*z));
	uint32_t *refs = calloc(FRONT_ZONE_MAX, sizeof(*refs));
	void *pages;
	int rc = z && refs ? 0 : -ENOMEM;

	if (!rc)
		rc = hv_guest_share(guest, domid, FRONT_ZONE_MAX, false, &pages, refs);
	if (rc) {
		free(refs);
		free(z);
		return rc;
	}
	z->zone = (struct front_zone){
		.domid = domid,
		.nr = FRONT_ZONE_MAX,
		.pages = pages,
		.refs = refs,
		.take = zone_take,
		.retire = zone_retire,
		.let_go = zone_let_go,
	};
	z->guest = guest;
	z->iova = iova_of(pages);
	rte_spinlock_init(&z->lock);
	for (unsigned int i = 0; i < FRONT_ZONE_MAX; i++)
		z->info[i] = (struct rte_mbuf_ext_shared_info){ .free_cb = on_free,
								.fcb_opaque = z };
	make_pool(z, name);
	for (unsigned int i = FRONT_ZONE_MAX - z->nr_pool; i > 0; i--)
		z->free[z->nr_free++] = (uint16_t)(i - 1);
	*zone_out = z;
	return 0;
}

bool xenfront_zone_is_used(struct xenfront_zone *z)
{
	bool used;

	if (z->pool && !rte_mempool_full(z->pool))
		return true;
	rte_spinlock_lock(&z->lock);
	used = z->nr_free + z->nr_retired + z->nr_pool < z->zone.nr;
	rte_spinlock_unlock(&z->lock);
	return used;
}

void xenfront_zone_destroy(struct xenfront_zone *z)
{
	if (!z)
		return;
	rte_mempool_free(z->pool);
	hv_guest_unshare(z->guest, z->zone.pages, z->zone.nr, z->zone.refs);
	free(z->zone.refs);
	free(z);
}
