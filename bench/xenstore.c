/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenstore: operations per second with 1 and with 50 clients, cost of an operation at 100 and at
 * 100,000 nodes, time from a write to the watch event at another client, CPU of the idle server.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench_util.h"
#include "hv/store.h"

#define NR_CLIENTS 50

static char socket_path[PATH_MAX];

static void die(const char *what, int rc)
{
	fprintf(stderr, "bench-xenstore: %s: %s\n", what, strerror(-rc));
	exit(CLI_UNAVAILABLE);
}

static struct hv_store *store_open(void)
{
	struct hv_store *s = NULL;
	int rc = hv_store_connect(socket_path, &s);

	if (rc < 0)
		die(socket_path, rc);
	return s;
}

static int tx_read(struct hv_store *s, uint32_t tx, const char *path)
{
	char *value = NULL;
	int rc = hv_store_read(s, tx, path, &value, NULL);

	free(value);
	return rc;
}

static int op_read(struct hv_store *s, const char *path)
{
	return tx_read(s, 0, path);
}

static int op_write(struct hv_store *s, const char *path)
{
	return hv_store_write(s, 0, path, "12345678", 8);
}

/* What attaching a device does, in small: look, write two nodes, commit. */
static int op_transaction(struct hv_store *s, const char *path)
{
	char other[128];
	uint32_t tx;
	int rc;

	snprintf(other, sizeof(other), "%s/state", path);
	do {
		rc = hv_store_transaction_start(s, &tx);
		if (rc < 0)
			return rc;
		rc = tx_read(s, tx, path);
		if (rc == 0)
			rc = hv_store_write(s, tx, path, "1", 1);
		if (rc == 0)
			rc = hv_store_write(s, tx, other, "4", 1);
		if (rc < 0) {
			hv_store_transaction_end(s, tx, false);
			return rc;
		}
		rc = hv_store_transaction_end(s, tx, true);
	} while (rc == -EAGAIN);
	return rc;
}

struct client {
	pthread_t thread;
	struct hv_store *store;
	char path[64];
	int (*op)(struct hv_store *s, const char *path);
	unsigned long done;
};

static atomic_bool stop_clients;

static void *client_run(void *arg)
{
	struct client *c = arg;

	while (!atomic_load_explicit(&stop_clients, memory_order_relaxed)) {
		int rc = c->op(c->store, c->path);

		if (rc < 0)
			die(c->path, rc);
		c->done++;
	}
	return NULL;
}

static double throughput(int nr, int ms, int (*op)(struct hv_store *s, const char *path))
{
	struct client *clients = calloc((size_t)nr, sizeof(*clients));
	unsigned long done = 0;
	uint64_t start;
	double seconds;

	if (!clients)
		die("clients", -ENOMEM);
	for (int i = 0; i < nr; i++) {
		clients[i].store = store_open();
		clients[i].op = op;
		snprintf(clients[i].path, sizeof(clients[i].path), "/bench/client/%d/node", i);
		op_write(clients[i].store, clients[i].path);
	}
	atomic_store(&stop_clients, false);
	start = clock_ns();
	for (int i = 0; i < nr; i++)
		if (pthread_create(&clients[i].thread, NULL, client_run, &clients[i]))
			die("thread", -EAGAIN);
	usleep((useconds_t)ms * 1000);
	atomic_store(&stop_clients, true);
	for (int i = 0; i < nr; i++)
		pthread_join(clients[i].thread, NULL);
	seconds = (double)(clock_ns() - start) / 1e9;
	for (int i = 0; i < nr; i++) {
		done += clients[i].done;
		hv_store_close(clients[i].store);
	}
	free(clients);
	return (double)done / seconds;
}

static void bench_throughput(struct bench *b)
{
	static const struct {
		const char *key, *text;
		int (*op)(struct hv_store *s, const char *path);
	} ops[] = {
		{ "read", "read", op_read },
		{ "write", "write", op_write },
		{ "transaction", "transaction (read, 2 writes, commit)", op_transaction },
	};
	static const int nr_clients[] = { 1, NR_CLIENTS };

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		for (size_t n = 0; n < 2; n++) {
			char key[64], text[128];

			snprintf(key, sizeof(key), "%s-%d", ops[i].key, nr_clients[n]);
			snprintf(text, sizeof(text), "%s, %d client%s", ops[i].text, nr_clients[n],
				 n ? "s" : "");
			bench_figure(b, key, text,
				     throughput(nr_clients[n], b->quick ? 200 : 2000, ops[i].op),
				     "1/s");
		}
}

static void node_path(char path[96], int i)
{
	snprintf(path, 96, "/bench/size/%d/device/%d", i / 100, i % 100);
}

/* Microseconds per operation on nodes picked all over the tree. */
static double cost(struct hv_store *s, int nr_nodes, int rounds,
		   int (*op)(struct hv_store *s, const char *path))
{
	double *us = calloc((size_t)rounds, sizeof(*us));
	char path[96];
	double median;

	if (!us)
		die("samples", -ENOMEM);
	for (int i = 0; i < rounds; i++) {
		uint64_t start;
		int rc;

		node_path(path, (int)((unsigned int)i * 7919u % (unsigned int)nr_nodes));
		start = clock_ns();
		rc = op(s, path);
		us[i] = (double)(clock_ns() - start) / 1e3;
		if (rc < 0)
			die(path, rc);
	}
	median = bench_percentile(us, (size_t)rounds, 50);
	free(us);
	return median;
}

static int op_create(struct hv_store *s, const char *path)
{
	char fresh[128];
	int rc;

	snprintf(fresh, sizeof(fresh), "%s/new", path);
	rc = hv_store_write(s, 0, fresh, "1", 1);
	return rc < 0 ? rc : hv_store_rm(s, 0, fresh);
}

/*
 * Put the server and us on one CPU, or on all. Where the scheduler wakes the other side changes a round
 * trip fourfold here, which would drown what the size of the tree costs.
 */
static void share_cpu(pid_t server, bool share)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	for (int i = 0; i < (share ? 1 : CPU_SETSIZE); i++)
		CPU_SET(i, &cpus);
	if (sched_setaffinity(server, sizeof(cpus), &cpus) < 0 ||
	    sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
		die("CPU affinity", -errno);
}

static void bench_size(struct bench *b, pid_t server)
{
	static const struct {
		const char *key, *text;
		int (*op)(struct hv_store *s, const char *path);
	} ops[] = {
		{ "read", "read", op_read },
		{ "write", "write", op_write },
		{ "create-remove", "create and remove", op_create },
		{ "transaction", "transaction", op_transaction },
	};
	static const int sizes[] = { 100, 100000 };
	int rounds = b->quick ? 2000 : 20000, have = 0;
	struct hv_store *s = store_open();
	double small[4];
	char path[96], key[64], text[128];

	share_cpu(server, true);
	for (size_t n = 0; n < 2; n++) {
		for (; have < sizes[n]; have++) {
			node_path(path, have);
			if (op_write(s, path) < 0)
				die(path, -EIO);
		}
		for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
			double us = cost(s, sizes[n], rounds, ops[i].op);

			snprintf(key, sizeof(key), "%s-at-%d", ops[i].key, sizes[n]);
			snprintf(text, sizeof(text), "%s, median at %d nodes", ops[i].text,
				 sizes[n]);
			bench_figure(b, key, text, us, "us");
			if (!n) {
				small[i] = us;
				continue;
			}
			snprintf(key, sizeof(key), "%s-growth", ops[i].key);
			snprintf(text, sizeof(text), "%s, cost at 100000 : 100 nodes", ops[i].text);
			bench_figure_max(b, key, text, us / small[i], "ratio", 2.0);
		}
	}
	share_cpu(server, false);
	hv_store_close(s);
}

struct watcher {
	struct hv_store *store;
	_Atomic uint64_t seen_ns;
	atomic_bool stop;
};

static void *watcher_run(void *arg)
{
	struct watcher *w = arg;
	struct pollfd pfd = { .fd = hv_store_fd(w->store), .events = POLLIN };

	while (!atomic_load(&w->stop)) {
		char *path, *token;

		if (poll(&pfd, 1, 100) <= 0)
			continue;
		while (hv_store_next_event(w->store, &path, &token) == 0) {
			atomic_store(&w->seen_ns, clock_ns());
			free(path);
		}
	}
	return NULL;
}

static void bench_watch(struct bench *b)
{
	struct watcher w = { .store = store_open() };
	struct hv_store *writer = store_open();
	size_t nr = b->quick ? 200 : 2000;
	double *us = calloc(nr, sizeof(*us));
	pthread_t thread;
	int rc = hv_store_watch(w.store, "/bench/watched", "t");

	if (!us || rc < 0 || pthread_create(&thread, NULL, watcher_run, &w))
		die("watch", rc ? rc : -ENOMEM);
	usleep(50000);
	for (size_t i = 0; i < nr; i++) {
		uint64_t start, seen;

		atomic_store(&w.seen_ns, 0);
		start = clock_ns();
		rc = hv_store_write(writer, 0, "/bench/watched/node", "x", 1);
		if (rc < 0)
			die("write", rc);
		while (!(seen = atomic_load(&w.seen_ns)) && clock_ns() - start < 1000000000u)
			usleep(20);
		us[i] = seen ? (double)(seen - start) / 1e3 : 1e6;
		/* An idle machine: the server has gone to sleep before the next write. */
		usleep(500);
	}
	bench_figure(b, "watch-p50", "write to watch event at another client, p50",
		     bench_percentile(us, nr, 50), "us");
	bench_figure_max(b, "watch-p99", "write to watch event at another client, p99",
			 bench_percentile(us, nr, 99), "us", 1000);
	atomic_store(&w.stop, true);
	pthread_join(thread, NULL);
	hv_store_close(w.store);
	hv_store_close(writer);
	free(us);
}

static void bench_idle(struct bench *b, pid_t pid)
{
	int seconds = b->quick ? 1 : 5;
	struct hv_store *stores[NR_CLIENTS];
	double before;

	for (int i = 0; i < NR_CLIENTS; i++) {
		stores[i] = store_open();
		hv_store_watch(stores[i], "/bench", "idle");
	}
	sleep(1);
	before = bench_cpu_seconds(pid);
	sleep((unsigned int)seconds);
	bench_figure_max(b, "idle-cpu", "CPU of the idle server, 50 clients with watches",
			 (bench_cpu_seconds(pid) - before) / seconds * 100, "%", 0);
	for (int i = 0; i < NR_CLIENTS; i++)
		hv_store_close(stores[i]);
}

int main(int argc, char **argv)
{
	static const struct cli_option options[] = { BENCH_OPTIONS, { 0 } };
	static const struct cli_program program = {
		.name = "bench-xenstore",
		.help = "throughput, cost by size, watch latency of xenstore",
		.options = options,
	};
	char rundir[RUNDIR_MAX], hvd[PATH_MAX];
	char *const hvd_argv[] = { hvd, (char *)(uintptr_t) "--run-dir", rundir, NULL };
	struct cli_parsed parsed;
	struct bench b;
	pid_t pid;
	int rc = bench_begin(&b, &program, argc, argv, &parsed);

	if (rc >= 0)
		return rc;
	bench_rundir(rundir);
	bench_bin(hvd, "vifrost-hvd");
	rundir_file(socket_path, rundir, RUNDIR_XENSTORED_SOCKET);
	pid = bench_spawn(hvd_argv);
	rc = bench_wait_socket(socket_path, pid, 5000);
	if (rc < 0)
		die(hvd, rc);
	bench_throughput(&b);
	bench_size(&b, pid);
	bench_watch(&b);
	bench_idle(&b, pid);
	bench_stop(pid);
	bench_rundir_remove(rundir);
	return bench_end(&b);
}
