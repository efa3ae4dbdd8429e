/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Real TAP devices in a network namespace of our own, a packet socket as the host's side and a frontend's
 * rings as the guest's. Skipped where the kernel gives us no such namespace or no /dev/net/tun.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/if_packet.h>
#include <linux/if_tun.h>

#include "netback/tap.h"
#include "tests/util/nb_rig.h"

static bool no_namespace;

static int group_setup(void **state)
{
	int fd;

	(void)state;
	no_namespace = unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNET : CLONE_NEWNET) != 0;
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		no_namespace = true;
	else
		close(fd);
	/* New links shall not send anything by themselves. Where there is no IPv6 they don't. */
	fd = no_namespace
		     ? -1
		     : open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		assert_int_equal(write(fd, "1", 1), 1);
		close(fd);
	}
	return 0;
}

static void need_namespace(void)
{
	if (no_namespace)
		skip();
}

static unsigned int flags(const char *name)
{
	struct ifreq ifr = { 0 };
	int s = socket(AF_UNIX, SOCK_DGRAM, 0);
	int rc;

	strcpy(ifr.ifr_name, name);
	rc = ioctl(s, SIOCGIFFLAGS, &ifr);
	close(s);
	return rc ? 0 : (unsigned short)ifr.ifr_flags | 1u << 31; /* there at all */
}

static void bring_up(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_UP | IFF_NOARP };
	int s = socket(AF_UNIX, SOCK_DGRAM, 0);

	strcpy(ifr.ifr_name, name);
	assert_int_equal(ioctl(s, SIOCSIFFLAGS, &ifr), 0);
	close(s);
}

static int host_side(unsigned int ifindex)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET,
				    .sll_protocol = htons(0x88b5),
				    .sll_ifindex = (int)ifindex };
	int s = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK,
		       htons(0x88b5)); /* for local experiments */

	assert_true(s >= 0);
	assert_int_equal(bind(s, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return s;
}

static void make_frame(uint8_t *frame, size_t size, uint8_t seed)
{
	memset(frame, 0x02, 12);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	for (size_t i = 14; i < size; i++)
		frame[i] = (uint8_t)(i * 5 + seed);
}

/*
 * Slots of the next frame of ours, 0 when none comes. The kernel may have frames of its own on the
 * wire, such as neighbour discovery, of any number of slots, and while it sends them ours wait.
 */
static unsigned int receive_ours(struct rig *r)
{
	netif_extra_info_t extras[8];
	netif_rx_response_t first;

	for (int tries = 0; tries < 3000; tries++) {
		unsigned int nr;

		nb_worker_turn(r->worker, 0);
		nr = rig_receive(r, &first, extras);
		if (!nr)
			usleep(1000);
		else if (r->frame.data[12] == 0x88 && r->frame.data[13] == 0xb5)
			return nr;
	}
	return 0;
}

static void frames_pass_a_real_tap(void **state)
{
	static struct rig r;
	uint8_t frame[1514], got[2000];
	struct nb_ports *ports;
	unsigned int ifindex;
	int fd, host;

	(void)state;
	need_namespace();
	assert_int_equal(nb_taps_create(2, true, &ports), 0);
	assert_int_equal(nb_tap_ops.open(ports, "vif7.0", 1500, &fd, &ifindex), 0);
	assert_false(flags("vif7.0") & IFF_UP);
	rig_init(&r, 0);
	close(r.port[1]);
	r.port[1] = fd;
	assert_int_equal(rig_connect(&r), 0);
	rig_post(&r, 128);

	/* Down: the frame is dropped, and said to be. */
	make_frame(frame, sizeof(frame), 0);
	rig_put_frame(&r, frame, 100, 100, 0, NULL);
	rig_go(&r);
	assert_int_equal(r.queue.stats.from_drops[NB_FROM_PORT_DOWN], 1);

	assert_int_equal(nb_tap_ops.set_offload(fd, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6), 0);
	bring_up("vif7.0");
	assert_int_equal(nb_tap_ops.set_carrier(fd, true), 0);
	/* The kernel says so a little later. */
	for (int i = 0; i < 3000 && !(flags("vif7.0") & IFF_RUNNING); i++)
		usleep(1000);
	assert_true(flags("vif7.0") & IFF_RUNNING);
	host = host_side(ifindex);
	for (unsigned int i = 0; i < 300; i++) {
		size_t size = 60 + i * 4;

		make_frame(frame, size, (uint8_t)i);
		rig_put_frame(&r, frame, size, 400, 0, NULL);
		rig_go(&r);
		assert_int_equal(recv(host, got, sizeof(got), 0), size);
		assert_memory_equal(got, frame, size);

		assert_int_equal(send(host, frame, size, 0), size);
		assert_int_equal(receive_ours(&r), 1);
		assert_int_equal(r.frame.size, size);
		assert_memory_equal(r.frame.data, frame, size);
		rig_post(&r, 256 - (r.to_prod - r.to->rsp_prod));
	}
	close(host);
	r.port[1] = dup(fd);
	rig_fini(&r);
	nb_tap_ops.release(ports, "vif7.0", fd);
	nb_taps_destroy(ports);
}

static void a_spare_carries_nothing_over(void **state)
{
	struct nb_ports *ports;
	unsigned int ifindex, again;
	uint8_t frame[200];
	char got[300];
	int fd, host;

	(void)state;
	need_namespace();
	assert_int_equal(nb_taps_create(2, true, &ports), 0);
	assert_int_equal(nb_tap_ops.open(ports, "vif8.0", 1500, &fd, &ifindex), 0);
	assert_int_equal(nb_tap_ops.set_carrier(fd, true), 0);
	bring_up("vif8.0");
	host = host_side(ifindex);
	make_frame(frame, sizeof(frame), 1);
	assert_int_equal(send(host, frame, sizeof(frame), 0), sizeof(frame));
	close(host);
	nb_tap_ops.release(ports, "vif8.0", fd);
	assert_int_equal(flags("vif8.0"), 0);

	assert_int_equal(nb_tap_ops.open(ports, "vif9.1", 9000, &fd, &again), 0);
	assert_int_equal(again, ifindex);
	assert_false(flags("vif9.1") & (IFF_UP | IFF_RUNNING));
	assert_true(read(fd, got, sizeof(got)) < 0);
	assert_int_equal(errno, EAGAIN);
	nb_tap_ops.release(ports, "vif9.1", fd);
	nb_taps_destroy(ports);
	assert_int_equal(flags("vfspare0"), 0);
}

static void a_port_outlives_us_and_is_adopted(void **state)
{
	struct nb_ports *ports;
	unsigned int ifindex, again;
	int fd, second;

	(void)state;
	need_namespace();
	assert_int_equal(nb_taps_create(2, true, &ports), 0);
	assert_int_equal(nb_tap_ops.open(ports, "vif10.0", 1500, &fd, &ifindex), 0);
	assert_int_equal(nb_tap_ops.add_queue(ports, "vif10.0", &second), 0);
	bring_up("vif10.0");
	close(second);
	close(fd);
	nb_taps_destroy(ports);
	assert_true(flags("vif10.0") & IFF_UP);

	assert_int_equal(nb_taps_create(0, false, &ports), 0);
	assert_int_equal(nb_tap_ops.open(ports, "vif10.0", 1500, &fd, &again), 0);
	assert_int_equal(again, ifindex);
	assert_true(flags("vif10.0") & IFF_UP);
	nb_tap_ops.release(ports, "vif10.0", fd);
	assert_int_equal(flags("vif10.0"), 0);
	/* "lo" is nobody's TAP. */
	assert_int_equal(nb_tap_ops.open(ports, "lo", 1500, &fd, &again), -EEXIST);
	nb_taps_destroy(ports);
}

/* By vifname a guest's configuration may name any device: only a port of ours is taken. */
static void a_tap_of_somebody_else_is_not_taken(void **state)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI, .ifr_name = "their0" };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC), got, more;
	struct nb_ports *ports;
	unsigned int ifindex;

	(void)state;
	need_namespace();
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	assert_int_equal(ioctl(fd, TUNSETPERSIST, 1), 0);
	assert_int_equal(nb_taps_create(1, false, &ports), 0);
	assert_int_equal(nb_tap_ops.open(ports, "their0", 1500, &got, &ifindex), -EEXIST);
	close(fd);
	assert_int_equal(nb_tap_ops.open(ports, "their0", 1500, &got, &ifindex), -EEXIST);
	assert_true(flags("their0"));

	assert_int_equal(nb_tap_ops.open(ports, "ours0", 1500, &got, &ifindex), 0);
	assert_int_equal(nb_tap_ops.add_queue(ports, "ours0", &more), -EOPNOTSUPP);
	close(got);
	assert_int_equal(nb_tap_ops.open(ports, "ours0", 1500, &got, &ifindex), 0);
	nb_tap_ops.release(ports, "ours0", got);
	assert_int_equal(flags("ours0"), 0);
	nb_taps_destroy(ports);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_pass_a_real_tap),
		cmocka_unit_test(a_spare_carries_nothing_over),
		cmocka_unit_test(a_port_outlives_us_and_is_adopted),
		cmocka_unit_test(a_tap_of_somebody_else_is_not_taken),
	};
	int rc = cmocka_run_group_tests(tests, group_setup, NULL);

	return no_namespace && !rc ? 77 : rc;
}
