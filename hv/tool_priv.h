/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files of the toolstack. */
#ifndef HV_TOOL_PRIV_H
#define HV_TOOL_PRIV_H

#include <limits.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/list.h"
#include "base/log.h"
#include "hv/boot.h"
#include "hv/store.h"
#include "hv/tool.h"

#define TOOL_WHY	   ENGINE_WHY
#define TOOL_PATH	   128
#define TOOL_UUID_TEXT	   37
#define TOOL_EVENT_LINES   256 /* of dmesg */
#define TOOL_MEMORY_MIB	   32  /* when the config is silent, as libxl */
#define TOOL_WEIGHT	   256 /* of credit2, when nothing is said */
#define TOOL_TX_TRIES	   16
#define TOOL_DEVICE_STATES 9 /* XenbusState* of io/xenbus.h */

enum tool_state { TOOL_RUNNING, TOOL_SHUTDOWN, TOOL_DYING };

enum tool_action { ACTION_DESTROY, ACTION_RESTART, ACTION_RENAME_RESTART, ACTION_PRESERVE };

#define TOOL_CMDLINE 4096 /* bytes of a kernel's command line, with its NUL */

struct tool_area;
struct tool_device;
struct tool_save;

/* A kind of device; one more is one more of these in tool_kinds[]. */
struct tool_kind {
	const char *name; /* its folder in xenstore: backend/NAME, device/NAME */
	const char *key;  /* the domain's config has them there: an array of objects with "devid" */
	const char *not_served, *not_placed; /* why an attach has come to nothing, and the cure */
	bool vital; /* a domain that is made is ended again when one of it fails */
	/* NULL: every domain's. Whether the disks, say, of a domain of @config are devices in the store. */
	bool (*applies)(const json_t *config);
	/* Check @device, and give it a devid and what else it lacks. @config: the domain's. -EINVAL. */
	int (*complete)(struct tool *tool, const json_t *config, json_t *device,
			char why[TOOL_WHY]);
	/* The keys that only this kind has, with tool_area_put(). */
	void (*write_backend)(struct tool_area *a, const struct tool_device *v);
	void (*write_frontend)(struct tool_area *a, const struct tool_device *v);
	/* What is listed of it. */
	json_t *(*json)(struct tool_device *v);
};

extern const struct tool_kind tool_kind_vif, tool_kind_vbd;
extern const struct tool_kind *const tool_kinds[]; /* ended by NULL */

struct tool_device {
	struct list node;
	struct tool_domain *domain;
	const struct tool_kind *kind;
	unsigned int devid;
	json_t *config; /* with devid; shared with the domain's config */
	bool emulated; /* QEMU's: no frontend speaks to its backend, the toolstack does all of both */
	bool plugging; /* emulated: it is not in the running machine yet */
	bool plug_sent;
	bool closing;
	struct loop_timer timer;
	struct rpc_call *call;	      /* who asked for the detach; NULL: nobody waits */
	struct rpc_call *attach_call; /* who waits for the attach's outcome */
};

/* A call that is answered when its domain gets somewhere. */
struct tool_waiter {
	struct list node;
	struct rpc_call *call;
	bool shutdown; /* content with its shutdown; else its death */
};

struct tool_domain {
	struct list node;
	struct tool *tool;
	uint16_t domid;
	json_t *config;	 /* domain.create's, completed: name, uuid, each vif's devid and mac */
	json_t *updated; /* config-update's: in force when it is created anew; NULL: none */
	enum tool_state state;
	unsigned int reason; /* SHUTDOWN_*, from TOOL_SHUTDOWN on */
	uint64_t created_s;  /* CLOCK_REALTIME */
	uint32_t generation;
	bool restart;  /* create it anew when it is gone */
	bool asked;    /* its end was asked for, so a restart is no crash loop */
	bool acting;   /* it has shut down, and what its config says of that is still to be done */
	bool sweeping; /* its devices are being told to close: not gone before all are */
	uint64_t restarts_ms[TOOL_RESTARTS_MAX]; /* CLOCK_REALTIME, of those nobody asked for */
	struct list devices, waiters;
	struct tool_save *save; /* tool_save.c; NULL: none */
	bool unsuspend;		/* it was asked to suspend itself, and nobody wants that any more */
	struct boot *boot;	/* it is made, and its bootloader runs; NULL: no */
	bool booting;		/* as above, and whoever finds it so starts it again */
	bool boot_paused;
	json_t *booted;		      /* what the bootloader has found; NULL: nothing */
	struct rpc_call *create_call; /* who waits for its start, and its devices; NULL: nobody */
	unsigned int devices_ms;      /* so long for these */
	uint64_t started_ms;	      /* clock_ms(); 0: it has not started yet */
	struct loop_timer devices_timer;
	bool held;		 /* paused until its disks are open */
	struct loop_timer grace; /* then it is ended, having been asked to end */
	unsigned int grace_reason;
	uint64_t grace_at_ms;	       /* CLOCK_REALTIME; 0: not set */
	uint64_t seen_cpu_ns, seen_ns; /* at the last look: busy since is running, else blocked */
};

struct tool {
	struct loop *loop;
	struct tool_host host;
	struct hv_store *store;
	struct loop_fd store_fd;
	struct list domains;   /* by domid */
	char rundir[PATH_MAX]; /* "" when nothing is kept */
	char *events[TOOL_EVENT_LINES];
	unsigned int nr_events; /* ever */
};

/* tool.c */
struct tool_domain *tool_find(const struct tool *tool, uint16_t domid);
struct tool_domain *tool_find_name(const struct tool *tool, const char *name);
const char *tool_name(const struct tool_domain *d);
/* To the log and to dmesg. */
void tool_event(struct tool *tool, int level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* With the devices of its config. @config: a reference is taken. */
int tool_domain_new(struct tool *tool, uint16_t domid, json_t *config, struct tool_domain **d_out);
void tool_domain_free(struct tool_domain *d);

/* tool_config.c */
struct tool_spec {
	struct engine_config engine;
	const char **argv; /* of engine: init and its arguments */
	cpu_set_t vcpu_cpus[TOOL_VCPUS_MAX];
	char cmdline[TOOL_CMDLINE];
};
/* Check @config and take it apart; texts point into it. -EINVAL with @why. */
int tool_spec_read(const json_t *config, struct tool_spec *spec, char why[TOOL_WHY]);
void tool_spec_fini(struct tool_spec *spec);
/* Give @config an uuid and each device what it lacks. -EINVAL with @why. */
int tool_config_complete(struct tool *tool, json_t *config, char why[TOOL_WHY]);
/* -EINVAL, with @why: what @key must be. */
int tool_config_refuse(char why[TOOL_WHY], const char *key, const char *allowed);
/* @dump_out: its memory is to be written to a file first. */
enum tool_action tool_config_action(const json_t *config, unsigned int reason, bool *dump_out);
/* "vcpus" of @config, and "maxvcpus", which is at least that. */
unsigned int tool_config_vcpus(const json_t *config);
unsigned int tool_config_max_vcpus(const json_t *config);
/*
 * tool_cmdline.c: what "cmdline", or else "root", "nfs_server", "nfs_root", "ip", "netmask", "gateway",
 * "hostname", "dhcp" and "extra" make, as xm and xl put it together. -EINVAL, -E2BIG with @why.
 */
int tool_cmdline(const json_t *config, char cmdline[TOOL_CMDLINE], char why[TOOL_WHY]);
const char *tool_config_text(const json_t *config, const char *key, const char *fallback);
unsigned int tool_config_number(const json_t *config, const char *key, unsigned int fallback);

/* tool_store.c: the xenstore areas, as libxl's. */
int tool_store_host(struct tool *tool);
/* The domain's and all its devices', in one transaction. */
int tool_store_domain(struct tool *tool, const struct tool_domain *d);
int tool_store_name(struct tool *tool, const struct tool_domain *d);
/* "control/<key>" and "memory/<key>" of the guest, and whether its vCPUs below @nr are to run. */
int tool_store_control(struct tool *tool, const struct tool_domain *d, const char *key,
		       const char *value);
int tool_store_memory(struct tool *tool, const struct tool_domain *d, const char *key,
		      uint64_t kib);
int tool_store_vcpus(struct tool *tool, const struct tool_domain *d, unsigned int nr);
int tool_store_device(struct tool *tool, const struct tool_domain *d, const struct tool_device *v);
/* Ask both ends to close: online=0, state=5. -ENOENT when there is no backend area any more. */
int tool_store_device_close(struct tool *tool, const struct tool_device *v,
			    unsigned int *state_out);
void tool_store_device_remove(struct tool *tool, const struct tool_device *v);
void tool_store_remove(struct tool *tool, uint16_t domid, const char *uuid);
/* A number as the backend or the guest wrote it, -1 for anything else; @path below @base. */
int64_t tool_store_number(struct tool *tool, const char *base, const char *path);
void tool_device_path(char path[TOOL_PATH], const struct tool_device *v, bool backend);

/* tool_device.c */
int tool_device_new(struct tool_domain *d, const struct tool_kind *kind, json_t *config,
		    struct tool_device **v_out);
/* All of @config's. */
int tool_devices_new(struct tool_domain *d, json_t *config);
int tool_devices_complete(struct tool *tool, json_t *config, char why[TOOL_WHY]);
/* Whether another device of @kind in @config than @except has @devid. */
bool tool_devid_taken(const json_t *config, const struct tool_kind *kind, const json_t *except,
		      unsigned int devid);
void tool_device_free(struct tool_device *v);
struct tool_device *tool_device_find(const struct tool_domain *d, const struct tool_kind *kind,
				     unsigned int devid);
int tool_device_attach(struct tool_domain *d, const struct tool_kind *kind, json_t *config,
		       struct tool_device **v_out, char why[TOOL_WHY]);
/* Answer @call when the backend and the hotplug are done with it, or have failed. */
void tool_device_await(struct tool_device *v, unsigned int timeout_ms, struct rpc_call *call);
/* DONE: its link is placed, its image open; the others with @why. */
enum tool_hotplug {
	HOTPLUG_DONE,
	HOTPLUG_FAILED,
	HOTPLUG_NOT_PLACED, /* yet */
	HOTPLUG_NOT_SERVED, /* not even begun: by nobody, perhaps */
};
enum tool_hotplug tool_device_hotplug(const struct tool_device *v, char why[TOOL_WHY]);
/* @call: answered when it is gone; may be NULL. */
void tool_device_detach(struct tool_device *v, unsigned int timeout_ms, struct rpc_call *call);
/* Whoever waits for it is told, and it is detached, which may be at once: then @v is gone. */
void tool_device_failed(struct tool_device *v, const char *why);
/* Both ends of one that is being detached are closed, or the time is up: @forced. Frees @v. */
void tool_device_gone(struct tool_device *v, bool forced);
/* Something changed in a backend area. */
void tool_device_changed(struct tool *tool, const char *path);

/* tool_emulated.c */
/* Its process runs: the links of its cards are there. */
void tool_emulated_started(struct tool_domain *d);
/* Something in the area of @v, which is emulated and not closing, has changed. @v may be gone then. */
void tool_emulated_changed(struct tool_device *v);
/* Plug @v, which is emulated and has its areas, into its machine. On failure, with @why, it is to be detached. */
int tool_emulated_attach(struct tool_device *v, char why[TOOL_WHY]);
/* Have the guest let go of it. Return: whether tool_device_gone() will follow. */
bool tool_emulated_detach(struct tool_device *v);
/* Nobody waits any longer for that, or it is done. */
void tool_emulated_gone(struct tool_device *v);

/* tool_boot.c */
/* Whether the kernel of a domain of @config is in its image. */
bool tool_boot_wanted(const json_t *config);
/* -EINVAL with @why: it cannot be. */
int tool_boot_check(const json_t *config, char why[TOOL_WHY]);
/* Look for it there; @cmdline: for it, beside what is there. 1: tool_domain_started() follows; -errno with @why. */
int tool_boot_start(struct tool_domain *d, const char *cmdline, bool paused, char why[TOOL_WHY]);

/* tool_creation.c */
/*
 * domain.create, or (@image_fd, borrowed, not -1) domain.restore, of @config: answers @call when it has started and its
 * devices are there, or are refused, or "timeout-ms" has passed.
 */
void tool_creation_begin(struct tool *tool, const json_t *config, int image_fd,
			 struct rpc_call *call);
/* @d has started; or (@why) not, and goes. */
void tool_creation_started(struct tool_domain *d, const char *why);
/* Something has changed in a device's area. */
void tool_creation_look(struct tool_domain *d);
/* @d is about to end, by what it did itself. */
void tool_creation_over(struct tool_domain *d);

/* tool_life.c */
/* Its weight and cap; its processes are there. */
void tool_domain_set_sched(struct tool_domain *d);
/* @config: borrowed. Return: 0; 1: it starts, tool_domain_started() follows; -EEXIST the name is taken; -EINVAL; -errno; with @why. */
int tool_domain_create(struct tool *tool, const json_t *config, bool paused,
		       struct tool_domain **d_out, char why[TOOL_WHY]);
/* The same, to go on from the state at @image_fd, which is borrowed; -1: anew. */
int tool_domain_restore(struct tool *tool, const json_t *config, int image_fd, bool paused,
			struct tool_domain **d_out, char why[TOOL_WHY]);
/* End it now and clear away; @restart: then create it anew. */
void tool_domain_destroy(struct tool_domain *d, bool restart);
/* What the guest is asked by control/shutdown. */
struct tool_command {
	const char *name, *feature; /* the node by which it says that it listens */
	unsigned int reason;
};
extern const struct tool_command tool_poweroff, tool_reboot, tool_suspend;
/* Have it ended at @at_ms of CLOCK_REALTIME if it still runs then, for @reason. */
int tool_domain_grace(struct tool_domain *d, uint64_t at_ms, unsigned int reason);
/* @force: it is ended after TOOL_GRACE_MS, and need not listen. -EOPNOTSUPP: it does not. */
int tool_domain_ask(struct tool_domain *d, const struct tool_command *command, bool force,
		    char why[TOOL_WHY]);
/* Do what the config says of its end; it is in TOOL_SHUTDOWN. */
void tool_domain_act(struct tool_domain *d);
/* Answer @call at its shutdown, or (not @shutdown) when it is gone. */
void tool_domain_wait(struct tool_domain *d, bool shutdown, struct rpc_call *call);
int tool_domain_rename(struct tool_domain *d, const char *name, char why[TOOL_WHY]);
/* Perhaps the last device of a dying domain is gone; then so is @d. */
void tool_domain_closed(struct tool_domain *d);

/* tool_dump.c */
/* Write its memory to a file of its own, then tool_domain_act(). */
void tool_dump_crashed(struct tool_domain *d);
/* To @path, which must not be there; answers @call. */
void tool_dump(struct tool_domain *d, const char *path, struct rpc_call *call);

/* tool_machine.c: methods for domains with a kernel of their own. */
void tool_machine_vcpu_set(void *arg, struct rpc_call *call);
void tool_machine_memory_set(void *arg, struct rpc_call *call);
void tool_machine_memory_max(void *arg, struct rpc_call *call);
void tool_machine_sysrq(void *arg, struct rpc_call *call);
void tool_machine_trigger(void *arg, struct rpc_call *call);
void tool_machine_dump_core(void *arg, struct rpc_call *call);
void tool_machine_sched(void *arg, struct rpc_call *call);

/* tool_record.c: what outlives the daemon. */
int tool_record_save(const struct tool_domain *d);
void tool_record_drop(struct tool *tool, uint16_t domid);
/* Match the records with the engine's domains. */
int tool_record_restore(struct tool *tool);
/* Whether this is the first time since the host started; marks it. */
bool tool_record_first_start(struct tool *tool);
void tool_record_forget_start(struct tool *tool);

/* tool_rpc.c */
/* The domain that "domid", or else "name", means; NULL after failing @call. */
struct tool_domain *tool_rpc_domain(struct tool *tool, struct rpc_call *call);
/* The same, of a domain that is not about to go. */
struct tool_domain *tool_rpc_live(struct tool *tool, struct rpc_call *call);
/* True: the call waits until a domain of @type can be made, or refused, without delay; @method then follows. */
bool tool_rpc_await(struct tool *tool, const char *type, struct rpc_call *call,
		    void (*method)(void *arg, struct rpc_call *call));
/* @why: NULL or "": what -errno @rc means. */
void tool_rpc_answer(struct rpc_call *call, int rc, const char *why);

/* tool_rpc_pin.c */
void tool_rpc_vcpu_pin(void *arg, struct rpc_call *call);

/* tool_rpc_machine.c: methods "cdrom.change" and "screen". */
void tool_rpc_cdrom(void *arg, struct rpc_call *call);
void tool_rpc_screen(void *arg, struct rpc_call *call);

/* tool_rpc_device.c: methods for devices of @kind. */
/* @param: the member that has its config; "timeout-ms": wait so long for its backend. */
void tool_rpc_attach(struct tool *tool, struct rpc_call *call, const struct tool_kind *kind,
		     const char *param);
/* By "devid", else as @find says. */
void tool_rpc_detach(struct tool *tool, struct rpc_call *call, const struct tool_kind *kind,
		     struct tool_device *(*find)(struct tool_domain *d, const json_t *params));
void tool_rpc_list(struct tool *tool, struct rpc_call *call, const struct tool_kind *kind);

/* tool_disk.c: disks of an emulated machine. All answer @call; @disk is not checked yet, nor taken over. */
void tool_disk_attach(struct tool_domain *d, struct rpc_call *call, json_t *disk);
void tool_disk_detach(struct tool_domain *d, struct rpc_call *call);
void tool_disk_list(const struct tool_domain *d, struct rpc_call *call);

/* tool_vbd.c */
/* What every disk is to have, whatever machine it is for. -EINVAL. */
int tool_vbd_check(const json_t *disk, char why[TOOL_WHY]);
/* Whether the images of @config's disks are there, before a domain is made for nothing. -errno with @why. */
int tool_vbd_find(const json_t *config, char why[TOOL_WHY]);

/* tool_info.c */
json_t *tool_domain_json(struct tool_domain *d);
/* What domain.create says of it. */
json_t *tool_created_json(struct tool_domain *d);
json_t *tool_dom0_json(struct tool *tool);
json_t *tool_host_json(struct tool *tool);
/* Which types of domains this host can run, to the log and to dmesg. */
void tool_say_types(struct tool *tool);
json_t *tool_vcpus_json(struct tool_domain *d);

#endif
