/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/rpc.h"
#include "base/rundir.h"
#include "netback/netback.h"
#include "vswitch/fast/fast.h"
#include "vswitch/nic/nic.h"

#define WORKERS_MAX 64
#define QUEUES_MAX  8
#define NR_SPARES   32
#define GREFS_MAX   1024 /* a queue: all that its two rings may name, twice */

static const struct cli_option options[] = {
	{ 0, "run-dir", "DIR",
	  "where the daemons meet (default $VIFROST_RUN_DIR or " RUNDIR_DEFAULT ")" },
	{ 0, "workers", "N", "threads that move frames (default: 1, from four cores on 2)" },
	{ 0, "queues", "N",
	  "queues offered to each vif (default: as many as workers, at least 2)" },
	{ 0, "keep-mapped", "N",
	  "pages of each queue that a guest may have kept mapped (default: 1024)" },
	{ 'v', "verbose", NULL, "log state changes too" },
	{ 0 },
};

static const struct cli_program program = {
	.name = "vifrost-netback",
	.help = "network backend: moves frames between guests' rings and TAP devices.\n"
		"However it ends, vifs stay as they are and the next vifrost-netback takes them up.",
	.options = options,
};

struct service {
	struct netback *nb;
	struct fast *fast;
};

static void rpc_status(void *arg, struct rpc_call *call)
{
	struct service *s = arg;
	json_t *status = netback_status(s->nb), *fast = fast_status(s->fast);

	if (status && fast && !json_object_set(status, "fast", fast))
		rpc_reply(call, json_incref(status));
	else
		rpc_fail(call, "no-memory", "out of memory");
	json_decref(status);
	json_decref(fast);
}

static void rpc_fast_get(void *arg, struct rpc_call *call)
{
	fast_rpc_get(((struct service *)arg)->fast, call);
}

static void rpc_fast_apply(void *arg, struct rpc_call *call)
{
	fast_rpc_apply(((struct service *)arg)->fast, call);
}

static void rpc_fast_status(void *arg, struct rpc_call *call)
{
	fast_rpc_status(((struct service *)arg)->fast, call);
}

static const struct rpc_method methods[] = {
	{ "status", rpc_status },
	{ "fast.get", rpc_fast_get },
	{ "fast.apply", rpc_fast_apply },
	{ "fast.status", rpc_fast_status },
	{ NULL, NULL },
};

static unsigned int nr_cores(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : (unsigned int)CPU_COUNT(&set);
}

/* A vif takes five descriptors or more. */
static void raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int run(const char *rundir, struct netback_config *config)
{
	struct fast_config fast_config = {
		.host = &fast_host_ops, .nic = &nic_device, .threaded = true, .paused = true
	};
	char path[PATH_MAX], state[PATH_MAX], why[FAST_TEXT_MAX];
	struct rpc_server *server = NULL;
	struct service s = { NULL, NULL };
	struct loop *loop = NULL;
	int rc;

	rundir_file(state, rundir, FAST_STATE);
	fast_config.state = state;
	rc = fast_create(&fast_config, &s.fast, why);
	if (rc) {
		log_err("%s", why);
		return rc;
	}
	config->planes[NB_DATAPATH_DPDK] = (struct nb_plane){ &fast_plane_ops, s.fast };
	rc = loop_create(&loop);
	if (!rc)
		rc = loop_stop_on_signals(loop);
	if (!rc)
		rc = netback_create(config, loop, &s.nb);
	if (rc) {
		log_err("cannot start: %s", strerror(-rc));
		goto out;
	}
	rundir_file(path, rundir, RUNDIR_NETBACK_SOCKET);
	rc = rpc_server_create(loop, path, methods, &s, &server);
	if (rc) {
		log_err("%s: %s", path, strerror(-rc));
		goto out;
	}
	/* Not before all guests that were served have their ports: their frames would be nobody's. */
	fast_resume(s.fast);
	notify_ready();
	rc = loop_run(loop);
	fast_pause(s.fast);
out:
	rpc_server_destroy(server);
	netback_destroy(s.nb);
	loop_destroy(loop);
	fast_destroy(s.fast);
	return rc;
}

/* A Xen has one backend for its vifs, whatever run directory that has. Return: the lock, or -errno. */
static int lock_xen(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "\0vifrost-netback-on-xen" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0 || !bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd < 0 ? -errno : fd;
	rc = -errno;
	close(fd);
	return rc;
}

static int start(const char *rundir, struct netback_config *config)
{
	char why[HV_WHY_MAX];
	int rc, lock = -1;
	pid_t holder;

	/* On a real Xen whoever comes first makes it. */
	rc = rundir_create(rundir);
	if (!rc)
		rc = pidfile_take(rundir, program.name, &holder);
	if (rc == -EBUSY) {
		log_err("another is running in %s, pid %d", rundir, (int)holder);
		return CLI_BUSY;
	}
	if (rc < 0) {
		log_err("%s: %s", rundir, strerror(-rc));
		return CLI_UNAVAILABLE;
	}
	rc = hv_connect(rundir, &config->hv, why);
	if (rc) {
		log_err("%s", why);
		return CLI_UNAVAILABLE;
	}
	if (config->hv->is_xen) {
		config->sysfs = "/sys";
		lock = lock_xen();
		if (lock < 0) {
			log_err("another vifrost-netback serves this Xen's vifs, from another run "
				"directory (%s): end it first",
				strerror(-lock));
			config->hv->close(config->hv);
			return CLI_BUSY;
		}
	}
	/* With one worker, all queues of a vif do with one of the TAP, which takes far less memory. */
	rc = nb_taps_create(NR_SPARES, config->max_queues > 1 && config->nr_workers > 1,
			    &config->ports);
	if (rc) {
		log_err("cannot make TAP devices: %s", strerror(-rc));
		config->hv->close(config->hv);
		return CLI_UNAVAILABLE;
	}
	config->port_ops = &nb_tap_ops;
	rc = run(rundir, config);
	nb_taps_destroy(config->ports);
	config->hv->close(config->hv);
	if (lock >= 0)
		close(lock);
	return rc ? CLI_UNAVAILABLE : CLI_OK;
}

/* Return: false when the option was given a value that is none. */
static bool take_number(const struct cli_parsed *parsed, const char *name, uint32_t max,
			uint32_t *value)
{
	const char *text = cli_value(parsed, name);

	if (!text || (!parse_u32(text, max, value) && *value))
		return true;
	fprintf(stderr, "%s: --%s: a number from 1 to %u is wanted\n", program.name, name, max);
	return false;
}

int main(int argc, char **argv)
{
	struct netback_config config = { 0 };
	struct cli_parsed parsed;
	char rundir[RUNDIR_MAX];
	/* On two cores a second one only takes time from the guests: measured with iperf3. */
	uint32_t nr_workers = nr_cores() < 4 ? 1 : 2, nr_queues, nr_grefs = GREFS_MAX;
	int status = cli_parse(&program, argc, argv, &parsed);

	if (status >= 0)
		return status;
	log_init(program.name, cli_value(&parsed, "verbose") ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	if (!take_number(&parsed, "workers", WORKERS_MAX, &nr_workers))
		return CLI_USAGE;
	nr_queues = nr_workers < QUEUES_MAX ? nr_workers : QUEUES_MAX;
	if (nr_queues < 2)
		nr_queues = 2;
	if (!take_number(&parsed, "queues", QUEUES_MAX, &nr_queues))
		return CLI_USAGE;
	if (!take_number(&parsed, "keep-mapped", GREFS_MAX, &nr_grefs))
		return CLI_USAGE;
	if (rundir_resolve(cli_value(&parsed, "run-dir"), rundir)) {
		fprintf(stderr, "%s: --run-dir: a short absolute path is wanted\n", program.name);
		return CLI_USAGE;
	}
	raise_fd_limit();
	config.nr_workers = nr_workers;
	config.max_queues = nr_queues;
	config.max_grefs = nr_grefs;
	return start(rundir, &config);
}
