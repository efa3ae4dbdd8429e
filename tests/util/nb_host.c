/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/util/nb_host.h"

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

#include "base/log.h"

struct nb_ports host_ports;

static int port_open(struct nb_ports *p, const char *name, unsigned int mtu, int *fd_out,
		     unsigned int *ifindex_out)
{
	int sv[2];

	snprintf(p->name, sizeof(p->name), "%s", name);
	if (p->taken)
		return -EEXIST;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, sv), 0);
	if (p->far >= 0)
		close(p->far);
	p->far = sv[0];
	p->nr_open++;
	p->exists = true;
	p->mtu = mtu;
	*fd_out = sv[1];
	*ifindex_out = 42;
	return 0;
}

static int port_add_queue(struct nb_ports *p, const char *name, int *fd_out)
{
	(void)name;
	*fd_out = -1;
	if (p->one_queue)
		return -EOPNOTSUPP;
	*fd_out = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	return 0;
}

static int port_offload(int fd, unsigned int offload)
{
	(void)fd;
	host_ports.offload = offload;
	return 0;
}

static int port_carrier(int fd, bool on)
{
	(void)fd;
	host_ports.carrier = on;
	return 0;
}

static void port_release(struct nb_ports *p, const char *name, int fd)
{
	(void)name;
	close(fd);
	p->exists = false;
	p->nr_released++;
}

static const struct nb_port_ops fake_ops = { port_open, port_add_queue, port_offload, port_carrier,
					     port_release };

struct hv_store *host_store(struct host *h)
{
	return h->r.c.hv->store;
}

void host_write_key(struct host *h, bool frontend, const char *key, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path),
		 frontend ? "/local/domain/%u/device/vif/0%s%s" : "backend/vif/%u/0%s%s",
		 h->r.c.domid, *key ? "/" : "", key);
	if (value)
		assert_int_equal(hv_store_write(host_store(h), 0, path, value, strlen(value)), 0);
	else
		hv_store_rm(host_store(h), 0, path);
}

void host_be(struct host *h, const char *key, const char *value)
{
	host_write_key(h, false, key, value);
}

void host_fe(struct host *h, const char *key, const char *value)
{
	host_write_key(h, true, key, value);
}

void host_fe_u32(struct host *h, const char *key, uint32_t value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	host_fe(h, key, text);
}

int host_be_state(struct host *h)
{
	char path[64];
	uint32_t state;

	snprintf(path, sizeof(path), "backend/vif/%u/0/state", h->r.c.domid);
	return hv_store_read_u32(host_store(h), 0, path, 99, &state) ? -1 : (int)state;
}

void host_expect_state(struct host *h, int state)
{
	netback_turn(h->nb);
	assert_int_equal(host_be_state(h), state);
}

struct nb_vif *host_the_vif(struct host *h)
{
	return nb_vif_find(h->nb, h->r.c.domid, 0);
}

void host_start_with(struct host *h, unsigned int nr_workers)
{
	struct netback_config config = { .nr_workers = nr_workers,
					 .max_queues = 4,
					 .hv = h->r.c.hv,
					 .port_ops = &fake_ops,
					 .ports = &host_ports,
					 .sysfs = h->sysfs,
					 .patience_ms = h->patience_ms,
					 .only = h->only };

	memcpy(config.planes, h->planes, sizeof(config.planes));

	assert_int_equal(netback_create(&config, NULL, &h->nb), 0);
}

void host_start(struct host *h)
{
	host_start_with(h, 0);
}

int host_setup(void **state)
{
	struct host *h = calloc(1, sizeof(*h));

	log_init("test", LOG_LEVEL_ERR);
	host_ports = (struct nb_ports){ .far = -1 };
	rig_init(&h->r, 0);
	host_start(h);
	*state = h;
	return 0;
}

int host_teardown(void **state)
{
	struct host *h = *state;

	netback_destroy(h->nb);
	h->r.queue.hv = NULL;
	rig_fini(&h->r);
	if (host_ports.far >= 0)
		close(host_ports.far);
	free(h);
	return 0;
}

void host_add_device(struct host *h)
{
	host_fe(h, "state", "1");
	host_be(h, "online", "1");
	host_be(h, "mtu", "1400");
	host_be(h, "state", "1");
}

void host_publish(struct host *h)
{
	host_fe_u32(h, "tx-ring-ref", h->r.refs.from_ref);
	host_fe_u32(h, "rx-ring-ref", h->r.refs.to_ref);
	host_fe_u32(h, "event-channel", h->r.refs.from_port);
	host_fe(h, "request-rx-copy", "1");
	host_fe(h, "feature-rx-notify", "1");
	host_fe(h, "feature-sg", "1");
	host_fe(h, "feature-gso-tcpv4", "1");
	host_fe(h, "state", "4");
}

void host_go_online(struct host *h)
{
	host_add_device(h);
	host_expect_state(h, 2);
	host_be(h, "hotplug-status", "connected");
	host_publish(h);
	host_expect_state(h, 4);
}

/* As a frontend that starts over does with its shared pages. */
void host_fresh_rings(struct host *h)
{
	memset(h->r.from, 0, NB_PAGE_SIZE);
	memset(h->r.to, 0, NB_PAGE_SIZE);
	h->r.from->req_event = h->r.from->rsp_event = h->r.to->req_event = h->r.to->rsp_event = 1;
	h->r.from_prod = h->r.from_cons = h->r.to_prod = h->r.to_cons = 0;
}

void host_assert_passes_frames(struct host *h)
{
	uint8_t frame[60] = { 2, 0, 0, 0, 0, 1 }, got[256];
	uint32_t before = h->r.from->rsp_prod;

	rig_put_frame(&h->r, frame, sizeof(frame), 60, 0, NULL);
	__atomic_store_n(&h->r.from->req_prod, h->r.from_prod, __ATOMIC_SEQ_CST);
	hv_guest_evtchn_notify(&h->r.from_ch);
	netback_turn(h->nb);
	assert_int_equal(h->r.from->rsp_prod, before + 1);
	assert_int_equal(read(host_ports.far, got, sizeof(got)), 70);
}
