/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the engine share. */
#ifndef HV_ENGINE_PRIV_H
#define HV_ENGINE_PRIV_H

#include "base/list.h"
#include "hv/cgroup.h"
#include "hv/console.h"
#include "hv/engine_host.h"
#include "hv/engine_ns.h"

#define ENGINE_RECORD_MAGIC  0x31454556u
#define ENGINE_RECORD_OFFSET 32768 /* behind struct ns_launch */
#define ENGINE_STATE_SIZE    (ENGINE_RECORD_OFFSET + 4096)
#define ENGINE_MAX_ARGS	     64

/* In the kept memfd, so that a successor knows. */
struct engine_record {
	uint32_t magic;
	uint32_t generation; /* of the core's domain; written last */
	uint32_t state;	     /* enum engine_state */
	uint32_t reason;
	uint32_t has_reason; /* asked for; else init's end tells */
	uint32_t reboot;
	uint32_t memory_mib, limit_memory;
	uint32_t nr_vcpus, has_cpus;
	int32_t init_pid;
	uint64_t created_s;
	cpu_set_t cpus;
	char name[ENGINE_NAME_MAX];
};

struct engine_domain {
	struct engine *engine;
	struct list list;
	uint16_t domid;
	int state_fd;
	struct ns_launch *launch;
	struct engine_record *record;
	int hypercall_fd; /* our end; listening, of a guest whose vifs are a program's */
	int program_fd;	  /* that program's connection */
	bool introduced;  /* to the store */
	int front_pidfd, init_pidfd;
	struct loop_fd front_watcher, init_watcher;
	struct console *console;
	int restored[3]; /* the console's descriptors, before engine_restore_done() */
};

struct engine {
	struct engine_params params;
	struct engine_hooks hooks;
	char rundir[PATH_MAX];
	char console_dir[PATH_MAX];
	struct cgroups cgroups;
	struct ns_programs programs;
	bool programs_open;
	struct engine_domain *domains[32768];
	/* Control groups that were still busy when their domain was forgotten. */
	struct loop_timer sweep;
	uint16_t unswept[64];
	unsigned int nr_unswept;
};

struct engine_domain *engine_find(struct engine *engine, uint16_t domid);
struct engine_domain *engine_domain_alloc(struct engine *engine, uint16_t domid);
int engine_domain_map(struct engine_domain *d);
/* Watch its processes. */
int engine_domain_watch(struct engine_domain *d);
/* Forget it here; processes, kept descriptors and control groups stay. */
void engine_domain_free(struct engine_domain *d);
void engine_domain_keep(struct engine_domain *d);
void engine_domain_unkeep(struct engine *engine, uint16_t domid);
/* To its first process. */
int engine_signal(struct engine_domain *d, int signo);
/* Make its store ring known to the server. */
int engine_domain_introduce(struct engine_domain *d, bool restarted);
/* End all its processes and wait until they have. */
void engine_domain_kill(struct engine_domain *d);
/* "guests/<domid>.sock" in the run directory. */
void engine_socket_path(const struct engine_domain *d, char path[PATH_MAX]);
void engine_console_params(const struct engine_domain *d, struct console_params *params);

#endif
