/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the program vifrost-front is made of: for each device/vif/<n> of its guest a TAP eth<n> in the
 * guest's network namespace, and the packets between the two. Frames go from the TAP by readv(2)
 * straight into granted pages and from granted pages by writev(2) into the TAP. Checksums and segments
 * that are still to be made stay so: a virtio_net_hdr says on the TAP what flags and extras say on the
 * ring.
 *
 * One thread. Busy queues are polled in turn; when all are idle it sleeps on the TAPs, the event
 * channels and the store, without a timer.
 */
#ifndef NETBACK_FRONT_ETH_H
#define NETBACK_FRONT_ETH_H

#include <net/if.h>

#include <linux/virtio_net.h>

#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "netback/front/front.h"

#define ETH_FRAME_PAGES ((FRONT_MAX_FRAME + FRONT_BUFFER_SIZE - 1) / FRONT_BUFFER_SIZE)
#define ETH_HEADER_MAX	128 /* bytes of a frame that are copied out to be understood */
#define ETH_MAX_GROUPS	64  /* multicast groups that all backends take */
#define ETH_GROUPS_TEXT 65536

struct eth_options {
	bool xen;		    /* a domU of a real Xen, and one device of it */
	unsigned int handle;	    /* if @xen: which */
	int hypercall_fd, ready_fd; /* unless @xen; taken over; ready_fd may be -1 */
	const char *tap;	    /* its name; NULL: eth<handle> */
	unsigned int max_queues;
	const struct front_hash *hash; /* NULL: the backend spreads as it likes */
	bool multicast_control;
};

/* One queue of a TAP. Counts what the frontend library cannot know. */
struct eth_queue {
	int tap_fd;		       /* -1: none */
	struct front_queue *front;     /* NULL while not connected */
	bool tap_ready;		       /* may have a frame: its last read was not in vain */
	bool csum_ipv4, csum_ipv6;     /* what the backend takes blank */
	uint16_t set[ETH_FRAME_PAGES]; /* buffers laid out for the next read */
	unsigned int nr_set;
	struct loop_fd tap_watcher, from_watcher, to_watcher;
	uint64_t from_guest_dropped; /* neither end can make what the TAP asks for */
	uint64_t to_guest_dropped;   /* the TAP did not want it, or it is no sense to it */
};

struct eth {
	struct list node;
	struct front *front;
	struct loop *loop;
	unsigned int handle;
	char name[IFNAMSIZ];
	enum front_state state; /* as last logged */
	uint16_t mtu;		/* of the TAP */
	bool carrier;
	unsigned int connection; /* whose queues we have; 0: none */
	unsigned int nr_queues;	 /* of the TAP */
	struct eth_queue queues[FRONT_MAX_QUEUES];
	struct loop_fd ctrl_watcher;
	enum front_hash_state hash;		 /* as last logged */
	uint8_t groups[ETH_MAX_GROUPS][MAC_LEN]; /* as told to the backend of this connection */
	unsigned int nr_groups;
	bool too_many_groups;
};

/* ---- eth_tap.c: the device in the guest's network namespace ---- */

/**
 * eth_tap_open() - Make or join TAP @name, without link, and take one queue of it
 * @multi_queue:	Of all its queues or of none
 * Return: non-blocking descriptor; -EBUSY: another's; -errno.
 */
int eth_tap_open(const char *name, bool multi_queue);
int eth_tap_set_carrier(int tap_fd, bool carrier);
/* Of a multi-queue TAP: whether the kernel puts frames into this queue. */
int eth_tap_use_queue(int tap_fd, bool use);
int eth_tap_set_offloads(int tap_fd, bool csum, bool tso4, bool tso6);
/* @control_fd: any socket of the namespace. */
int eth_tap_set_mac(int control_fd, const char *name, const uint8_t mac[MAC_LEN]);
int eth_tap_set_mtu(int control_fd, const char *name, unsigned int mtu);

/* ---- eth_offload.c: virtio_net_hdr on the one side, flags and GSO type on the other ---- */

/**
 * eth_offload_from_guest() - What a TAP asks for, in the ring's terms
 * @pages:	Where @p's fragments are; a checksum that the backend would not take is made there
 * Return: 0; -EINVAL: cannot be expressed.
 */
int eth_offload_from_guest(const struct eth_queue *q, const struct virtio_net_hdr *vnet,
			   uint8_t *pages, struct front_packet *p);
/**
 * eth_offload_to_guest() - What the ring says, in a TAP's terms
 * @header:	Private copy of the first @have bytes of the frame; may be changed: send it instead
 * Return: 0; -EINVAL: not a frame that can have this done to it.
 */
int eth_offload_to_guest(const struct front_packet *p, uint8_t *header, size_t have,
			 struct virtio_net_hdr *vnet);

/* ---- eth_move.c ---- */

/* One bounded batch in each direction. Return: whether anything was done. */
bool eth_move(struct eth_queue *q);
/* Have both rings wake us. Return: true: there is work already. */
bool eth_arm(struct eth_queue *q);

/* ---- eth_device.c: one vif's life ---- */

/* Return: 0 with the TAP made; -ENOENT no such vif; -errno. */
int eth_create(struct hv_guest *guest, struct loop *loop, int control_fd, unsigned int handle,
	       const struct eth_options *options, struct eth **eth_out);
/* Leave the backend in order, for another frontend to come; only eth_destroy() may follow. */
void eth_close(struct eth *eth);
/* The TAP goes with it. */
void eth_destroy(struct eth *eth);
/* Follow the store. -ENOENT: the vif is gone. */
int eth_update(struct eth *eth, int control_fd);

/* ---- eth_multicast.c ---- */

/* The kernel's list, as far as it fits. @fd: of /proc/net/dev_mcast. Return: 0; -errno. */
int eth_read_groups(int fd, char text[ETH_GROUPS_TEXT]);
/* Tell the backend what has changed in the list, if it filters. */
void eth_follow_groups(struct eth *eth, const char *text);

/* ---- eth_sandbox.c ---- */

/*
 * From here on only the system calls that moving packets and hotplug need, on our core or (@xen) by a
 * domU's devices. Return: 0 or -errno.
 */
int eth_sandbox(bool xen);

/* ---- eth_process.c ---- */

/**
 * eth_process_run() - Serve the guest's vifs until SIGTERM
 * Return: 0 or -errno, logged.
 */
int eth_process_run(const struct eth_options *options);

#endif
