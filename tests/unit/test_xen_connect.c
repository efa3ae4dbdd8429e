/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said where Xen, its drivers, xenstored or vifrost-hvd are missing: needs none of them. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/unixsock.h"
#include "hv/hv.h"
#include "hv/xen_priv.h"
#include "tests/util/scratch.h"

static char root[] = "/tmp/vf-xen.XXXXXX";
static char why[HV_WHY_MAX];

static int setup(void **state)
{
	char path[PATH_MAX];

	(void)state;
	strcpy(root + sizeof(root) - 7, "XXXXXX");
	memset(why, 0, sizeof(why));
	if (!mkdtemp(root))
		return -1;
	snprintf(path, sizeof(path), "%s/xenstored", root);
	return setenv("XENSTORED_PATH", path, 1);
}

static int teardown(void **state)
{
	(void)state;
	return scratch_remove(root);
}

static void put(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", root, name);
	for (char *p = path + sizeof(root); (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		mkdir(path, 0755);
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void assert_why(const char *part)
{
	if (!strstr(why, part))
		fail_msg("\"%s\" does not say \"%s\"", why, part);
}

static void put_xen(void)
{
	put("/sys/hypervisor/type", "xen\n");
	put("/dev/xen/evtchn", "");
	put("/dev/xen/gntdev", "");
}

static void test_no_xen(void **state)
{
	(void)state;
	assert_int_equal(xen_check(root, false, why), -ENODEV);
	assert_why("does not run on Xen");
	put("/sys/hypervisor/type", "other\n");
	assert_int_equal(xen_check(root, true, why), -ENODEV);
}

static void test_drivers(void **state)
{
	(void)state;
	put("/sys/hypervisor/type", "xen\n");
	assert_int_equal(xen_check(root, false, why), -ENXIO);
	assert_why("/dev/xen/evtchn");
	assert_why("modprobe xen-evtchn");
	put("/dev/xen/evtchn", "");
	assert_int_equal(xen_check(root, false, why), -ENXIO);
	assert_why("/dev/xen/gntdev");
	assert_why("modprobe xen-gntdev");
	/* The store alone has no use for them. */
	assert_int_equal(xen_check(root, true, why), -ENOENT);
	assert_why("xenstored");
}

static void test_no_xenstored(void **state)
{
	(void)state;
	put_xen();
	assert_int_equal(xen_check(root, false, why), -ENOENT);
	assert_why("xenstored does not answer at /tmp/");
	assert_why("modprobe xen-privcmd");
	put("/dev/xen/privcmd", "");
	assert_int_equal(xen_check(root, false, why), -ENOENT);
	assert_why("start it");
	assert_null(strstr(why, "privcmd"));
	put("/proc/xen/capabilities", "control_d\n");
	assert_int_equal(xen_check(root, false, why), -ENOENT);
	assert_why("start it");
	put("/proc/xen/capabilities", "\n");
	assert_int_equal(xen_check(root, false, why), -ENOENT);
	assert_why("not its domain 0");
}

/* In a guest's user space: which driver is missing, in the order in which they are needed. */
static void test_guest_drivers(void **state)
{
	(void)state;
	assert_int_equal(xen_guest_check(root, why), -ENODEV);
	assert_why("no guest of a Xen");
	put("/dev/xen/xenbus", "");
	assert_int_equal(xen_guest_check(root, why), -ENODEV);
	assert_why("modprobe xen-gntalloc");
	put("/dev/xen/gntalloc", "");
	assert_int_equal(xen_guest_check(root, why), -ENODEV);
	assert_why("modprobe xen-evtchn");
	put("/dev/xen/evtchn", "");
	assert_int_equal(xen_guest_check(root, why), 0);
}

static void test_all_there(void **state)
{
	int fd;

	(void)state;
	put_xen();
	fd = unixsock_listen(getenv("XENSTORED_PATH"), SOCK_STREAM, 0600);
	assert_true(fd >= 0);
	assert_int_equal(xen_check(root, false, why), 0);
	close(fd);
	/* Its socket is left behind. */
	assert_int_equal(xen_check(root, false, why), -ECONNREFUSED);
	assert_why("xenstored does not answer");
}

/* A machine that runs on Xen would find that. */
static bool on_xen(void)
{
	return !access("/sys/hypervisor/type", F_OK);
}

static void test_neither(void **state)
{
	struct hv_store *store;
	struct hv *hv;

	(void)state;
	if (on_xen())
		skip();
	assert_int_equal(hv_connect(root, &hv, why), -ENODEV);
	assert_why(root);
	assert_why("start vifrost-hvd");
	memset(why, 0, sizeof(why));
	assert_int_equal(hv_store_open(root, &store, why), -ENODEV);
	assert_why("start vifrost-hvd");
}

/* A vifrost-hvd that was killed: its host is not to be taken for another. */
static void test_core_gone(void **state)
{
	struct hv_store *store;
	struct hv *hv;
	char path[PATH_MAX];

	(void)state;
	snprintf(path, sizeof(path), "%s/hypercall.sock", root);
	close(unixsock_listen(path, SOCK_SEQPACKET, 0600));
	assert_int_equal(hv_connect(root, &hv, why), -ECONNREFUSED);
	assert_why("no vifrost-hvd answers in /tmp/");
	memset(why, 0, sizeof(why));
	assert_int_equal(hv_store_open(root, &store, why), -ENOENT);
	assert_why("no vifrost-hvd answers in /tmp/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_xen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drivers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_xenstored, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guest_drivers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_neither, setup, teardown),
		cmocka_unit_test_setup_teardown(test_core_gone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
