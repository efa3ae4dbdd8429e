/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a new vif takes from the toolstack's xenstore write until its link is up on the bridge: with
 * running vifrost-hvd, vifrost-netback and vifrostd, in a network namespace of its own. No guest is
 * needed, because the link is up before any frontend speaks. In between vifs are detached again, so
 * netback's recycling of TAPs is part of it. Then, for comparison, Debian's own vif-bridge script.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "bench/bench_host.h"

#define ROUNDS	      1000
#define ROUNDS_QUICK  50
#define WARM_UP	      20
#define SCRIPT_ROUNDS 20
#define SCRIPT_VIF    "vif900.0"
#define SCRIPT_PATH   "backend/vif/900/0"
#define FIRST_DOMID   10
#define NR_DOMIDS     40 /* used in turn: numbers come back, as on a real host */
#define POLICY                                                                                     \
	"version: 1\nnetworks: { " BENCH_BRIDGE ": { mode: bridge } }\n"                           \
	"guests: { \"*\": { vifs: [ { network: " BENCH_BRIDGE " } ] } }\n"

static const char *rundir;

static void measure(struct bench *b, struct bench_host *h)
{
	size_t nr = b->quick ? ROUNDS_QUICK : ROUNDS;
	double *up = calloc(nr, sizeof(*up)), *down = calloc(nr, sizeof(*down));
	unsigned int domid = 0;

	bench_must(up && down ? 0 : -ENOMEM, "memory");
	for (size_t i = 0; i < nr + WARM_UP; i++) {
		size_t at = i < WARM_UP ? 0 : i - WARM_UP;

		domid = FIRST_DOMID + (unsigned int)(i % NR_DOMIDS);
		up[at] = bench_attach(h, domid);
		down[at] = bench_detach(h, domid);
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
		(char *[]){ BENCH_SCRIPT, (char *)(uintptr_t)command, "type_if=vif", NULL });
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
	setenv("script", BENCH_SCRIPT, 1);
}

static void measure_script(struct bench *b, struct bench_host *h)
{
	size_t nr = b->quick ? 3 : SCRIPT_ROUNDS;
	double ms[SCRIPT_ROUNDS];
	uint64_t begin;
	int rc;

	if (access(BENCH_SCRIPT, X_OK) < 0 || make_tap() ||
	    hv_store_printf(h->store, 0, SCRIPT_PATH "/bridge", BENCH_BRIDGE)) {
		printf("%s cannot run here: not compared\n", BENCH_SCRIPT);
		return;
	}
	set_script_environment();
	for (size_t i = 0; i < nr; i++) {
		begin = clock_ns();
		rc = run_script("online");
		ms[i] = (double)(clock_ns() - begin) / 1e6;
		if (rc) {
			printf("%s online failed: not compared\n", BENCH_SCRIPT);
			return;
		}
		run_script("offline");
	}
	bench_figure(b, "vif-bridge-p50", BENCH_SCRIPT " online, p50", bench_percentile(ms, nr, 50),
		     "ms");
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
	struct bench_host host;
	int status = bench_begin(&b, &program, argc, argv, &parsed);

	if (status >= 0)
		return status;
	bench_enter_namespaces();
	rundir = bench_daemons_start();
	json_decref(
		bench_call("apply", json_pack("{ss ss}", "policy", POLICY, "file", "bench.yaml")));
	bench_host_init(&host);
	measure(&b, &host);
	measure_script(&b, &host);
	bench_host_fini(&host);
	return bench_end(&b);
}
