/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that several ports may be vifs of, and the thread that follows its store. */
#include "netback/pmd_xenfront.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "hv/guest.h"

#define POLL_MS	    200 /* a ring that a backend broke is noticed by nobody else */
#define RETRY_MS    500
#define DRAIN_MS    50
#define KEPT_MS	    1000 /* that a backend has to answer what it keeps mapped */
#define MAX_WATCHED 256
#define MAX_TOLD    32 /* links at a time; the others in the next turn */

static struct list guests = { &guests, &guests };
static pthread_mutex_t guests_lock = PTHREAD_MUTEX_INITIALIZER;

static void shut(struct xenfront_gate *g)
{
	__atomic_store_n(&g->queue, NULL, __ATOMIC_RELAXED);
	/* Pairs with the one in xenfront_enter(). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	while (__atomic_load_n(&g->busy, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void shut_all(struct xenfront *x)
{
	for (unsigned int i = 0; i < FRONT_MAX_QUEUES; i++) {
		shut(&x->rx[i].gate);
		shut(&x->tx[i].gate);
	}
}

static void open_all(struct xenfront *x)
{
	const struct front_info *info = front_info(x->front);

	if (info->state != FRONT_CONNECTED || !x->started)
		return;
	for (unsigned int i = 0; i < info->nr_queues; i++) {
		struct front_queue *q = front_queue(x->front, i);
		struct xenfront_zone *zone = x->guest->zone;

		x->rx[i].zone = front_to_guest_in_zone(q) && x->rx[i].attaches ? zone : NULL;
		x->tx[i].zone = front_from_guest_lends(q) ? zone : NULL;
		x->tx[i].sg = info->sg;
		x->tx[i].csum_ipv4 = info->csum_ipv4;
		x->tx[i].csum_ipv6 = info->csum_ipv6;
		x->tx[i].gso_tcpv4 = info->gso_tcpv4;
		x->tx[i].gso_tcpv6 = info->gso_tcpv6;
		x->tx[i].size_max = info->mtu + XENFRONT_OVERHEAD;
		__atomic_store_n(&x->rx[i].gate.queue, q, __ATOMIC_RELEASE);
		__atomic_store_n(&x->tx[i].gate.queue, q, __ATOMIC_RELEASE);
	}
}

/* Pages that no burst will hand out any more. */
static void drop_stash(struct xenfront *x)
{
	for (unsigned int i = 0; i < FRONT_MAX_QUEUES; i++) {
		struct xenfront_rx *rx = &x->rx[i];

		if (rx->nr_stash)
			xenfront_zone_put(x->guest->zone, rx->stash, rx->nr_stash);
		rx->nr_stash = 0;
	}
}

void xenfront_zone_join(struct xenfront *x)
{
	struct xenfront_guest *g = x->guest;
	char path[64];
	uint32_t domid;
	int rc;

	snprintf(path, sizeof(path), "device/vif/%u/backend-id", x->devid);
	rc = hv_store_read_u32(hv_guest_store(g->guest), 0, path, DOMID_FIRST_RESERVED - 1, &domid);
	if (!rc && !g->zone)
		rc = xenfront_zone_create(g->guest, (uint16_t)domid, x->dev->data->name, &g->zone);
	if (rc) {
		pmd_log(WARNING,
			"%s: no pages to share, %s: frames are copied. Give the guest %u MiB more memory, or "
			"grants\n",
			x->dev->data->name, strerror(-rc),
			FRONT_ZONE_MAX * FRONT_BUFFER_SIZE >> 20);
		return;
	}
	if (!g->zone->pool)
		pmd_log(WARNING, "%s: no pool in the guest's pages: give the program more memory\n",
			x->dev->data->name);
	if (g->zone->zone.domid != domid)
		pmd_log(WARNING,
			"%s: its backend is domain %u, that of the guest's other ports %u, which share their "
			"pages: its frames are copied\n",
			x->dev->data->name, domid, g->zone->zone.domid);
}

static void add_counters(struct front_counters *sum, const struct front_counters *c)
{
	const uint64_t *from = (const uint64_t *)c;
	uint64_t *to = (uint64_t *)sum;

	_Static_assert(sizeof(*c) % sizeof(uint64_t) == 0, "counters only");
	for (size_t i = 0; i < sizeof(*c) / sizeof(uint64_t); i++)
		to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

static void add_connection(const struct xenfront *x, struct front_counters *sum)
{
	for (unsigned int i = 0; x->front && i < front_info(x->front)->nr_queues; i++)
		add_counters(sum, front_queue_counters(front_queue(x->front, i)));
}

void xenfront_counters(const struct xenfront *x, struct front_counters *sum)
{
	*sum = x->past;
	add_connection(x, sum);
}

static void follow_link(struct xenfront *x)
{
	const struct front_info *info = x->front ? front_info(x->front) : NULL;
	struct rte_eth_link link = { .link_speed = RTE_ETH_SPEED_NUM_UNKNOWN,
				     .link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
				     .link_autoneg = RTE_ETH_LINK_AUTONEG };

	link.link_status = info && x->started && info->carrier ? RTE_ETH_LINK_UP
							       : RTE_ETH_LINK_DOWN;
	if (rte_eth_linkstatus_set(x->dev, &link) == 0 && x->dev->data->dev_conf.intr_conf.lsc)
		x->tell_link = true;
}

static void drop_front(struct xenfront *x)
{
	add_connection(x, &x->past);
	front_destroy(x->front);
	x->front = NULL;
	x->connection = 0;
	x->retry_ms = clock_ms() + RETRY_MS;
}

/* Return: whether there is one now. */
static bool need_front(struct xenfront *x)
{
	const uint64_t offloads = x->dev->data->dev_conf.rxmode.offloads;
	const uint64_t csum = RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	unsigned int nr = x->dev->data->nb_rx_queues;
	char token[16];
	int rc;

	if (x->front)
		return true;
	snprintf(token, sizeof(token), "vif%u", x->devid);
	rc = front_create(x->guest->guest, x->devid, nr ? nr : 1, token, &x->front);
	if (rc) {
		x->front = NULL;
		x->retry_ms = clock_ms() + RETRY_MS;
		return false;
	}
	front_keep_full(x->front);
	if (x->zero_copy && x->guest->zone)
		front_set_zone(x->front, &x->guest->zone->zone);
	front_set_offload(x->front, (offloads & csum) == csum,
			  (offloads & RTE_ETH_RX_OFFLOAD_TCP_LRO) != 0);
	return true;
}

static void log_state(const struct xenfront *x, enum front_state before)
{
	const struct front_info *info = front_info(x->front);

	if (info->state == before)
		return;
	if (info->state == FRONT_BROKEN)
		pmd_log(ERR, "%s: %s: not used any more\n", x->dev->data->name, info->reason);
	else
		pmd_log(INFO, "%s: %s%s%s\n", x->dev->data->name, front_state_name(info->state),
			info->reason ? ": " : "", info->reason ? info->reason : "");
}

void xenfront_follow(struct xenfront *x)
{
	enum front_state before;
	int rc;

	x->pending = false;
	if (!x->started || !need_front(x))
		goto out;
	before = front_info(x->front)->state;
	shut_all(x);
	if (before == FRONT_CONNECTED) {
		/* It may end in the update, and its counters with it. */
		struct front_counters past = x->past;

		add_connection(x, &past);
		rc = front_update(x->front);
		if (front_info(x->front)->connection != x->connection)
			x->past = past;
	} else {
		rc = front_update(x->front);
	}
	x->nr_connections += front_info(x->front)->connection &&
			     front_info(x->front)->connection != x->connection;
	x->told_mtu &= front_info(x->front)->connection == x->connection;
	if (x->connection != front_info(x->front)->connection && x->zero_copy)
		x->kept_ms = clock_ms() + KEPT_MS;
	x->connection = front_info(x->front)->connection;
	x->mtu = front_info(x->front)->mtu;
	log_state(x, before);
	if (rc == -ENOENT) {
		pmd_log(NOTICE, "%s: the vif is gone\n", x->dev->data->name);
		drop_front(x);
		goto out;
	}
	open_all(x);
out:
	follow_link(x);
}

/* What was sent before a stop is sent: a backend that is there has a moment for it. */
static void drain(const struct xenfront *x)
{
	uint64_t end = clock_ms() + DRAIN_MS;
	unsigned int i = 0;

	while (i < front_info(x->front)->nr_queues && clock_ms() < end) {
		struct front_queue *q = front_queue(x->front, i);

		if (front_from_guest_room(q) == FRONT_RING_SLOTS || front_queue_broken(q))
			i++;
		else
			usleep(100);
	}
}

void xenfront_disconnect(struct xenfront *x)
{
	shut_all(x);
	if (x->front) {
		if (front_info(x->front)->state == FRONT_CONNECTED)
			drain(x);
		/* Its queues go with it. */
		add_connection(x, &x->past);
		front_close(x->front);
		drop_front(x);
	}
	drop_stash(x);
	follow_link(x);
}

void xenfront_wake(struct xenfront_guest *g)
{
	eventfd_write(g->wake_fd, 1);
}

static void take_events(struct xenfront_guest *g)
{
	char *path, *token;
	struct list *n;

	while (!hv_store_next_event(hv_guest_store(g->guest), &path, &token)) {
		list_for_each (&g->devices, n) {
			struct xenfront *x = list_entry(n, struct xenfront, list);
			char want[16];

			snprintf(want, sizeof(want), "vif%u", x->devid);
			x->pending |= !strcmp(token, want);
		}
		free(path);
	}
}

static bool is_broken(const struct xenfront *x)
{
	if (!x->front || front_info(x->front)->state == FRONT_BROKEN)
		return false;
	for (unsigned int i = 0; i < front_info(x->front)->nr_queues; i++)
		if (front_queue_broken(front_queue(x->front, i)))
			return true;
	return false;
}

/* Backends drop such frames without a word, and the program sees but a count of errors. */
static void tell_mtu(struct xenfront *x)
{
	for (unsigned int i = 0; i < FRONT_MAX_QUEUES && !x->told_mtu; i++) {
		if (!pmd_counted(&x->tx[i].over_mtu))
			continue;
		x->told_mtu = true;
		pmd_log(NOTICE,
			"%s: frames are sent that are longer than the vif's MTU of %u allows; the backend "
			"drops them: send shorter ones or segments to be made (TSO), or raise the "
			"network's MTU\n",
			x->dev->data->name, x->mtu);
	}
}

/* Frames would go all the same, at the price of grant operations. */
static void tell_kept(struct xenfront *x)
{
	const struct front_info *info = x->front ? front_info(x->front) : NULL;
	unsigned int all;

	if (!x->kept_ms || clock_ms() < x->kept_ms)
		return;
	x->kept_ms = 0;
	if (!info || info->state != FRONT_CONNECTED || !x->guest->zone)
		return;
	all = info->nr_queues * (FRONT_NR_BUFFERS + x->guest->zone->zone.nr);
	if (info->nr_kept_pages < all)
		pmd_log(NOTICE,
			"%s: the backend keeps %u of %u pages mapped: frames in others cost it grant "
			"operations, and zero-copy=1 may be slower than without\n",
			x->dev->data->name, info->nr_kept_pages, all);
}

static unsigned int watch(struct xenfront_guest *g, struct pollfd *fds, struct xenfront_rx **rxs)
{
	unsigned int nr = 2;
	struct list *n;

	fds[0] = (struct pollfd){ g->wake_fd, POLLIN, 0 };
	fds[1] = (struct pollfd){ hv_store_fd(hv_guest_store(g->guest)), POLLIN, 0 };
	list_for_each (&g->devices, n) {
		struct xenfront *x = list_entry(n, struct xenfront, list);

		if (x->front && front_ctrl_fd(x->front) >= 0 && nr < MAX_WATCHED) {
			rxs[nr] = NULL;
			fds[nr++] = (struct pollfd){ front_ctrl_fd(x->front), POLLIN, 0 };
		}
		for (unsigned int i = 0; x->connection && i < FRONT_MAX_QUEUES; i++) {
			struct front_queue *q = x->rx[i].gate.queue;

			if (!q || !__atomic_load_n(&x->rx[i].armed, __ATOMIC_ACQUIRE) ||
			    nr == MAX_WATCHED)
				continue;
			rxs[nr] = &x->rx[i];
			fds[nr++] = (struct pollfd){ front_to_guest_fd(q), POLLIN, 0 };
		}
	}
	return nr;
}

/* Packets have come for a queue that sleeps. */
static void interrupt(struct xenfront_rx *rx)
{
	if (!rx->gate.queue)
		return;
	front_to_guest_clear(rx->gate.queue);
	__atomic_store_n(&rx->armed, false, __ATOMIC_RELAXED);
	if (rx->event_fd >= 0)
		eventfd_write(rx->event_fd, 1);
}

static void serve(struct xenfront_guest *g)
{
	struct list *n, *next;

	take_events(g);
	list_for_each_safe (&g->devices, n, next) {
		struct xenfront *x = list_entry(n, struct xenfront, list);

		if (x->front)
			front_ctrl_event(x->front);
		if (x->started && !x->front && clock_ms() >= x->retry_ms)
			x->pending = true;
		if (x->pending || is_broken(x))
			xenfront_follow(x);
		tell_mtu(x);
		tell_kept(x);
	}
}

/*
 * What a program does when told is its own affair, so the lock is not held then: it may want counters, or
 * wait for a thread of its own that does.
 */
static void tell_links(struct xenfront_guest *g)
{
	struct rte_eth_dev *devs[MAX_TOLD];
	unsigned int nr = 0;
	struct list *n;

	list_for_each (&g->devices, n) {
		struct xenfront *x = list_entry(n, struct xenfront, list);

		if (!x->tell_link || nr == MAX_TOLD)
			continue;
		x->tell_link = false;
		devs[nr++] = x->dev;
	}
	if (!nr)
		return;
	g->telling = true;
	pthread_mutex_unlock(&g->lock);
	for (unsigned int i = 0; i < nr; i++)
		rte_eth_dev_callback_process(devs[i], RTE_ETH_EVENT_INTR_LSC, NULL);
	pthread_mutex_lock(&g->lock);
	g->telling = false;
}

void xenfront_await_told(struct xenfront_guest *g)
{
	while (g->telling && !pthread_equal(pthread_self(), g->thread)) {
		pthread_mutex_unlock(&g->lock);
		sched_yield();
		pthread_mutex_lock(&g->lock);
	}
}

static void guest_free(struct xenfront_guest *g)
{
	list_remove(&g->list);
	xenfront_zone_destroy(g->zone);
	hv_guest_detach(g->guest);
	pthread_mutex_destroy(&g->lock);
	close(g->wake_fd);
	free(g);
}

/* Its last port was closed while a program had mbufs in its pages, and now has none. Return: it is gone. */
static bool guest_end_late(struct xenfront_guest *g)
{
	bool end;

	/* Taken: a port comes, or the last one waits for this thread. */
	if (pthread_mutex_trylock(&guests_lock))
		return false;
	end = !g->nr_users && !g->quit && !(g->zone && xenfront_zone_is_used(g->zone));
	if (end) {
		pthread_detach(pthread_self());
		guest_free(g);
	}
	pthread_mutex_unlock(&guests_lock);
	return end;
}

static void *guest_main(void *arg)
{
	struct xenfront_guest *g = arg;
	struct xenfront_rx *rxs[MAX_WATCHED];
	struct pollfd fds[MAX_WATCHED];
	unsigned int nr;
	eventfd_t count;

	pthread_setname_np(pthread_self(), "xenfront");
	pthread_mutex_lock(&g->lock);
	while (!g->quit) {
		nr = watch(g, fds, rxs);
		pthread_mutex_unlock(&g->lock);
		poll(fds, nr, POLL_MS);
		pthread_mutex_lock(&g->lock);
		if (fds[0].revents)
			eventfd_read(g->wake_fd, &count);
		for (unsigned int i = 2; i < nr; i++)
			if (fds[i].revents && rxs[i])
				interrupt(rxs[i]);
		serve(g);
		tell_links(g);
		if (list_empty(&g->devices)) {
			pthread_mutex_unlock(&g->lock);
			if (guest_end_late(g))
				return NULL;
			pthread_mutex_lock(&g->lock);
		}
	}
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

static int guest_open(const char *path, struct xenfront_guest **guest_out, char *why)
{
	struct xenfront_guest *g = calloc(1, sizeof(*g));
	char reason[HV_WHY_MAX] = "";
	int rc;

	if (!g)
		return -ENOMEM;
	list_init(&g->devices);
	list_init(&g->list);
	pthread_mutex_init(&g->lock, NULL);
	snprintf(g->path, sizeof(g->path), "%s", path);
	g->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = g->wake_fd < 0 ? -errno : 0;
	if (!rc)
		rc = path[0] ? hv_guest_attach_socket(path, &g->guest, reason)
			     : hv_guest_attach_xen(&g->guest, reason);
	if (!rc)
		rc = -pthread_create(&g->thread, NULL, guest_main, g);
	if (rc) {
		snprintf(why, PMD_WHY_MAX, "%s%s", reason[0] ? reason : strerror(-rc),
			 path[0] ? ""
				 : ": for a guest of this host, name its socket: "
				   "guest=/run/vifrost/guests/DOMID.sock");
		hv_guest_detach(g->guest);
		if (g->wake_fd >= 0)
			close(g->wake_fd);
		free(g);
		return rc;
	}
	list_append(&guests, &g->list);
	*guest_out = g;
	return 0;
}

int xenfront_guest_get(const char *path, struct xenfront_guest **guest_out, char *why)
{
	struct xenfront_guest *g = NULL;
	struct list *n;
	int rc = 0;

	pthread_mutex_lock(&guests_lock);
	list_for_each (&guests, n)
		if (!strcmp(list_entry(n, struct xenfront_guest, list)->path, path))
			g = list_entry(n, struct xenfront_guest, list);
	if (!g)
		rc = guest_open(path, &g, why);
	if (!rc) {
		g->nr_users++;
		*guest_out = g;
	}
	pthread_mutex_unlock(&guests_lock);
	return rc;
}

void xenfront_guest_put(struct xenfront_guest *g)
{
	pthread_mutex_lock(&guests_lock);
	if (--g->nr_users == 0 && !(g->zone && xenfront_zone_is_used(g->zone))) {
		pthread_mutex_lock(&g->lock);
		g->quit = true;
		pthread_mutex_unlock(&g->lock);
		xenfront_wake(g);
		pthread_join(g->thread, NULL);
		guest_free(g);
	}
	pthread_mutex_unlock(&guests_lock);
}
