/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The switch in user space, as vifrost-netback runs it: networks whose ports are guests' rings, the host's
 * own end (a TAP named as the network) and an uplink. What there is to be is told by two kinds of JSON
 * documents; vifrost-netback keeps them in a file, so that the next one goes on by itself.
 *
 * FAST_NETWORK, by the network's name:
 *	mode		"bridge", "isolated", "nat", "route"; in the last two whatever is not for a guest of
 *			the network goes to the host's end, the gateway
 *	mtu, mac	of the host's end
 *	ageing		seconds until a learnt MAC is forgotten; 300
 *	host-vlan	of the host's end; 0: untagged
 *	segment		true: it reaches beyond the host
 *	uplink		{"link","kind": "auto", "afpacket" or "afxdp"} or {"pci","queues"}; may be
 *			absent. Hardware is AF_XDP's with "auto"; what that cannot take, a packet socket's
 *	cpus		[number]: where its thread runs; networks with the same share one
 *	memory, hugepages	of what DPDK takes for a card; bytes, bool
 *	route		routes that are known to the last step (route.h): what comes for the host's end and has
 *			one goes there at once, to a network on the same thread, if its own "firewall" lets it
 *			(gateway.h)
 *	nat		translation, of the network that has the public addresses (nat.h)
 *	firewall	as vswitch/ovs_rules.h specifies it; absent: everything passes
 *	per-guest	true: no frames between guests
 *
 * FAST_PORT, by the vif's name:
 *	network, mac
 *	guard		{"level","mac","addrs","by-lease","packets-per-s"}: what it may send; absent: nothing
 *	access | native, trunk	VLANs; trunk: [[first, last], ...]
 *	protected	true: no traffic to other such ports
 *	vhost-user	true: its frames are not a ring's of Xen's but those of QEMU's virtio card, which
 *			connects to a socket VIF.sock in config.vhost
 *	from-guest, to-guest	{"bits-per-s","burst-bytes","packets-per-s"}; absent: unlimited
 *
 * A vif without a document sends and gets nothing. All of this is the control thread's.
 */
#ifndef VSWITCH_FAST_FAST_H
#define VSWITCH_FAST_FAST_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/fdbag.h"
#include "base/rpc.h"
#include "netback/plane.h"

#define FAST_TEXT_MAX 400
#define FAST_STATE    "fast.json" /* in the run directory */

struct fast;

/* How the host's end is made: a small table, so that a test can do without root. 0 or -errno. */
struct fast_host_ops {
	/* A descriptor of frames with a virtio_net_hdr each, non-blocking; @mac NULL: any. */
	int (*open)(const char *name, unsigned int mtu, const uint8_t *mac, int *fd_out);
	int (*set)(const char *name, int fd, unsigned int mtu, const uint8_t *mac);
	/* With @gone the device is not to outlast us. */
	void (*close)(int fd, bool gone);
	/* The uplink @link, all that comes in by it. */
	int (*open_uplink)(const char *link, int *fd_out);
	/* A guest's @mac is not behind @name any more: nobody is a neighbour there. May be NULL. */
	int (*forget)(const char *name, const uint8_t *mac);
};

extern const struct fast_host_ops fast_host_ops;

struct fast_config {
	const char *state; /* path of the file; copied. NULL: nothing is kept */
	struct fdbag *
		bag; /* borrowed; hosts' ends and uplinks that a predecessor has given; NULL: none */
	const char *vhost; /* folder of sockets for QEMU; borrowed; NULL: there are none */
	const struct fast_host_ops *host;
	bool threaded; /* false: the caller calls fast_turn(), for tests */
	bool paused;   /* as by fast_pause(): until all ports are there */
};

/**
 * fast_create() - The switch as the file has it, or empty
 * @why:	On failure cause and cure
 *
 * A document that cannot be applied any more (an uplink that is gone) is said in the log and in status,
 * and does not keep the others from service. Return: 0 or -errno.
 */
int fast_create(const struct fast_config *config, struct fast **fast_out, char why[FAST_TEXT_MAX]);
/*
 * Paused, and with its ports: what it knows goes into config.bag (inherit.h). From now on only fast_destroy(), which
 * puts hosts' ends and packet sockets there, too.
 */
void fast_hand_over(struct fast *f);
/* All ports must have been closed. The hosts' ends stay. NULL is allowed. */
void fast_destroy(struct fast *f);

/**
 * fast_apply() - Have documents as @change says: {"networks": {NAME: DOC|null}, "ports": {...}}
 *
 * All or nothing; what is as it is to be is left alone. Return: 0; -EINVAL: @why says what of which
 * document is wrong and what is allowed; -errno with @why.
 */
int fast_apply(struct fast *f, const json_t *change, char why[FAST_TEXT_MAX]);
/*
 * Try documents of the file again that could not be applied so far: they stay in the file and in fast_status() with
 * why not, until they can be or others are given. Return: how many still wait.
 */
unsigned int fast_retry(struct fast *f);
/* {"networks": {NAME: DOC}, "ports": {VIF: DOC}}: new references; NULL: out of memory. */
json_t *fast_get(const struct fast *f);
json_t *fast_status(struct fast *f);
/*
 * Take no more frames, from nobody, so that they wait where they are, and see those off that wait for a
 * receiver: when this returns they have got there, or were given up as at any other time. Where there are
 * no threads the caller goes on with fast_turn().
 */
void fast_pause(struct fast *f);
void fast_resume(struct fast *f);
/* One turn of all threads where there are none. Return: ports with work. */
unsigned int fast_turn(struct fast *f);

/* RPC fast.get, fast.apply, fast.status. */
void fast_rpc_get(struct fast *f, struct rpc_call *call);
void fast_rpc_apply(struct fast *f, struct rpc_call *call);
void fast_rpc_status(struct fast *f, struct rpc_call *call);

/* Its plane's first argument is a struct fast. */
extern const struct nb_plane_ops fast_plane_ops;

#endif
