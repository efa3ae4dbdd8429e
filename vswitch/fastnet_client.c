/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The documents of vifrost-netback's switch, by fast.get and fast.apply. While no vifrost-netback runs, what
 * holds is in the file from which the next one goes on: that is read then, and never written here.
 */
#include "vswitch/fastnet.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rpc.h"
#include "base/rundir.h"
#include "vswitch/docs.h"

#define TIMEOUT_MS 10000
#define STATE_FILE "fast.json" /* of vifrost-netback, as fast.get answers */
#define PAUSE_NS   50000000L
#define RESTART_MS 2000 /* one that was there may be started again */
#define AGAIN_US   5000

static const char *const members[VS_DOC_NR] = {
	[VS_DOC_FAST_NETWORK] = "networks",
	[VS_DOC_FAST_PORT] = "ports",
};

static bool is_absent(int rc)
{
	return rc == -ENOENT || rc == -ECONNREFUSED;
}

/* As short as a step's failure may be. */
static void explain(int rc, const json_t *error, char *why, size_t size)
{
	const char *code = json_string_value(json_object_get(error, "code"));
	const char *message = json_string_value(json_object_get(error, "message"));

	if (is_absent(rc))
		snprintf(why, size, "vifrost-netback does not run: start it");
	else if (rc != -EREMOTEIO)
		snprintf(why, size, "vifrost-netback does not answer (%s): see its log",
			 strerror(-rc));
	else if (code && !strcmp(code, "unknown-method"))
		snprintf(why, size, "the vifrost-netback that runs is too old for it: restart it");
	else
		snprintf(why, size, "%s", message ? message : "vifrost-netback refuses it");
}

/*
 * Handed over, its socket stays, and calls wait there; only those that it has begun with are lost. Killed, it is
 * not there for a moment: that is waited for, once, until it has answered again.
 */
int vs_netback_call(const char *rundir, const char *method, json_t *params, int timeout_ms,
		    json_t **result)
{
	static bool was_there;
	uint64_t until_ms = clock_ms() + RESTART_MS;
	char path[PATH_MAX];
	int rc;

	rundir_file(path, rundir, RUNDIR_NETBACK_SOCKET);
	for (;;) {
		*result = NULL;
		rc = rpc_call(path, method, json_incref(params), timeout_ms, result);
		if (rc == -ECONNRESET || rc == -EPIPE)
			was_there = true;
		else if (!is_absent(rc) || !was_there)
			break;
		if (clock_ms() >= until_ms) {
			was_there = false;
			break;
		}
		usleep(AGAIN_US);
	}
	was_there |= !rc || rc == -EREMOTEIO;
	json_decref(params);
	return rc;
}

static int call(const char *rundir, const char *method, json_t *params, json_t **result, char *why,
		size_t size)
{
	int rc = vs_netback_call(rundir, method, params, TIMEOUT_MS, result);

	if (!rc)
		return 0;
	explain(rc, *result, why, size);
	json_decref(*result);
	*result = NULL;
	return rc;
}

/* A vifrost-netback without a switch has no documents. */
static int get_all(const char *rundir, json_t **all, char *why)
{
	char path[PATH_MAX];
	int rc = call(rundir, "fast.get", NULL, all, why, VS_TEXT_LEN);

	if (rc == -EREMOTEIO)
		return 0;
	if (!is_absent(rc))
		return rc;
	rundir_file(path, rundir, STATE_FILE);
	*all = json_load_file(path, 0, NULL);
	return 0;
}

static int fast_open(const char *rundir, void **ctx, char *why)
{
	(void)why;
	*ctx = (void *)(uintptr_t)rundir;
	return 0;
}

static void fast_close(void *ctx)
{
	(void)ctx;
}

static int observe(void *ctx, enum vs_doc_kind kind, struct vs_observed *o, char *why)
{
	const char *name;
	json_t *all = NULL, *doc;
	int rc = get_all(ctx, &all, why);

	json_object_foreach (json_object_get(all, members[kind]), name, doc) {
		if (!rc && strlen(name) < IFNAMSIZ)
			rc = vs_observed_set_doc(o, kind, name, doc);
	}
	json_decref(all);
	return rc;
}

static int get(void *ctx, enum vs_doc_kind kind, const char *name, json_t **doc, char *why)
{
	json_t *all = NULL;
	int rc = get_all(ctx, &all, why);

	*doc = json_incref(json_object_get(json_object_get(all, members[kind]), name));
	json_decref(all);
	return rc;
}

static int apply_many(void *ctx, const struct vs_op *const *ops, size_t nr, char *why)
{
	const char *member = members[ops[0]->index];
	json_t *docs = json_object(), *result;
	int rc = docs ? 0 : -ENOMEM;

	for (size_t i = 0; !rc && i < nr; i++)
		if (json_object_set_new(docs, ops[i]->text,
					ops[i]->doc ? json_incref(ops[i]->doc) : json_null()))
			rc = -ENOMEM;
	if (!rc)
		rc = call(ctx, "fast.apply", json_pack("{sO}", member, docs), &result, why,
			  VS_TEXT_LEN);
	else
		result = NULL;
	json_decref(result);
	json_decref(docs);
	return rc == -EREMOTEIO ? -EINVAL : rc;
}

static int apply(void *ctx, enum vs_doc_kind kind, const char *name, const json_t *doc, char *why)
{
	struct vs_op op = { .kind = VS_OP_DOC, .index = kind, .doc = (json_t *)(uintptr_t)doc };
	const struct vs_op *const ops[] = { &op };
	json_t *now = NULL;
	int rc;

	snprintf(op.text, sizeof(op.text), "%s", name);
	/* Taken from who has it not, running or not, it is gone. */
	rc = doc ? 0 : get(ctx, kind, name, &now, why);
	if (!rc && (doc || now))
		rc = apply_many(ctx, ops, 1, why);
	json_decref(now);
	return rc;
}

static int observe_networks(void *ctx, struct vs_observed *o, char *why)
{
	return observe(ctx, VS_DOC_FAST_NETWORK, o, why);
}

static int get_network(void *ctx, const char *name, json_t **doc, char *why)
{
	return get(ctx, VS_DOC_FAST_NETWORK, name, doc, why);
}

static int apply_network(void *ctx, const char *name, const json_t *doc, char *why)
{
	return apply(ctx, VS_DOC_FAST_NETWORK, name, doc, why);
}

static int observe_ports(void *ctx, struct vs_observed *o, char *why)
{
	return observe(ctx, VS_DOC_FAST_PORT, o, why);
}

static int get_port(void *ctx, const char *name, json_t **doc, char *why)
{
	return get(ctx, VS_DOC_FAST_PORT, name, doc, why);
}

static int apply_port(void *ctx, const char *name, const json_t *doc, char *why)
{
	return apply(ctx, VS_DOC_FAST_PORT, name, doc, why);
}

const struct vs_doc_ops fastnet_network_ops = {
	.open = fast_open,
	.observe = observe_networks,
	.get = get_network,
	.apply = apply_network,
	.close = fast_close,
};

const struct vs_doc_ops fastnet_port_ops = {
	.open = fast_open,
	.observe = observe_ports,
	.get = get_port,
	.apply = apply_port,
	.apply_many = apply_many,
	.close = fast_close,
};

int vs_fast_probe(const char *rundir, unsigned int wait_ms, char *why, size_t size)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	unsigned int turns = wait_ms / (PAUSE_NS / 1000000);
	json_t *all;
	int rc = call(rundir, "fast.get", NULL, &all, why, size);

	for (; is_absent(rc) && turns; turns--) {
		nanosleep(&pause, NULL);
		rc = call(rundir, "fast.get", NULL, &all, why, size);
	}
	json_decref(all);
	return rc == -EREMOTEIO ? -EOPNOTSUPP : rc;
}

static bool file_changed(const char *rundir, const char *name, struct stat *last)
{
	struct stat now = { 0 };
	char path[PATH_MAX];
	bool is_changed;

	rundir_file(path, rundir, name);
	if (stat(path, &now) < 0)
		now = (struct stat){ 0 };
	is_changed = now.st_ino != last->st_ino || now.st_size != last->st_size ||
		     now.st_mtim.tv_sec != last->st_mtim.tv_sec ||
		     now.st_mtim.tv_nsec != last->st_mtim.tv_nsec;
	*last = now;
	return is_changed;
}

bool vs_fast_changed(const char *rundir)
{
	static struct stat state, socket; /* which each vifrost-netback makes anew */
	bool is_changed = file_changed(rundir, STATE_FILE, &state);

	return file_changed(rundir, RUNDIR_NETBACK_SOCKET, &socket) || is_changed;
}

json_t *vs_fast_status(const char *rundir)
{
	char why[VS_TEXT_LEN];
	json_t *status;

	call(rundir, "fast.status", NULL, &status, why, sizeof(why));
	return status;
}
