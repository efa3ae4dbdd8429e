/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device that the switch has for itself as a port. On the wire there are no blank checksums and no frames
 * to be cut: both are made here, in the device's own memory, as a frame is copied there.
 */
#include "vswitch/fast/port_device.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "netback/segment.h"

/* At a device that does not tell of frames: soon after the last, then less and less often. */
#define LOOK_FIRST_NS 50000u
#define LOOK_LAST_NS  1000000u

struct fast_device {
	const struct fast_device_ops *ops;
	void *ctx;
	struct nb_view views[FAST_BURST];
	struct nb_frag frags[FAST_BURST];
	struct fast_frame frames[FAST_BURST];
	unsigned int nr;
	uint32_t look_ns;
	struct nb_segmenter segmenter;
};

int fast_device_open(const struct fast_device_ops *ops, const struct fast_device_config *config,
		     struct fast_device **device_out, char *why)
{
	struct fast_device *d = calloc(1, sizeof(*d));
	int rc = -ENOMEM;

	if (d) {
		d->ops = ops;
		rc = ops->open(config, &d->ctx, why);
	}
	if (rc) {
		free(d);
		d = NULL;
	}
	*device_out = d;
	return rc;
}

void fast_device_close(struct fast_device *d)
{
	if (!d)
		return;
	d->ops->close(d->ctx);
	free(d);
}

const char *fast_device_says(const struct fast_device *d)
{
	return d->ops->says(d->ctx);
}

static unsigned int device_take(struct fast_port *p, struct fast_burst *b, unsigned int max,
				uint64_t now_ns)
{
	struct fast_device *d = p->device;
	unsigned int nr = 0;

	(void)now_ns;
	d->nr = d->ops->take(d->ctx, d->frames, max < FAST_BURST ? max : FAST_BURST);
	if (!d->nr) {
		p->readable = false;
		return 0;
	}
	p->readable = true;
	d->look_ns = LOOK_FIRST_NS;
	for (unsigned int i = 0; i < d->nr; i++) {
		const struct fast_frame *f = &d->frames[i];
		struct nb_view *v = &d->views[i];

		if (f->len < ETH_HLEN) {
			nb_count(&p->stats.drops[FAST_DROP_FORM], 1);
			continue;
		}
		*v = (struct nb_view){
			.head = f->data,
			.frags = &d->frags[i],
			.size = f->len,
			.have = (uint16_t)(f->len < NB_VIEW_HEAD_MAX ? f->len : NB_VIEW_HEAD_MAX),
			.nr_frags = f->len > NB_VIEW_HEAD_MAX,
		};
		d->frags[i] = (struct nb_frag){ f->data + v->have, f->len - v->have };
		b->views[nr++] = v;
	}
	if (!nr)
		d->ops->release(d->ctx, d->frames, d->nr);
	return nr;
}

static void device_done(struct fast_port *p, struct fast_burst *b)
{
	struct fast_device *d = p->device;

	(void)b;
	d->ops->release(d->ctx, d->frames, d->nr);
	d->nr = 0;
}

static void copy(uint8_t *to, const struct nb_view *v)
{
	memcpy(to, v->head, v->have);
	to += v->have;
	for (unsigned int i = 0; i < v->nr_frags; i++) {
		memcpy(to, v->frags[i].ptr, v->frags[i].len);
		to += v->frags[i].len;
	}
}

/* The sum over what was copied: what a guest changes meanwhile is wrong in its own frame only. */
static bool complete_csum(uint8_t *frame, const struct nb_view *v)
{
	struct iovec iov = { frame, v->size };
	struct virtio_net_hdr vnet = { 0 };
	struct nb_frame f;
	uint16_t sum;

	nb_frame_parse(frame, v->have, v->size, &f);
	if (nb_frame_request_csum(frame, &f, &vnet))
		return false;
	sum = (uint16_t)~nb_frame_sum(&iov, 1, f.l4, f.l4_size);
	if (!sum)
		sum = 0xffff; /* of UDP 0 says that there is none */
	frame[f.l4 + f.csum_offset] = (uint8_t)(sum >> 8);
	frame[f.l4 + f.csum_offset + 1] = (uint8_t)sum;
	return true;
}

/* Return: 1: sent; 0: no room now; -1: no frame for a wire. */
static int send_one(struct fast_device *d, const struct nb_view *v)
{
	uint8_t *room;

	if (v->size > d->ops->frame_max(d->ctx))
		return -1;
	room = d->ops->room(d->ctx);
	if (!room)
		return 0;
	copy(room, v);
	if ((v->flags & NB_VIEW_CSUM_BLANK) && !complete_csum(room, v))
		return -1;
	d->ops->send(d->ctx, v->size);
	return 1;
}

/* A frame of which only the beginning found room is left at that: TCP sends the rest again. */
static int send_cut(struct fast_device *d, const struct nb_view *v)
{
	const struct nb_view *part;
	int rc = 0, nr = 0;

	if (nb_segment_begin(&d->segmenter, v) < 0)
		return -1;
	while ((part = nb_segment_next(&d->segmenter))) {
		rc = send_one(d, part);
		if (rc <= 0)
			break;
		nr++;
	}
	return rc < 0 ? -1 : nr > 0;
}

static unsigned int device_put(struct fast_port *p, struct nb_view *const *views, unsigned int nr)
{
	struct fast_device *d = p->device;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		const struct nb_view *v = views[i];
		int rc = v->gso_size ? send_cut(d, v) : send_one(d, v);

		if (!rc)
			break;
		if (rc < 0)
			nb_count(&p->stats.drops[FAST_DROP_REFUSED], 1);
	}
	return i;
}

static void device_flush(struct fast_port *p)
{
	p->device->ops->flush(p->device->ctx);
}

static void device_drop(struct fast_port *p, unsigned int nr)
{
	(void)p, (void)nr;
}

static bool device_arm(struct fast_port *p, uint64_t now_ns)
{
	struct fast_device *d = p->device;

	p->deadline_ns = 0;
	if (p->parked)
		return false;
	if (p->readable)
		return true;
	if (d->ops->arm(d->ctx))
		return false;
	p->deadline_ns = now_ns + d->look_ns;
	d->look_ns = 2 * d->look_ns < LOOK_LAST_NS ? 2 * d->look_ns : LOOK_LAST_NS;
	return false;
}

static int device_watch(struct fast_port *p, int epoll_fd, bool on)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.ptr = &p->sources[0][0] };
	struct fast_device *d = p->device;
	int fd;

	p->sources[0][0] = (struct fast_source){ .port = p };
	p->readable = true;
	for (unsigned int i = 0; (fd = d->ops->fd(d->ctx, i)) >= 0; i++)
		if (epoll_ctl(epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &ev) && on)
			return -errno;
	return 0;
}

static void device_event(struct fast_port *p, const struct fast_source *source)
{
	(void)source;
	p->device->ops->disarm(p->device->ctx);
	p->readable = true;
}

static const struct fast_port_ops device_ops = {
	.take = device_take,
	.done = device_done,
	.put = device_put,
	.flush = device_flush,
	.drop = device_drop,
	.arm = device_arm,
	.watch = device_watch,
	.event = device_event,
};

void fast_device_init(struct fast_port *p, struct fast_device *d)
{
	p->ops = &device_ops;
	p->device = d;
	d->look_ns = LOOK_FIRST_NS;
	p->readable = true;
}
