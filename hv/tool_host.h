/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the toolstack asks of the hypervisor: the core's domains, the store rings that xenstore
 * serves, and the engines that run in them, as one. tool_host.c fills it; a unit test links its own.
 *
 * A domain comes back after the death of the daemon by tool_host_restore(). 0 or -errno; those with
 * @why put a reason there, ENGINE_WHY bytes.
 */
#ifndef HV_TOOL_HOST_H
#define HV_TOOL_HOST_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "hv/core.h"
#include "hv/engine.h"
#include "hv/xenstore/xs_server.h"

struct tool_host {
	struct core *core;
	struct xs_server *xenstore;
	struct engine *engine;
};

enum tool_host_state { TOOL_HOST_RUNNING, TOOL_HOST_PAUSED, TOOL_HOST_STOPPED };

struct tool_host_info {
	enum tool_host_state state;
	unsigned int reason; /* SHUTDOWN_*, when stopped */
	uint32_t generation; /* tells it from any other domain of its number */
	uint64_t cpu_ns;
	unsigned int memory_mib; /* as engine_info has it */
	pid_t pid;
	bool created;		   /* nothing has been started in it yet */
	bool own_kernel, starting; /* as engine_info has them */
};

/* Let xenstore serve the domains that are there already. */
int tool_host_restore(struct tool_host *h);
/* As engine_await(). */
bool tool_host_await(struct tool_host *h, const char *type, void (*ready)(void *arg, int rc),
		     void *arg);
/* As engine_type(). */
const char *tool_host_type(struct tool_host *h, unsigned int nr, char why[ENGINE_WHY]);
/* A domain with memory and a store ring that is served; nothing runs. -EOPNOTSUPP: no such engine. */
int tool_host_create(struct tool_host *h, const struct engine_config *config, uint16_t *domid_out,
		     char why[ENGINE_WHY]);
/* Its xenstore areas are written. 1: tool_domain_started() will follow. */
int tool_host_start(struct tool_host *h, uint16_t domid, const struct engine_config *config,
		    bool paused, char why[ENGINE_WHY]);
/* In any state: all of it is gone. */
void tool_host_destroy(struct tool_host *h, uint16_t domid);
/* -EINVAL: not in a state for it. 1: @done follows. */
int tool_host_pause(struct tool_host *h, uint16_t domid, bool paused, engine_done *done, void *arg);
/*
 * @reason: SHUTDOWN_poweroff or SHUTDOWN_reboot; tool_domain_ended() will follow with it. A domain with a
 * kernel of its own is ended at once.
 */
int tool_host_shutdown(struct tool_host *h, uint16_t domid, unsigned int reason,
		       unsigned int grace_ms);
/* As the engine's. */
int tool_host_set_cpus(struct tool_host *h, uint16_t domid, const cpu_set_t *cpus,
		       const cpu_set_t *vcpu_cpus, unsigned int nr);
int tool_host_vcpu(struct tool_host *h, uint16_t domid, unsigned int vcpu, struct engine_vcpu *out);
int tool_host_ask(struct tool_host *h, uint16_t domid, const struct engine_question *q);
unsigned int tool_host_copied(struct tool_host *h, uint16_t domid,
			      struct engine_round rounds[ENGINE_MAX_ROUNDS]);
/* Its share of busy CPUs, 1 to 65535 with 256 as normal; per cent of a CPU, 0: no bound. */
int tool_host_sched(struct tool_host *h, uint16_t domid, unsigned int weight, unsigned int cap);
int tool_host_info(struct tool_host *h, uint16_t domid, struct tool_host_info *info);
uint16_t tool_host_next(struct tool_host *h, uint16_t domid);
int tool_host_console(struct tool_host *h, uint16_t domid, char tty[PATH_MAX], char log[PATH_MAX]);
/* As engine_screen() and engine_change_medium(). */
int tool_host_screen(struct tool_host *h, uint16_t domid, char address[64], unsigned int *port_out);
int tool_host_change_medium(struct tool_host *h, uint16_t domid, const char *vdev, const char *path,
			    const char *format, void (*done)(void *arg, const char *error),
			    void *arg, char why[ENGINE_WHY]);

/* As the engine's. */
int tool_host_nic_attach(struct tool_host *h, uint16_t domid, const json_t *vif,
			 void (*done)(void *arg, const char *error), void *arg,
			 char why[ENGINE_WHY]);
int tool_host_nic_detach(struct tool_host *h, uint16_t domid, unsigned int devid,
			 void (*done)(void *arg, const char *error), void *arg);
int tool_host_disk_attach(struct tool_host *h, uint16_t domid, const json_t *disk,
			  void (*done)(void *arg, const char *error), void *arg,
			  char why[ENGINE_WHY]);
int tool_host_disk_detach(struct tool_host *h, uint16_t domid, const json_t *disk,
			  void (*done)(void *arg, const char *error), void *arg,
			  char why[ENGINE_WHY]);
void tool_host_nic_cut(struct tool_host *h, uint16_t domid, unsigned int devid);

#endif
