/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program as a guest's frontend: one at a time, and what is left of it when it ends. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <xen/event_channel.h>

#include "base/unixsock.h"
#include "hv/core.h"
#include "hv/guest.h"
#include "hv/hvd_hypercall.h"

#define NR_PAGES 4

struct rig {
	char dir[32], path[64];
	struct loop *loop;
	struct core *core;
	struct hvd_hypercall *server;
	uint16_t domid;
	int listen_fd;
	int program_fd;
	unsigned int nr_gone;
	/* A client's calls block while the server's loop runs here. */
	void (*call)(struct rig *r);
	bool done;
	int rc;
	struct hv_guest *guest;
	struct hv_evtchn ch;
	void *pages;
	uint32_t refs[NR_PAGES];
	char why[HV_WHY_MAX];
};

static void program(void *arg, uint16_t domid, int fd)
{
	struct rig *r = arg;

	assert_int_equal(domid, r->domid);
	if (fd < 0) {
		r->nr_gone++;
		core_domain_program_gone(r->core, domid);
		close(r->program_fd);
	}
	r->program_fd = fd;
}

static void *client_main(void *arg)
{
	struct rig *r = arg;

	r->call(r);
	__atomic_store_n(&r->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static int call(struct rig *r, void (*fn)(struct rig *r))
{
	pthread_t thread;

	r->call = fn;
	r->done = false;
	assert_int_equal(pthread_create(&thread, NULL, client_main, r), 0);
	while (!__atomic_load_n(&r->done, __ATOMIC_ACQUIRE))
		loop_turn(r->loop, 10);
	pthread_join(thread, NULL);
	return r->rc;
}

static void attach(struct rig *r)
{
	r->rc = hv_guest_attach_socket(r->path, &r->guest, r->why);
}

static void attach_second(struct rig *r)
{
	struct hv_guest *second;

	r->rc = hv_guest_attach_socket(r->path, &second, r->why);
}

static void use(struct rig *r)
{
	r->rc = hv_guest_share(r->guest, 0, NR_PAGES, false, &r->pages, r->refs);
	if (!r->rc)
		r->rc = hv_guest_evtchn_alloc(r->guest, 0, &r->ch);
}

static int setup(void **state)
{
	static struct rig r;
	struct hvd_hypercall_hooks hooks = { program, &r };

	r = (struct rig){ .dir = "/tmp/vf-program.XXXXXX", .program_fd = -1 };
	assert_non_null(mkdtemp(r.dir));
	snprintf(r.path, sizeof(r.path), "%s/1.sock", r.dir);
	assert_int_equal(loop_create(&r.loop), 0);
	assert_int_equal(core_create(NULL, &r.core), 0);
	assert_int_equal(hvd_hypercall_create(r.loop, r.core, r.dir, &r.server), 0);
	hvd_hypercall_set_hooks(r.server, &hooks);
	assert_int_equal(core_domain_create(r.core, 1, &r.domid), 0);
	r.listen_fd = unixsock_listen(r.path, SOCK_SEQPACKET, 0600);
	assert_true(r.listen_fd >= 0);
	assert_int_equal(hvd_hypercall_add(r.server, r.domid, r.listen_fd, -1), 0);
	*state = &r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	hv_guest_detach(r->guest);
	hvd_hypercall_remove(r->server, r->domid);
	if (r->program_fd >= 0)
		close(r->program_fd);
	close(r->listen_fd);
	hvd_hypercall_destroy(r->server);
	core_destroy(r->core);
	loop_destroy(r->loop);
	unlink(r->path);
	snprintf(r->path, sizeof(r->path), "%s/hypercall.sock", r->dir);
	unlink(r->path);
	rmdir(r->dir);
	return 0;
}

/* Without freeing what was taken: the channel's descriptors are all that is left. */
static void program_dies(struct rig *r)
{
	unsigned int nr_gone = r->nr_gone;

	hv_guest_detach(r->guest);
	r->guest = NULL;
	close(r->ch.fd);
	close(r->ch.notify_fd);
	for (int i = 0; i < 100 && r->nr_gone == nr_gone; i++)
		loop_turn(r->loop, 10);
	assert_int_equal(r->nr_gone, nr_gone + 1);
}

static void test_one_after_another(void **state)
{
	struct rig *r = *state;
	struct hv_gnt_map held, other;
	struct core_evtchn_status status;
	struct hv_domain *domain;
	uint32_t refs[NR_PAGES];
	uint8_t *first;
	struct hv *hv;

	assert_int_equal(call(r, attach), 0);
	assert_int_equal(hv_guest_domid(r->guest), r->domid);
	assert_int_equal(call(r, use), 0);
	first = r->pages;
	memset(first, 0xaa, NR_PAGES * 4096);
	memcpy(refs, r->refs, sizeof(refs));
	assert_int_equal(hv_core_local(r->core, &hv), 0);
	assert_int_equal(hv->domain->open(hv, r->domid, &domain), 0);
	assert_int_equal(hv->gnt->map(domain, refs[1], &held), 0);

	assert_int_equal(call(r, attach_second), -EBUSY);
	assert_non_null(strstr(r->why, "another program"));

	program_dies(r);
	core_evtchn_status(r->core, r->domid, r->ch.local_port, &status);
	assert_int_equal(status.status, EVTCHNSTAT_closed);
	core_evtchn_status(r->core, r->domid, CORE_PORT_STORE, &status);
	assert_int_not_equal(status.status, EVTCHNSTAT_closed);
	for (int i = 0; i < NR_PAGES; i++)
		if (i != 1)
			assert_int_equal(hv->gnt->map(domain, refs[i], &other), -EPERM);

	/* Its successor gets zeroed pages, and not the one that the backend still writes to. */
	assert_int_equal(call(r, attach), 0);
	assert_int_equal(call(r, use), 0);
	for (int i = 0; i < NR_PAGES; i++)
		assert_int_not_equal(r->refs[i], refs[1]);
	for (size_t i = 0; i < NR_PAGES * (size_t)4096; i++)
		assert_int_equal(((uint8_t *)r->pages)[i], 0);
	memset(held.page, 0x55, 4096);
	for (size_t i = 0; i < NR_PAGES * (size_t)4096; i++)
		assert_int_equal(((uint8_t *)r->pages)[i], 0);
	hv->gnt->unmap(&held);

	/* And when the backend has let go, that one serves the next. */
	program_dies(r);
	assert_int_equal(call(r, attach), 0);
	assert_int_equal(call(r, use), 0);
	assert_memory_equal(r->refs, refs, sizeof(refs));
	close(r->ch.fd);
	close(r->ch.notify_fd);
	hv->domain->close(domain);
	hv->close(hv);
}

static void test_nobody_there(void **state)
{
	struct hv_guest *guest;
	char why[HV_WHY_MAX];

	(void)state;
	assert_int_equal(hv_guest_attach_socket("/tmp/vf-none/1.sock", &guest, why), -ENOENT);
	assert_non_null(strstr(why, "frontend = \"program\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_after_another, setup, teardown),
		cmocka_unit_test(test_nobody_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
