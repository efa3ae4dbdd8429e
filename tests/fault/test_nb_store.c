/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenstore refuses the n-th request of netback, n = 1, 2, ... until a vif's whole life goes by: quota, no
 * memory, no right, a conflict. The vif goes on once it is tried again; refused for longer, it says so.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hv/store_priv.h"
#include "tests/util/nb_host.h"

/* Between netback and its store. */
struct failing {
	struct hv_store store;
	struct hv_store *real;
	const char *error;    /* as the protocol has it */
	unsigned int fail_in; /* requests; 0: none fails */
	unsigned int nr_left; /* further ones that fail then */
	bool writes_only;
};

static bool fails(struct failing *f, uint32_t type, const struct iovec *body)
{
	bool write = type == XS_WRITE || type == XS_WATCH || type == XS_MKDIR || type == XS_RM ||
		     (type == XS_TRANSACTION_END && *(const char *)body[0].iov_base == 'T');

	/* Only the end of a transaction meets a conflict. */
	if (!strcmp(f->error, "EAGAIN") && type != XS_TRANSACTION_END)
		return false;
	if (!f->fail_in || (f->writes_only && !write))
		return false;
	if (f->fail_in > 1) {
		f->fail_in--;
		return false;
	}
	if (f->nr_left)
		f->nr_left--;
	else
		f->fail_in = 0;
	return true;
}

static int failing_call(struct hv_store *s, uint32_t type, uint32_t tx, const struct iovec *body,
			int nr, struct store_reply *reply)
{
	struct failing *f = (struct failing *)s;
	int rc;

	if (!fails(f, type, body))
		return f->real->ops->call(f->real, type, tx, body, nr, reply);
	if (type == XS_TRANSACTION_END) {
		struct iovec abort = { (void *)(uintptr_t) "F", 2 };

		rc = f->real->ops->call(f->real, type, tx, &abort, 1, reply);
		if (rc)
			return rc;
		free(reply->data);
	}
	reply->type = XS_ERROR;
	reply->size = strlen(f->error) + 1;
	reply->data = strdup(f->error);
	return reply->data ? 0 : -ENOMEM;
}

static int failing_event(struct hv_store *s, char **path_out, char **token_out)
{
	struct failing *f = (struct failing *)s;

	return f->real->ops->next_event(f->real, path_out, token_out);
}

static int failing_fd(struct hv_store *s)
{
	struct failing *f = (struct failing *)s;

	return f->real->ops->fd(f->real);
}

static void failing_close(struct hv_store *s)
{
	struct failing *f = (struct failing *)s;

	f->real->ops->close(f->real);
}

static const struct store_ops failing_ops = {
	.call = failing_call,
	.next_event = failing_event,
	.fd = failing_fd,
	.close = failing_close,
};

struct world {
	struct host *h;
	struct failing f;
};

/* Netback alone meets the failure. */
static void turn(struct world *w)
{
	struct hv_store *real = w->h->r.c.hv->store;
	struct nb_vif *vif = host_the_vif(w->h);

	/* As if the time for it had come. */
	if (vif && vif->dev.look_at_ns)
		vif->dev.look_at_ns = 1;
	w->f.real = real;
	w->h->r.c.hv->store = &w->f.store;
	netback_turn(w->h->nb);
	w->h->r.c.hv->store = real;
}

/* In a few turns, the one that fails among them. */
static void expect(struct world *w, int state)
{
	for (int i = 0; i < 4 && host_be_state(w->h) != state; i++)
		turn(w);
	assert_int_equal(host_be_state(w->h), state);
}

/* A life of a vif, in which the @n-th request fails. Return: whether there was one. */
static bool life(const char *error, unsigned int n)
{
	struct world w = { .f = { { &failing_ops }, NULL, error, n, 0, false } };
	void *state;

	host_setup(&state);
	w.h = state;
	host_add_device(w.h);
	expect(&w, 2);
	host_be(w.h, "hotplug-status", "connected");
	host_publish(w.h);
	expect(&w, 4);
	turn(&w);
	assert_int_equal(host_the_vif(w.h)->dev.reason[0], 0);
	host_assert_passes_frames(w.h);
	host_be(w.h, "online", "0");
	host_be(w.h, "state", "5");
	host_fe(w.h, "state", "6");
	expect(&w, 6);
	turn(&w);
	assert_false(host_ports.exists);
	host_be(w.h, "", NULL);
	for (int i = 0; i < 3; i++)
		turn(&w);
	assert_null(host_the_vif(w.h));
	assert_int_equal(host_be_state(w.h), -1);
	host_teardown(&state);
	return !w.f.fail_in;
}

static void one_request_refused(void **state)
{
	static const char *const errors[] = { "ENOSPC", "EACCES", "ENOMEM", "EIO", "EAGAIN" };

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		unsigned int n = 1;

		while (life(errors[i], n))
			n++;
		/* Each request of a life was met. */
		assert_true(n > (strcmp(errors[i], "EAGAIN") ? 60 : 4));
	}
}

/* All writes, for longer. */
static void refused_until_the_quota_is_raised(void **state)
{
	static const char *const errors[] = { "ENOSPC", "E2BIG", "EACCES", "EAGAIN" };
	struct world w = { .h = *state, .f = { .store = { &failing_ops } } };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		host_add_device(w.h);
		w.f.error = errors[i];
		w.f.writes_only = true;
		w.f.fail_in = 1;
		w.f.nr_left = UINT32_MAX;
		for (int k = 0; k < 5; k++)
			turn(&w);
		assert_int_equal(host_be_state(w.h), 1);
		assert_non_null(strstr(host_the_vif(w.h)->dev.reason, "xenstore refuses"));
		/* It is to be looked at again without an event. */
		assert_true(host_the_vif(w.h)->dev.look_at_ns);
		w.f.fail_in = 0;
		expect(&w, 2);
		assert_int_equal(host_the_vif(w.h)->dev.reason[0], 0);

		host_be(w.h, "hotplug-status", "connected");
		host_fresh_rings(w.h);
		host_publish(w.h);
		w.f.fail_in = 1;
		for (int k = 0; k < 5; k++)
			turn(&w);
		assert_int_equal(host_be_state(w.h), 2);
		w.f.fail_in = 0;
		expect(&w, 4);
		host_assert_passes_frames(w.h);

		host_be(w.h, "online", "0");
		host_be(w.h, "state", "5");
		host_fe(w.h, "state", "6");
		w.f.fail_in = 1;
		for (int k = 0; k < 5; k++)
			turn(&w);
		assert_false(host_be_state(w.h) == 6);
		w.f.fail_in = 0;
		expect(&w, 6);
		assert_false(host_ports.exists);
		host_be(w.h, "", NULL);
		host_fe(w.h, "", NULL);
		turn(&w);
		assert_null(host_the_vif(w.h));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_request_refused),
		cmocka_unit_test_setup_teardown(refused_until_the_quota_is_raised, host_setup,
						host_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
