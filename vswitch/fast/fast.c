/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/fast/fast.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "vswitch/fast/fast_priv.h"

#define PAUSE_NS      100000000u /* several times what a frame waits for its receiver */
#define PAUSE_LOOK_US 200u

json_t *fast_get(const struct fast *f)
{
	json_t *networks = json_deep_copy(f->networks), *ports = json_deep_copy(f->ports);

	return json_pack("{s:o*, s:o*}", "networks", networks, "ports", ports);
}

void fast_rpc_get(struct fast *f, struct rpc_call *call)
{
	json_t *docs = fast_get(f);

	if (docs)
		rpc_reply(call, docs);
	else
		rpc_fail(call, "no-memory", "out of memory");
}

void fast_rpc_apply(struct fast *f, struct rpc_call *call)
{
	char why[FAST_TEXT_MAX] = "";
	int rc = fast_apply(f, rpc_params(call), why);

	if (!rc)
		rpc_reply(call, json_object());
	else
		rpc_fail(call, rc == -EINVAL ? "invalid" : "failed", "%s",
			 why[0] ? why : strerror(-rc));
}

void fast_rpc_status(struct fast *f, struct rpc_call *call)
{
	json_t *status = fast_status(f);

	if (status)
		rpc_reply(call, status);
	else
		rpc_fail(call, "no-memory", "out of memory");
}

int fast_create(const struct fast_config *config, struct fast **fast_out, char why[FAST_TEXT_MAX])
{
	struct fast *f = calloc(1, sizeof(*f));
	json_t *state = NULL;
	int rc = 0, fd;

	*fast_out = NULL;
	snprintf(why, FAST_TEXT_MAX, "out of memory");
	if (!f)
		return -ENOMEM;
	list_init(&f->nets);
	list_init(&f->threads);
	list_init(&f->vifs);
	f->config = *config;
	f->is_paused = config->paused;
	f->networks = json_object();
	f->ports = json_object();
	f->waiting = json_pack("{s{} s{}}", "networks", "ports");
	if (!f->networks || !f->ports || !f->waiting)
		rc = -ENOMEM;
	fd = fdbag_take(config->bag, FAST_BAG_TABLES, "");
	if (fd >= 0)
		f->legacy = fast_legacy_open(fd);
	if (!rc && config->state) {
		rc = fast_kept(config->state, &state, why);
		if (!rc) {
			fast_restore(f, state);
			f->state = strdup(config->state);
			rc = f->state ? 0 : -ENOMEM;
		}
		json_decref(state);
	}
	if (rc) {
		fast_destroy(f);
		f = NULL;
	}
	*fast_out = f;
	return rc;
}

void fast_hand_over(struct fast *f)
{
	int fd;

	f->is_handed_over = f->config.bag != NULL;
	if (!f->is_handed_over)
		return;
	fd = fast_bequeath(f);
	if (fd >= 0)
		fd = fdbag_put(f->config.bag, FAST_BAG_TABLES, "", fd);
	if (fd < 0)
		log_warning("what the switch knows is not handed over: %s", strerror(-fd));
}

static void pause_thread(void *arg)
{
	fast_thread_pause(arg, true);
}

static void resume_thread(void *arg)
{
	fast_thread_pause(arg, false);
}

struct look {
	const struct fast_thread *thread;
	bool is_waiting;
};

static void look(void *arg)
{
	struct look *l = arg;

	l->is_waiting = !list_empty(&l->thread->parked);
}

void fast_pause(struct fast *f)
{
	uint64_t until_ns = clock_ns() + PAUSE_NS;
	struct list *l;

	f->is_paused = true;
	list_for_each (&f->threads, l) {
		struct fast_thread *t = list_entry(l, struct fast_thread, all);

		fast_thread_call(t, pause_thread, t);
	}
	list_for_each (&f->threads, l) {
		struct fast_thread *t = list_entry(l, struct fast_thread, all);
		struct look at = { .thread = t };

		do {
			if (at.is_waiting)
				usleep(PAUSE_LOOK_US);
			fast_thread_call(t, look, &at);
		} while (t->threaded && at.is_waiting && clock_ns() < until_ns);
	}
}

void fast_resume(struct fast *f)
{
	struct list *l;

	if (f->legacy)
		fast_inherit(f, f->legacy);
	fast_legacy_close(f->legacy);
	f->legacy = NULL;
	f->is_paused = false;
	list_for_each (&f->threads, l) {
		struct fast_thread *t = list_entry(l, struct fast_thread, all);

		fast_thread_call(t, resume_thread, t);
	}
}

unsigned int fast_turn(struct fast *f)
{
	unsigned int work = 0;
	struct list *l;

	list_for_each (&f->threads, l)
		work += fast_thread_turn(list_entry(l, struct fast_thread, all), 0);
	return work;
}

void fast_destroy(struct fast *f)
{
	struct list *l, *next;

	if (!f)
		return;
	list_for_each_safe (&f->vifs, l, next) {
		struct fast_vif *vif = list_entry(l, struct fast_vif, all);

		fast_vif_set(vif, NULL, NULL);
		vif->is_open = false;
		fast_vif_put(vif);
	}
	list_for_each_safe (&f->nets, l, next)
		fast_net_destroy(f, list_entry(l, struct fast_net, all), false);
	fast_net_sweep(f);
	fast_legacy_close(f->legacy);
	json_decref(f->networks);
	json_decref(f->ports);
	json_decref(f->waiting);
	free(f->state);
	free(f);
}
