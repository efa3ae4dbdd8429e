/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host did in a window: CPU time, run queues, softnet, netback's counters. */
#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parse.h"
#include "base/rpc.h"
#include "policy/bench/bench.h"

#define STATUS_TIMEOUT_MS 2000
#define MAX_PROCESSES	  65536

static FILE *open_of(pid_t pid, const char *what)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	return fopen(path, "re");
}

/* User and system time of a process with its threads. */
static double process_s(pid_t pid)
{
	unsigned long user = 0, system = 0;
	char line[1024], *p = NULL;
	FILE *f = open_of(pid, "stat");

	if (!f)
		return 0;
	if (fgets(line, sizeof(line), f))
		p = strrchr(line, ')');
	fclose(f);
	if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
			 &system) != 2)
		return 0;
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* What all threads of @pid ran and waited for a CPU. */
static void threads_ns(pid_t pid, uint64_t *cpu_ns, uint64_t *wait_ns)
{
	char path[64];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = pid ? opendir(path) : NULL;
	while (dir && (e = readdir(dir))) {
		unsigned long long cpu, wait;
		char file[96];
		FILE *f;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(file, sizeof(file), "task/%.16s/schedstat", e->d_name);
		f = open_of(pid, file);
		if (f && fscanf(f, "%llu %llu", &cpu, &wait) == 2) {
			*cpu_ns += cpu;
			*wait_ns += wait;
		}
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
}

/* @kernel_s: of that, what interrupts and their packet work took. */
static double machine_s(double *kernel_s)
{
	unsigned long long v[8] = { 0 };
	double hz = (double)sysconf(_SC_CLK_TCK);
	FILE *f = fopen("/proc/stat", "re");

	*kernel_s = 0;
	if (!f)
		return 0;
	if (fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3],
		   &v[4], &v[5], &v[6], &v[7]) != 8)
		memset(v, 0, sizeof(v));
	fclose(f);
	*kernel_s = (double)(v[5] + v[6]) / hz;
	return (double)(v[0] + v[1] + v[2] + v[5] + v[6] + v[7]) / hz;
}

static void softnet(struct bench_sample *s)
{
	FILE *f = fopen("/proc/net/softnet_stat", "re");
	unsigned int dropped, squeezed;
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*x %x %x", &dropped, &squeezed) == 2) {
			s->softnet_dropped += dropped;
			s->softnet_squeezed += squeezed;
		}
	if (f)
		fclose(f);
}

static double own_s(void)
{
	static const int who[] = { RUSAGE_SELF, RUSAGE_CHILDREN };
	double sum = 0;

	for (int i = 0; i < 2; i++) {
		struct rusage u;

		if (!getrusage(who[i], &u))
			sum += (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
			       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
	}
	return sum;
}

static void add_number(json_t *into, const char *key, const json_t *value)
{
	json_int_t sum = json_integer_value(json_object_get(into, key));

	json_object_set_new(into, key, json_integer(sum + json_integer_value(value)));
}

/* {"from-guest": {"drops": {"x": 1}}} -> {"from-guest.drops.x": 1} */
static void flatten(json_t *into, const char *prefix, const json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
		char name[128];

		snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", key);
		if (json_is_integer(value))
			add_number(into, name, value);
		else if (json_is_object(value) && strlen(name) < 100)
			flatten(into, name, value);
	}
}

void bench_flatten(json_t *into, const json_t *vif)
{
	static const char *const directions[] = { "from-guest", "to-guest" };
	static const char *const of_queues[] = { "wakeups", "spurious-events", "notifications" };
	const json_t *queue;
	size_t i;

	for (i = 0; i < 2; i++)
		flatten(into, directions[i], json_object_get(vif, directions[i]));
	json_array_foreach (json_object_get(vif, "queues"), i, queue)
		for (size_t k = 0; k < sizeof(of_queues) / sizeof(of_queues[0]); k++)
			add_number(into, of_queues[k], json_object_get(queue, of_queues[k]));
}

/* Dropped on its way out of @device, where process @pid is. */
static json_int_t device_drops(pid_t pid, const char *device)
{
	FILE *f = open_of(pid, "net/dev");
	unsigned long long drops = 0;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		char *name = line + strspn(line, " "), *colon = strchr(name, ':');

		if (!colon)
			continue;
		*colon = 0;
		if (strcmp(name, device) != 0)
			continue;
		/* Received: bytes packets errs drop fifo frame compressed multicast; sent: the same. */
		if (sscanf(colon + 1, "%*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %llu", &drops) !=
		    1)
			drops = 0;
		break;
	}
	if (f)
		fclose(f);
	return (json_int_t)drops;
}

/* Datagrams for which a socket had no room, where process @pid is. */
static json_int_t socket_drops(pid_t pid)
{
	unsigned long long v4 = 0, v6 = 0;
	char line[512];
	FILE *f = open_of(pid, "net/snmp");

	/* InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors; the first such line names them. */
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Udp: %*u %*u %*u %*u %llu", &v4) == 1)
			break;
	if (f)
		fclose(f);
	f = open_of(pid, "net/snmp6");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Udp6RcvbufErrors %llu", &v6) == 1)
			break;
	if (f)
		fclose(f);
	return (json_int_t)(v4 + v6);
}

static void add_count(json_t *into, const char *key, json_int_t n)
{
	json_object_set_new(into, key,
			    json_integer(n + json_integer_value(json_object_get(into, key))));
}

static void end_counters(const struct bench_watch *w, json_t *counters)
{
	for (int i = 0; i < 2; i++) {
		if (!w->ends[i])
			continue;
		add_count(counters, "end.socket-full", socket_drops(w->ends[i]));
		if (w->vifs[i][0])
			add_count(counters, "end.queue-full",
				  device_drops(w->ends[i], w->devices[i]));
	}
}

static void vif_counters(const struct bench_watch *w, json_t *counters, const json_t *vif)
{
	const char *name = json_string_value(json_object_get(vif, "name"));
	const char *link = json_string_value(json_object_get(vif, "device"));

	if (!name || (strcmp(name, w->vifs[0]) != 0 && strcmp(name, w->vifs[1]) != 0))
		return;
	bench_flatten(counters, vif);
	/* On some datapaths there is none. */
	if (link)
		add_count(counters, "link.queue-full", device_drops(getpid(), link));
}

static json_t *path_counters(const struct bench *b, const struct bench_watch *w)
{
	json_t *counters = json_object(), *status = NULL, *vif;
	char path[PATH_MAX];
	size_t i;

	rundir_file(path, b->rundir, RUNDIR_NETBACK_SOCKET);
	if (!rpc_call(path, "status", NULL, STATUS_TIMEOUT_MS, &status)) {
		const json_t *ports = json_object_get(json_object_get(status, "fast"), "ports");

		json_array_foreach (json_object_get(status, "vifs"), i, vif)
			vif_counters(w, counters, vif);
		/* Of the switch in user space, where it carries them. */
		for (int k = 0; k < 2; k++)
			if (w->vifs[k][0])
				flatten(counters, "switch", json_object_get(ports, w->vifs[k]));
	}
	json_decref(status);
	end_counters(w, counters);
	return counters;
}

void bench_sample(const struct bench *b, const struct bench_watch *w, struct bench_sample *out)
{
	double kernel_s;

	*out = (struct bench_sample){ .counters = path_counters(b, w) };
	softnet(out);
	threads_ns(w->netback, &out->netback_cpu_ns, &out->netback_wait_ns);
	out->machine_s = machine_s(&kernel_s);
	out->ours_s = kernel_s + own_s() + process_s(w->netback);
	for (unsigned int i = 0; i < w->nr_pids; i++)
		out->ours_s += process_s(w->pids[i]);
	out->at_ns = clock_ns();
}

void bench_sample_fini(struct bench_sample *s)
{
	json_decref(s->counters);
	s->counters = NULL;
}

static ino_t netns_of(pid_t pid)
{
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	return stat(path, &st) ? 0 : st.st_ino;
}

static pid_t netback_pid(const struct bench *b)
{
	char path[PATH_MAX];
	int pid = 0;
	FILE *f;

	rundir_file(path, b->rundir, "vifrost-netback.pid");
	f = fopen(path, "re");
	if (f && fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

/* 0: not the name of a process's folder. */
static pid_t pid_of(const char *name)
{
	uint32_t pid = 0;

	return parse_u32(name, INT32_MAX, &pid) ? 0 : (pid_t)pid;
}

void bench_watch_path(const struct bench *b, const struct bench_path *path, struct bench_watch *w)
{
	ino_t ends[2] = { 0 };
	unsigned int seen = 0;
	struct dirent *e;
	DIR *dir;

	*w = (struct bench_watch){ .netback = netback_pid(b) };
	for (int i = 0; i < 2; i++) {
		snprintf(w->vifs[i], sizeof(w->vifs[i]), "%s", path->ends[i]->vif);
		snprintf(w->devices[i], sizeof(w->devices[i]), "%s", path->ends[i]->device);
		w->ends[i] = path->ends[i]->pid;
		if (path->ends[i]->pid && !path->ends[i]->is_host)
			ends[i] = netns_of(path->ends[i]->pid);
	}
	dir = opendir("/proc");
	while (dir && (e = readdir(dir)) && w->nr_pids < BENCH_MAX_PIDS && seen < MAX_PROCESSES) {
		pid_t pid = pid_of(e->d_name);
		ino_t ns = pid > 0 ? netns_of(pid) : 0;

		seen++;
		if (ns && (ns == ends[0] || ns == ends[1]))
			w->pids[w->nr_pids++] = pid;
	}
	if (dir)
		closedir(dir);
}

static void cpu_model(char *model, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[512];

	snprintf(model, size, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (!colon || strncmp(line, "model name", 10) != 0)
			continue;
		colon[strcspn(colon, "\n")] = 0;
		snprintf(model, size, "%s", colon + 1 + strspn(colon + 1, " "));
		break;
	}
	if (f)
		fclose(f);
}

json_t *bench_machine(void)
{
	struct utsname u;
	char model[256];

	if (uname(&u) < 0)
		memset(&u, 0, sizeof(u));
	cpu_model(model, sizeof(model));
	return json_pack("{ss# si ss# ss#}", "cpu", model, (int)strnlen(model, 255), "cpus",
			 (int)sysconf(_SC_NPROCESSORS_ONLN), "kernel", u.release,
			 (int)strlen(u.release), "architecture", u.machine, (int)strlen(u.machine));
}
