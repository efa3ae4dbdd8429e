/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CPU_PERIOD_US 100000u

/* v1: mount option; v2: in cgroup.controllers, NULL: every version 2 group has it. */
static const struct {
	const char *v1, *v2, *config;
} job_info[CGROUP_NR_JOBS] = {
	[CGROUP_TRACK] = { "freezer", NULL, "CONFIG_CGROUP_FREEZER" },
	[CGROUP_FREEZE] = { "freezer", NULL, "CONFIG_CGROUP_FREEZER" },
	[CGROUP_TIME] = { "cpuacct", NULL, "CONFIG_CGROUP_CPUACCT" },
	[CGROUP_MEMORY] = { "memory", "memory", "CONFIG_MEMCG" },
	[CGROUP_CPU] = { "cpu", "cpu", "CONFIG_CFS_BANDWIDTH" },
	[CGROUP_PIDS] = { "pids", "pids", "CONFIG_CGROUP_PIDS" },
};

static int read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	close(fd);
	if (n < 0)
		return -EIO;
	text[n] = '\0';
	return 0;
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = text; (p = strstr(p, word)); p += len)
		if ((p == text || strchr(" ,", p[-1])) && strspn(p + len, " ,\n") + !p[len])
			return true;
	return false;
}

static void set_job(struct cgroups *g, int job, const char *dir, bool v2)
{
	if (strlen(dir) >= sizeof(g->jobs[job].dir))
		return;
	strcpy(g->jobs[job].dir, dir);
	g->jobs[job].v2 = v2;
}

static void use_v2(struct cgroups *g, const char *dir)
{
	char path[PATH_MAX], word[32], active[512] = "";

	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", dir);
	for (int i = 0; i < CGROUP_NR_JOBS; i++) {
		if (!job_info[i].v2)
			continue;
		/* Refused where version 1 has the controller: then that is what is used. */
		snprintf(word, sizeof(word), "+%s", job_info[i].v2);
		write_text(path, word);
	}
	if (read_text(path, active, sizeof(active)) < 0)
		return;
	for (int i = 0; i < CGROUP_NR_JOBS; i++)
		if (!job_info[i].v2 || has_word(active, job_info[i].v2))
			set_job(g, i, dir, true);
}

void cgroups_init(struct cgroups *g, const char *rundir)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	uint32_t hash = 2166136261u;

	*g = (struct cgroups){ 0 };
	for (const char *p = rundir; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619u;
	snprintf(g->instance, sizeof(g->instance), "%08x", hash);
	if (!mounts)
		return;
	while ((m = getmntent(mounts)))
		if (!strcmp(m->mnt_type, "cgroup2"))
			use_v2(g, m->mnt_dir);
	rewind(mounts);
	while ((m = getmntent(mounts)))
		for (int i = 0; !strcmp(m->mnt_type, "cgroup") && i < CGROUP_NR_JOBS; i++)
			if (!g->jobs[i].dir[0] && has_word(m->mnt_opts, job_info[i].v1))
				set_job(g, i, m->mnt_dir, false);
	endmntent(mounts);
}

static void group_path(char path[PATH_MAX], const struct cgroups *g, int job, uint16_t domid,
		       const char *file)
{
	snprintf(path, PATH_MAX, "%s/vifrost-%s-%u/%s", g->jobs[job].dir, g->instance, domid, file);
}

static bool job_there(const struct cgroups *g, int job)
{
	return g->jobs[job].dir[0] != '\0';
}

/* Whether an earlier job has the same hierarchy. */
static bool same_as_earlier(const struct cgroups *g, int job)
{
	for (int i = 0; i < job; i++)
		if (!strcmp(g->jobs[i].dir, g->jobs[job].dir))
			return true;
	return false;
}

static bool job_wanted(const struct cgroup_limits *l, int job)
{
	switch (job) {
	case CGROUP_MEMORY:
		return l->memory_bytes != 0;
	case CGROUP_CPU:
		return l->nr_cpus != 0;
	case CGROUP_PIDS:
		return l->nr_pids != 0;
	default:
		return true;
	}
}

int cgroups_check(const struct cgroups *g, const struct cgroup_limits *l, char *why,
		  size_t why_size)
{
	static const int limiting[] = { CGROUP_MEMORY, CGROUP_CPU };

	for (int i = 0; i < 2; i++) {
		int job = limiting[i];

		if (!job_wanted(l, job) || job_there(g, job))
			continue;
		snprintf(why, why_size,
			 "the %s limit cannot be set: no cgroup %s controller is mounted (%s)",
			 job_info[job].v1, job_info[job].v1, job_info[job].config);
		return -ENOTSUP;
	}
	return 0;
}

static int set_limit(const struct cgroups *g, uint16_t domid, int job,
		     const struct cgroup_limits *l)
{
	bool v2 = g->jobs[job].v2;
	char path[PATH_MAX], text[64];

	switch (job) {
	case CGROUP_MEMORY:
		group_path(path, g, job, domid, v2 ? "memory.max" : "memory.limit_in_bytes");
		snprintf(text, sizeof(text), "%llu", (unsigned long long)l->memory_bytes);
		break;
	case CGROUP_CPU:
		group_path(path, g, job, domid, v2 ? "cpu.max" : "cpu.cfs_quota_us");
		if (v2)
			snprintf(text, sizeof(text), "%u %u", l->nr_cpus * CPU_PERIOD_US,
				 CPU_PERIOD_US);
		else
			snprintf(text, sizeof(text), "%u", l->nr_cpus * CPU_PERIOD_US);
		break;
	case CGROUP_PIDS:
		group_path(path, g, job, domid, "pids.max");
		snprintf(text, sizeof(text), "%u", l->nr_pids);
		break;
	default:
		return 0;
	}
	return write_text(path, text);
}

static int make_group(const struct cgroups *g, uint16_t domid, int job, struct cgroup_join *join)
{
	char path[PATH_MAX];
	int fd;

	group_path(path, g, job, domid, "");
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (g->jobs[job].v2) {
		fd = join->v2_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return fd < 0 ? -errno : 0;
	}
	/* "tasks", not "cgroup.procs": a thread that moves itself alone takes no global lock. */
	group_path(path, g, job, domid, "tasks");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	join->task_fds[join->nr_task_fds++] = fd;
	return 0;
}

int cgroups_create(const struct cgroups *g, uint16_t domid, const struct cgroup_limits *l,
		   struct cgroup_join *join, char *why, size_t why_size)
{
	int rc = cgroups_check(g, l, why, why_size);

	*join = (struct cgroup_join){ .v2_fd = -1 };
	if (rc < 0)
		return rc;
	for (int job = 0; job < CGROUP_NR_JOBS; job++) {
		if (!job_there(g, job) || !job_wanted(l, job))
			continue;
		rc = same_as_earlier(g, job) ? 0 : make_group(g, domid, job, join);
		if (!rc)
			rc = set_limit(g, domid, job, l);
		if (rc < 0) {
			snprintf(why, why_size, "cgroup %s in %s: %s", job_info[job].v1,
				 g->jobs[job].dir, strerror(-rc));
			cgroup_join_close(join);
			cgroups_remove(g, domid);
			return rc;
		}
	}
	return 0;
}

void cgroup_join_close(struct cgroup_join *join)
{
	if (join->v2_fd >= 0)
		close(join->v2_fd);
	while (join->nr_task_fds)
		close(join->task_fds[--join->nr_task_fds]);
	join->v2_fd = -1;
}

int cgroups_remove(const struct cgroups *g, uint16_t domid)
{
	char path[PATH_MAX];
	int rc = 0;

	for (int job = 0; job < CGROUP_NR_JOBS; job++) {
		if (!job_there(g, job) || same_as_earlier(g, job))
			continue;
		group_path(path, g, job, domid, "");
		if (rmdir(path) < 0 && errno != ENOENT)
			rc = -EBUSY;
	}
	return rc;
}

static void each_domain_of(const char *dir, const char *instance,
			   void (*fn)(void *arg, uint16_t domid), void *arg)
{
	DIR *groups = opendir(dir);
	const struct dirent *entry;
	char owner[sizeof(((struct cgroups *)0)->instance)];
	unsigned int domid;
	int used;

	while (groups && (entry = readdir(groups))) {
		used = 0;
		if (sscanf(entry->d_name, "vifrost-%15[0-9a-f]-%5u%n", owner, &domid, &used) == 2 &&
		    !entry->d_name[used] && !strcmp(owner, instance) && domid <= UINT16_MAX)
			fn(arg, (uint16_t)domid);
	}
	if (groups)
		closedir(groups);
}

void cgroups_for_each_domain(const struct cgroups *g, void (*fn)(void *arg, uint16_t domid),
			     void *arg)
{
	for (int job = 0; job < CGROUP_NR_JOBS; job++)
		if (job_there(g, job) && !same_as_earlier(g, job))
			each_domain_of(g->jobs[job].dir, g->instance, fn, arg);
}

int cgroups_freeze(const struct cgroups *g, uint16_t domid, bool frozen)
{
	char path[PATH_MAX];
	bool v2 = g->jobs[CGROUP_FREEZE].v2;

	if (!job_there(g, CGROUP_FREEZE))
		return -ENOTSUP;
	group_path(path, g, CGROUP_FREEZE, domid, v2 ? "cgroup.freeze" : "freezer.state");
	if (v2)
		return write_text(path, frozen ? "1" : "0");
	return write_text(path, frozen ? "FROZEN" : "THAWED");
}

int cgroups_frozen(const struct cgroups *g, uint16_t domid)
{
	bool v2 = g->jobs[CGROUP_FREEZE].v2;
	char path[PATH_MAX], text[128];
	int rc;

	if (!job_there(g, CGROUP_FREEZE))
		return -ENOTSUP;
	/* Version 1 counts them when it is asked. */
	group_path(path, g, CGROUP_FREEZE, domid, v2 ? "cgroup.events" : "freezer.state");
	rc = read_text(path, text, sizeof(text));
	return rc < 0 ? rc : strstr(text, v2 ? "frozen 1" : "FROZEN") != NULL;
}

int cgroups_sched(const struct cgroups *g, uint16_t domid, unsigned int weight, unsigned int cap)
{
	bool v2 = g->jobs[CGROUP_CPU].v2;
	/* 256 is 100 in version 2, of 1 to 10000; 1024 in version 1, of 2 up. */
	unsigned int share = v2 ? weight * 100 / 256 : weight * 4;
	char path[PATH_MAX], text[64];
	int rc;

	if (!job_there(g, CGROUP_CPU))
		return -ENOTSUP;
	if (v2)
		share = share < 1 ? 1 : share > 10000 ? 10000 : share;
	group_path(path, g, CGROUP_CPU, domid, v2 ? "cpu.weight" : "cpu.shares");
	snprintf(text, sizeof(text), "%u", share);
	rc = write_text(path, text);
	if (rc < 0)
		return rc;
	group_path(path, g, CGROUP_CPU, domid, v2 ? "cpu.max" : "cpu.cfs_quota_us");
	if (!cap)
		return write_text(path, v2 ? "max" : "-1");
	snprintf(text, sizeof(text), v2 ? "%u %u" : "%u", cap * (CPU_PERIOD_US / 100),
		 CPU_PERIOD_US);
	return write_text(path, text);
}

int cgroups_kill(const struct cgroups *g, uint16_t domid)
{
	char path[PATH_MAX];

	if (!job_there(g, CGROUP_TRACK) || !g->jobs[CGROUP_TRACK].v2)
		return -ENOTSUP;
	group_path(path, g, CGROUP_TRACK, domid, "cgroup.kill");
	return write_text(path, "1");
}

int cgroups_for_each_task(const struct cgroups *g, uint16_t domid, void (*fn)(void *arg, pid_t tid),
			  void *arg)
{
	char path[PATH_MAX];
	FILE *f;
	int tid;

	if (!job_there(g, CGROUP_TRACK))
		return -ENOTSUP;
	group_path(path, g, CGROUP_TRACK, domid,
		   g->jobs[CGROUP_TRACK].v2 ? "cgroup.threads" : "tasks");
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fscanf(f, "%d", &tid) == 1)
		fn(arg, tid);
	fclose(f);
	return 0;
}

int cgroups_cpu_ns(const struct cgroups *g, uint16_t domid, uint64_t *ns_out)
{
	bool v2 = g->jobs[CGROUP_TIME].v2;
	char path[PATH_MAX], text[512];
	unsigned long long value;
	int rc;

	if (!job_there(g, CGROUP_TIME))
		return -ENOTSUP;
	group_path(path, g, CGROUP_TIME, domid, v2 ? "cpu.stat" : "cpuacct.usage");
	rc = read_text(path, text, sizeof(text));
	if (rc < 0)
		return rc;
	if (sscanf(text, v2 ? "usage_usec %llu" : "%llu", &value) != 1)
		return -EIO;
	*ns_out = v2 ? value * 1000 : value;
	return 0;
}

int cgroups_memory(const struct cgroups *g, uint16_t domid, uint64_t *bytes_out)
{
	char path[PATH_MAX], text[64];
	unsigned long long value;
	int rc;

	if (!job_there(g, CGROUP_MEMORY))
		return -ENOTSUP;
	group_path(path, g, CGROUP_MEMORY, domid,
		   g->jobs[CGROUP_MEMORY].v2 ? "memory.current" : "memory.usage_in_bytes");
	rc = read_text(path, text, sizeof(text));
	if (rc < 0)
		return rc;
	if (sscanf(text, "%llu", &value) != 1)
		return -EIO;
	*bytes_out = value;
	return 0;
}
