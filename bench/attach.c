/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a new vif takes from the toolstack's xenstore write until its link is up on the bridge: with
 * running vifrost-hvd, vifrost-netback and vifrostd, in a network namespace of its own. No guest is
 * needed, because the link is up before any frontend speaks. In between vifs are detached again, so
 * netback's recycling of TAPs is part of it. Then, for comparison, Debian's own vif-bridge script.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "base/rpc.h"
#include "bench/bench_util.h"
#include "hv/store.h"
#include "vswitch/rtnl_events.h"

#define BRIDGE	      "xenbr0"
#define ROUNDS	      1000
#define ROUNDS_QUICK  50
#define WARM_UP	      20
#define SCRIPT	      "/etc/xen/scripts/vif-bridge"
#define SCRIPT_ROUNDS 20
#define SCRIPT_VIF    "vif900.0"
#define SCRIPT_PATH   "backend/vif/900/0"
#define FIRST_DOMID   10
#define NR_DOMIDS     40 /* used in turn: numbers come back, as on a real host */
#define WAIT_MS	      5000
#define POLICY                                                                                     \
	"version: 1\nnetworks: { " BRIDGE ": { mode: bridge } }\n"                                 \
	"guests: { \"*\": { vifs: [ { network: " BRIDGE " } ] } }\n"

static char rundir[RUNDIR_MAX];
static pid_t daemons[3];

struct rig {
	struct hv_store *store;
	struct loop *loop;
	struct vs_events *events;
	int bridge; /* ifindex */
	char awaited[IFNAMSIZ];
	bool is_up, is_gone;
};

static void clean_up(void)
{
	for (size_t i = sizeof(daemons) / sizeof(daemons[0]); i-- > 0;)
		if (daemons[i] > 0)
			bench_stop(daemons[i]);
	if (rundir[0])
		bench_rundir_remove(rundir);
}

static void must(int rc, const char *what)
{
	if (!rc)
		return;
	fprintf(stderr, "bench-attach: %s: %s\n", what, strerror(-rc));
	exit(rc == -EPERM ? CLI_NO_PERMISSION : CLI_UNAVAILABLE);
}

static void start_daemon(size_t i, const char *name, const char *socket)
{
	char bin[PATH_MAX], path[PATH_MAX];

	bench_bin(bin, name);
	daemons[i] = bench_spawn((char *[]){ bin, "--run-dir", rundir, NULL });
	must(daemons[i] < 0 ? daemons[i] : 0, name);
	rundir_file(path, rundir, socket);
	must(bench_wait_socket(path, daemons[i], WAIT_MS), socket);
}

static void apply_policy(void)
{
	char path[PATH_MAX];
	json_t *result = NULL;
	int rc;

	rundir_file(path, rundir, RUNDIR_VIFROSTD_SOCKET);
	rc = rpc_call(path, "apply", json_pack("{ss ss}", "policy", POLICY, "file", "bench.yaml"),
		      WAIT_MS, &result);
	if (rc == -EREMOTEIO)
		fprintf(stderr, "bench-attach: %s\n",
			json_string_value(json_object_get(result, "message")));
	json_decref(result);
	must(rc, "apply");
}

static void on_link(void *arg, const struct vs_link *link, bool is_gone)
{
	struct rig *rig = arg;

	if (!link || strcmp(link->name, rig->awaited) != 0)
		return;
	if (is_gone)
		rig->is_gone = true;
	else if (link->is_up && link->master == rig->bridge)
		rig->is_up = true;
}

static void rig_init(struct rig *rig)
{
	char path[PATH_MAX];

	*rig = (struct rig){ 0 };
	rundir_file(path, rundir, RUNDIR_XENSTORED_SOCKET);
	must(hv_store_connect(path, &rig->store), "xenstore");
	must(loop_create(&rig->loop), "event loop");
	must(vs_events_open(rig->loop, on_link, rig, &rig->events), "rtnetlink");
	rig->bridge = (int)if_nametoindex(BRIDGE);
	must(rig->bridge ? 0 : -ENODEV, BRIDGE);
}

static void rig_fini(struct rig *rig)
{
	vs_events_close(rig->events);
	loop_destroy(rig->loop);
	hv_store_close(rig->store);
}

static int write_area(struct rig *rig, uint32_t tx, unsigned int domid)
{
	static const char *const keys[][2] = {
		{ "online", "1" },    { "handle", "0" }, { "mac", "00:16:3e:00:00:01" },
		{ "bridge", BRIDGE }, { "mtu", "1500" }, { "script", SCRIPT },
		{ "type", "vif" },    { "state", "1" },
	};
	char path[96];
	int rc;

	snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
	rc = hv_store_printf(rig->store, tx, path, "bench%u", domid);
	snprintf(path, sizeof(path), "backend/vif/%u/0/frontend", domid);
	if (!rc)
		rc = hv_store_printf(rig->store, tx, path, "/local/domain/%u/device/vif/0", domid);
	snprintf(path, sizeof(path), "backend/vif/%u/0/frontend-id", domid);
	if (!rc)
		rc = hv_store_printf(rig->store, tx, path, "%u", domid);
	for (size_t i = 0; !rc && i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(path, sizeof(path), "backend/vif/%u/0/%s", domid, keys[i][0]);
		rc = hv_store_printf(rig->store, tx, path, "%s", keys[i][1]);
	}
	snprintf(path, sizeof(path), "/local/domain/%u/device/vif/0/state", domid);
	if (!rc)
		rc = hv_store_printf(rig->store, tx, path, "1");
	return rc;
}

/* Milliseconds from the end of the toolstack's transaction until the link is up. */
static double attach(struct rig *rig, unsigned int domid)
{
	uint64_t begin, limit = clock_ms() + WAIT_MS;
	uint32_t tx;
	int rc;

	snprintf(rig->awaited, sizeof(rig->awaited), "vif%u.0", domid);
	rig->is_up = false;
	do {
		must(hv_store_transaction_start(rig->store, &tx), "xenstore");
		rc = write_area(rig, tx, domid);
		begin = clock_ns();
		if (!rc)
			rc = hv_store_transaction_end(rig->store, tx, true);
	} while (rc == -EAGAIN);
	must(rc, "xenstore");
	while (!rig->is_up && clock_ms() < limit)
		loop_turn(rig->loop, 100);
	must(rig->is_up ? 0 : -ETIMEDOUT, "attach");
	return (double)(clock_ns() - begin) / 1e6;
}

/* The frontend is closed already: what remains is the backend's own work. */
static int write_closing(struct rig *rig, uint32_t tx, unsigned int domid)
{
	char path[96];
	int rc;

	snprintf(path, sizeof(path), "/local/domain/%u/device/vif/0/state", domid);
	rc = hv_store_printf(rig->store, tx, path, "6");
	snprintf(path, sizeof(path), "backend/vif/%u/0/online", domid);
	if (!rc)
		rc = hv_store_printf(rig->store, tx, path, "0");
	snprintf(path, sizeof(path), "backend/vif/%u/0/state", domid);
	return rc ? rc : hv_store_printf(rig->store, tx, path, "5");
}

static double detach(struct rig *rig, unsigned int domid)
{
	uint64_t begin = clock_ns(), limit = clock_ms() + WAIT_MS;
	char path[96];
	uint32_t tx, state = 0;
	double ms;
	int rc;

	do {
		must(hv_store_transaction_start(rig->store, &tx), "xenstore");
		rc = write_closing(rig, tx, domid);
		if (!rc)
			rc = hv_store_transaction_end(rig->store, tx, true);
	} while (rc == -EAGAIN);
	must(rc, "xenstore");
	snprintf(path, sizeof(path), "backend/vif/%u/0/state", domid);
	while (state != 6 && clock_ms() < limit)
		must(hv_store_read_u32(rig->store, 0, path, 8, &state), "xenstore");
	must(state == 6 ? 0 : -ETIMEDOUT, "detach");
	ms = (double)(clock_ns() - begin) / 1e6;
	snprintf(path, sizeof(path), "backend/vif/%u", domid);
	must(hv_store_rm(rig->store, 0, path), "xenstore");
	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	must(hv_store_rm(rig->store, 0, path), "xenstore");
	return ms;
}

static void measure(struct bench *b, struct rig *rig)
{
	size_t nr = b->quick ? ROUNDS_QUICK : ROUNDS;
	double *up = calloc(nr, sizeof(*up)), *down = calloc(nr, sizeof(*down));
	unsigned int domid = 0;

	must(up && down ? 0 : -ENOMEM, "memory");
	for (size_t i = 0; i < nr + WARM_UP; i++) {
		size_t at = i < WARM_UP ? 0 : i - WARM_UP;

		domid = FIRST_DOMID + (unsigned int)(i % NR_DOMIDS);
		up[at] = attach(rig, domid);
		down[at] = detach(rig, domid);
	}
	bench_figure(b, "rounds", "attached and detached", (double)nr, "times");
	bench_figure_max(b, "attach-p50", "xenstore write to link up, p50",
			 bench_percentile(up, nr, 50), "ms", 2);
	bench_figure_max(b, "attach-p99", "xenstore write to link up, p99",
			 bench_percentile(up, nr, 99), "ms", 10);
	bench_figure(b, "attach-max", "xenstore write to link up, worst",
		     bench_percentile(up, nr, 100), "ms");
	bench_figure(b, "detach-p50", "detach to backend closed, p50",
		     bench_percentile(down, nr, 50), "ms");
	bench_figure(b, "detach-p99", "detach to backend closed, p99",
		     bench_percentile(down, nr, 99), "ms");
	free(up);
	free(down);
}

/* A TAP for the script, which lasts until the namespace ends. */
static int make_tap(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	strcpy(ifr.ifr_name, SCRIPT_VIF);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(fd, TUNSETPERSIST, 1) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	close(fd);
	return 0;
}

static int run_script(const char *command)
{
	pid_t pid = bench_spawn(
		(char *[]){ SCRIPT, (char *)(uintptr_t)command, "type_if=vif", NULL });
	int status;

	if (pid < 0)
		return pid;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EIO;
}

static void set_script_environment(void)
{
	char path[PATH_MAX];

	rundir_file(path, rundir, RUNDIR_XENSTORED_SOCKET);
	setenv("XENSTORED_PATH", path, 1);
	setenv("XENBUS_PATH", SCRIPT_PATH, 1);
	setenv("XENBUS_TYPE", "vif", 1);
	setenv("XENBUS_BASE_PATH", "backend", 1);
	setenv("vif", SCRIPT_VIF, 1);
	setenv("script", SCRIPT, 1);
}

static void measure_script(struct bench *b, struct rig *rig)
{
	size_t nr = b->quick ? 3 : SCRIPT_ROUNDS;
	double ms[SCRIPT_ROUNDS];
	uint64_t begin;
	int rc;

	if (access(SCRIPT, X_OK) < 0 || make_tap() ||
	    hv_store_printf(rig->store, 0, SCRIPT_PATH "/bridge", BRIDGE)) {
		printf("%s cannot run here: not compared\n", SCRIPT);
		return;
	}
	set_script_environment();
	for (size_t i = 0; i < nr; i++) {
		begin = clock_ns();
		rc = run_script("online");
		ms[i] = (double)(clock_ns() - begin) / 1e6;
		if (rc) {
			printf("%s online failed: not compared\n", SCRIPT);
			return;
		}
		run_script("offline");
	}
	bench_figure(b, "vif-bridge-p50", SCRIPT " online, p50", bench_percentile(ms, nr, 50),
		     "ms");
}

/* A host of our own: the machine's network, and its /run that the script writes to, stay as they are. */
static void enter_namespaces(void)
{
	must(unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ? -errno : 0, "unshare (root?)");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0, "private mounts");
	must(mount("bench", "/run", "tmpfs", 0, "mode=755") < 0 ? -errno : 0, "private /run");
}

int main(int argc, char **argv)
{
	static const struct cli_option options[] = { BENCH_OPTIONS, { 0 } };
	static const struct cli_program program = {
		.name = "bench-attach",
		.help = "Time from the xenstore write of a new vif until its link is up on the bridge",
		.options = options,
	};
	struct cli_parsed parsed;
	struct bench b;
	struct rig rig;
	int status = bench_begin(&b, &program, argc, argv, &parsed);

	if (status >= 0)
		return status;
	enter_namespaces();
	bench_rundir(rundir);
	atexit(clean_up);
	start_daemon(0, "vifrost-hvd", RUNDIR_XENSTORED_SOCKET);
	start_daemon(1, "vifrost-netback", RUNDIR_NETBACK_SOCKET);
	start_daemon(2, "vifrostd", RUNDIR_VIFROSTD_SOCKET);
	apply_policy();
	rig_init(&rig);
	measure(&b, &rig);
	measure_script(&b, &rig);
	rig_fini(&rig);
	return bench_end(&b);
}
