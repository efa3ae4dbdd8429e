/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network device that the switch has for itself, as an uplink: frames as they are on the wire, without a
 * word of checksums or segments. By AF_XDP (xsk.c) or by a DPDK driver (vswitch/nic/).
 *
 * Opening and closing: the control thread; the rest: the thread of the network.
 */
#ifndef VSWITCH_FAST_DEVICE_H
#define VSWITCH_FAST_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define FAST_DEVICE_WHY_MAX 240
#define FAST_DEVICE_ROOM    128u /* bytes in front of a received frame that may be written to */

/* What is asked for; each kind takes what it knows. */
struct fast_device_config {
	const char *name; /* of the link, or a PCI address */
	unsigned int mtu; /* 0: the link's own */
	unsigned int queues;
	uint64_t memory; /* bytes; 0: little */
	bool hugepages;
	uid_t owner; /* of a socket: whose process is to connect */
};

/* A received frame, in memory that only we write to until it is released. */
struct fast_frame {
	uint8_t *data;
	uint32_t len;
	uint32_t queue; /* the device's own, as @handle */
	uint64_t handle;
};

struct fast_device_ops {
	/* Return: 0; -errno with cause and cure in @why (FAST_DEVICE_WHY_MAX). */
	int (*open)(const struct fast_device_config *config, void **device_out, char *why);
	void (*close)(void *device);
	/* The @i-th descriptor that is readable when frames have come in; -1: no more of them. */
	int (*fd)(const void *device, unsigned int i);
	/* Have them tell of the next frame. False: it cannot, it must be looked at now and then. */
	bool (*arm)(void *device);
	/* A descriptor has told. */
	void (*disarm)(void *device);
	uint32_t (*frame_max)(const void *device);
	/* What is to be said of it in status: "afxdp, zero copy". */
	const char *(*says)(const void *device);
	/* Return: number of frames, of all its queues in turn. */
	unsigned int (*take)(void *device, struct fast_frame *frames, unsigned int max);
	void (*release)(void *device, const struct fast_frame *frames, unsigned int nr);
	/* Room for one frame of up to frame_max() bytes; NULL: none now. To be followed by send(). */
	uint8_t *(*room)(void *device);
	/* What room() gave last holds a frame of @len bytes. */
	void (*send)(void *device, uint32_t len);
	/* Have them leave. */
	void (*flush)(void *device);
};

extern const struct fast_device_ops fast_xsk_device; /* a link by AF_XDP */

#endif
