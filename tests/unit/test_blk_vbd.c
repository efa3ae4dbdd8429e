/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The life of a disk in the store, and its image. */
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
#include "tests/util/blk_rig.h"

static int setup(void **state)
{
	struct blk_rig *r = calloc(1, sizeof(*r));

	log_init("test", LOG_LEVEL_ERR);
	blk_rig_init(r, BLK_ABI_X86_64, 1, 0);
	r->config.patience_ms = 1;
	blk_rig_start(r);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	blk_rig_fini(*state);
	free(*state);
	return 0;
}

static void connect_all(struct blk_rig *r)
{
	blk_rig_add(r, NULL, "w");
	blk_rig_expect_state(r, XenbusStateInitWait);
	blk_rig_publish_frontend(r);
	blk_rig_expect_state(r, XenbusStateConnected);
	blk_rig_key(r, true, "state", "4");
	blkback_turn(r->bb);
}

static void assert_serves(struct blk_rig *r)
{
	uint32_t v;

	blk_rig_put_pages(r, BLKIF_OP_READ, 7, 24, 0, 1);
	blk_rig_go(r);
	blk_rig_expect(r, 7, BLKIF_RSP_OKAY);
	memcpy(&v, r->pages, 4);
	assert_int_equal(v, 24);
}

static void fresh_ring(struct blk_rig *r)
{
	memset(r->ring, 0, 4096);
	*blk_rig_index(r, 1) = *blk_rig_index(r, 3) = 1;
	r->req_prod = r->rsp_cons = 0;
}

static void begin(struct blk_rig *r)
{
	blk_rig_key(r, true, "state", "1");
	blk_rig_expect_state(r, XenbusStateInitWait);
	blk_rig_publish_frontend(r);
	blk_rig_expect_state(r, XenbusStateConnected);
}

static void end(struct blk_rig *r)
{
	blk_rig_key(r, true, "state", "6");
	blk_rig_expect_state(r, XenbusStateClosed);
}

/* The guest's own restart: closed, and begun again. */
static void start_over(struct blk_rig *r)
{
	end(r);
	fresh_ring(r);
	begin(r);
}

/* By the toolstack. */
static void remove_disk(struct blk_rig *r)
{
	blk_rig_key(r, false, "", NULL);
	blkback_turn(r->bb);
}

static void test_offers(void **state)
{
	struct blk_rig *r = *state;

	blk_rig_add(r, NULL, "w");
	blk_rig_expect_state(r, XenbusStateInitWait);
	assert_int_equal(blk_rig_number(r, false, "sectors"), BLK_RIG_SECTORS);
	assert_int_equal(blk_rig_number(r, false, "sector-size"), 512);
	assert_int_equal(blk_rig_number(r, false, "info"), 0);
	assert_int_equal(blk_rig_number(r, false, "feature-flush-cache"), 1);
	assert_int_equal(blk_rig_number(r, false, "feature-max-indirect-segments"), 256);
	assert_int_equal(blk_rig_number(r, false, "feature-persistent"), 0);
	assert_int_equal(blk_rig_number(r, false, "max-ring-page-order"), 4);
	assert_int_equal(blk_rig_number(r, false, "multi-queue-max-queues"), 1);
	blk_rig_publish_frontend(r);
	blk_rig_expect_state(r, XenbusStateConnected);
	assert_serves(r);
}

static void test_read_only(void **state)
{
	struct blk_rig *r = *state;

	blk_rig_key(r, false, "device-type", "cdrom");
	blk_rig_key(r, false, "removable", "1");
	blk_rig_add(r, NULL, "r");
	blk_rig_expect_state(r, XenbusStateInitWait);
	assert_int_equal(blk_rig_number(r, false, "info"),
			 VDISK_CDROM | VDISK_REMOVABLE | VDISK_READONLY);
	assert_int_equal(blk_rig_number(r, false, "feature-discard"), 0);
}

/* Asked to go, it serves until the guest lets go, so that that can write back. */
static void test_detach(void **state)
{
	struct blk_rig *r = *state;

	connect_all(r);
	blk_rig_key(r, false, "online", "0");
	blk_rig_key(r, false, "state", "5");
	blk_rig_expect_state(r, XenbusStateClosing);
	assert_serves(r);
	blk_rig_key(r, true, "state", "5");
	blk_rig_expect_state(r, XenbusStateClosing);
	assert_serves(r);
	end(r);
	assert_int_equal(blk_rig_vbd(r)->image.fd, -1);
	remove_disk(r);
	assert_null(blk_rig_vbd(r));
}

static void test_reconnect(void **state)
{
	struct blk_rig *r = *state;

	connect_all(r);
	for (int i = 0; i < 5; i++) {
		blk_rig_key(r, true, "state", "5");
		blk_rig_expect_state(r, XenbusStateClosing);
		start_over(r);
		assert_serves(r);
	}
}

static void test_broken_ring(void **state)
{
	struct blk_rig *r = *state;

	connect_all(r);
	r->req_prod += 1000;
	blk_rig_publish(r);
	hv_guest_evtchn_notify(&r->ch);
	blkback_turn(r->bb);
	assert_int_equal(blk_rig_number(r, false, "state"), XenbusStateClosing);
	assert_false(blk_rig_vbd(r)->dev.connected);
	/* It stays out of service until it starts over. */
	blk_rig_key(r, true, "state", "4");
	blk_rig_expect_state(r, XenbusStateClosing);
	start_over(r);
	assert_serves(r);
}

/* What a frontend may write in place of what it should. */
static void test_bad_keys(void **state)
{
	struct blk_rig *r = *state;
	static const struct {
		const char *key, *value;
	} bad[] = {
		{ "ring-ref", NULL },
		{ "ring-ref", "" },
		{ "ring-ref", "-1" },
		{ "ring-ref", "4294967296" },
		{ "ring-ref", "99999" },
		{ "ring-ref", "1x" },
		{ "event-channel", NULL },
		{ "event-channel", "0" },
		{ "event-channel", "200" },
		{ "protocol", "arm-abi" },
		{ "protocol", "\x1b[31m" },
		{ "ring-page-order", "5" },
		{ "ring-page-order", "4294967295" },
		{ "multi-queue-num-queues", "0" },
		{ "multi-queue-num-queues", "2" },
	};

	blk_rig_add(r, NULL, "w");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		blk_rig_key(r, true, "state", "1");
		blk_rig_expect_state(r, XenbusStateInitWait);
		blk_rig_publish_frontend(r);
		blk_rig_key(r, true, bad[i].key, bad[i].value);
		blkback_turn(r->bb);
		assert_false(blk_rig_vbd(r)->dev.connected);
		assert_true(blk_rig_vbd(r)->dev.disabled);
		assert_non_null(strstr(blk_rig_vbd(r)->dev.reason, " "));
		end(r);
		blk_rig_key(r, true, bad[i].key, NULL);
	}
	begin(r);
	assert_serves(r);
}

/* Every sequence of four states leads back to service. */
static void test_state_sequences(void **state)
{
	struct blk_rig *r = *state;

	blk_rig_add(r, NULL, "w");
	for (unsigned int n = 0; n < 9 * 9 * 9; n++) {
		unsigned int rest = n;

		for (int i = 0; i < 3; i++, rest /= 9) {
			blk_rig_key_u32(r, true, "state", rest % 9 ? rest % 9 : 77);
			blkback_turn(r->bb);
		}
		start_over(r);
	}
	assert_serves(r);
}

static void assert_hotplug(struct blk_rig *r, const char *status, const char *reason)
{
	struct blk_vbd *vbd = blk_rig_vbd(r);
	char text[BLK_WHY_MAX];

	assert_int_equal(xb_read_text(&vbd->dev, XB_BACKEND, "hotplug-status", text, sizeof(text)),
			 0);
	assert_string_equal(text, status);
	assert_int_equal(xb_read_text(&vbd->dev, XB_BACKEND, "hotplug-error", text, sizeof(text)),
			 0);
	assert_non_null(strstr(text, reason));
}

/* In the state it was in, look at it again now. */
static void look_now(struct blk_rig *r)
{
	usleep(2000);
	blk_rig_vbd(r)->dev.look_at_ns = 1;
	blkback_turn(r->bb);
}

static void test_bad_images(void **state)
{
	struct blk_rig *r = *state;
	static const struct {
		const char *params, *reason;
	} bad[] = {
		{ "/nonexistent/disk.img", "no such file" },
		{ "disk.img", "absolute path" },
		{ "", "absolute path" },
		{ "/dev/null", "neither a file nor a block device" },
		{ "/tmp", "" },
		{ "zip:/tmp/x", "unknown format" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		blk_rig_add(r, bad[i].params, "w");
		blk_rig_expect_state(r, XenbusStateInitialising);
		look_now(r);
		assert_hotplug(r, "error", bad[i].reason);
		remove_disk(r);
		assert_null(blk_rig_vbd(r));
	}
	/* It is tried again, in case it is made. */
	blk_rig_add(r, "/nonexistent/disk.img", "w");
	blk_rig_expect_state(r, XenbusStateInitialising);
	blk_rig_key(r, false, "params", r->image);
	blk_rig_expect_state(r, XenbusStateInitWait);
	assert_hotplug(r, "connected", "");
}

static void test_locks(void **state)
{
	struct blk_rig *r = *state;
	struct blk_image other = { .fd = -1 };
	struct blk_image_spec spec = { .path = r->image, .format = "raw" };
	char why[BLK_WHY_MAX];

	blk_rig_add(r, NULL, "w");
	blk_rig_expect_state(r, XenbusStateInitWait);
	assert_int_equal(blk_image_open(&other, &spec, why), -EAGAIN);
	assert_non_null(strstr(why, r->image));
	spec.readonly = true;
	assert_int_equal(blk_image_open(&other, &spec, why), -EAGAIN);
	spec.shared = true;
	assert_int_equal(blk_image_open(&other, &spec, why), 0);
	blk_image_close(&other);
	remove_disk(r);

	/* Readers share it among them, and keep writers away. */
	spec.shared = false;
	assert_int_equal(blk_image_open(&other, &spec, why), 0);
	blk_rig_add(r, NULL, "r");
	blk_rig_expect_state(r, XenbusStateInitWait);
	remove_disk(r);
	blk_rig_add(r, NULL, "w");
	blk_rig_expect_state(r, XenbusStateInitialising);
	look_now(r);
	assert_hotplug(r, "error", "uses it");
	/* When the other goes, it has it. */
	blk_image_close(&other);
	look_now(r);
	assert_int_equal(blk_rig_number(r, false, "state"), XenbusStateInitWait);
	assert_hotplug(r, "connected", "");
}

/* What QEMU locks of an image that it writes to. */
static void test_lock_of_qemu(void **state)
{
	struct blk_rig *r = *state;
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 101, .l_len = 1 };
	int fd = open(r->image, O_RDONLY | O_CLOEXEC);
	struct blk_image img = { .fd = -1 };
	struct blk_image_spec spec = { .path = r->image, .format = "raw", .readonly = true };
	char why[BLK_WHY_MAX];

	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	assert_int_equal(blk_image_open(&img, &spec, why), -EAGAIN);
	assert_non_null(strstr(why, "writes to it"));
	close(fd);
}

static void test_domain_dies(void **state)
{
	struct blk_rig *r = *state;
	struct blk_vbd *vbd;

	connect_all(r);
	vbd = blk_rig_vbd(r);
	vbd->dev.dead = true;
	xb_mark(&vbd->dev);
	blk_rig_expect_state(r, XenbusStateClosed);
	assert_int_equal(vbd->image.fd, -1);
}

/* The area is removed and made again between two looks. */
static void test_made_anew(void **state)
{
	struct blk_rig *r = *state;

	connect_all(r);
	blk_rig_key(r, false, "", NULL);
	fresh_ring(r);
	blk_rig_add(r, NULL, "w");
	blk_rig_expect_state(r, XenbusStateInitWait);
	blk_rig_publish_frontend(r);
	blk_rig_expect_state(r, XenbusStateConnected);
	assert_serves(r);
}

/* Ended while the guest has requests out, and started again: each is answered, once. */
static void test_restart(void **state)
{
	struct blk_rig *r = *state;
	blkif_response_t rsp;
	uint8_t sector[512];
	unsigned int nr = 0;

	connect_all(r);
	for (unsigned int i = 0; i < 32; i++) {
		memset(r->pages + (size_t)i * 4096, (int)i + 1, 4096);
		blk_rig_put_pages(r, BLKIF_OP_WRITE, i, 512 + i * 8, i, 1);
	}
	blk_rig_publish(r);
	hv_guest_evtchn_notify(&r->ch);
	blk_queue_run(&blk_rig_vbd(r)->queue);
	blk_rig_stop(r);
	assert_int_equal(blk_rig_number(r, false, "state"), XenbusStateConnected);
	blk_rig_start(r);
	blk_rig_go(r);
	while (blk_rig_answer(r, &rsp)) {
		assert_int_equal(rsp.status, BLKIF_RSP_OKAY);
		nr++;
	}
	assert_int_equal(nr, 32);
	for (unsigned int i = 0; i < 32; i++) {
		blk_rig_sector(r, 512 + i * 8, sector);
		assert_int_equal(sector[0], i + 1);
	}
	assert_serves(r);
}

/* Its answers to the same frontend go on where they were, also when its area is being closed. */
static void test_restart_closing(void **state)
{
	struct blk_rig *r = *state;

	connect_all(r);
	blk_rig_key(r, false, "online", "0");
	blk_rig_key(r, false, "state", "5");
	blk_rig_expect_state(r, XenbusStateClosing);
	blk_rig_stop(r);
	blk_rig_start(r);
	assert_serves(r);
	end(r);
}

static void test_status(void **state)
{
	struct blk_rig *r = *state;
	json_t *status, *disk;

	connect_all(r);
	assert_serves(r);
	status = blkback_status(r->bb);
	disk = json_array_get(json_object_get(status, "disks"), 0);
	assert_string_equal(json_string_value(json_object_get(disk, "state")), "Connected");
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(disk, "counters"), "reads")), 1);
	assert_true(json_integer_value(json_object_get(json_object_get(disk, "image"), "bytes")) ==
		    (json_int_t)BLK_RIG_IMAGE);
	json_decref(status);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_offers),	    TEST(test_read_only),	TEST(test_detach),
		TEST(test_reconnect),	    TEST(test_broken_ring),	TEST(test_bad_keys),
		TEST(test_state_sequences), TEST(test_bad_images),	TEST(test_locks),
		TEST(test_lock_of_qemu),    TEST(test_domain_dies),	TEST(test_made_anew),
		TEST(test_restart),	    TEST(test_restart_closing), TEST(test_status),
	};

	return cmocka_run_group_tests_name("vbd", tests, NULL, NULL);
}
