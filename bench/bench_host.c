/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench_host.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/child.h"
#include "base/rpc.h"

#define WAIT_MS	 5000
#define APPLY_MS 120000
#define CHILD_MS 3000

static char rundir[RUNDIR_MAX];
static pid_t daemons[3];

void bench_daemons_stop(void)
{
	static const char *const children[] = { "ovs/ovs-vswitchd", "ovs/ovsdb-server" };

	for (size_t i = sizeof(daemons) / sizeof(daemons[0]); i-- > 0;) {
		if (daemons[i] > 0)
			bench_stop(daemons[i]);
		daemons[i] = 0;
	}
	/* They outlive vifrostd. */
	for (size_t i = 0; rundir[0] && i < sizeof(children) / sizeof(children[0]); i++)
		child_stop(rundir, children[i], CHILD_MS);
	if (rundir[0])
		bench_rundir_remove(rundir);
	rundir[0] = '\0';
}

void bench_must(int rc, const char *what)
{
	if (!rc)
		return;
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(-rc));
	exit(rc == -EPERM ? CLI_NO_PERMISSION : CLI_UNAVAILABLE);
}

static void start_daemon(size_t i, const char *name, const char *socket)
{
	char bin[PATH_MAX], path[PATH_MAX];

	bench_bin(bin, name);
	daemons[i] = bench_spawn((char *[]){ bin, "--run-dir", rundir, NULL });
	bench_must(daemons[i] < 0 ? daemons[i] : 0, name);
	rundir_file(path, rundir, socket);
	bench_must(bench_wait_socket(path, daemons[i], WAIT_MS), socket);
}

const char *bench_daemons_start(void)
{
	static bool has_exit;

	if (!has_exit)
		atexit(bench_daemons_stop);
	has_exit = true;
	bench_rundir(rundir);
	start_daemon(0, "vifrost-hvd", RUNDIR_XENSTORED_SOCKET);
	start_daemon(1, "vifrost-netback", RUNDIR_NETBACK_SOCKET);
	start_daemon(2, "vifrostd", RUNDIR_VIFROSTD_SOCKET);
	return rundir;
}

pid_t bench_daemon(size_t i)
{
	return daemons[i];
}

double bench_daemons_cpu_ms(void)
{
	double ms = 0;

	for (size_t i = 0; i < sizeof(daemons) / sizeof(daemons[0]); i++)
		ms += bench_cpu_ms(daemons[i]);
	return ms;
}

json_t *bench_call(const char *method, json_t *params)
{
	char path[PATH_MAX];
	json_t *result = NULL;
	int rc;

	rundir_file(path, rundir, RUNDIR_VIFROSTD_SOCKET);
	rc = rpc_call(path, method, params, APPLY_MS, &result);
	if (rc == -EREMOTEIO)
		fprintf(stderr, "%s: %s\n", method,
			json_string_value(json_object_get(result, "message")));
	bench_must(rc, method);
	return result;
}

static void on_link(void *arg, const struct vs_link *link, bool is_gone)
{
	struct bench_host *h = arg;

	if (!link || strcmp(link->name, h->awaited) != 0)
		return;
	if (is_gone)
		h->is_gone = true;
	else if (link->is_up && link->master == (h->is_routed ? 0 : h->bridge))
		h->is_up = true;
}

void bench_host_init(struct bench_host *h)
{
	char path[PATH_MAX];

	*h = (struct bench_host){ 0 };
	rundir_file(path, rundir, RUNDIR_XENSTORED_SOCKET);
	bench_must(hv_store_connect(path, &h->store), "xenstore");
	bench_must(loop_create(&h->loop), "event loop");
	bench_must(vs_events_open(h->loop, on_link, h, &h->events), "rtnetlink");
}

void bench_host_fini(struct bench_host *h)
{
	vs_events_close(h->events);
	loop_destroy(h->loop);
	hv_store_close(h->store);
}

static int write_area(struct bench_host *h, uint32_t tx, unsigned int domid)
{
	static const char *const keys[][2] = {
		{ "online", "1" },	    { "handle", "0" }, { "mtu", "1500" },
		{ "bridge", BENCH_BRIDGE }, { "type", "vif" }, { "script", BENCH_SCRIPT },
		{ "state", "1" },
	};
	char path[96];
	int rc;

	snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
	rc = hv_store_printf(h->store, tx, path, "bench%u", domid);
	snprintf(path, sizeof(path), "backend/vif/%u/0/frontend", domid);
	if (!rc)
		rc = hv_store_printf(h->store, tx, path, "/local/domain/%u/device/vif/0", domid);
	snprintf(path, sizeof(path), "backend/vif/%u/0/frontend-id", domid);
	if (!rc)
		rc = hv_store_printf(h->store, tx, path, "%u", domid);
	snprintf(path, sizeof(path), "backend/vif/%u/0/mac", domid);
	if (!rc)
		rc = hv_store_printf(h->store, tx, path, "00:16:3e:00:%02x:%02x", domid >> 8 & 0xff,
				     domid & 0xff);
	for (size_t i = 0; !rc && i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(path, sizeof(path), "backend/vif/%u/0/%s", domid, keys[i][0]);
		rc = hv_store_printf(h->store, tx, path, "%s", keys[i][1]);
	}
	snprintf(path, sizeof(path), "/local/domain/%u/device/vif/0/state", domid);
	if (!rc)
		rc = hv_store_printf(h->store, tx, path, "1");
	return rc;
}

uint64_t bench_vif_write(struct bench_host *h, unsigned int domid)
{
	uint64_t begin;
	uint32_t tx;
	int rc;

	do {
		bench_must(hv_store_transaction_start(h->store, &tx), "xenstore");
		rc = write_area(h, tx, domid);
		begin = clock_ns();
		if (!rc)
			rc = hv_store_transaction_end(h->store, tx, true);
	} while (rc == -EAGAIN);
	bench_must(rc, "xenstore");
	return begin;
}

double bench_attach(struct bench_host *h, unsigned int domid)
{
	uint64_t begin, limit = clock_ms() + WAIT_MS;

	if (!h->bridge)
		h->bridge = (int)if_nametoindex(BENCH_BRIDGE);
	bench_must(h->bridge ? 0 : -ENODEV, BENCH_BRIDGE);
	/* What came before is no answer. */
	while (loop_turn(h->loop, 0) > 0)
		;
	snprintf(h->awaited, sizeof(h->awaited), "vif%u.0", domid);
	h->is_up = false;
	begin = bench_vif_write(h, domid);
	while (!h->is_up && clock_ms() < limit)
		loop_turn(h->loop, 100);
	bench_must(h->is_up ? 0 : -ETIMEDOUT, "attach");
	return (double)(clock_ns() - begin) / 1e6;
}

/* The frontend is closed already: what remains is the backend's own work. */
static int write_closing(struct bench_host *h, uint32_t tx, unsigned int domid)
{
	char path[96];
	int rc;

	snprintf(path, sizeof(path), "/local/domain/%u/device/vif/0/state", domid);
	rc = hv_store_printf(h->store, tx, path, "6");
	snprintf(path, sizeof(path), "backend/vif/%u/0/online", domid);
	if (!rc)
		rc = hv_store_printf(h->store, tx, path, "0");
	snprintf(path, sizeof(path), "backend/vif/%u/0/state", domid);
	return rc ? rc : hv_store_printf(h->store, tx, path, "5");
}

double bench_detach(struct bench_host *h, unsigned int domid)
{
	uint64_t begin = clock_ns(), limit = clock_ms() + WAIT_MS;
	char path[96];
	uint32_t tx, state = 0;
	double ms;
	int rc;

	do {
		bench_must(hv_store_transaction_start(h->store, &tx), "xenstore");
		rc = write_closing(h, tx, domid);
		if (!rc)
			rc = hv_store_transaction_end(h->store, tx, true);
	} while (rc == -EAGAIN);
	bench_must(rc, "xenstore");
	snprintf(path, sizeof(path), "backend/vif/%u/0/state", domid);
	while (state != 6 && clock_ms() < limit)
		bench_must(hv_store_read_u32(h->store, 0, path, 8, &state), "xenstore");
	bench_must(state == 6 ? 0 : -ETIMEDOUT, "detach");
	ms = (double)(clock_ns() - begin) / 1e6;
	snprintf(path, sizeof(path), "backend/vif/%u", domid);
	bench_must(hv_store_rm(h->store, 0, path), "xenstore");
	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	bench_must(hv_store_rm(h->store, 0, path), "xenstore");
	return ms;
}

void bench_enter_namespaces(void)
{
	bench_must(unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ? -errno : 0, "unshare (root?)");
	bench_must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0,
		   "private mounts");
	bench_must(mount("bench", "/run", "tmpfs", 0, "mode=755") < 0 ? -errno : 0, "private /run");
}
