/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest's rings as a port. Its queues take turns; all are this thread's. */
#include <errno.h>
#include <sys/epoll.h>

#include "vswitch/fast/net.h"

static unsigned int vif_take(struct fast_port *p, struct fast_burst *b, unsigned int max,
			     uint64_t now_ns)
{
	for (unsigned int i = 0; i < p->nr_queues; i++) {
		struct nb_queue *q = &p->queues[p->next_queue];
		unsigned int nr;

		p->next_queue = p->next_queue + 1 < p->nr_queues ? p->next_queue + 1 : 0;
		nr = nb_poll_take(q, b->batch, max, now_ns, b->views);
		if (nr) {
			b->queue = q;
			q->event = false;
			q->nr_spurious = 0;
			return nr;
		}
	}
	return 0;
}

static void vif_done(struct fast_port *p, struct fast_burst *b)
{
	(void)p;
	nb_poll_answer(b->queue, b->batch);
}

/* One flow comes from one port, and so stays in one queue and in order. */
static struct nb_queue *queue_for(struct fast_port *p, const struct nb_view *v)
{
	uint64_t hash;

	if (p->nr_queues == 1)
		return p->queues;
	hash = fast_mac(v->head + ETH_ALEN) * 0x9e3779b97f4a7c15u;
	return &p->queues[(hash >> 32) % p->nr_queues];
}

static unsigned int vif_put(struct fast_port *p, struct nb_view *const *views, unsigned int nr)
{
	unsigned int done = 0;

	if (p->nr_queues == 1)
		return nb_poll_put(p->queues, views, nr);
	while (done < nr) {
		struct nb_queue *q = queue_for(p, views[done]);
		unsigned int n = 1, put;

		while (done + n < nr && queue_for(p, views[done + n]) == q)
			n++;
		put = nb_poll_put(q, views + done, n);
		done += put;
		if (put < n)
			break;
	}
	return done;
}

static void vif_flush(struct fast_port *p)
{
	for (unsigned int i = 0; i < p->nr_queues; i++)
		nb_poll_flush(&p->queues[i]);
}

static void vif_drop(struct fast_port *p, unsigned int nr)
{
	nb_poll_drop(p->queues, NB_TO_NO_SLOTS, nr);
}

static int watch_channel(struct fast_port *p, unsigned int i, enum nb_source_kind kind, int fd,
			 int epoll_fd, int op, uint32_t events)
{
	struct fast_source *s = &p->sources[i][kind];
	struct epoll_event ev = { .events = events, .data.ptr = s };

	if (fd < 0)
		return 0;
	*s = (struct fast_source){ .port = p, .queue = &p->queues[i], .kind = kind };
	return epoll_ctl(epoll_fd, op, fd, &ev) ? -errno : 0;
}

static int watch_queue(struct fast_port *p, unsigned int i, int epoll_fd, int op, uint32_t events)
{
	struct nb_queue *q = &p->queues[i];
	int rc = watch_channel(p, i, NB_SOURCE_FROM, q->from_ch.fd, epoll_fd, op, events);

	if (!rc)
		rc = watch_channel(p, i, NB_SOURCE_TO, q->to_ch.fd, epoll_fd, op, events);
	if (!rc)
		rc = watch_channel(p, i, NB_SOURCE_CTRL, q->ctrl_ch.fd, epoll_fd, op, events);
	return rc;
}

static int vif_watch(struct fast_port *p, int epoll_fd, bool on)
{
	int rc = 0;

	for (unsigned int i = 0; i < p->nr_queues && (!rc || !on); i++) {
		rc = watch_queue(p, i, epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
				 EPOLLIN | EPOLLET);
		p->queues[i].masked = false;
	}
	return on ? rc : 0;
}

/* Storms are held back in epoll, since each signal of an eventfd is an edge of its own. */
static void hold_back(struct fast_port *p, unsigned int i, bool was_masked)
{
	struct nb_queue *q = &p->queues[i];

	if (q->masked != was_masked)
		watch_queue(p, i, p->thread->epoll_fd, EPOLL_CTL_MOD,
			    q->masked ? 0 : EPOLLIN | EPOLLET);
}

static bool vif_arm(struct fast_port *p, uint64_t now_ns)
{
	bool work = false;

	for (unsigned int i = 0; i < p->nr_queues; i++) {
		struct nb_queue *q = &p->queues[i];
		bool was_masked = q->masked;

		if (q->masked && now_ns >= q->masked_until_ns)
			q->masked = false;
		/* Frames that wait are those that nb_queue_arm() asks for room for. */
		q->port_ready = p->nr_waiting > 0;
		work |= nb_queue_arm(q, now_ns);
		q->port_ready = false;
		hold_back(p, i, was_masked);
		if (q->deadline_ns && (!p->deadline_ns || q->deadline_ns < p->deadline_ns))
			p->deadline_ns = q->deadline_ns;
	}
	/* While its last burst waits it takes no other. */
	return work && (!p->parked || p->nr_waiting);
}

static void vif_event(struct fast_port *p, const struct fast_source *source)
{
	(void)p;
	nb_poll_event(source->queue, source->kind);
}

const struct fast_port_ops fast_vif_ops = {
	.take = vif_take,
	.done = vif_done,
	.put = vif_put,
	.flush = vif_flush,
	.drop = vif_drop,
	.arm = vif_arm,
	.watch = vif_watch,
	.event = vif_event,
};
