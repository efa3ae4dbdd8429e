/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Receive interrupts: a program sleeps on a descriptor of each receive queue, which is an epoll set of the
 * event channels of its links, so that it stays one while guests come and go.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "netback/pmd_xenvif.h"

#define EVENTS	    (EPOLLIN | EPOLLET)
#define NR_CHANNELS (NB_SOURCE_CTRL + 1)

static int add(int epoll_fd, int fd)
{
	struct epoll_event ev = { .events = EVENTS };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int open_queue(struct xv_rx *rx)
{
	int rc;

	rx->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	rx->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rx->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (rx->epoll_fd < 0 || rx->wake_fd < 0 || rx->timer_fd < 0)
		return -errno;
	rc = add(rx->epoll_fd, rx->wake_fd);
	return rc ? rc : add(rx->epoll_fd, rx->timer_fd);
}

static void close_queue(struct xv_rx *rx)
{
	int *fds[] = { &rx->epoll_fd, &rx->wake_fd, &rx->timer_fd };

	for (unsigned int i = 0; i < RTE_DIM(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

static void wake(struct xv_rx *rx)
{
	uint64_t one = 1;

	/* A full counter wakes as well. */
	if (write(rx->wake_fd, &one, sizeof(one)) < 0)
		return;
}

/* Of enum nb_source_kind; -1: none. */
static void channels_of(const struct nb_queue *q, int fds[NR_CHANNELS])
{
	fds[NB_SOURCE_FROM] = q->from_ch.fd;
	fds[NB_SOURCE_TO] = q->split_channels ? q->to_ch.fd : -1;
	fds[NB_SOURCE_PORT] = -1;
	fds[NB_SOURCE_CTRL] = q->ctrl_ring.nr_ents ? q->ctrl_ch.fd : -1;
}

/* Called with the link's lock held: a port that stops takes all of them. */
static struct xv_rx *rx_of_link(struct xv_port *port, unsigned int index)
{
	return atomic_load(&port->running) ? port->dev->data->rx_queues[index % port->nr_rx] : NULL;
}

/* EPOLL_CTL_ADD, with @events, _MOD, _DEL: of each channel. Some may be in no set, as those of a new queue. */
static void set_channels(const struct xv_rx *rx, const struct nb_queue *q, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events };
	int fds[NR_CHANNELS];

	channels_of(q, fds);
	for (unsigned int i = 0; i < NR_CHANNELS; i++)
		if (fds[i] >= 0)
			epoll_ctl(rx->epoll_fd, op, fds[i], &ev);
}

void xv_intr_link(struct xv_port *port, unsigned int index, bool on)
{
	struct xv_rx *rx = rx_of_link(port, index);

	if (!rx || rx->epoll_fd < 0)
		return;
	set_channels(rx, port->links[index].queue, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, EVENTS);
	if (on)
		wake(rx);
}

int xv_intr_install(struct xv_port *port)
{
	struct rte_eth_dev *dev = port->dev;
	struct rte_intr_handle *handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	int rc = handle ? rte_intr_vec_list_alloc(handle, NULL, port->nr_rx) : -ENOMEM;

	dev->intr_handle = handle;
	for (int i = 0; i < port->nr_rx && !rc; i++) {
		struct xv_rx *rx = dev->data->rx_queues[i];

		rc = open_queue(rx);
		if (!rc)
			rc = rte_intr_vec_list_index_set(handle, i, RTE_INTR_VEC_RXTX_OFFSET + i);
		if (!rc)
			rc = rte_intr_efds_index_set(handle, i, rx->epoll_fd);
	}
	if (!rc)
		rc = rte_intr_nb_efd_set(handle, port->nr_rx);
	if (!rc)
		rc = rte_intr_max_intr_set(handle, port->nr_rx + 1);
	/* Nothing is to be read from an epoll set. */
	if (!rc)
		rc = rte_intr_efd_counter_size_set(handle, 0);
	if (!rc)
		rc = rte_intr_type_set(handle, RTE_INTR_HANDLE_VDEV);
	for (unsigned int i = 0; i < NB_MAX_QUEUES && !rc; i++) {
		rte_spinlock_lock(&port->links[i].lock);
		if (port->links[i].queue)
			xv_intr_link(port, i, true);
		rte_spinlock_unlock(&port->links[i].lock);
	}
	if (rc)
		xv_intr_remove(port);
	return rc;
}

void xv_intr_remove(struct xv_port *port)
{
	struct rte_eth_dev *dev = port->dev;

	for (unsigned int i = 0; i < NB_MAX_QUEUES; i++)
		rte_spinlock_lock(&port->links[i].lock);
	for (int i = 0; dev->data->rx_queues && i < port->nr_rx; i++)
		if (dev->data->rx_queues[i])
			close_queue(dev->data->rx_queues[i]);
	for (unsigned int i = 0; i < NB_MAX_QUEUES; i++)
		rte_spinlock_unlock(&port->links[i].lock);
	if (!dev->intr_handle)
		return;
	rte_intr_vec_list_free(dev->intr_handle);
	rte_intr_instance_free(dev->intr_handle);
	dev->intr_handle = NULL;
}

/* Which of the channels woke the program, or would have. */
static void take_events(struct nb_queue *q)
{
	struct pollfd polls[NR_CHANNELS];
	int fds[NR_CHANNELS];

	channels_of(q, fds);
	for (unsigned int i = 0; i < NR_CHANNELS; i++)
		polls[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	if (poll(polls, NR_CHANNELS, 0) <= 0)
		return;
	for (unsigned int i = 0; i < NR_CHANNELS; i++)
		if (polls[i].revents)
			nb_poll_event(q, (enum nb_source_kind)i);
}

/*
 * Ask the guest to tell of the next frame. One whose events bring nothing is kept from waking us for a
 * while. Return: when to look anyway, in nanoseconds; 0: no need.
 */
static uint64_t arm_link(struct xv_rx *rx, struct xv_link *link, uint64_t now_ns)
{
	struct nb_queue *q = xv_take(link, true);
	uint64_t at_ns = 0;
	bool was_masked;

	if (!q)
		return 0;
	was_masked = q->masked;
	if (was_masked && now_ns >= q->masked_until_ns)
		q->masked = false;
	take_events(q);
	if (nb_queue_arm(q, now_ns))
		wake(rx);
	if (q->masked != was_masked)
		set_channels(rx, q, EPOLL_CTL_MOD, q->masked ? 0 : EVENTS);
	at_ns = q->deadline_ns;
	xv_put(link);
	return at_ns;
}

int xv_intr_enable(struct rte_eth_dev *dev, uint16_t id)
{
	struct xv_rx *rx = dev->data->rx_queues[id];
	struct xv_port *port = rx->port;
	uint64_t now = clock_ns(), first = 0, count;
	struct itimerspec timer = { 0 };

	if (rx->epoll_fd < 0)
		return -ENOTSUP;
	if (read(rx->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return -errno;
	if (rx->nr_left)
		wake(rx);
	for (unsigned int i = id; i < NB_MAX_QUEUES; i += port->nr_rx) {
		uint64_t at = arm_link(rx, &port->links[i], now);

		if (at && (!first || at < first))
			first = at;
	}
	timer.it_value.tv_sec = (time_t)(first / 1000000000);
	timer.it_value.tv_nsec = (long)(first % 1000000000);
	return timerfd_settime(rx->timer_fd, TFD_TIMER_ABSTIME, &timer, NULL) ? -errno : 0;
}

/* Events go on as long as the guest was asked for them: polling makes it be asked no more. */
int xv_intr_disable(struct rte_eth_dev *dev, uint16_t id)
{
	(void)dev;
	(void)id;
	return 0;
}
