/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the engines share: what all domains have, and the table of what runs in them. The
 * common part makes the core's domain, introduces its store ring, opens its console, keeps its
 * descriptors, watches its processes and ends them; a row of the table knows its type's processes.
 */
#ifndef HV_ENGINE_PRIV_H
#define HV_ENGINE_PRIV_H

#include "base/list.h"
#include "hv/cgroup.h"
#include "hv/console.h"
#include "hv/console_ring.h"
#include "hv/engine_host.h"
#include "hv/engine_kvm_device.h"
#include "hv/engine_ns.h"

#define ENGINE_RECORD_MAGIC 0x32454556u
#define ENGINE_TYPE_MAX	    8
#define ENGINE_MAX_ASKED    32
#define ENGINE_SWEEP_MS	    100

/* In the kept memfd, so that a successor knows. No process of the guest's ever has it. */
struct engine_record {
	uint32_t magic;
	uint32_t generation; /* of the core's domain; written last */
	char type[ENGINE_TYPE_MAX];
	uint32_t state; /* enum engine_state */
	uint32_t reason;
	uint32_t has_reason; /* asked for; else its end tells */
	uint32_t reboot;
	uint32_t memory_mib, limit_memory; /* at most */
	uint32_t start_mib;		   /* at its start */
	uint32_t nr_vcpus, has_cpus;
	uint32_t max_vcpus;
	uint32_t starting; /* its first process has yet to say that it runs */
	uint32_t next_id;  /* of questions: never one that a predecessor's answer may come for */
	int32_t init_pid;
	uint64_t created_s;
	cpu_set_t cpus;
	char name[ENGINE_NAME_MAX];
};

/* A domain's descriptors, each kept under its name; -1: not there. */
enum engine_part {
	PART_STATE,  /* memfd of struct engine_record */
	PART_LAUNCH, /* memfd that its first process shares with us, of ops->launch_size */
	PART_SOCKET, /* our end of its hypercall socket; listening where its vifs are a program's */
	PART_FIRST,  /* pidfd of the process that signals are for */
	PART_FRONT,  /* pidfd of another whose death is the domain's too */
	PART_CONTROL, /* socket to its first process that is no guest's */
	PART_LOG,     /* pipe of what that prints */
	PART_PROGRAM, /* connection of the program that its vifs are for */
	ENGINE_NR_PARTS
};

#define PART_BIT(part) (1u << (part))

/* A question that is not answered yet. */
struct engine_asked {
	uint32_t id; /* 0: free */
	enum engine_what what;
	void (*done)(void *arg, int rc);
	void *done_arg;
};

struct engine_domain {
	struct engine *engine;
	const struct engine_ops *ops;
	struct list list;
	uint16_t domid;
	int fds[ENGINE_NR_PARTS];
	void *launch; /* ops->launch_size bytes; written by its first process too: not to be trusted */
	struct engine_record *record;
	void *own;	 /* of ops, between listen() and forget() */
	bool introduced; /* to the store */
	struct loop_fd watchers[2], control_watcher;
	struct engine_asked asked[ENGINE_MAX_ASKED];
	struct console *console;
	struct console_ring *ring; /* its source, of a guest without a terminal */
	int restored[3];	   /* the console's descriptors, before engine_restore_done() */
};

/* What runs in a domain of one type. 0 or -errno; those with @why put a reason there. */
struct engine_ops {
	const char *type;
	size_t launch_size;
	unsigned int needs; /* PART_BIT()s that a started domain is not whole without */
	/* Limits of its control group. */
	unsigned int nr_pids;
	unsigned int overhead_mib; /* of memory, over the guest's own */
	bool shares_cpus; /* its vCPUs are so many CPUs' worth of time; else threads of their own */
	bool asks_kvm;	  /* whether /dev/kvm runs kernels is to be known before it is checked */
	bool own_kernel;  /* with a console ring, acting on control/shutdown in xenstore */
	/* Whether this host can run any of them; NULL: it can. 0; -errno with @why. */
	int (*usable)(struct engine *e, char why[ENGINE_WHY]);
	/* Memory of the core's domain; NULL: what the config says. */
	unsigned int (*span_mib)(const struct engine_config *c);
	int (*check)(struct engine *e, const struct engine_config *c, char why[ENGINE_WHY]);
	/* Fill the launch block. @tty: the console's end for the guest. */
	int (*prepare)(struct engine_domain *d, const struct engine_config *c, const char *tty);
	/*
	 * Start its processes, in the control group of @join: PART_SOCKET and PART_FIRST are then there.
	 * 1: engine_domain_started() will follow.
	 */
	int (*start)(struct engine_domain *d, const struct engine_config *c,
		     const struct cgroup_join *join, bool paused, char why[ENGINE_WHY]);
	/* 1: @done will be called. */
	int (*pause)(struct engine_domain *d, bool paused, engine_done *done, void *done_arg);
	int (*shutdown)(struct engine_domain *d, unsigned int grace_ms);
	/* Those below may be NULL. */
	/* MiB that it has at the moment; NULL: what it was given. */
	unsigned int (*memory_mib)(struct engine_domain *d);
	/* NULL: all its processes get @cpus. */
	int (*set_cpus)(struct engine_domain *d, const cpu_set_t *cpus, const cpu_set_t *vcpu_cpus,
			unsigned int nr);
	int (*vcpu)(struct engine_domain *d, unsigned int vcpu, struct engine_vcpu *out);
	int (*ask)(struct engine_domain *d, const struct engine_question *q);
	unsigned int (*copied)(struct engine_domain *d,
			       struct engine_round rounds[ENGINE_MAX_ROUNDS]);
	/* PART_CONTROL is readable, which the common part then watches. */
	void (*control)(struct engine_domain *d);
	/* What has it come to while nobody looked? Only the record is to be changed. */
	void (*look)(struct engine_domain *d);
	/* Why it does not run though it was started. */
	void (*why_not)(struct engine_domain *d, char why[ENGINE_WHY]);
	/* Why it ended, nobody having asked; says more in the log. Return: SHUTDOWN_*. */
	unsigned int (*end_reason)(struct engine_domain *d);
	/* Listen to a domain that has been started, or by our predecessor. */
	int (*listen)(struct engine_domain *d, bool restored);
	/* Its processes are gone, and it is about to go. */
	void (*cleared)(struct engine_domain *d);
	/* Let go of d->own. */
	void (*forget)(struct engine_domain *d);
};

extern const struct engine_ops engine_ns, engine_pvh, engine_pv, engine_hvm;
/* NULL: there is none of that type. */
const struct engine_ops *engine_ops_find(const char *type);

struct engine {
	struct engine_params params;
	struct engine_hooks hooks;
	char rundir[PATH_MAX];
	char console_dir[PATH_MAX];
	struct cgroups cgroups;
	struct ns_programs programs;
	bool programs_open;
	struct kvm_device kvm;
	int runner_fd; /* vifrost-kvm, to be executed; -1: not opened yet */
	struct engine_domain *domains[32768];
	/* Control groups that were still busy when their domain was forgotten. */
	struct loop_timer sweep;
	uint16_t unswept[64];
	unsigned int nr_unswept;
};

struct engine_domain *engine_find(struct engine *engine, uint16_t domid);
struct engine_domain *engine_domain_alloc(struct engine *engine, uint16_t domid);
/* Map its record. */
int engine_domain_map(struct engine_domain *d);
/* d->ops being known: map its launch block. */
int engine_domain_map_launch(struct engine_domain *d);
/* Watch its processes. */
int engine_domain_watch(struct engine_domain *d);
/* Forget it here; processes, kept descriptors and control groups stay. */
void engine_domain_free(struct engine_domain *d);
/* Its control groups are taken away when their last process is gone. */
void engine_sweep_later(struct engine *e, uint16_t domid);
void engine_domain_keep(struct engine_domain *d);
void engine_domain_unkeep(struct engine *engine, uint16_t domid);
/* The slot of a descriptor kept under @name, behind "e<domid>."; NULL: none. */
int *engine_domain_part(struct engine_domain *d, const char *name);
/* To its first process. */
int engine_signal(struct engine_domain *d, int signo);
/* Make its store ring known to the server. */
int engine_domain_introduce(struct engine_domain *d, bool restarted);
/* Its console as its type has it, after @restored's descriptors if there are any. */
int engine_domain_console(struct engine_domain *d, bool restored, char tty[PATH_MAX]);
/* Its start is over; @why: it has failed, and its processes are ended. */
void engine_domain_started(struct engine_domain *d, const char *why);
/* It runs no more; its first process may still be there, to be dumped or saved. */
void engine_domain_stopped(struct engine_domain *d, unsigned int reason);
/* Note @q. Return: its id; 0: too many at once. */
uint32_t engine_domain_asking(struct engine_domain *d, const struct engine_question *q);
/* The answer to @id. Return: what it was asked; -1: nobody knows. */
int engine_domain_answered(struct engine_domain *d, uint32_t id, int rc);
/* It could not be asked: done() will not be called. */
void engine_domain_forget(struct engine_domain *d, uint32_t id);
/* End all its processes and wait until they have. */
void engine_domain_kill(struct engine_domain *d);
/* A pair for its hypercalls: PART_SOCKET, and the guest's end. */
int engine_domain_socket(struct engine_domain *d, int *guest_fd_out);
/* "guests/<domid>.sock" in the run directory. */
void engine_socket_path(const struct engine_domain *d, char path[PATH_MAX]);
int engine_check_cpus(const cpu_set_t *cpus);

#endif
