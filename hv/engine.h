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
	const char *type; /* "ns", "pvh", "pv", "hvm"; others: -EOPNOTSUPP */
	const char
		*name; /* 1 to ENGINE_NAME_MAX - 1 of letters, digits, "-_.+"; not "." nor ".." */
	unsigned int memory_mib;
	unsigned int max_memory_mib; /* 0: as memory_mib */
	/* Bound the processes' memory by memory_mib too. Fails where no memory cgroup can do it. */
	bool limit_memory;
	unsigned int nr_vcpus;	/* ns: at most so many CPUs at a time; 0: as many as there are */
	unsigned int max_vcpus; /* 0: as nr_vcpus */
	bool has_cpus;
	cpu_set_t cpus;		    /* any of its vCPUs may use them */
	const cpu_set_t *vcpu_cpus; /* of each of max_vcpus; NULL: all may use cpus */
	uint8_t uuid[16];
	/* ns */
	const char *init;	 /* absolute, within the guest's root */
	const char *const *args; /* of init, after its name; ended by NULL; may be NULL */
	const char *root;	 /* NULL: the host's, read-only */
	/* Its vifs are for a program that takes them up over the socket guests/<domid>.sock. */
	bool program;
	/* hvm: domain.create's config, completed when engine_domain_create() is called */
	const struct json_t *config;
	/* pvh, pv: files of the host; ramdisk may be NULL; cmdline is the guest's kernel's. */
	const char *kernel, *ramdisk, *cmdline;
	bool kernel_later; /* these three are known at its start only */
	/* pvh: it goes on from a saved state, hv/kvm/image.h, read from @image_fd, borrowed. */
	bool restore;
	int image_fd;
	/* pv: xen-shim and what it is told, NULL: as usual; and more for it to be told, NULL: nothing. */
	const char *shim, *shim_cmdline, *shim_extra;
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
	unsigned int
		memory_mib; /* what it has now, where its balloon is known; else what it was given */
	unsigned int nr_vcpus;
	cpu_set_t cpus;
	uint64_t cpu_ns;    /* used by all its processes */
	uint64_t created_s; /* CLOCK_REALTIME */
	pid_t pid;	    /* the domain's first process, as the host sees it; 0: none */
	/* It has a kernel of its own: asked by xenstore to shut down, and in its own time. */
	bool own_kernel;
	bool starting; /* started() is still to come */
};

/* 0 or -errno; -EPIPE: the domain has gone. */
typedef void engine_done(void *arg, int rc);

/* How often a vCPU has left its guest for the process that runs it. */
struct engine_exits {
	uint64_t all;	     /* the others are among these; 0: not known */
	uint64_t hypercalls; /* timers are among these */
	uint64_t timers;     /* single-shot timers that were set */
	uint64_t kicks;	     /* forced by the process */
	uint64_t io;	     /* ports */
	uint64_t mmio;	     /* memory that is not there */
};

struct engine_vcpu {
	bool online;
	int cpu; /* where it runs, or ran last; -1: unknown */
	bool running;
	uint64_t cpu_ns;
	struct engine_exits exits;
};

struct engine_hooks {
	/* From the loop, never from within a call below. */
	void (*stopped)(void *arg, uint16_t domid, unsigned int reason);
	/*
	 * The start that engine_domain_start() left going on is over. @why: NULL, or what it has failed
	 * of: then nothing runs, and stopped() will not be called.
	 */
	void (*started)(void *arg, uint16_t domid, const char *why);
	void *arg;
};

void engine_set_hooks(struct engine *engine, const struct engine_hooks *hooks);

/*
 * Before the first domain of @type is made, something about the host may have to be found out. Return: true: it
 * is being, and @ready is called once, from the loop, with 0, or with -ECANCELED at the engine's end;
 * false: it is known. Whoever does not ask may have to wait in engine_domain_create().
 */
bool engine_await(struct engine *engine, const char *type, void (*ready)(void *arg, int rc),
		  void *arg);
/*
 * The type of row @nr of the engines' table, NULL behind its end. @why: what keeps this host from running any domain of
 * it, and the cure; "": nothing does. As engine_domain_create(), for who does not ask.
 */
const char *engine_type(struct engine *engine, unsigned int nr, char why[ENGINE_WHY]);
int engine_domain_create(struct engine *engine, const struct engine_config *config,
			 uint16_t *domid_out, char why[ENGINE_WHY]);
/* @config: as at its creation. Return: 0; 1: it goes on, started() will follow; -errno. */
int engine_domain_start(struct engine *engine, uint16_t domid, const struct engine_config *config,
			bool paused, char why[ENGINE_WHY]);
/* -ENOENT. */
int engine_domain_destroy(struct engine *engine, uint16_t domid);

/*
 * -ENOENT no such domain, -EINVAL not in a state for it. 0: it is so; 1: its vCPUs have been told, and
 * @done, which may be NULL, is called from the loop when they stand still, or run. Its state is the new one.
 */
int engine_pause(struct engine *engine, uint16_t domid, engine_done *done, void *done_arg);
int engine_unpause(struct engine *engine, uint16_t domid, engine_done *done, void *done_arg);
/*
 * End it in good order: ns: init is told, and killed when it has not ended within @grace_ms. With a
 * kernel of its own: at once, whatever it is doing.
 */
int engine_shutdown(struct engine *engine, uint16_t domid, bool reboot, unsigned int grace_ms);
/*
 * @cpus: what any of its vCPUs may use; @vcpu_cpus: what each of @nr may, for those that are told apart;
 * vCPUs of an ns guest are the CPUs it may use. -EINVAL: none of them is there.
 */
int engine_set_cpus(struct engine *engine, uint16_t domid, const cpu_set_t *cpus,
		    const cpu_set_t *vcpu_cpus, unsigned int nr);
/*
 * @weight: its share where CPUs are short, 1 to 65535, 256 is normal; @cap: per cent of one CPU that it
 * gets at most, 0: none. -EOPNOTSUPP: no cgroup cpu controller.
 */
int engine_sched(struct engine *engine, uint16_t domid, unsigned int weight, unsigned int cap);
/* -EOPNOTSUPP: its vCPUs are not told apart. */
int engine_vcpu(struct engine *engine, uint16_t domid, unsigned int vcpu, struct engine_vcpu *out);

enum engine_what {
	ENGINE_TRIGGER,	   /* arg: enum engine_trigger, vcpu */
	ENGINE_DUMP_CORE,  /* fd */
	ENGINE_MAX_MEMORY, /* value: bytes */
	ENGINE_SAVE,	   /* fd; after SHUTDOWN_suspend; arg: 1: what ENGINE_COPY has left */
	ENGINE_RESUME,	   /* after SHUTDOWN_suspend: it goes on, as if that had been cancelled */
	ENGINE_PAUSE,	   /* engine_pause() asks this and the next */
	ENGINE_UNPAUSE,
	/* fd: a FIFO, not blocking: its memory, while it runs; answered when little is left, which is noted on */
	ENGINE_COPY,
	ENGINE_COPY_END, /* it is not; where it was not, nothing happens */
};

enum engine_trigger {
	ENGINE_TRIGGER_NMI = 1,
	ENGINE_TRIGGER_INIT,
	ENGINE_TRIGGER_RESET,
	ENGINE_TRIGGER_POWER,
	ENGINE_TRIGGER_CRASH,
};

struct engine_question {
	enum engine_what what;
	unsigned int arg, vcpu;
	uint64_t value;
	int fd; /* borrowed until engine_ask() returns; -1: none */
	/* From the loop, once, with 0 or -errno; -EPIPE: the domain has gone. May be NULL. */
	void (*done)(void *arg, int rc);
	void *done_arg;
};

/* Ask a domain with a kernel of its own. -EOPNOTSUPP: others; -errno: done() is not called. */
int engine_ask(struct engine *engine, uint16_t domid, const struct engine_question *question);

#define ENGINE_MAX_ROUNDS 16

/* In which memory was sent by ENGINE_COPY; the last by ENGINE_SAVE. */
struct engine_round {
	uint64_t pages;
	unsigned int ms;
};

/* Return: how many there were when it was copied last. */
unsigned int engine_copied(struct engine *engine, uint16_t domid,
			   struct engine_round rounds[ENGINE_MAX_ROUNDS]);
int engine_rename(struct engine *engine, uint16_t domid, const char *name);

int engine_info(struct engine *engine, uint16_t domid, struct engine_info *info);
/* The next domain with an id above @domid, 0: none. */
uint16_t engine_next(struct engine *engine, uint16_t domid);
/* The console: a terminal to open, and the file that what it prints is logged to. */
int engine_console(struct engine *engine, uint16_t domid, char tty[PATH_MAX], char log[PATH_MAX]);

/* hvm: where its screen is to be seen. -ENOENT: nowhere, or no such domain. */
int engine_screen(struct engine *engine, uint16_t domid, char address[64], unsigned int *port_out);
/**
 * engine_change_medium() - Another medium, or none, into an hvm domain's CD drive
 * @vdev:	Of a disk of its config
 * @path:	NULL: eject
 * @done:	Called once, from the loop, when 0 is returned; @error NULL: it is done
 */
int engine_change_medium(struct engine *engine, uint16_t domid, const char *vdev, const char *path,
			 const char *format, void (*done)(void *arg, const char *error), void *arg,
			 char why[ENGINE_WHY]);

/**
 * engine_nic_attach() - One more card for an hvm domain that runs
 * @vif:	As one of its config's, with devid
 * @done:	Called once, from the loop or at the domain's end, when 0 is returned; @error NULL: it is there
 * Return: 0; -EAGAIN: vifrost-netback does not listen for it; -errno; with @why.
 */
int engine_nic_attach(struct engine *engine, uint16_t domid, const struct json_t *vif,
		      void (*done)(void *arg, const char *error), void *arg, char why[ENGINE_WHY]);
/* Ask the guest to let go of a card. @done: as above, when it has; its link is then gone. */
int engine_nic_detach(struct engine *engine, uint16_t domid, unsigned int devid,
		      void (*done)(void *arg, const char *error), void *arg);
/*
 * As engine_nic_attach() and engine_nic_detach(), a disk. What the guest does not let go of it keeps; detached, its
 * image is closed.
 */
int engine_disk_attach(struct engine *engine, uint16_t domid, const struct json_t *disk,
		       void (*done)(void *arg, const char *error), void *arg, char why[ENGINE_WHY]);
int engine_disk_detach(struct engine *engine, uint16_t domid, const struct json_t *disk,
		       void (*done)(void *arg, const char *error), void *arg, char why[ENGINE_WHY]);
/* Its link is taken away, whatever the guest holds; one that is waited for is done with. */
void engine_nic_cut(struct engine *engine, uint16_t domid, unsigned int devid);

#endif
