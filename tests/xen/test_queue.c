/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A queue of netback's on a real Xen's channels, with domain 0 as the guest: one that floods us with
 * events costs us little, and is served all the same when it has something. Run by seam.sh.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include "base/clock.h"
#include "netback/queue.h"
#include "netback/worker.h"

#define FLOOD_NS 2000000000ull

enum { PAGE_FROM, PAGE_TO, PAGE_DATA, NR_PAGES };

struct rig {
	struct hv *hv;
	xenevtchn_handle *events;
	xengntshr_handle *gntshr;
	uint8_t *pages;
	uint32_t refs[NR_PAGES], port;
	netif_tx_front_ring_t from;
	netif_rx_front_ring_t to;
	int port_fds[2];
	struct nb_queue q;
	struct nb_worker *worker;
	struct nb_features features;
	struct nb_steering steering;
};

static void ignore_alert(struct nb_queue *q)
{
	(void)q;
}

static int make_guest(struct rig *rig)
{
	int port;

	rig->events = xenevtchn_open(NULL, 0);
	rig->gntshr = xengntshr_open(NULL, 0);
	if (!rig->events || !rig->gntshr)
		return -1;
	port = xenevtchn_bind_unbound_port(rig->events, 0);
	rig->pages = xengntshr_share_pages(rig->gntshr, 0, NR_PAGES, rig->refs, 1);
	if (port < 0 || !rig->pages)
		return -1;
	rig->port = (uint32_t)port;
	SHARED_RING_INIT((netif_tx_sring_t *)(void *)(rig->pages));
	SHARED_RING_INIT((netif_rx_sring_t *)(void *)(rig->pages + NB_PAGE_SIZE));
	FRONT_RING_INIT(&rig->from, (netif_tx_sring_t *)(void *)(rig->pages), NB_PAGE_SIZE);
	FRONT_RING_INIT(&rig->to, (netif_rx_sring_t *)(void *)(rig->pages + NB_PAGE_SIZE),
			NB_PAGE_SIZE);
	return 0;
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct nb_queue_refs refs;
	char text[HV_WHY_MAX];
	const char *why = text;

	if (!rig)
		return -1;
	*state = rig;
	if (hv_xen_connect(&rig->hv, text) || make_guest(rig) ||
	    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, rig->port_fds))
		return -1;
	rig->features = (struct nb_features){ .sg = true, .rx_notify = true, .mtu = 1500 };
	rig->q = (struct nb_queue){ .hv = rig->hv,
				    .features = &rig->features,
				    .steering = &rig->steering,
				    .port_fd = rig->port_fds[0],
				    .alert = ignore_alert };
	refs = (struct nb_queue_refs){ rig->refs[PAGE_FROM], rig->refs[PAGE_TO], rig->port,
				       rig->port };
	if (nb_queue_connect(&rig->q, 0, &refs, &why)) {
		fprintf(stderr, "%s\n", why);
		return -1;
	}
	return nb_worker_create(true, &rig->worker) || nb_worker_attach(rig->worker, &rig->q);
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	nb_worker_detach(&rig->q);
	nb_worker_destroy(rig->worker);
	nb_queue_disconnect(&rig->q);
	close(rig->port_fds[0]);
	close(rig->port_fds[1]);
	xengntshr_unshare(rig->gntshr, rig->pages, NR_PAGES);
	xengntshr_close(rig->gntshr);
	xenevtchn_close(rig->events);
	rig->hv->close(rig->hv);
	free(rig);
	return 0;
}

/* Send one frame. Return: nanoseconds until it has come out of the port. */
static uint64_t send_frame(struct rig *rig, uint8_t mark)
{
	struct pollfd p = { .fd = rig->port_fds[1], .events = POLLIN };
	netif_tx_request_t *req = RING_GET_REQUEST(&rig->from, rig->from.req_prod_pvt);
	uint8_t frame[2048];
	uint64_t start = clock_ns();

	memset(rig->pages + PAGE_DATA * NB_PAGE_SIZE, mark, 60);
	*req = (netif_tx_request_t){ .gref = rig->refs[PAGE_DATA], .id = mark, .size = 60 };
	rig->from.req_prod_pvt++;
	__atomic_store_n(&rig->from.sring->req_prod, rig->from.req_prod_pvt, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&rig->from.sring->req_event, __ATOMIC_SEQ_CST) ==
	    rig->from.req_prod_pvt)
		assert_int_equal(xenevtchn_notify(rig->events, rig->port), 0);
	assert_int_equal(poll(&p, 1, 3000), 1);
	assert_int_equal(read(p.fd, frame, sizeof(frame)), sizeof(struct virtio_net_hdr) + 60);
	assert_int_equal(frame[sizeof(struct virtio_net_hdr) + 59], mark);
	return clock_ns() - start;
}

static void test_flood(void **state)
{
	struct rig *rig = *state;
	uint64_t end, woken, spurious, sent = 0;

	send_frame(rig, 1);
	usleep(50000);
	woken = nb_counted(&rig->q.stats.wakeups);
	spurious = nb_counted(&rig->q.stats.spurious_events);
	for (end = clock_ns() + FLOOD_NS; clock_ns() < end; sent++)
		assert_int_equal(xenevtchn_notify(rig->events, rig->port), 0);
	woken = nb_counted(&rig->q.stats.wakeups) - woken;
	spurious = nb_counted(&rig->q.stats.spurious_events) - spurious;
	printf("%llu events sent, woken %llu times\n", (unsigned long long)sent,
	       (unsigned long long)woken);
	/* Held back for 4, 8, 16, ... ms: 9 times in two seconds. */
	assert_true(sent > 1000);
	assert_in_range(spurious, 5, 20);
	assert_in_range(woken, 5, 20);
	/* Its frame waits for no longer than the events are held back, one second; the next does not. */
	assert_true(send_frame(rig, 2) < 1500000000ull);
	assert_true(send_frame(rig, 3) < 500000000ull);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_flood) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
