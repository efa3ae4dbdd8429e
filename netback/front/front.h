/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network frontend in user space: one device/vif/<n> of the guest it runs in, speaking io/netif.h
 * to whatever backend serves it. For the ns guest's process, for net_xenfront, load generators and
 * tests; it knows nothing of TAPs.
 *
 * The backend may be hostile: each shared field is read once and checked, and the first violation
 * breaks the device for good. Buffers are whole pages of guest memory, granted once per connection.
 *
 *	 Initialising --InitWait--> Initialised --Connected--> Connected
 *	      ^      (rings, grants,     |                        |
 *	      |       ports published)   | Closing, Closed, gone  |
 *	      |                          v                        v
 *	      +-------InitWait-------- Closed <-------------------+
 *
 * The backend's states stand at the arrows, the frontend's in between; a violation leads from any
 * of them to Broken, for good. Initialised, too, is Connected in the store, which is what Linux's
 * backend waits for. front_update() and what is above "Rings" belong to one control thread. Each queue's calls belong to one thread at a time, none of them during front_update() or
 * front_destroy().
 */
#ifndef NETBACK_FRONT_FRONT_H
#define NETBACK_FRONT_FRONT_H

#include <stdbool.h>
#include <stdint.h>

#include <xen/io/netif.h>

#include "base/parse.h"
#include "hv/guest.h"

#define FRONT_RING_SLOTS   256
#define FRONT_MAX_FRAGS	   XEN_NETIF_NR_SLOTS_MIN
#define FRONT_MAX_SLOTS	   (FRONT_MAX_FRAGS + 1) /* of any packet: its fragments and a GSO extra */
#define FRONT_MAX_FRAME	   XEN_NETIF_MAX_TX_SIZE /* bytes, Ethernet header included */
#define FRONT_MAX_QUEUES   8
#define FRONT_NR_BUFFERS   FRONT_RING_SLOTS /* of each queue, for each direction */
#define FRONT_BUFFER_SIZE  4096		    /* XEN_PAGE_SIZE; bytes */
#define FRONT_ZONE_MAX	   2048		    /* pages of a zone */
#define FRONT_HASH_KEY_MAX 40		    /* bytes that all backends take */
#define FRONT_HASH_MAP_MAX 128		    /* entries that all backends take */

struct front;
struct front_queue;

enum front_state {
	FRONT_INITIALISING, /* waiting for a backend that offers its features */
	FRONT_INITIALISED,  /* published, waiting for the backend to connect */
	FRONT_CONNECTED,
	FRONT_CLOSED, /* the backend went; it may come back */
	FRONT_BROKEN, /* for good */
	FRONT_NR_STATES,
};

/* How the backend is to spread packets to the guest over its queues: by a Toeplitz hash. */
struct front_hash {
	uint32_t types; /* XEN_NETIF_CTRL_HASH_TYPE_*, at least one */
	uint8_t key[FRONT_HASH_KEY_MAX];
	unsigned int key_size;
	uint32_t map[FRONT_HASH_MAP_MAX]; /* hash modulo @nr_map -> queue */
	unsigned int nr_map;		  /* 0: hash modulo the number of queues */
};

enum front_hash_state {
	FRONT_HASH_NONE, /* not wanted, not offered, or not connected */
	FRONT_HASH_ASKED,
	FRONT_HASH_SET,
	FRONT_HASH_REFUSED, /* the backend spreads as it likes */
};

/* What the control plane knows of a device. */
struct front_info {
	enum front_state state;
	const char *reason; /* static: why it is closed or broken; NULL */
	uint8_t mac[MAC_LEN];
	uint16_t mtu;
	bool carrier; /* the backend's link is up, and we are connected */
	/* What the backend takes from the guest; valid from FRONT_INITIALISED on. */
	bool sg, gso_tcpv4, gso_tcpv6, csum_ipv4, csum_ipv6;
	bool split_channels;
	bool multicast_control; /* only groups of front_multicast() come; valid as those above */
	enum front_hash_state hash;
	const char *hash_reason; /* static: why it was refused; NULL */
	unsigned int
		connection; /* counts up with each one made; 0 unless initialised or connected */
	unsigned int nr_queues;	    /* 0 unless initialised or connected */
	unsigned int nr_kept_pages; /* that the backend keeps mapped, as offered; of all queues */
	unsigned int
		nr_leaked_pages; /* the backend held them when they were taken back: lost until it lets go */
};

struct front_counters {
	uint64_t from_guest_packets, from_guest_bytes;
	uint64_t from_guest_errors;  /* packets that the backend answered with an error or a drop */
	uint64_t from_guest_refused; /* more than the backend takes: never sent */
	uint64_t from_guest_notifies;
	uint64_t to_guest_packets, to_guest_bytes;
	uint64_t to_guest_errors;  /* the backend could not deliver */
	uint64_t to_guest_dropped; /* no Ethernet frame by its size */
	uint64_t to_guest_notifies;
};

/**
 * front_create() - Take up device/vif/@handle
 * @guest:	Borrowed; its store too
 * @max_queues:	Upper bound of ours, 1..FRONT_MAX_QUEUES; the backend may offer less
 * @token:	Of the watches on the backend's keys; what comes back with it means front_update()
 *
 * Nothing is connected yet: call front_update().
 * Return: 0; -ENOENT: no such device; -EINVAL: its keys make no sense; -errno.
 */
int front_create(struct hv_guest *guest, unsigned int handle, unsigned int max_queues,
		 const char *token, struct front **front_out);
/* To be asked for with each connection made from now on, where the backend has a control ring. */
int front_set_hash(struct front *f, const struct front_hash *hash);
/* Have multicast filtered with each connection made from now on, where the backend can. */
void front_set_multicast_control(struct front *f, bool wanted);
/*
 * What the backend may send with each connection made from now on: blank checksums, and, if those,
 * segments that are yet to be cut. Both by default.
 */
void front_set_offload(struct front *f, bool csum, bool gso);
/* Have all receive slots posted whatever the load, with each connection made from now on. */
void front_keep_full(struct front *f);

/*
 * Pages that outlive connections and that all queues of several devices share: what one has received may
 * stay where it is, and another may send it from there. They are granted once, so that a backend with any
 * of these devices can write to all of them: the guest trusts it.
 */
struct front_zone {
	uint16_t domid;	 /* who they are granted to; of use for devices of this backend only */
	unsigned int nr; /* up to FRONT_ZONE_MAX */
	uint8_t *pages;	 /* contiguous */
	uint32_t *refs;	 /* a grant each */
	/* FRONT_NR_BUFFERS pages for device @handle to post; its backend has let go of all earlier ones. False: none. */
	bool (*take)(struct front_zone *zone, unsigned int handle, uint16_t *buffers);
	/* Pages that @handle has posted, and that its backend may still write to. */
	void (*retire)(struct front_zone *zone, unsigned int handle, const uint16_t *buffers,
		       unsigned int nr);
	/* Whoever owns what was sent from the zone may have it back. */
	void (*let_go)(struct front_zone *zone, void **owners, unsigned int nr);
};

/* Receive into @zone's pages and send from them, with each connection made from now on. Borrowed. */
void front_set_zone(struct front *f, struct front_zone *zone);
/* Readable when the backend has answered about the hash: front_ctrl_event(). -1: no control ring. */
int front_ctrl_fd(const struct front *f);
void front_ctrl_event(struct front *f);
/* Revokes all grants; xenstore is left as it is. NULL is allowed. */
void front_destroy(struct front *f);

/**
 * front_update() - Read the store and do what it asks for; idempotent
 * Queues seen before may be gone afterwards: get them anew with front_queue().
 * Return: 0; -ENOENT: the device is gone, destroy it; -errno of the store, nothing was changed.
 */
int front_update(struct front *f);
/* Say goodbye to the backend (Closing, Closed). One that is connected has a second to let go of the guest's pages. */
void front_close(struct front *f);
const struct front_info *front_info(const struct front *f);
const char *front_state_name(enum front_state state);

/* NULL unless initialised or connected, or when @index is not below info->nr_queues. */
struct front_queue *front_queue(struct front *f, unsigned int index);

/* ---- Rings ---- */

#define FRONT_CSUM_BLANK     1u /* the TCP or UDP checksum holds only the pseudo-header's sum */
#define FRONT_DATA_VALIDATED 2u /* the checksum is known to be right (or blank) */

struct front_frag {
	uint16_t buffer; /* of the direction's page array */
	uint16_t offset, len;
	uint32_t
		lent; /* from the guest, with a zone: 0, or the grant of its page that takes the buffer's place */
};

struct front_packet {
	uint32_t size; /* the sum of all len */
	uint16_t gso_size;
	uint8_t gso_type; /* XEN_NETIF_GSO_TYPE_* */
	uint8_t flags;	  /* FRONT_* */
	uint16_t nr_frags;
	void *owner; /* from the guest: of what is lent, until all is answered; NULL */
	struct front_frag frags[FRONT_MAX_FRAGS];
};

/* Why the queue, and so the device, is broken (static text), else NULL. front_update() acts on it.
 */
const char *front_queue_broken(const struct front_queue *q);
const struct front_counters *front_queue_counters(const struct front_queue *q);
/* Readable when the backend notifies, until consumed by the clear. Both the same unless split. */
int front_from_guest_fd(const struct front_queue *q);
int front_to_guest_fd(const struct front_queue *q);
void front_from_guest_clear(struct front_queue *q);
void front_to_guest_clear(struct front_queue *q);

/*
 * From the guest: take free buffers, fill them, hand them over as packets, flush. The backend
 * cannot write to them. Buffer i is the FRONT_BUFFER_SIZE bytes at front_from_guest_pages() + i *
 * that.
 */
uint8_t *front_from_guest_pages(const struct front_queue *q);
/* Up to @nr free buffers; their number. With FRONT_MAX_SLOTS of room there are FRONT_MAX_FRAGS. */
unsigned int front_take(struct front_queue *q, uint16_t *buffers, unsigned int nr);
void front_put(struct front_queue *q, const uint16_t *buffers, unsigned int nr);
/* Takes in the backend's answers, and lets go of what was lent. Return: ring slots free now. */
unsigned int front_from_guest_room(struct front_queue *q);
/**
 * front_from_guest() - Queue packets, in order, as far as the ring has room
 * @packets:	Their buffers are the ring's from here on, and free again when the backend has
 * answered Return: number taken, counting those that had to be refused (see the counter).
 */
unsigned int front_from_guest(struct front_queue *q, const struct front_packet *packets,
			      unsigned int nr);
/* Show what was queued to the backend; notifies only if it asked. */
void front_from_guest_flush(struct front_queue *q);
/*
 * Have the multicast group @mac delivered, or (!@add) no longer; shown with the next flush. A backend
 * has room for so many and counts the rest as an error. Return: false: the ring has no room now.
 */
bool front_multicast(struct front_queue *q, const uint8_t mac[MAC_LEN], bool add);
/* Ask for an event once @slots are free. Return: true: they are already. */
bool front_from_guest_arm(struct front_queue *q, unsigned int slots);

/* To the guest: take packets, use their fragments, release them, refill. The backend may write to
 * a page at any time, released or not: copy what is checked. */
uint8_t *front_to_guest_pages(const struct front_queue *q);
/*
 * Whether these are the zone's, all of it. Then a fragment or frame may be released with another page of the
 * zone for a buffer, which is the queue's from there on, and the one that it had is the caller's.
 */
bool front_to_guest_in_zone(const struct front_queue *q);
/* Whether what lies in the zone may be lent to this queue. */
bool front_from_guest_lends(const struct front_queue *q);
unsigned int front_to_guest(struct front_queue *q, struct front_packet *packets, unsigned int max);
void front_release(struct front_queue *q, const struct front_packet *packets, unsigned int nr);
/* Offer free buffers to the backend; notifies only if it asked. */
void front_to_guest_refill(struct front_queue *q);
/* Ask for an event with the next packet. Return: true: there is one already. */
bool front_to_guest_arm(struct front_queue *q);

/* ---- The same for frames of one piece, many at a time ---- */

struct front_frame {
	uint8_t *data;
	uint16_t len;	 /* of those from the guest: 14 to FRONT_BUFFER_SIZE */
	uint16_t buffer; /* of those to the guest */
	uint16_t flags;	 /* FRONT_CSUM_BLANK, FRONT_DATA_VALIDATED */
	uint32_t
		lent; /* from the guest, with a zone: 0, or the grant of the page in the zone that @data is in */
	void *owner; /* as a packet's */
};

/* As front_to_guest(), up to the first that is no such frame: that is next for front_to_guest(). */
unsigned int front_frames_to_guest(struct front_queue *q, struct front_frame *frames,
				   unsigned int max);
/* As front_release(). */
void front_frames_release(struct front_queue *q, const struct front_frame *frames, unsigned int nr);
/*
 * Copies those that are not lent into free buffers and queues all. Return: number taken, as ring and buffers
 * allow.
 */
unsigned int front_frames_from_guest(struct front_queue *q, const struct front_frame *frames,
				     unsigned int nr);

#endif
