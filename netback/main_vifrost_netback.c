/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/daemon.h"
#include "base/parse.h"
#include "base/rpc.h"
#include "base/unixsock.h"
#include "netback/handover.h"
#include "netback/netback.h"
#include "vswitch/fast/fast.h"

#define WORKERS_MAX 64
#define QUEUES_MAX  8
#define NR_SPARES   32
#define RETRY_MS    2000
#define HEIR_MS	    10000 /* what a successor may take until it serves */
#define GREFS_MAX                                                                                  \
	4096 /* a queue: those of its two rings, and what net_xenfront shares among its queues */

static const struct cli_option options[] = {
	DAEMON_OPTION_RUN_DIR,
	{ 0, "workers", "N", "threads that move frames (default: 1, from four cores on 2)" },
	{ 0, "queues", "N",
	  "queues offered to each vif (default: as many as workers, at least 2)" },
	{ 0, "keep-mapped", "N",
	  "pages of each queue that a guest may have kept mapped (default: 4096)" },
	{ 0, "take-over", NULL,
	  "take the place of the one that runs, without a frame lost; the same as SIGHUP to it" },
	DAEMON_OPTION_VERBOSE,
	{ 0 },
};

static const struct cli_program program = {
	.name = "vifrost-netback",
	.help = "network backend: moves frames between guests' rings and TAP devices.\n"
		"However it ends, vifs stay as they are and the next vifrost-netback takes them up.",
	.options = options,
};

struct service {
	const char *rundir;
	char notes[PATH_MAX];
	char *const *argv; /* of the heir */
	struct loop *loop;
	struct netback *nb;
	struct fast *fast;
	int pidfile, xen_lock; /* -1: not held */
	struct fdbag *bag;     /* what a predecessor gave, or a successor is to have */
	bool wants_all;	       /* --take-over */
	int predecessor;       /* waits until we serve; -1: none */
	int listener, heir;    /* who is to take over; -1: nobody */
	struct loop_fd watcher;
	struct loop_timer retry; /* of the switch's documents that could not be applied */
	uint64_t started_ns, stopped_ns;
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

/* Whoever takes over has come: we stop where we are. */
static void on_heir(void *arg, uint32_t events)
{
	struct service *s = arg;

	(void)events;
	if (s->heir >= 0)
		return;
	s->heir = handover_accept(s->listener);
	if (s->heir >= 0)
		loop_stop(s->loop, 0);
}

/* Start the program that is there now under our name, which then takes over. */
static void start_heir(struct service *s)
{
	posix_spawnattr_t attr;
	sigset_t none, usual;
	pid_t pid;
	int rc;

	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &usual);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	rc = posix_spawnp(&pid, s->argv[0], NULL, &attr, s->argv, environ);
	posix_spawnattr_destroy(&attr);
	if (rc)
		log_err("%s: %s: not reloaded", s->argv[0], strerror(rc));
}

static void on_signal(void *arg, int signo)
{
	struct service *s = arg;

	if (signo == SIGHUP)
		start_heir(s);
	else
		loop_stop(s->loop, 0);
}

static int watch_signals(struct service *s)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	return loop_signals(s->loop, &set, on_signal, s);
}

/* Sockets by which we are found. */
static int listen_all(struct service *s, struct rpc_server **server)
{
	char path[PATH_MAX];
	int fd = fdbag_take(s->bag, "socket", "rpc"), rc;

	rundir_file(path, s->rundir, RUNDIR_NETBACK_SOCKET);
	rc = fd >= 0 ? rpc_server_create_at(s->loop, fd, methods, s, server)
		     : rpc_server_create(s->loop, path, methods, s, server);
	if (!rc) {
		rundir_file(path, s->rundir, RUNDIR_TAKE_OVER_SOCKET);
		s->listener = unixsock_listen(path, SOCK_SEQPACKET, 0600);
		rc = s->listener < 0
			     ? s->listener
			     : loop_fd_add(s->loop, &s->watcher, s->listener, EPOLLIN, on_heir, s);
	}
	if (rc)
		log_err("%s: %s", path, strerror(-rc));
	return rc;
}

static void on_retry(void *arg)
{
	struct service *s = arg;

	if (!fast_retry(s->fast))
		loop_timer_set(&s->retry, 0, 0);
}

/* All guests that were served have their ports: before, their frames would be nobody's. */
static void begin(struct service *s)
{
	int rc;

	fast_resume(s->fast);
	fdbag_empty(s->bag);
	pidfile_adopt(s->pidfile);
	if (s->predecessor >= 0) {
		rc = handover_done(s->predecessor);
		s->predecessor = -1;
		log_notice("taken over, %u ms after the other stopped%s",
			   (unsigned int)((clock_ns() - s->stopped_ns) / 1000000u),
			   rc ? ", which has not heard of it" : "");
	} else {
		log_notice("serves, %u ms after its start",
			   (unsigned int)((clock_ns() - s->started_ns) / 1000000u));
	}
	notify_ready();
}

/* Until a signal, or until somebody takes over: then s->heir is who, and s->bag has what is to be given. */
static int run(struct service *s, struct netback_config *config)
{
	struct fast_config fast_config = {
		.host = &fast_host_ops, .bag = s->bag, .threaded = true, .paused = true
	};
	char state[PATH_MAX], vhost[PATH_MAX], why[FAST_TEXT_MAX];
	struct rpc_server *server = NULL;
	int rc;

	s->heir = s->listener = -1;
	rundir_file(state, s->rundir, FAST_STATE);
	fast_config.state = state;
	rundir_file(vhost, s->rundir, RUNDIR_VHOST);
	fast_config.vhost = vhost;
	rc = fast_create(&fast_config, &s->fast, why);
	if (rc) {
		log_err("%s", why);
		return rc;
	}
	config->planes[NB_DATAPATH_DPDK] = (struct nb_plane){ &fast_plane_ops, s->fast };
	rc = loop_create(&s->loop);
	if (!rc)
		rc = watch_signals(s);
	if (!rc)
		rc = netback_create(config, s->loop, &s->nb);
	if (rc) {
		log_err("cannot start: %s", strerror(-rc));
		goto out;
	}
	rc = listen_all(s, &server);
	if (rc)
		goto out;
	rc = loop_timer_add(s->loop, &s->retry, on_retry, s);
	if (!rc)
		rc = loop_timer_set(&s->retry, RETRY_MS, RETRY_MS);
	if (rc)
		goto out;
	begin(s);
	rc = loop_run(s->loop);
	s->stopped_ns = clock_ns();
	fast_pause(s->fast);
	if (s->heir >= 0) {
		netback_hand_over(s->nb);
		fast_hand_over(s->fast);
		/* Who calls meanwhile waits in its queue; if not, the successor makes another. */
		fdbag_put(s->bag, "socket", "rpc", rpc_server_leave(server));
	}
out:
	loop_fd_del(&s->watcher);
	loop_timer_del(&s->retry);
	if (s->listener >= 0)
		close(s->listener);
	rpc_server_destroy(server);
	netback_destroy(s->nb);
	loop_destroy(s->loop);
	fast_destroy(s->fast);
	s->nb = NULL;
	s->loop = NULL;
	s->fast = NULL;
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

static int connect_hv(struct service *s, struct netback_config *config)
{
	char why[HV_WHY_MAX];
	int rc = hv_connect(s->rundir, &config->hv, why);

	if (rc)
		log_err("%s", why);
	else if (config->hv->is_xen)
		config->sysfs = "/sys";
	return rc;
}

/* 0: the one who runs has stopped, and ours is what it had; CLI_*. */
static int take_over(struct service *s)
{
	char path[PATH_MAX];
	int rc;

	rundir_file(path, s->rundir, RUNDIR_TAKE_OVER_SOCKET);
	s->stopped_ns = clock_ns();
	rc = handover_ask(path, s->bag);
	if (rc == -ENOENT || rc == -ECONNREFUSED)
		return CLI_OK; /* nobody runs, or one that does not know of this: its lock tells */
	if (rc < 0) {
		log_err("the running one does not hand over: %s: it goes on", strerror(-rc));
		return CLI_UNAVAILABLE;
	}
	s->predecessor = rc;
	s->pidfile = fdbag_take(s->bag, "lock", "pid");
	s->xen_lock = fdbag_take(s->bag, "lock", "xen");
	return CLI_OK;
}

/* What must be ours alone. CLI_*. */
static int take_locks(struct service *s, const struct netback_config *config)
{
	const char *cure = s->wants_all ? ", which cannot hand over: end it first"
					: ": --take-over takes its place";
	int status = s->pidfile < 0 ? daemon_lock(s->rundir, program.name, cure, &s->pidfile)
				    : CLI_OK;

	if (status)
		return status;
	if (config->hv->is_xen && s->xen_lock < 0)
		s->xen_lock = lock_xen();
	if (config->hv->is_xen && s->xen_lock < 0) {
		log_err("another vifrost-netback serves this Xen's vifs, from another run "
			"directory (%s): end it first",
			strerror(-s->xen_lock));
		return CLI_BUSY;
	}
	return CLI_OK;
}

/* True: the heir serves. */
static bool give(struct service *s)
{
	unsigned int nr = fdbag_size(s->bag);
	pid_t pid = 0;
	uid_t uid;
	int rc;

	unixsock_peer(s->heir, &pid, &uid);
	rc = fdbag_put(s->bag, "lock", "pid", dup(s->pidfile));
	if (!rc && s->xen_lock >= 0)
		rc = fdbag_put(s->bag, "lock", "xen", dup(s->xen_lock));
	if (rc)
		close(s->heir);
	else
		rc = handover_give(s->heir, s->bag, HEIR_MS);
	close(fdbag_take(s->bag, "lock", "pid"));
	if (s->xen_lock >= 0)
		close(fdbag_take(s->bag, "lock", "xen"));
	if (rc) {
		log_err("who was to take over has failed (%s): it goes on here", strerror(-rc));
		return false;
	}
	log_notice("handed over to pid %d within %u ms, with %u devices and sockets", (int)pid,
		   (unsigned int)((clock_ns() - s->stopped_ns) / 1000000u), nr);
	notify_main_pid(pid);
	return true;
}

/* Serve, and again when a hand-over fails. */
static int serve(struct service *s, struct netback_config *config)
{
	int rc;

	/* With one worker, all queues of a vif do with one of the TAP, which takes far less memory. */
	rc = nb_taps_create(NR_SPARES, config->max_queues > 1 && config->nr_workers > 1,
			    &config->ports);
	if (rc) {
		log_err("cannot make TAP devices: %s", strerror(-rc));
		return rc;
	}
	config->port_ops = &nb_tap_ops;
	config->bag = s->bag;
	do {
		rc = config->hv ? 0 : connect_hv(s, config);
		if (!rc)
			rc = run(s, config);
		if (config->hv)
			config->hv->close(config->hv);
		config->hv = NULL;
	} while (!rc && s->heir >= 0 && !give(s));
	nb_taps_destroy(config->ports);
	return rc;
}

static int start(struct service *s, struct netback_config *config)
{
	int rc;

	/* On a real Xen whoever comes first makes it. */
	rc = daemon_folder(s->rundir, NULL);
	if (rc)
		return rc;
	rundir_file(s->notes, s->rundir, RUNDIR_NETBACK_NOTES);
	rc = rundir_create(s->notes);
	if (rc)
		log_err("%s: %s: the next one will not know which pages are mapped", s->notes,
			strerror(-rc));
	else
		config->notes = s->notes;
	s->bag = fdbag_create();
	/* All that may fail by itself first: the other still serves. */
	if (!s->bag || connect_hv(s, config))
		return CLI_UNAVAILABLE;
	rc = s->wants_all ? take_over(s) : CLI_OK;
	if (!rc)
		rc = take_locks(s, config);
	if (!rc && serve(s, config))
		rc = CLI_UNAVAILABLE;
	if (config->hv)
		config->hv->close(config->hv);
	fdbag_destroy(s->bag);
	return rc;
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

/* Ours, and --take-over. */
static char *const *heir_argv(int argc, char **argv, bool has_it)
{
	char **args = calloc((size_t)argc + 2, sizeof(args[0]));
	static char take_over_option[] = "--take-over";

	for (int i = 0; args && i < argc; i++)
		args[i] = argv[i];
	if (args && !has_it)
		args[argc] = take_over_option;
	return args;
}

int main(int argc, char **argv)
{
	struct service s = {
		.pidfile = -1, .xen_lock = -1, .predecessor = -1, .heir = -1, .listener = -1
	};
	struct netback_config config = { 0 };
	struct cli_parsed parsed;
	char rundir[RUNDIR_MAX];
	/* On two cores a second one only takes time from the guests: measured with iperf3. */
	uint32_t nr_workers = nr_cores() < 4 ? 1 : 2, nr_queues, nr_grefs = GREFS_MAX;
	int status = daemon_begin(&program, LOG_LEVEL_INFO, argc, argv, &parsed, rundir);

	if (status >= 0)
		return status;
	if (!take_number(&parsed, "workers", WORKERS_MAX, &nr_workers))
		return CLI_USAGE;
	nr_queues = nr_workers < QUEUES_MAX ? nr_workers : QUEUES_MAX;
	if (nr_queues < 2)
		nr_queues = 2;
	if (!take_number(&parsed, "queues", QUEUES_MAX, &nr_queues))
		return CLI_USAGE;
	if (!take_number(&parsed, "keep-mapped", GREFS_MAX, &nr_grefs))
		return CLI_USAGE;
	/* A vif takes five or more. */
	daemon_raise_fd_limit();
	config.nr_workers = nr_workers;
	config.max_queues = nr_queues;
	config.max_grefs = nr_grefs;
	s.rundir = rundir;
	s.started_ns = clock_ns();
	s.wants_all = cli_value(&parsed, "take-over") != NULL;
	s.argv = heir_argv(argc, argv, s.wants_all);
	return s.argv ? start(&s, &config) : CLI_UNAVAILABLE;
}
