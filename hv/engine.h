/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What runs in the core's domains: engines, by the type= of an xl.cfg. For the toolstack inside
 * vifrost-hvd. The order of a domain's life:
 *
 *	engine_domain_create()		the domain is there: memory, store ring introduced, console
 *	 (the toolstack writes the domain's and its devices' xenstore areas)
 *	engine_domain_start()		its init runs, or waits for engine_unpause()
 *	 stopped() callback		it has shut down, with a reason; its processes are gone
 *	engine_domain_destroy()		in any state: all of it is gone, the domid free
 *
 * All of it survives the death of vifrost-hvd: domains come back before the toolstack is started.
 * One thread, the loop's. Errors put a reason, without a newline, in @why, ENGINE_WHY bytes.
 */
#ifndef HV_ENGINE_H
#define HV_ENGINE_H

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ENGINE_WHY	256
#define ENGINE_NAME_MAX 64

struct engine;

struct engine_config {
	const char *type; /* "ns"; others: -EOPNOTSUPP until their engine is there */
	const char
		*name; /* 1 to ENGINE_NAME_MAX - 1 of letters, digits, "-_.+"; not "." nor ".." */
	unsigned int memory_mib;
	/* Bound the processes' memory by memory_mib too. Fails where no memory cgroup can do it. */
	bool limit_memory;
	unsigned int nr_vcpus; /* at most so many CPUs at a time; 0: as many as there are */
	bool has_cpus;
	cpu_set_t cpus;
	/* ns */
	const char *init;	 /* absolute, within the guest's root */
	const char *const *args; /* of init, after its name; ended by NULL; may be NULL */
	const char *root;	 /* NULL: the host's, read-only */
	/* Its vifs are for a program that takes them up over the socket guests/<domid>.sock. */
	bool program;
};

enum engine_state {
	ENGINE_CREATED, /* not started */
	ENGINE_RUNNING,
	ENGINE_PAUSED,
	ENGINE_STOPPED,
};

struct engine_info {
	enum engine_state state;
	unsigned int reason; /* SHUTDOWN_* of xen/sched.h, when ENGINE_STOPPED */
	bool shutting_down;  /* asked to, and not there yet */
	bool reboot; /* asked by engine_shutdown() to come back: reason will be SHUTDOWN_reboot */
	char name[ENGINE_NAME_MAX];
	unsigned int memory_mib;
	unsigned int nr_vcpus;
	cpu_set_t cpus;
	uint64_t cpu_ns;    /* used by all its processes */
	uint64_t created_s; /* CLOCK_REALTIME */
	pid_t pid;	    /* the domain's first process, as the host sees it; 0: none */
};

struct engine_hooks {
	/* From the loop, never from within a call below. */
	void (*stopped)(void *arg, uint16_t domid, unsigned int reason);
	void *arg;
};

void engine_set_hooks(struct engine *engine, const struct engine_hooks *hooks);

int engine_domain_create(struct engine *engine, const struct engine_config *config,
			 uint16_t *domid_out, char why[ENGINE_WHY]);
int engine_domain_start(struct engine *engine, uint16_t domid, bool paused, char why[ENGINE_WHY]);
/* -ENOENT. */
int engine_domain_destroy(struct engine *engine, uint16_t domid);

/* -ENOENT no such domain, -EINVAL not in a state for it. */
int engine_pause(struct engine *engine, uint16_t domid);
int engine_unpause(struct engine *engine, uint16_t domid);
/* Ask it to shut down: init is told, and killed when it has not ended within @grace_ms. */
int engine_shutdown(struct engine *engine, uint16_t domid, bool reboot, unsigned int grace_ms);
/* For all of its processes: vCPUs of an ns guest are the CPUs it may use. -EINVAL: none of them is there. */
int engine_set_cpus(struct engine *engine, uint16_t domid, const cpu_set_t *cpus);
int engine_rename(struct engine *engine, uint16_t domid, const char *name);

int engine_info(struct engine *engine, uint16_t domid, struct engine_info *info);
/* The next domain with an id above @domid, 0: none. */
uint16_t engine_next(struct engine *engine, uint16_t domid);
/* The console: a terminal to open, and the file that what it prints is logged to. */
int engine_console(struct engine *engine, uint16_t domid, char tty[PATH_MAX], char log[PATH_MAX]);

#endif
