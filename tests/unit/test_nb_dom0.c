/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a real dom0 adds to a vif's life: the kernel's driver, other writers, guests that never come. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "hv/store_priv.h"
#include "netback/kernel_driver.h"
#include "tests/util/nb_host.h"

#define BUS "bus/xen-backend"

struct dom0 {
	struct host h; /* first */
	char sysfs[64];
};

static char *in_sysfs(struct dom0 *d, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", d->sysfs, name);
	return path;
}

static void make_dir(struct dom0 *d, const char *name)
{
	assert_true(!mkdir(in_sysfs(d, name), 0700) || errno == EEXIST);
}

static void make_file(struct dom0 *d, const char *name)
{
	int fd = open(in_sysfs(d, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void load_driver(struct dom0 *d)
{
	make_dir(d, BUS "/drivers/vif");
	make_file(d, BUS "/drivers/vif/bind");
	make_file(d, BUS "/drivers/vif/unbind");
}

static void set_bound(struct dom0 *d, bool bound)
{
	char dir[64], link[80];

	snprintf(dir, sizeof(dir), BUS "/devices/vif-%u-0", d->h.r.c.domid);
	snprintf(link, sizeof(link), "%s/driver", dir);
	make_dir(d, dir);
	unlink(in_sysfs(d, link));
	if (bound)
		assert_int_equal(symlink("../../drivers/vif", in_sysfs(d, link)), 0);
}

static void expect_written(struct dom0 *d, const char *file, bool written)
{
	char path[64], text[64] = "", device[32] = "";
	int fd;

	snprintf(path, sizeof(path), BUS "/drivers/vif/%s", file);
	fd = open(in_sysfs(d, path), O_RDONLY);
	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	if (written)
		snprintf(device, sizeof(device), "vif-%u-0", d->h.r.c.domid);
	assert_string_equal(text, device);
}

static void expect_error(struct host *h, const char *part)
{
	char path[64], *error = NULL;
	int rc;

	snprintf(path, sizeof(path), "error/backend/vif/%u/0/error", h->r.c.domid);
	rc = hv_store_read(host_store(h), 0, path, &error, NULL);
	if (!part) {
		assert_int_equal(rc, -ENOENT);
		assert_string_equal(host_the_vif(h)->dev.reason, "");
		return;
	}
	assert_int_equal(rc, 0);
	assert_non_null(strstr(error, part));
	assert_string_equal(error, host_the_vif(h)->dev.reason);
	free(error);
}

/* Past all tries and all patience. */
static void turn_for(struct host *h, unsigned int ms)
{
	for (unsigned int i = 0; i < ms; i += 5) {
		usleep(5000);
		netback_turn(h->nb);
	}
}

static int setup(void **state)
{
	static const char *const dirs[] = { "bus", BUS, BUS "/drivers", BUS "/devices" };
	struct dom0 *d;

	assert_int_equal(host_setup(state), 0);
	d = realloc(*state, sizeof(*d));
	assert_non_null(d);
	*state = d;
	strcpy(d->sysfs, "/tmp/vifrost-sysfs.XXXXXX");
	assert_non_null(mkdtemp(d->sysfs));
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		make_dir(d, dirs[i]);
	return 0;
}

static void restart(struct dom0 *d)
{
	netback_destroy(d->h.nb);
	d->h.sysfs = d->sysfs;
	host_start(&d->h);
}

static int teardown(void **state)
{
	struct dom0 *d = *state;
	char device[64];

	set_bound(d, false);
	snprintf(device, sizeof(device), BUS "/devices/vif-%u-0", d->h.r.c.domid);
	rmdir(in_sysfs(d, device));
	unlink(in_sysfs(d, "module/xen_netback/parameters/max_queues"));
	rmdir(in_sysfs(d, "module/xen_netback/parameters"));
	rmdir(in_sysfs(d, "module/xen_netback"));
	rmdir(in_sysfs(d, "module"));
	unlink(in_sysfs(d, BUS "/drivers/vif/bind"));
	unlink(in_sysfs(d, BUS "/drivers/vif/unbind"));
	rmdir(in_sysfs(d, BUS "/drivers/vif"));
	rmdir(in_sysfs(d, BUS "/drivers"));
	rmdir(in_sysfs(d, BUS "/devices"));
	rmdir(in_sysfs(d, BUS));
	rmdir(in_sysfs(d, "bus"));
	assert_int_equal(rmdir(d->sysfs), 0);
	return host_teardown(state);
}

static void set_max_queues(struct dom0 *d, const char *text)
{
	int fd;

	make_dir(d, "module");
	make_dir(d, "module/xen_netback");
	make_dir(d, "module/xen_netback/parameters");
	make_file(d, "module/xen_netback/parameters/max_queues");
	fd = open(in_sysfs(d, "module/xen_netback/parameters/max_queues"), O_WRONLY);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void without_the_driver_a_vif_is_ours_at_once(void **state)
{
	struct dom0 *d = *state;

	restart(d);
	host_go_online(&d->h);
	assert_false(host_the_vif(&d->h)->dev.elsewhere);
	expect_error(&d->h, NULL);
}

static void with_the_driver_a_vif_waits_for_its_key(void **state)
{
	struct dom0 *d = *state;
	struct host *h = &d->h;

	load_driver(d);
	restart(d);
	host_add_device(h);
	host_expect_state(h, 1);
	set_bound(d, true);
	host_be(h, "state", "2");
	host_be(h, "hotplug-status", "connected");
	host_publish(h);
	host_expect_state(h, 2);
	host_be(h, "state", "4");
	host_expect_state(h, 4);
	assert_true(host_the_vif(h)->dev.elsewhere);
	assert_int_equal(host_ports.nr_open, 0);
	expect_written(d, "unbind", false);

	/* It cannot be had: that is said after some tries, and nothing is touched. */
	host_be(h, "vifrost-datapath", "tap");
	netback_turn(h->nb);
	expect_written(d, "unbind", true);
	expect_error(h, NULL);
	turn_for(h, 1500);
	expect_error(h, "cannot be unbound");
	assert_int_equal(host_ports.nr_open, 0);
	assert_int_equal(host_be_state(h), 4);

	/* Let go of: taken up with its rings as they are, in the state that it has. */
	set_bound(d, false);
	host_be(h, "vifrost-datapath", "tap");
	host_expect_state(h, 4);
	assert_false(host_the_vif(h)->dev.elsewhere);
	assert_int_equal(host_ports.nr_open, 1);
	assert_true(host_ports.carrier);
	host_assert_passes_frames(h);
	expect_error(h, NULL);
}

static void a_vif_in_service_goes_to_the_kernel_and_back(void **state)
{
	struct dom0 *d = *state;
	struct host *h = &d->h;

	restart(d);
	host_go_online(h);
	load_driver(d);
	host_be(h, "vifrost-datapath", "kernel");
	host_expect_state(h, 4);
	expect_written(d, "bind", true);
	assert_false(host_ports.exists);
	assert_null(host_the_vif(h)->queues);
	set_bound(d, true);
	turn_for(h, 100);
	expect_error(h, NULL);
	/* What the kernel writes is its own matter. */
	host_be(h, "state", "2");
	host_expect_state(h, 2);
	host_be(h, "state", "4");
	host_expect_state(h, 4);
	assert_true(host_the_vif(h)->dev.elsewhere);

	set_bound(d, false);
	host_be(h, "vifrost-datapath", "tap");
	host_expect_state(h, 4);
	host_assert_passes_frames(h);
}

static uint32_t offered_queues(struct host *h)
{
	char path[64];
	uint32_t nr = 0;

	snprintf(path, sizeof(path), "backend/vif/%u/0/multi-queue-max-queues", h->r.c.domid);
	assert_int_equal(hv_store_read_u32(host_store(h), 0, path, 99, &nr), 0);
	return nr;
}

/* The kernel closes a vif of more queues than it takes, so it is not given such. */
static void the_kernels_number_of_queues_holds(void **state)
{
	struct dom0 *d = *state;
	struct host *h = &d->h;

	load_driver(d);
	set_max_queues(d, "3\n");
	restart(d);
	host_be(h, "vifrost-datapath", "tap");
	host_go_online(h);
	assert_int_equal(offered_queues(h), 3);
	set_max_queues(d, "9\n");
	host_be(h, "", NULL);
	netback_turn(h->nb);
	host_fe(h, "", NULL);
	host_fresh_rings(h);
	host_be(h, "vifrost-datapath", "tap");
	host_go_online(h);
	assert_int_equal(offered_queues(h), 4);

	host_the_vif(h)->nr_queues = 10; /* as after a change of the kernel's number */
	host_be(h, "vifrost-datapath", "kernel");
	netback_turn(h->nb);
	host_the_vif(h)->nr_queues = 1;
	expect_error(h, "uses 10 queues and xen-netback takes 9");
	expect_written(d, "bind", false);
	host_assert_passes_frames(h);
}

static void the_kernels_datapath_needs_its_driver(void **state)
{
	struct dom0 *d = *state;
	struct host *h = &d->h;

	restart(d);
	host_be(h, "vifrost-datapath", "kernel");
	host_add_device(h);
	host_expect_state(h, 1);
	expect_error(h, "modprobe xen-netback");
	host_be(h, "vifrost-datapath", "tap");
	host_expect_state(h, 2);
	expect_error(h, NULL);
	host_be(h, "vifrost-datapath", "dpkd");
	netback_turn(h->nb);
	expect_error(h, "vifrost-datapath is none of");
}

/* An emulated card's area: nobody's backend makes a port for it or moves its state. */
static void an_emulated_card_is_left_alone(void **state)
{
	struct dom0 *d = *state;
	struct host *h = &d->h;

	restart(d);
	host_be(h, "vifrost-datapath", "emu");
	host_add_device(h);
	for (int i = 0; i < 3; i++)
		netback_turn(h->nb);
	host_expect_state(h, 1);
	expect_error(h, NULL);
	host_be(h, "state", "2");
	netback_turn(h->nb);
	host_expect_state(h, 2);
	host_be(h, "state", "5");
	netback_turn(h->nb);
	host_expect_state(h, 5);
}

static void the_core_has_one_datapath(void **state)
{
	struct dom0 *d = *state;
	struct host *h = &d->h;

	host_be(h, "vifrost-datapath", "kernel");
	host_go_online(h);
	host_assert_passes_frames(h);
}

static void a_late_driver_does_not_take_a_vif_in_service(void **state)
{
	struct dom0 *d = *state;
	struct host *h = &d->h;

	restart(d);
	host_go_online(h);
	load_driver(d);
	/* It fails for the name of the TAP and closes the vif on its way out. */
	host_be(h, "state", "5");
	netback_turn(h->nb);
	host_be(h, "state", "6");
	host_expect_state(h, 4);
	expect_error(h, "xen-netback");
	assert_int_equal(host_the_vif(h)->nr_contested, 2);
	host_assert_passes_frames(h);

	/* Bound in spite of all: it is unbound. */
	set_bound(d, true);
	host_be(h, "state", "2");
	netback_turn(h->nb);
	expect_written(d, "unbind", true);
	set_bound(d, false);
	host_expect_state(h, 4);
	host_assert_passes_frames(h);
}

static void a_second_backend_is_not_fought_for_ever(void **state)
{
	struct dom0 *d = *state;
	struct host *h = &d->h;
	char other[64];

	host_go_online(h);
	snprintf(other, sizeof(other), "backend/vif/%u/1/state", h->r.c.domid);
	hv_store_write(host_store(h), 0, other, "1", 1);
	netback_turn(h->nb);
	for (int i = 0; i < 5; i++) {
		host_be(h, "state", "2");
		host_expect_state(h, 4);
	}
	host_be(h, "state", "2");
	host_expect_state(h, 5);
	expect_error(h, "another backend serves it too");
	assert_null(host_the_vif(h)->queues);
	assert_string_equal(nb_vif_find(h->nb, h->r.c.domid, 1)->dev.reason, "");
	/* The guest may start over. */
	host_fe(h, "state", "6");
	netback_turn(h->nb);
	host_fe(h, "state", "1");
	host_expect_state(h, 2);
	expect_error(h, NULL);
}

static void waiting_too_long_is_said(void **state)
{
	struct dom0 *d = *state;
	struct host *h = &d->h;

	netback_destroy(h->nb);
	h->patience_ms = 30;
	host_start(h);
	host_add_device(h);
	host_expect_state(h, 2);
	expect_error(h, NULL);
	turn_for(h, 60);
	expect_error(h, "is vifrostd running");
	host_be(h, "hotplug-error", "no such bridge");
	host_be(h, "hotplug-status", "error");
	netback_turn(h->nb);
	expect_error(h, "no such bridge");
	host_be(h, "hotplug-status", "connected");
	netback_turn(h->nb);
	expect_error(h, NULL);
	turn_for(h, 60);
	expect_error(h, "no xen-netfront in the guest");
	host_publish(h);
	host_expect_state(h, 4);
	expect_error(h, NULL);
	turn_for(h, 60);
	expect_error(h, NULL);
}

static void what_follows_a_long_wait_is_said(void **state)
{
	struct dom0 *d = *state;
	struct host *h = &d->h;

	netback_destroy(h->nb);
	h->patience_ms = 30;
	host_start(h);
	host_add_device(h);
	host_be(h, "hotplug-status", "connected");
	netback_turn(h->nb);
	turn_for(h, 60);
	expect_error(h, "no xen-netfront in the guest");
	host_fe(h, "tx-ring-ref", "9999");
	host_fe(h, "rx-ring-ref", "9999");
	host_fe(h, "event-channel", "1");
	host_fe(h, "request-rx-copy", "1");
	host_fe(h, "state", "4");
	netback_turn(h->nb);
	expect_error(h, "cannot map the transmit ring");
	turn_for(h, 60);
	expect_error(h, "cannot map the transmit ring");
}

static void the_port_is_named_as_configured(void **state)
{
	static const char *const bad[] = { "a/b",  "a b",    "a:b",
					   ".",	   "..",     "sixteen-letters-",
					   "a\nb", "vif1.1", "vif9999.0" };
	struct dom0 *d = *state;
	struct host *h = &d->h;

	host_be(h, "vifname", "blue0");
	host_go_online(h);
	assert_string_equal(host_ports.name, "blue0");
	host_be(h, "", NULL);
	netback_turn(h->nb);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		host_fe(h, "", NULL);
		host_be(h, "", NULL);
		netback_turn(h->nb);
		host_be(h, "vifname", bad[i]);
		host_add_device(h);
		netback_turn(h->nb);
		expect_error(h, "vifname is");
		assert_int_not_equal(host_be_state(h), 2);
	}
	assert_int_equal(host_ports.nr_open, 1);
}

/* Linux's netfront with an XDP program: it waits for Reconfigured, then goes on. */
static void headroom_changes_in_service(void **state)
{
	struct dom0 *d = *state;
	struct host *h = &d->h;

	host_go_online(h);
	assert_int_equal(host_the_vif(h)->features.headroom, 0);
	host_fe(h, "state", "7");
	host_expect_state(h, 8);
	host_assert_passes_frames(h);
	/* Written after the state, as Linux does. */
	host_fe(h, "xdp-headroom", "256");
	host_fe(h, "state", "4");
	host_expect_state(h, 4);
	assert_int_equal(host_the_vif(h)->features.headroom, 256);
	host_assert_passes_frames(h);

	/* A successor finds it in the middle. */
	host_fe(h, "state", "7");
	host_expect_state(h, 8);
	restart(d);
	host_expect_state(h, 8);
	host_fe(h, "xdp-headroom", "0");
	host_fe(h, "state", "4");
	host_expect_state(h, 4);
	assert_int_equal(host_the_vif(h)->features.headroom, 0);
	host_assert_passes_frames(h);

	host_fe(h, "state", "7");
	host_expect_state(h, 8);
	host_fe(h, "xdp-headroom", "4096");
	host_fe(h, "state", "4");
	netback_turn(h->nb);
	expect_error(h, "xdp-headroom");
}

static void *share(struct host *h, uint32_t *ref)
{
	void *page;

	assert_int_equal(hv_guest_share(h->r.c.guest, 0, 1, false, &page, ref), 0);
	return page;
}

/* More queues than we offer, as after the kernel's offer, and a port that has one. */
static void queues_share_a_port(void **state)
{
	struct dom0 *d = *state;
	struct host *h = &d->h;
	uint8_t frame[60] = { 2, 0, 0, 0, 0, 1 }, got[256];
	netif_tx_sring_t *from[8];
	netif_rx_sring_t *to[8];
	struct hv_evtchn ch[8];
	char key[48];

	host_ports.one_queue = true;
	host_add_device(h);
	host_expect_state(h, 2);
	for (int i = 0; i < 8; i++) {
		uint32_t ref;

		assert_int_equal(hv_guest_evtchn_alloc(h->r.c.guest, 0, &ch[i]), 0);
		from[i] = share(h, &ref);
		snprintf(key, sizeof(key), "queue-%d/tx-ring-ref", i);
		host_fe_u32(h, key, ref);
		to[i] = share(h, &ref);
		snprintf(key, sizeof(key), "queue-%d/rx-ring-ref", i);
		host_fe_u32(h, key, ref);
		snprintf(key, sizeof(key), "queue-%d/event-channel", i);
		host_fe_u32(h, key, ch[i].local_port);
		from[i]->req_event = from[i]->rsp_event = to[i]->req_event = to[i]->rsp_event = 1;
	}
	host_fe(h, "multi-queue-num-queues", "8");
	host_fe(h, "request-rx-copy", "1");
	host_fe(h, "feature-rx-notify", "1");
	host_be(h, "hotplug-status", "connected");
	host_fe(h, "state", "4");
	host_expect_state(h, 4);

	memcpy(h->r.from_pages, frame, sizeof(frame));
	for (unsigned int i = 0; i < 8; i++) {
		from[i]->ring[0].req = (netif_tx_request_t){ .gref = h->r.from_refs[0],
							     .id = 1,
							     .size = sizeof(frame) };
		__atomic_store_n(&from[i]->req_prod, 1, __ATOMIC_SEQ_CST);
		hv_guest_evtchn_notify(&ch[i]);
		netback_turn(h->nb);
		assert_int_equal(from[i]->rsp_prod, 1);
		assert_int_equal(read(host_ports.far, got, sizeof(got)), 70);
	}
	/* To the guest by the first, which reads the port alone. */
	to[0]->ring[0].req = (netif_rx_request_t){ .gref = h->r.to_refs[0] };
	__atomic_store_n(&to[0]->req_prod, 1, __ATOMIC_SEQ_CST);
	assert_int_equal(write(host_ports.far, got, 70), 70);
	netback_turn(h->nb);
	assert_int_equal(to[0]->rsp_prod, 1);
	host_fe(h, "state", "6");
	host_expect_state(h, 6);
	for (int i = 0; i < 8; i++)
		hv_guest_evtchn_free(h->r.c.guest, &ch[i]);
}

static void a_rate_changes_in_service(void **state)
{
	struct dom0 *d = *state;
	struct host *h = &d->h;
	uint8_t frame[1000] = { 2, 0, 0, 0, 0, 1 }, got[2048];
	unsigned int sent = 0;

	host_go_online(h);
	host_be(h, "rate", "2000,60000000");
	netback_turn(h->nb);
	for (int i = 0; i < 5; i++)
		rig_put_frame(&h->r, frame, sizeof(frame), 1000, 0, NULL);
	__atomic_store_n(&h->r.from->req_prod, h->r.from_prod, __ATOMIC_SEQ_CST);
	hv_guest_evtchn_notify(&h->r.from_ch);
	netback_turn(h->nb);
	while (read(host_ports.far, got, sizeof(got)) > 0)
		sent++;
	assert_int_equal(sent, 2);
	/* One that is not understood changes nothing. */
	host_be(h, "rate", "fast");
	netback_turn(h->nb);
	assert_int_equal(host_the_vif(h)->credit.rate.bytes, 2000);
	host_be(h, "rate", NULL);
	netback_turn(h->nb);
	assert_int_equal(host_the_vif(h)->credit.rate.usec, 0);
}

static void revoked_grants_are_said_once(void **state)
{
	struct dom0 *d = *state;
	struct host *h = &d->h;
	netif_tx_request_t req = { .gref = 4000, .size = 60 };

	host_go_online(h);
	rig_put(&h->r, &req);
	__atomic_store_n(&h->r.from->req_prod, h->r.from_prod, __ATOMIC_SEQ_CST);
	hv_guest_evtchn_notify(&h->r.from_ch);
	netback_turn(h->nb);
	expect_error(h, "revoked grants");
	assert_int_equal(host_be_state(h), 4);
	host_assert_passes_frames(h);
}

/* A store that takes no writes for a while. */
static const struct store_ops *real_ops;
static bool store_is_full;

static int full_call(struct hv_store *s, uint32_t type, uint32_t tx, const struct iovec *body,
		     int nr, struct store_reply *reply)
{
	static const char nospc[] = "ENOSPC";

	if (!store_is_full || type != XS_WRITE)
		return real_ops->call(s, type, tx, body, nr, reply);
	*reply = (struct store_reply){ XS_ERROR, sizeof(nospc), malloc(sizeof(nospc)) };
	memcpy(reply->data, nospc, sizeof(nospc));
	return 0;
}

static void a_state_that_the_store_refuses_is_written_again(void **state)
{
	struct dom0 *d = *state;
	struct host *h = &d->h;
	struct store_ops ops = *host_store(h)->ops;

	real_ops = host_store(h)->ops;
	ops.call = full_call;
	host_add_device(h);
	host_expect_state(h, 2);
	host_be(h, "hotplug-status", "connected");
	host_publish(h);
	host_store(h)->ops = &ops;
	store_is_full = true;
	host_expect_state(h, 2);
	assert_non_null(strstr(host_the_vif(h)->dev.reason, "xenstore refuses"));
	assert_non_null(strstr(host_the_vif(h)->dev.reason, strerror(ENOSPC)));
	/* The rings are served all the same. */
	host_assert_passes_frames(h);
	store_is_full = false;
	turn_for(h, 300);
	host_store(h)->ops = real_ops;
	assert_int_equal(host_be_state(h), 4);
	assert_int_equal(host_the_vif(h)->nr_contested, 0);
	expect_error(h, NULL);
}

static void kernel_events_are_parsed(void **state)
{
	static const struct {
		const char *text;
		enum nb_kernel_event event;
	} cases[] = {
		{ "add@/bus/xen-backend/drivers/vif", NB_KERNEL_DRIVER },
		{ "remove@/bus/xen-backend/drivers/vif", NB_KERNEL_DRIVER },
		{ "add@/bus/xen-backend/drivers/vbd", NB_KERNEL_OTHER },
		{ "bind@/devices/vif-7-2", NB_KERNEL_DEVICE },
		{ "unbind@/devices/vif-7-2", NB_KERNEL_DEVICE },
		{ "add@/devices/vif-7-2", NB_KERNEL_OTHER },
		{ "bind@/devices/vif-7", NB_KERNEL_OTHER },
		{ "bind@/devices/vif-7-2/net/vif7.2", NB_KERNEL_OTHER },
		{ "bind@/devices/vif-70000-2", NB_KERNEL_OTHER },
		{ "bind@/devices/vbd-7-2", NB_KERNEL_OTHER },
		{ "libudev", NB_KERNEL_OTHER },
		{ "", NB_KERNEL_OTHER },
	};
	uint16_t domid;
	uint32_t devid;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		domid = 0;
		devid = 0;
		assert_int_equal(nb_kernel_parse(cases[i].text, &domid, &devid), cases[i].event);
		assert_int_equal(domid, cases[i].event == NB_KERNEL_DEVICE ? 7 : 0);
		assert_int_equal(devid, cases[i].event == NB_KERNEL_DEVICE ? 2 : 0);
	}
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(without_the_driver_a_vif_is_ours_at_once),
		T(with_the_driver_a_vif_waits_for_its_key),
		T(a_vif_in_service_goes_to_the_kernel_and_back),
		T(the_kernels_datapath_needs_its_driver),
		T(the_kernels_number_of_queues_holds),
		T(an_emulated_card_is_left_alone),
		T(the_core_has_one_datapath),
		T(a_late_driver_does_not_take_a_vif_in_service),
		T(a_second_backend_is_not_fought_for_ever),
		T(waiting_too_long_is_said),
		T(what_follows_a_long_wait_is_said),
		T(the_port_is_named_as_configured),
		T(headroom_changes_in_service),
		T(queues_share_a_port),
		T(a_rate_changes_in_service),
		T(revoked_grants_are_said_once),
		T(a_state_that_the_store_refuses_is_written_again),
		cmocka_unit_test(kernel_events_are_parsed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
