/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel device by AF_XDP (Documentation/networking/af_xdp.rst): a program on the device turns every
 * frame that comes in to our sockets, one for each of its receive queues, before the host's own stack sees
 * any. The program is held by a descriptor of ours, so that the device is the host's again when we end.
 */
#include "vswitch/fast/device.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>

#define QUEUES_MAX    16
#define ROOM	      256u  /* that the kernel leaves in front of a frame */
#define RING_SIZE     1024u /* descriptors of each of the four rings */
#define NR_FRAMES     (2 * RING_SIZE)
#define FRAME_MIN     2048u
#define FRAME_MAX     4096u /* chunks of a page are the largest that the kernel takes */
#define VLAN_TAGS_LEN 8u

/* One of a socket's rings, shared with the kernel: a single producer, a single consumer. */
struct ring {
	uint32_t *producer, *consumer, *flags;
	void *descs;
	uint32_t head; /* our own index: what we have produced or consumed */
	void *map;
	size_t size;
};

/* A receive queue of the device with its socket and memory: half to receive into, half to send from. */
struct queue {
	int fd;
	uint8_t *memory;
	struct ring fill, completion, rx, tx;
	uint64_t free[RING_SIZE]; /* frames that may be sent from */
	unsigned int nr_free;
	bool sent; /* since the last flush */
};

struct xsk {
	int map_fd, program_fd, link_fd;
	uint32_t frame_size;
	bool zero_copy;
	unsigned int nr_queues, next;
	struct queue *sending; /* whose room was given */
	struct queue queues[QUEUES_MAX];
};

static int bpf(int command, union bpf_attr *attr)
{
	long n = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return n < 0 ? -errno : (int)n;
}

static int create_map(unsigned int nr)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_XSKMAP,
				.key_size = sizeof(uint32_t),
				.value_size = sizeof(uint32_t),
				.max_entries = nr };

	return bpf(BPF_MAP_CREATE, &attr);
}

/* return bpf_redirect_map(map, ctx->rx_queue_index, XDP_PASS); */
static int load_program(int map_fd)
{
	struct bpf_insn insns[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_W,
		  .dst_reg = BPF_REG_2,
		  .src_reg = BPF_REG_1,
		  .off = offsetof(struct xdp_md, rx_queue_index) },
		{ .code = BPF_LD | BPF_IMM | BPF_DW,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = map_fd },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_XDP,
				.insn_cnt = sizeof(insns) / sizeof(insns[0]),
				.insns = (uint64_t)(uintptr_t)insns,
				.license = (uint64_t)(uintptr_t) "GPL" };

	memcpy(attr.prog_name, "vifrost_uplink", sizeof("vifrost_uplink"));
	return bpf(BPF_PROG_LOAD, &attr);
}

/* The driver's own place for programs, or where it has none the kernel's. */
static int attach(int program_fd, int ifindex)
{
	static const uint32_t places[] = { XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE };
	int rc = 0;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		union bpf_attr attr = { 0 };

		attr.link_create.prog_fd = (uint32_t)program_fd;
		attr.link_create.target_ifindex = (uint32_t)ifindex;
		attr.link_create.attach_type = BPF_XDP;
		attr.link_create.flags = places[i];
		rc = bpf(BPF_LINK_CREATE, &attr);
		if (rc >= 0 || rc == -EBUSY || rc == -EEXIST)
			break;
	}
	return rc;
}

static int count_queues(const char *link)
{
	char path[64];
	struct dirent *entry;
	int nr = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/class/net/%.15s/queues", link);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		nr += !strncmp(entry->d_name, "rx-", 3);
	closedir(dir);
	return nr ? nr : -ENODEV;
}

static int read_mtu(const char *link)
{
	struct ifreq ifr = { 0 };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", link);
	rc = ioctl(fd, SIOCGIFMTU, &ifr) ? -errno : ifr.ifr_mtu;
	close(fd);
	return rc;
}

static int map_ring(int fd, const struct xdp_ring_offset *at, size_t desc_size, off_t where,
		    struct ring *r)
{
	r->size = at->desc + RING_SIZE * desc_size;
	r->map = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, where);
	if (r->map == MAP_FAILED) {
		r->map = NULL;
		return -errno;
	}
	r->producer = (void *)((uint8_t *)r->map + at->producer);
	r->consumer = (void *)((uint8_t *)r->map + at->consumer);
	r->flags = (void *)((uint8_t *)r->map + at->flags);
	r->descs = (uint8_t *)r->map + at->desc;
	return 0;
}

static int map_rings(struct queue *q)
{
	struct xdp_mmap_offsets at;
	socklen_t len = sizeof(at);
	int rc;

	if (getsockopt(q->fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &len))
		return -errno;
	rc = map_ring(q->fd, &at.fr, sizeof(uint64_t), XDP_UMEM_PGOFF_FILL_RING, &q->fill);
	if (!rc)
		rc = map_ring(q->fd, &at.cr, sizeof(uint64_t), XDP_UMEM_PGOFF_COMPLETION_RING,
			      &q->completion);
	if (!rc)
		rc = map_ring(q->fd, &at.rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING, &q->rx);
	if (!rc)
		rc = map_ring(q->fd, &at.tx, sizeof(struct xdp_desc), XDP_PGOFF_TX_RING, &q->tx);
	return rc;
}

static int set_sizes(const struct queue *q, uint32_t frame_size)
{
	struct xdp_umem_reg reg = { .addr = (uint64_t)(uintptr_t)q->memory,
				    .len = (uint64_t)NR_FRAMES * frame_size,
				    .chunk_size = frame_size };
	static const int rings[] = { XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING,
				     XDP_TX_RING };
	int size = RING_SIZE;

	if (setsockopt(q->fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)))
		return -errno;
	for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++)
		if (setsockopt(q->fd, SOL_XDP, rings[i], &size, sizeof(size)))
			return -errno;
	return 0;
}

static void give_back(struct queue *q, uint64_t addr)
{
	((uint64_t *)q->fill.descs)[q->fill.head++ % RING_SIZE] = addr;
}

static void show_fill(struct queue *q)
{
	__atomic_store_n(q->fill.producer, q->fill.head, __ATOMIC_RELEASE);
}

static int bind_queue(const struct queue *q, int ifindex, unsigned int id, bool *zero_copy_out)
{
	struct sockaddr_xdp addr = { .sxdp_family = AF_XDP,
				     .sxdp_flags = XDP_USE_NEED_WAKEUP | XDP_ZEROCOPY,
				     .sxdp_ifindex = (uint32_t)ifindex,
				     .sxdp_queue_id = id };

	*zero_copy_out = !bind(q->fd, (struct sockaddr *)&addr, sizeof(addr));
	if (*zero_copy_out)
		return 0;
	addr.sxdp_flags = XDP_USE_NEED_WAKEUP | XDP_COPY;
	return bind(q->fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
}

static int open_queue(struct xsk *x, unsigned int id, int ifindex)
{
	struct queue *q = &x->queues[id];
	size_t size = (size_t)NR_FRAMES * x->frame_size;
	union bpf_attr attr = { 0 };
	uint32_t key = id, value;
	bool zero_copy;
	int rc;

	q->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (q->fd < 0)
		return -errno;
	q->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (q->memory == MAP_FAILED) {
		q->memory = NULL;
		return -errno;
	}
	rc = set_sizes(q, x->frame_size);
	if (!rc)
		rc = map_rings(q);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < RING_SIZE; i++) {
		give_back(q, (uint64_t)i * x->frame_size);
		q->free[q->nr_free++] = (uint64_t)(RING_SIZE + i) * x->frame_size;
	}
	show_fill(q);
	rc = bind_queue(q, ifindex, id, &zero_copy);
	if (rc)
		return rc;
	x->zero_copy &= zero_copy;
	value = (uint32_t)q->fd;
	attr.map_fd = (uint32_t)x->map_fd;
	attr.key = (uint64_t)(uintptr_t)&key;
	attr.value = (uint64_t)(uintptr_t)&value;
	return bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

static int fail(char *why, int rc, const char *link, const char *text)
{
	snprintf(why, FAST_DEVICE_WHY_MAX, "%.15s by AF_XDP: %s (%s)", link, text, strerror(-rc));
	return rc;
}

static const char *cure_of(int rc)
{
	switch (rc) {
	case -EBUSY:
	case -EEXIST:
		return "another packet program is on it: take that off, or use kind afpacket";
	case -EPERM:
		return "no right to load packet programs: be root";
	case -EAFNOSUPPORT:
	case -ENOSYS:
	case -EINVAL:
	case -EOPNOTSUPP:
		return "this kernel or its driver can't (CONFIG_XDP_SOCKETS): use kind afpacket";
	case -ENOBUFS:
	case -ENOMEM:
		return "no memory to lock: raise RLIMIT_MEMLOCK";
	default:
		return "cannot set it up";
	}
}

/* What must fit in a frame of ours, or how it does not. */
static int choose_frame_size(struct xsk *x, const char *link, char *why)
{
	int mtu = read_mtu(link);
	uint32_t need;

	if (mtu < 0)
		return fail(why, mtu, link, "no such device");
	need = ROOM + ETH_HLEN + VLAN_TAGS_LEN + (uint32_t)mtu;
	if (need > FRAME_MAX)
		return fail(why, -EMSGSIZE, link, "its MTU is more than 3818: use kind afpacket");
	x->frame_size = need <= FRAME_MIN ? FRAME_MIN : FRAME_MAX;
	return 0;
}

static void xsk_close(void *device);

static int xsk_open(const struct fast_device_config *config, void **device_out, char *why)
{
	const char *link = config->name;
	struct xsk *x = calloc(1, sizeof(*x));
	int ifindex = (int)if_nametoindex(link), nr, rc;

	if (!x)
		return fail(why, -ENOMEM, link, "no memory");
	x->map_fd = x->program_fd = x->link_fd = -1;
	x->zero_copy = true;
	for (unsigned int i = 0; i < QUEUES_MAX; i++)
		x->queues[i].fd = -1;
	rc = choose_frame_size(x, link, why);
	if (rc)
		goto out;
	nr = count_queues(link);
	if (nr < 0 || nr > QUEUES_MAX) {
		rc = fail(why, nr < 0 ? nr : -E2BIG, link,
			  "1 to 16 receive queues are wanted: 'ethtool -L'");
		goto out;
	}
	x->nr_queues = (unsigned int)nr;
	x->map_fd = rc = create_map(x->nr_queues);
	if (rc >= 0)
		x->program_fd = rc = load_program(x->map_fd);
	for (unsigned int i = 0; rc >= 0 && i < x->nr_queues; i++)
		rc = open_queue(x, i, ifindex);
	if (rc >= 0)
		x->link_fd = rc = attach(x->program_fd, ifindex);
	rc = rc < 0 ? fail(why, rc, link, cure_of(rc)) : 0;
out:
	if (rc) {
		xsk_close(x);
		x = NULL;
	}
	*device_out = x;
	return rc;
}

static void unmap_ring(struct ring *r)
{
	if (r->map)
		munmap(r->map, r->size);
}

static void xsk_close(void *device)
{
	struct xsk *x = device;

	if (!x)
		return;
	/* First of all the device is the host's again. */
	if (x->link_fd >= 0)
		close(x->link_fd);
	for (unsigned int i = 0; i < x->nr_queues; i++) {
		struct queue *q = &x->queues[i];

		unmap_ring(&q->fill);
		unmap_ring(&q->completion);
		unmap_ring(&q->rx);
		unmap_ring(&q->tx);
		if (q->fd >= 0)
			close(q->fd);
		if (q->memory)
			munmap(q->memory, (size_t)NR_FRAMES * x->frame_size);
	}
	if (x->program_fd >= 0)
		close(x->program_fd);
	if (x->map_fd >= 0)
		close(x->map_fd);
	free(x);
}

static int xsk_fd(const void *device, unsigned int i)
{
	const struct xsk *x = device;

	return i < x->nr_queues ? x->queues[i].fd : -1;
}

/* They tell by themselves, as long as there is something to take. */
static bool xsk_arm(void *device)
{
	(void)device;
	return true;
}

static void xsk_disarm(void *device)
{
	(void)device;
}

static const char *xsk_says(const void *device)
{
	return ((const struct xsk *)device)->zero_copy ? "AF_XDP, zero copy" : "AF_XDP, copied";
}

static uint32_t xsk_frame_max(const void *device)
{
	return ((const struct xsk *)device)->frame_size - ROOM;
}

static unsigned int take_of(struct xsk *x, unsigned int id, struct fast_frame *frames,
			    unsigned int max)
{
	struct queue *q = &x->queues[id];
	uint32_t nr = __atomic_load_n(q->rx.producer, __ATOMIC_ACQUIRE) - q->rx.head;

	if (nr > max)
		nr = max;
	for (uint32_t i = 0; i < nr; i++) {
		const struct xdp_desc *d = (const struct xdp_desc *)q->rx.descs +
					   q->rx.head++ % RING_SIZE;

		frames[i] = (struct fast_frame){
			.data = q->memory + d->addr, .len = d->len, .queue = id, .handle = d->addr
		};
	}
	if (nr)
		__atomic_store_n(q->rx.consumer, q->rx.head, __ATOMIC_RELEASE);
	return nr;
}

static unsigned int xsk_take(void *device, struct fast_frame *frames, unsigned int max)
{
	struct xsk *x = device;
	unsigned int nr = 0;

	for (unsigned int i = 0; i < x->nr_queues && nr < max; i++) {
		nr += take_of(x, x->next, frames + nr, max - nr);
		x->next = x->next + 1 < x->nr_queues ? x->next + 1 : 0;
	}
	return nr;
}

static bool wants_wakeup(const struct ring *r)
{
	return __atomic_load_n(r->flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP;
}

static void xsk_release(void *device, const struct fast_frame *frames, unsigned int nr)
{
	struct xsk *x = device;

	for (unsigned int i = 0; i < nr; i++) {
		struct queue *q = &x->queues[frames[i].queue];

		give_back(q, frames[i].handle - frames[i].handle % x->frame_size);
	}
	for (unsigned int i = 0; i < x->nr_queues; i++) {
		struct queue *q = &x->queues[i];

		if (*q->fill.producer == q->fill.head)
			continue;
		show_fill(q);
		if (wants_wakeup(&q->fill))
			recvfrom(q->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
	}
}

static void take_sent(struct queue *q)
{
	uint32_t nr = __atomic_load_n(q->completion.producer, __ATOMIC_ACQUIRE) -
		      q->completion.head;

	for (uint32_t i = 0; i < nr && q->nr_free < RING_SIZE; i++)
		q->free[q->nr_free++] =
			((const uint64_t *)q->completion.descs)[q->completion.head++ % RING_SIZE];
	__atomic_store_n(q->completion.consumer, q->completion.head, __ATOMIC_RELEASE);
}

static uint8_t *xsk_room(void *device)
{
	struct xsk *x = device;
	/* Order of a flow's frames: all by one queue. */
	struct queue *q = &x->queues[0];

	if (!q->nr_free)
		take_sent(q);
	if (!q->nr_free)
		return NULL;
	x->sending = q;
	return q->memory + q->free[q->nr_free - 1];
}

static void xsk_send(void *device, uint32_t len)
{
	struct queue *q = ((struct xsk *)device)->sending;

	/* As many frames as descriptors: there is always one. */
	((struct xdp_desc *)q->tx.descs)[q->tx.head++ % RING_SIZE] = (struct xdp_desc){
		.addr = q->free[--q->nr_free], .len = len
	};
	q->sent = true;
}

/* One call sends so many where the driver copies. */
#define SEND_BATCH 32

static void xsk_flush(void *device)
{
	struct queue *q = &((struct xsk *)device)->queues[0];

	if (q->sent)
		__atomic_store_n(q->tx.producer, q->tx.head, __ATOMIC_RELEASE);
	q->sent = false;
	for (unsigned int i = 0; i < RING_SIZE / SEND_BATCH; i++) {
		if (__atomic_load_n(q->tx.consumer, __ATOMIC_ACQUIRE) == q->tx.head ||
		    !wants_wakeup(&q->tx))
			return;
		/* What a full device refuses stays in the ring, for the next flush. */
		if (sendto(q->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0 || errno != EAGAIN)
			return;
	}
}

const struct fast_device_ops fast_xsk_device = {
	.open = xsk_open,
	.close = xsk_close,
	.fd = xsk_fd,
	.arm = xsk_arm,
	.disarm = xsk_disarm,
	.frame_max = xsk_frame_max,
	.says = xsk_says,
	.take = xsk_take,
	.release = xsk_release,
	.room = xsk_room,
	.send = xsk_send,
	.flush = xsk_flush,
};
