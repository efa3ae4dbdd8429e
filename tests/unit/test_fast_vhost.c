/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports whose frames are QEMU's virtio cards': their documents, when the socket is opened and closed, and what
 * status says of them. The device is ours here, for DPDK's needs a QEMU.
 */
#include <errno.h>
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
#include "hv/engine_ns.h"
#include "tests/util/fast_rig.h"
#include "vswitch/fast/fast_priv.h"

static int fake_vhost_open(const char *path, uid_t owner, unsigned int mtu,
			   struct fast_device **device_out, char *why);

#define fast_vhost_open fake_vhost_open
#include "vswitch/fast/vif.c"

#define FRAME_LEN 60

static char folder[] = "/tmp/test-vhost.XXXXXX", sockets[64], opened[PATH_MAX];
static unsigned int nr_open, nr_opened, opened_mtu, nr_released, nr_sent;
static uid_t opened_owner;
static int fail_with;
static uint8_t sent[2048];
/* What the card has sent and nobody has taken. */
static uint8_t from_card[2048];
static unsigned int nr_from_card;

static int device_open(const struct fast_device_config *config, void **device_out, char *why)
{
	(void)why;
	/* The frames below are of one card. */
	*device_out = strstr(config->name, "/vif7.1.sock") ? &from_card : &sent;
	nr_open++;
	nr_opened++;
	return 0;
}

static void device_close(void *device)
{
	assert_non_null(device);
	nr_open--;
}

static int device_fd(const void *device, unsigned int i)
{
	(void)device;
	(void)i;
	return -1;
}

static bool device_arm(void *device)
{
	(void)device;
	return false;
}

static void device_disarm(void *device)
{
	(void)device;
}

static uint32_t device_frame_max(const void *device)
{
	(void)device;
	return 1514;
}

static const char *device_says(const void *device)
{
	(void)device;
	return "fake";
}

static unsigned int device_take(void *device, struct fast_frame *frames, unsigned int max)
{
	if (device != &from_card || !nr_from_card || !max)
		return 0;
	nr_from_card--;
	frames[0] = (struct fast_frame){ .data = from_card + FAST_DEVICE_ROOM, .len = FRAME_LEN };
	return 1;
}

static void device_release(void *device, const struct fast_frame *frames, unsigned int nr)
{
	(void)device;
	(void)frames;
	nr_released += nr;
}

static uint8_t *device_room(void *device)
{
	(void)device;
	return sent;
}

static void device_send(void *device, uint32_t len)
{
	(void)device;
	assert_true(len >= FRAME_LEN);
	nr_sent++;
}

static void device_flush(void *device)
{
	(void)device;
}

static const struct fast_device_ops fake_ops = {
	.open = device_open,
	.close = device_close,
	.fd = device_fd,
	.arm = device_arm,
	.disarm = device_disarm,
	.frame_max = device_frame_max,
	.says = device_says,
	.take = device_take,
	.release = device_release,
	.room = device_room,
	.send = device_send,
	.flush = device_flush,
};

static int fake_vhost_open(const char *path, uid_t owner, unsigned int mtu,
			   struct fast_device **device_out, char *why)
{
	const struct fast_device_config config = { .name = path };

	if (fail_with) {
		snprintf(why, FAST_DEVICE_WHY_MAX, "made to fail");
		return -fail_with;
	}
	snprintf(opened, sizeof(opened), "%s", path);
	opened_owner = owner;
	opened_mtu = mtu;
	return fast_device_open(&fake_ops, &config, device_out, why);
}

static struct fast *start(const char *vhost)
{
	struct fast_config config = { .vhost = vhost, .host = &fast_rig_ops };
	char why[FAST_TEXT_MAX];
	struct fast *f;

	if (fast_create(&config, &f, why))
		fail_msg("%s", why);
	return f;
}

static void apply(struct fast *f, const char *text)
{
	char why[FAST_TEXT_MAX];

	if (fast_rig_change(f, text, why))
		fail_msg("%s: %s", text, why);
}

/* What status says of a port: its member @key, a text. */
static void says(struct fast *f, const char *name, const char *key, const char *want)
{
	json_t *status = fast_status(f);
	json_t *port = json_object_get(json_object_get(status, "ports"), name);
	const char *is = json_string_value(json_object_get(port, key));

	if (!is || strcmp(is, want))
		fail_msg("%s's %s is \"%s\", not \"%s\"", name, key, is ? is : "none", want);
	json_decref(status);
}

#define NETWORKS                                                                                   \
	"\"networks\": {\"lan\": {\"mode\": \"bridge\"}, "                                         \
	"\"jumbo\": {\"mode\": \"bridge\", \"mtu\": 9000}}"
#define PORT(network, vhost)                                                                       \
	"{\"ports\": {\"vif7.1\": {\"network\": \"" network "\", \"vhost-user\": " vhost "}}}"
#define NO_PORT "{\"ports\": {\"vif7.1\": null}}"

static void documents(void **state)
{
	static const char *const bad[] = { "1", "\"yes\"", "null", "{}" };
	struct fast *f = start(sockets);
	char text[256], why[FAST_TEXT_MAX];
	json_t *docs, *port;

	(void)state;
	apply(f, "{" NETWORKS "}");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		snprintf(text, sizeof(text),
			 "{\"ports\": {\"vif7.1\": {\"network\": \"lan\", \"vhost-user\": %s}}}",
			 bad[i]);
		assert_int_equal(fast_rig_change(f, text, why), -EINVAL);
		assert_non_null(strstr(why, "vhost-user"));
	}
	assert_int_equal(nr_opened, 0);
	apply(f, PORT("lan", "true"));
	docs = fast_get(f);
	port = json_object_get(json_object_get(docs, "ports"), "vif7.1");
	assert_true(json_is_true(json_object_get(port, "vhost-user")));
	json_decref(docs);
	apply(f, NO_PORT);
	fast_destroy(f);
	assert_int_equal(nr_open, 0);
}

/* The socket is there as long as the document says so, in a folder that its owner can look into. */
static void its_socket(void **state)
{
	struct fast *f = start(sockets);
	char want[128];
	struct stat st;

	(void)state;
	nr_opened = 0;
	apply(f, "{" NETWORKS "}");
	apply(f, PORT("lan", "true"));
	snprintf(want, sizeof(want), "%s/vif7.1.sock", sockets);
	assert_string_equal(opened, want);
	assert_int_equal(opened_owner, NS_UID_BASE(7));
	assert_int_equal(nr_open, 1);
	assert_int_equal(stat(sockets, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0711);
	says(f, "vif7.1", "state", "served");
	says(f, "vif7.1", "network", "lan");
	says(f, "vif7.1", "trouble", "");
	/* The same again disturbs nobody. */
	apply(f, PORT("lan", "true"));
	assert_int_equal(nr_opened, 1);
	/* A vif by Xen's rings, whose frontend has not come, has none. */
	apply(f, PORT("lan", "false"));
	assert_int_equal(nr_open, 0);
	says(f, "vif7.1", "state", "not connected");
	apply(f, PORT("jumbo", "true"));
	assert_int_equal(nr_open, 1);
	assert_int_equal(opened_mtu, 9000);
	says(f, "vif7.1", "network", "jumbo");
	apply(f, NO_PORT);
	assert_int_equal(nr_open, 0);
	fast_destroy(f);
}

/* What keeps it from service is said, until it is given anew. */
static void trouble(void **state)
{
	struct fast *f = start(sockets);

	(void)state;
	apply(f, "{" NETWORKS "}");
	fail_with = EADDRINUSE;
	apply(f, PORT("lan", "true"));
	says(f, "vif7.1", "state", "not served");
	says(f, "vif7.1", "trouble", "made to fail");
	fail_with = 0;
	apply(f, NO_PORT);
	apply(f, PORT("lan", "true"));
	says(f, "vif7.1", "state", "served");
	says(f, "vif7.1", "trouble", "");
	apply(f, NO_PORT);
	fast_destroy(f);
	/* No folder for sockets; a name that is no domain's. */
	f = start(NULL);
	apply(f, "{" NETWORKS "}");
	apply(f, PORT("lan", "true"));
	says(f, "vif7.1", "state", "not served");
	says(f, "vif7.1", "trouble", strerror(EOPNOTSUPP));
	fast_destroy(f);
	f = start(sockets);
	apply(f, "{" NETWORKS
		 ", \"ports\": {\"web0\": {\"network\": \"lan\", \"vhost-user\": true}}}");
	says(f, "web0", "state", "not served");
	fast_destroy(f);
	f = start("/proc/none/at/all");
	apply(f, "{" NETWORKS "}");
	apply(f, PORT("lan", "true"));
	says(f, "vif7.1", "trouble", strerror(ENOENT));
	fast_destroy(f);
	assert_int_equal(nr_open, 0);
}

/* Its frames are a guest's: one with a false source does not get to the other. */
static void guarded(void **state)
{
	static const uint8_t good[] = { 2, 0, 0, 0, 0, 1 },
			     all[] = { 255, 255, 255, 255, 255, 255 };
	struct fast *f = start(sockets);
	unsigned int before;

	(void)state;
	apply(f, "{" NETWORKS "}");
	apply(f,
	      "{\"ports\": {\"vif7.1\": {\"network\": \"lan\", \"vhost-user\": true, "
	      "\"mac\": \"02:00:00:00:00:01\", \"guard\": {\"level\": \"mac\", \"mac\": \"02:00:00:00:00:01\"}}, "
	      "\"vif8.0\": {\"network\": \"lan\", \"vhost-user\": true}}}");
	assert_int_equal(nr_open, 2);
	for (int honest = 0; honest < 2; honest++) {
		uint8_t *frame = from_card + FAST_DEVICE_ROOM;

		memset(from_card, 0, sizeof(from_card));
		memcpy(frame, all, 6);
		memcpy(frame + 6, good, 6);
		frame[11] = honest ? 1 : 9;
		frame[12] = 0x88;
		frame[13] = 0xb5;
		before = nr_sent;
		nr_from_card = 1;
		/* One that cannot tell of frames is looked at now and then. */
		for (int i = 0; i < 2000 && nr_from_card; i++) {
			fast_turn(f);
			usleep(500);
		}
		for (int i = 0; i < 8; i++)
			fast_turn(f);
		assert_int_equal(nr_from_card, 0);
		assert_int_equal(nr_sent > before, honest);
	}
	assert_int_equal(nr_released, 2);
	fast_destroy(f);
	assert_int_equal(nr_open, 0);
}

static int make_folder(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(sockets, sizeof(sockets), "%s/vhost", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	rmdir(sockets);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents),
		cmocka_unit_test(its_socket),
		cmocka_unit_test(trouble),
		cmocka_unit_test(guarded),
	};

	log_init("test", LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
