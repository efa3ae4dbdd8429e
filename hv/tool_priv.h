/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files of the toolstack. */
#ifndef HV_TOOL_PRIV_H
#define HV_TOOL_PRIV_H

#include <limits.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/list.h"
#include "base/log.h"
#include "hv/store.h"
#include "hv/tool.h"

#define TOOL_WHY	   ENGINE_WHY
#define TOOL_PATH	   128
#define TOOL_UUID_TEXT	   37
#define TOOL_EVENT_LINES   256 /* of dmesg */
#define TOOL_MEMORY_MIB	   32  /* when the config is silent, as libxl */
#define TOOL_TX_TRIES	   16
#define TOOL_DEVICE_STATES 9 /* XenbusState* of io/xenbus.h */

enum tool_state { TOOL_RUNNING, TOOL_SHUTDOWN, TOOL_DYING };

enum tool_action { ACTION_DESTROY, ACTION_RESTART, ACTION_RENAME_RESTART, ACTION_PRESERVE };

struct tool_vif {
	struct list node;
	struct tool_domain *domain;
	unsigned int devid;
	json_t *config; /* with devid and mac; shared with the domain's config */
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
	bool sweeping; /* its vifs are being told to close: not gone before all are */
	uint64_t restarts_ms[TOOL_RESTARTS_MAX]; /* CLOCK_REALTIME, of those nobody asked for */
	struct list vifs, waiters;
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
/* With the vifs of its config. @config: a reference is taken. */
int tool_domain_new(struct tool *tool, uint16_t domid, json_t *config, struct tool_domain **d_out);
void tool_domain_free(struct tool_domain *d);

/* tool_config.c */
struct tool_spec {
	struct engine_config engine;
	const char **argv; /* of engine: init and its arguments */
	cpu_set_t vcpu_cpus[TOOL_VCPUS_MAX];
};
/* Check @config and take it apart; texts point into it. -EINVAL with @why. */
int tool_spec_read(const json_t *config, struct tool_spec *spec, char why[TOOL_WHY]);
void tool_spec_fini(struct tool_spec *spec);
/* Give @config an uuid and each vif a devid and a MAC where they lack one. -EINVAL with @why. */
int tool_config_complete(struct tool *tool, json_t *config, char why[TOOL_WHY]);
int tool_vif_complete(struct tool *tool, const json_t *config, json_t *vif, char why[TOOL_WHY]);
enum tool_action tool_config_action(const json_t *config, unsigned int reason);
const char *tool_config_text(const json_t *config, const char *key, const char *fallback);
unsigned int tool_config_number(const json_t *config, const char *key, unsigned int fallback);

/* tool_store.c: the xenstore areas, as libxl's. */
int tool_store_host(struct tool *tool);
/* The domain's and all its vifs', in one transaction. */
int tool_store_domain(struct tool *tool, const struct tool_domain *d);
int tool_store_name(struct tool *tool, const struct tool_domain *d);
int tool_store_control(struct tool *tool, const struct tool_domain *d, const char *command);
int tool_store_vif(struct tool *tool, const struct tool_domain *d, const struct tool_vif *v);
/* Ask both ends to close: online=0, state=5. -ENOENT when there is no backend area any more. */
int tool_store_vif_close(struct tool *tool, const struct tool_vif *v, unsigned int *state_out);
void tool_store_vif_remove(struct tool *tool, const struct tool_vif *v);
void tool_store_remove(struct tool *tool, uint16_t domid, const char *uuid);
/* A number as the backend or the guest wrote it, -1 for anything else; @path below @base. */
int64_t tool_store_number(struct tool *tool, const char *base, const char *path);
void tool_vif_path(char path[TOOL_PATH], const struct tool_vif *v, bool backend);

/* tool_vif.c */
int tool_vif_new(struct tool_domain *d, json_t *config, struct tool_vif **v_out);
void tool_vif_free(struct tool_vif *v);
struct tool_vif *tool_vif_find(const struct tool_domain *d, unsigned int devid);
int tool_vif_attach(struct tool_domain *d, json_t *config, struct tool_vif **v_out,
		    char why[TOOL_WHY]);
/* Answer @call when the backend and the hotplug are done with it, or have failed. */
void tool_vif_await(struct tool_vif *v, unsigned int timeout_ms, struct rpc_call *call);
/* @call: answered when it is gone; may be NULL. */
void tool_vif_detach(struct tool_vif *v, unsigned int timeout_ms, struct rpc_call *call);
json_t *tool_vif_json(struct tool_vif *v);
/* Something changed in the backend area of @domid's vif @devid. */
void tool_vif_changed(struct tool *tool, uint16_t domid, unsigned int devid);

/* tool_life.c */
/* @config: borrowed. Return: 0; -EEXIST the name is taken; -EINVAL; -errno; with @why. */
int tool_domain_create(struct tool *tool, const json_t *config, bool paused,
		       struct tool_domain **d_out, char why[TOOL_WHY]);
/* End it now and clear away; @restart: then create it anew. */
void tool_domain_destroy(struct tool_domain *d, bool restart);
int tool_domain_ask(struct tool_domain *d, bool reboot, char why[TOOL_WHY]);
/* Answer @call at its shutdown, or (not @shutdown) when it is gone. */
void tool_domain_wait(struct tool_domain *d, bool shutdown, struct rpc_call *call);
int tool_domain_rename(struct tool_domain *d, const char *name, char why[TOOL_WHY]);
/* Perhaps the last vif of a dying domain is gone; then so is @d. */
void tool_domain_closed(struct tool_domain *d);

/* tool_record.c: what outlives the daemon. */
int tool_record_save(const struct tool_domain *d);
void tool_record_drop(struct tool *tool, uint16_t domid);
/* Match the records with the engine's domains. */
int tool_record_restore(struct tool *tool);
/* Whether this is the first time since the host started; marks it. */
bool tool_record_first_start(struct tool *tool);
void tool_record_forget_start(struct tool *tool);

/* tool_info.c */
json_t *tool_domain_json(struct tool_domain *d);
json_t *tool_dom0_json(struct tool *tool);
json_t *tool_host_json(struct tool *tool);
json_t *tool_vcpus_json(struct tool_domain *d);

#endif
