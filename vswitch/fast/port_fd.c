/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A descriptor as a port: the host's end (a TAP) or an uplink (a packet socket), a frame with a
 * virtio_net_hdr in front a call. What the kernel did not take is counted and gone: it has queues enough.
 */
#include "vswitch/fast/port_fd.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_packet.h>

#include "netback/frame.h"

#define FD_BURST FAST_FD_BURST

struct buffer {
	uint8_t room[NB_PAGE_SIZE]; /* NB_VIEW_ROOM */
	/* Begins at a page: then what goes to one of a guest's is one copy of the hypervisor's. */
	uint8_t frame[NB_FRAME_MAX + 1];
} __attribute__((aligned(NB_PAGE_SIZE)));

/* Touched only as far as frames are long. */
struct fast_fd_buffers {
	struct nb_view views[FD_BURST];
	struct nb_frag frags[FD_BURST];
	struct buffer frames[FD_BURST];
};

int fast_fd_init(struct fast_port *p)
{
	p->ops = &fast_fd_ops;
	p->readable = true;
	p->buffers = aligned_alloc(NB_PAGE_SIZE, sizeof(*p->buffers));
	return p->buffers ? 0 : -ENOMEM;
}

void fast_fd_fini(struct fast_port *p)
{
	free(p->buffers);
	p->buffers = NULL;
}

/* The tag that the kernel has taken out of a frame; 0: none. */
static uint16_t tag_of(struct msghdr *msg)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA ||
		    c->cmsg_len < CMSG_LEN(sizeof(aux)))
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		return aux.tp_status & TP_STATUS_VLAN_VALID ? aux.tp_vlan_tci : 0;
	}
	return 0;
}

/* Return: bytes with the virtio_net_hdr; 0: none are there now. */
static size_t read_frame(struct fast_port *p, struct virtio_net_hdr *vnet, uint8_t *frame,
			 uint16_t *tag)
{
	struct iovec iov[2] = { { vnet, sizeof(*vnet) }, { frame, NB_FRAME_MAX + 1 } };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	} control;
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = 2,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	ssize_t n;

	*tag = 0;
	do
		n = p->is_socket ? recvmsg(p->fd, &msg, 0) : readv(p->fd, iov, 2);
	while (n < 0 && errno == EINTR);
	if (n <= 0) {
		p->readable = false;
		return 0;
	}
	if (p->is_socket)
		*tag = tag_of(&msg);
	return (size_t)n;
}

/* Write the sum that nobody further on knows how to make. */
static bool complete_csum(uint8_t *frame, size_t size, const struct virtio_net_hdr *vnet)
{
	struct iovec iov = { frame, size };
	size_t at = (size_t)vnet->csum_start + vnet->csum_offset;
	uint16_t sum;

	if (at + 2 > size)
		return false;
	sum = (uint16_t)~nb_frame_sum(&iov, 1, vnet->csum_start, size - vnet->csum_start);
	if (!sum)
		sum = 0xffff;
	frame[at] = (uint8_t)(sum >> 8);
	frame[at + 1] = (uint8_t)sum;
	return true;
}

/* False: offloads that cannot be carried on. */
static bool set_offloads(struct nb_view *v, uint8_t *frame, const struct virtio_net_hdr *vnet)
{
	unsigned int type = vnet->gso_type & ~(unsigned int)VIRTIO_NET_HDR_GSO_ECN;
	struct nb_frame f;

	if (vnet->flags & VIRTIO_NET_HDR_F_DATA_VALID)
		v->flags = NB_VIEW_DATA_VALIDATED;
	if (vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		nb_frame_parse(frame, v->have, v->size, &f);
		v->flags = NB_VIEW_DATA_VALIDATED;
		if (f.l4_known && f.l4 == vnet->csum_start && f.csum_offset == vnet->csum_offset)
			v->flags |= NB_VIEW_CSUM_BLANK;
		else if (type != VIRTIO_NET_HDR_GSO_NONE || !complete_csum(frame, v->size, vnet))
			return false;
	}
	if (type == VIRTIO_NET_HDR_GSO_NONE)
		return true;
	if (!(v->flags & NB_VIEW_CSUM_BLANK) || !vnet->gso_size ||
	    (type != VIRTIO_NET_HDR_GSO_TCPV4 && type != VIRTIO_NET_HDR_GSO_TCPV6))
		return false;
	v->gso_size = vnet->gso_size;
	v->gso_type = type == VIRTIO_NET_HDR_GSO_TCPV4 ? XEN_NETIF_GSO_TYPE_TCPV4
						       : XEN_NETIF_GSO_TYPE_TCPV6;
	return true;
}

static void put_back_tag(struct nb_view *v, uint16_t tci)
{
	v->head -= 4;
	memmove(v->head, v->head + 4, 2 * ETH_ALEN);
	v->head[12] = 0x81;
	v->head[13] = 0;
	v->head[14] = (uint8_t)(tci >> 8);
	v->head[15] = (uint8_t)tci;
	v->have += 4;
	v->size += 4;
}

static unsigned int fd_take(struct fast_port *p, struct fast_burst *b, unsigned int max,
			    uint64_t now_ns)
{
	unsigned int nr = 0;

	(void)now_ns;
	if (max > FD_BURST)
		max = FD_BURST;
	while (nr < max && p->readable) {
		struct nb_view *v = &p->buffers->views[nr];
		uint8_t *frame = p->buffers->frames[nr].frame;
		struct virtio_net_hdr vnet;
		uint16_t tag;
		size_t n = read_frame(p, &vnet, frame, &tag), size = n - sizeof(vnet);

		if (!n)
			break;
		if (n < sizeof(vnet) + ETH_HLEN || size > NB_FRAME_MAX) {
			nb_count(&p->stats.drops[FAST_DROP_FORM], 1);
			continue;
		}
		*v = (struct nb_view){
			.head = frame,
			.frags = &p->buffers->frags[nr],
			.size = (uint32_t)size,
			.have = (uint16_t)(size < NB_VIEW_HEAD_MAX ? size : NB_VIEW_HEAD_MAX),
			.lends = true,
		};
		if (!set_offloads(v, frame, &vnet)) {
			nb_count(&p->stats.drops[FAST_DROP_FORM], 1);
			continue;
		}
		p->buffers->frags[nr] = (struct nb_frag){ frame + v->have,
							  (uint32_t)size - v->have };
		v->nr_frags = size > v->have;
		if (tag)
			put_back_tag(v, tag);
		b->views[nr++] = v;
	}
	return nr;
}

static void fd_done(struct fast_port *p, struct fast_burst *b)
{
	(void)p;
	(void)b;
}

/* False: the checksum is said to be blank, and nobody can tell where it is. */
static bool make_vnet(const struct nb_view *v, struct virtio_net_hdr *vnet)
{
	struct nb_frame f;

	memset(vnet, 0, sizeof(*vnet));
	if (v->flags & NB_VIEW_DATA_VALIDATED)
		vnet->flags = VIRTIO_NET_HDR_F_DATA_VALID;
	if (!(v->flags & NB_VIEW_CSUM_BLANK))
		return true;
	nb_frame_parse(v->head, v->have, v->size, &f);
	if (nb_frame_request_csum(v->head, &f, vnet))
		return false;
	if (v->gso_size && f.l4_size - f.l4_header > v->gso_size) {
		vnet->gso_type = v->gso_type == XEN_NETIF_GSO_TYPE_TCPV6 ? VIRTIO_NET_HDR_GSO_TCPV6
									 : VIRTIO_NET_HDR_GSO_TCPV4;
		if (f.l4 + 13u < v->have && v->head[f.l4 + 13] & 0x80) /* CWR */
			vnet->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
		vnet->gso_size = v->gso_size;
		vnet->hdr_len = (uint16_t)(f.l4 + f.l4_header);
	}
	return true;
}

static bool write_frame(struct fast_port *p, const struct nb_view *v)
{
	struct iovec iov[2 + NB_SLOTS_FATAL + 2];
	struct virtio_net_hdr vnet;
	unsigned int nr = 0;

	if (!make_vnet(v, &vnet) || v->nr_frags > NB_SLOTS_FATAL + 1)
		return false;
	iov[nr++] = (struct iovec){ &vnet, sizeof(vnet) };
	iov[nr++] = (struct iovec){ v->head, v->have };
	for (unsigned int i = 0; i < v->nr_frags; i++)
		iov[nr++] = (struct iovec){ (void *)(uintptr_t)v->frags[i].ptr, v->frags[i].len };
	return writev(p->fd, iov, (int)nr) > 0;
}

static unsigned int fd_put(struct fast_port *p, struct nb_view *const *views, unsigned int nr)
{
	unsigned int refused = 0;

	for (unsigned int i = 0; i < nr; i++)
		refused += !write_frame(p, views[i]);
	nb_count(&p->stats.drops[FAST_DROP_REFUSED], refused);
	return nr;
}

static void fd_flush(struct fast_port *p)
{
	(void)p;
}

static void fd_drop(struct fast_port *p, unsigned int nr)
{
	(void)p;
	(void)nr;
}

/* The descriptor's own edge tells of more; there is none until it was read empty. */
static bool fd_arm(struct fast_port *p, uint64_t now_ns)
{
	(void)now_ns;
	return p->readable && !p->parked;
}

static int fd_watch(struct fast_port *p, int epoll_fd, bool on)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.ptr = &p->sources[0][0] };

	p->sources[0][0] = (struct fast_source){ .port = p };
	p->readable = true;
	return epoll_ctl(epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, p->fd, &ev) && on ? -errno
											 : 0;
}

static void fd_event(struct fast_port *p, const struct fast_source *source)
{
	(void)source;
	p->readable = true;
}

const struct fast_port_ops fast_fd_ops = {
	.take = fd_take,
	.done = fd_done,
	.put = fd_put,
	.flush = fd_flush,
	.drop = fd_drop,
	.arm = fd_arm,
	.watch = fd_watch,
	.event = fd_event,
};
