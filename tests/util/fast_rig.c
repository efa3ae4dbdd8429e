/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/util/fast_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

int fast_rig_host = -1, fast_rig_other = -1, fast_rig_uplink = -1, fast_rig_fail;

static int make_pair(int *ours, int *fd_out)
{
	int fds[2], size = 4 << 20;

	*fd_out = -1;
	if (fast_rig_fail)
		return -fast_rig_fail;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
	for (int i = 0; i < 2; i++)
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (*ours >= 0)
		close(*ours);
	*ours = fds[0];
	*fd_out = fds[1];
	return 0;
}

static int host_open(const char *name, unsigned int mtu, const uint8_t *mac, int *fd_out)
{
	(void)mtu;
	(void)mac;
	return make_pair(strcmp(name, "lan") ? &fast_rig_other : &fast_rig_host, fd_out);
}

static int host_set(const char *name, int fd, unsigned int mtu, const uint8_t *mac)
{
	(void)name;
	(void)fd;
	(void)mtu;
	(void)mac;
	return -fast_rig_fail;
}

static void host_close(int fd, bool gone)
{
	(void)gone;
	close(fd);
}

static int uplink_open(const char *link, int *fd_out)
{
	*fd_out = -1;
	return strcmp(link, "absent0") ? make_pair(&fast_rig_uplink, fd_out) : -ENODEV;
}

const struct fast_host_ops fast_rig_ops = { host_open, host_set, host_close, uplink_open, NULL };

static void on_alert(struct nb_queue *q)
{
	(void)q;
}

static void add_guest(struct fast_rig *r, unsigned int i)
{
	struct fast_rig_guest *g = &r->guests[i];
	struct nb_queue_refs refs;
	const char *why;

	g->rig = r;
	snprintf(g->name, sizeof(g->name), "vif%u.0", i);
	assert_int_equal(core_domain_create(r->core, 8, &g->domid), 0);
	assert_int_equal(hv_guest_attach_local(r->core, g->domid, &g->guest), 0);
	g->f.guest = g->guest;
	g->f.info.sg = g->f.info.gso_tcpv4 = g->f.info.gso_tcpv6 = g->f.info.split_channels = true;
	assert_int_equal(front_queue_create(&g->f, &g->front), 0);
	g->features = (struct nb_features){ .sg = true,
					    .gso_v4 = true,
					    .gso_v6 = true,
					    .csum_v4 = true,
					    .csum_v6 = true,
					    .rx_notify = true,
					    .mtu = 1500 };
	g->steering.nr_queues = 1;
	g->steering.queues[0] = &g->queue;
	g->queue.hv = r->hv;
	g->queue.features = &g->features;
	g->queue.steering = &g->steering;
	g->queue.port_fd = -1;
	g->queue.alert = on_alert;
	g->queue.owner = g;
	refs = (struct nb_queue_refs){ .from_ref = g->front->from_ring_ref,
				       .to_ref = g->front->to_ring_ref,
				       .from_port = g->front->from_channel.local_port,
				       .to_port = g->front->to_channel.local_port };
	assert_int_equal(nb_queue_connect(&g->queue, g->domid, &refs, &why), 0);
}

static void start(struct fast_rig *r)
{
	struct fast_config config = { .state = r->path, .bag = r->bag, .host = &fast_rig_ops };
	char why[FAST_TEXT_MAX];
	unsigned int ifindex;

	if (fast_create(&config, &r->fast, why))
		fail_msg("%s", why);
	for (unsigned int i = 0; i < r->nr; i++) {
		struct fast_rig_guest *g = &r->guests[i];

		assert_int_equal(fast_plane_ops.open(r->fast, g->domid, 0, g->name, 1500, &g->port,
						     &ifindex, why),
				 0);
		assert_int_equal(ifindex, 0);
		if (g->has_left)
			continue;
		assert_int_equal(fast_plane_ops.start(g->port, &g->queue, 1, true, why), 0);
		g->is_started = true;
	}
}

static void stop(struct fast_rig *r)
{
	for (unsigned int i = 0; i < r->nr; i++) {
		fast_rig_stop(r, i);
		fast_plane_ops.close(r->guests[i].port);
	}
	fast_destroy(r->fast);
}

struct fast_rig *fast_rig_create(unsigned int nr)
{
	struct fast_rig *r = calloc(1, sizeof(*r));
	int fd;

	assert_non_null(r);
	assert_true(nr <= FAST_RIG_GUESTS);
	snprintf(r->path, sizeof(r->path), "/tmp/test-fast.XXXXXX");
	fd = mkstemp(r->path);
	assert_true(fd >= 0);
	close(fd);
	unlink(r->path);
	r->bag = fdbag_create();
	assert_non_null(r->bag);
	assert_int_equal(core_create(NULL, &r->core), 0);
	assert_int_equal(hv_core_local(r->core, &r->hv), 0);
	for (r->nr = 0; r->nr < nr; r->nr++)
		add_guest(r, r->nr);
	start(r);
	return r;
}

void fast_rig_restart(struct fast_rig *r)
{
	stop(r);
	start(r);
}

unsigned int fast_rig_hand_over(struct fast_rig *r)
{
	unsigned int nr;

	fast_pause(r->fast);
	fast_hand_over(r->fast);
	stop(r);
	nr = fdbag_size(r->bag);
	start(r);
	assert_int_equal(fdbag_size(r->bag), 0);
	fast_resume(r->fast);
	return nr;
}

void fast_rig_stop(struct fast_rig *r, unsigned int guest)
{
	if (r->guests[guest].is_started)
		fast_plane_ops.stop(r->guests[guest].port);
	r->guests[guest].is_started = false;
}

void fast_rig_destroy(struct fast_rig *r)
{
	stop(r);
	for (unsigned int i = 0; i < r->nr; i++) {
		struct fast_rig_guest *g = &r->guests[i];

		nb_queue_disconnect(&g->queue);
		front_queue_destroy(&g->f, g->front);
		hv_guest_detach(g->guest);
	}
	r->hv->close(r->hv);
	core_destroy(r->core);
	fdbag_destroy(r->bag);
	unlink(r->path);
	free(r);
}

int fast_rig_change(struct fast *f, const char *text, char *why)
{
	char *copy = strdup(text);
	json_error_t error;
	json_t *change;
	int rc;

	assert_non_null(copy);
	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	change = json_loads(copy, 0, &error);
	if (!change)
		fail_msg("%s: %s", copy, error.text);
	why[0] = '\0';
	rc = fast_apply(f, change, why);
	json_decref(change);
	free(copy);
	return rc;
}

int fast_rig_try(struct fast_rig *r, const char *text, char *why)
{
	return fast_rig_change(r->fast, text, why);
}

void fast_rig_apply(struct fast_rig *r, const char *text)
{
	char why[FAST_TEXT_MAX];

	if (fast_rig_try(r, text, why))
		fail_msg("%s: %s", text, why);
}

void fast_rig_turn(struct fast_rig *r)
{
	for (int i = 0; i < 8; i++)
		fast_turn(r->fast);
}

bool fast_rig_send(struct fast_rig *r, unsigned int guest, const void *data, size_t size)
{
	struct front_queue *q = r->guests[guest].front;
	uint16_t buffers[FRONT_MAX_FRAGS];
	struct front_packet p = { .size = (uint32_t)size };
	size_t at = 0;

	p.nr_frags = (uint16_t)((size + FRONT_BUFFER_SIZE - 1) / FRONT_BUFFER_SIZE);
	if (front_from_guest_room(q) < p.nr_frags || !front_take(q, buffers, p.nr_frags))
		return false;
	for (unsigned int i = 0; i < p.nr_frags; i++) {
		size_t len = size - at < FRONT_BUFFER_SIZE ? size - at : FRONT_BUFFER_SIZE;

		memcpy(front_from_guest_pages(q) + (size_t)buffers[i] * FRONT_BUFFER_SIZE,
		       (const uint8_t *)data + at, len);
		p.frags[i] = (struct front_frag){ .buffer = buffers[i], .len = (uint16_t)len };
		at += len;
	}
	assert_int_equal(front_from_guest(q, &p, 1), 1);
	front_from_guest_flush(q);
	return true;
}

size_t fast_rig_recv(struct fast_rig *r, unsigned int guest, void *data, size_t room)
{
	struct front_queue *q = r->guests[guest].front;
	struct front_packet p;
	size_t at = 0;

	if (!front_to_guest(q, &p, 1))
		return 0;
	assert_true(p.size <= room);
	for (unsigned int i = 0; i < p.nr_frags; i++) {
		const struct front_frag *frag = &p.frags[i];

		memcpy((uint8_t *)data + at,
		       front_to_guest_pages(q) + (size_t)frag->buffer * FRONT_BUFFER_SIZE +
			       frag->offset,
		       frag->len);
		at += frag->len;
	}
	front_release(q, &p, 1);
	front_to_guest_refill(q);
	return at;
}

long long fast_rig_status(struct fast_rig *r, const char *path)
{
	json_t *status = fast_status(r->fast), *at = status;
	char copy[200], *save = NULL, *part;
	long long value;

	snprintf(copy, sizeof(copy), "%s", path);
	for (part = strtok_r(copy, "/", &save); part; part = strtok_r(NULL, "/", &save))
		at = json_object_get(at, part);
	if (!json_is_integer(at))
		fail_msg("status has no %s", path);
	value = json_integer_value(at);
	json_decref(status);
	return value;
}
