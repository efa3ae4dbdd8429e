/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One queue of a backend and the guest on its other end, in one process on a core of their own: a
 * frontend made of bare rings, which a test may drive as honestly or as badly as it likes, and a
 * datagram socket pair in place of the TAP.
 */
#ifndef TESTS_UTIL_NB_RIG_H
#define TESTS_UTIL_NB_RIG_H

#include "netback/worker.h"
#include "tests/util/core_rig.h"

#define RIG_NR_PAGES 64u /* for frames to send; as many receive pages as the ring has slots */

/* Who serves the queue: a worker with its port; what polls it, between views and the port; the same, with
 * all pages of frames kept mapped. */
enum rig_mode { RIG_PORT, RIG_POLLED, RIG_MAPPED };

extern enum rig_mode rig_mode;

/* What polls in place of the rig itself, with the same ends: views, or whatever it makes of them, and the port. */
struct rig;
extern void (*rig_poller)(struct rig *r);

struct rig_frame {
	struct virtio_net_hdr vnet;
	size_t size;
	uint8_t data[NB_FRAME_MAX];
};

struct rig {
	struct core_rig c;
	int port[2]; /* ours, the queue's */

	netif_tx_sring_t *from;
	netif_rx_sring_t *to;
	xen_netif_ctrl_sring_t *ctrl;
	struct nb_queue_refs refs;
	uint32_t ctrl_ref;
	struct hv_evtchn from_ch, to_ch, ctrl_ch;
	uint8_t *from_pages, *to_pages, *ctrl_data;
	unsigned int first_page; /* of rig_put_frame() */
	uint32_t from_refs[RIG_NR_PAGES], to_refs[NB_RING_SIZE], ctrl_data_ref;
	uint32_t from_prod, from_cons, to_prod, to_cons, ctrl_prod, ctrl_cons;

	struct nb_features features;
	struct nb_steering steering;
	struct nb_queue queue;
	struct nb_worker *worker;
	struct nb_batch *batch;
	struct rig_frame *waiting; /* for slots; size 0: none */
	unsigned int nr_alerts;
	struct rig_frame frame; /* the last one taken */
};

/* All features on, single channel; rings start at @first. Change r->features before rig_connect(). */
void rig_init(struct rig *r, uint32_t first);
int rig_connect(struct rig *r);
void rig_connect_ctrl(struct rig *r);
void rig_disconnect(struct rig *r);
void rig_fini(struct rig *r);

/* Put one request on the transmit ring, unpublished. */
void rig_put(struct rig *r, const netif_tx_request_t *req);
void rig_put_extra(struct rig *r, const netif_extra_info_t *extra);
/* A program for a frontend: bytes that a fuzzer chose, taken from the front as numbers; 0 behind their end. */
struct rig_bytes {
	const uint8_t *data;
	size_t size;
};
uint32_t rig_take(struct rig_bytes *p, size_t nr);
void rig_put_any_extra(struct rig *r, struct rig_bytes *p);
/* Publish what was put and let the worker run until it sleeps. */
void rig_go(struct rig *r);
void rig_run(struct rig *r);
/* The next response on the transmit ring. Return: false when there is none. */
bool rig_response(struct rig *r, netif_tx_response_t *rsp);
/* Put @size bytes into pages, as requests of at most @slot bytes each with @flags on the first. */
unsigned int rig_put_frame(struct rig *r, const void *data, size_t size, size_t slot,
			   uint16_t flags, const netif_extra_info_t *extra);
/* Take a frame off the port into r->frame. */
bool rig_port_take(struct rig *r);
/* Give the port a frame. */
void rig_port_give(struct rig *r, const struct virtio_net_hdr *vnet, const void *data, size_t size);

/* Post @nr receive slots, published. */
void rig_post(struct rig *r, unsigned int nr);
/*
 * Take a frame off the receive ring as netfront does: slot by slot, ids ignored. Return: slots; 0: none.
 * Fills r->frame.data/size, @first and @extras by type.
 */
unsigned int rig_receive(struct rig *r, netif_rx_response_t *first, netif_extra_info_t extras[8]);

uint32_t rig_ctrl(struct rig *r, uint16_t type, uint32_t d0, uint32_t d1, uint32_t d2,
		  uint32_t *data);

/* A TCP segment: Ethernet, IP of @version, TCP without options, @payload bytes of a pattern. */
size_t rig_tcp(uint8_t *out, int version, size_t payload, bool good_csum);

#endif
