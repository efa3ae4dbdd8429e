/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host of daemons in a network namespace of its own, and vifs that come and go as by a toolstack. No guest is
 * needed: a vif's link is up before any frontend speaks.
 */
#ifndef BENCH_BENCH_HOST_H
#define BENCH_BENCH_HOST_H

#include <net/if.h>

#include "bench/bench_util.h"
#include "hv/store.h"
#include "vswitch/rtnl_events.h"

#define BENCH_BRIDGE "xenbr0"
#define BENCH_SCRIPT "/etc/xen/scripts/vif-bridge"

struct bench_host {
	struct hv_store *store;
	struct loop *loop;
	struct vs_events *events;
	int bridge;	/* ifindex; 0: unknown yet */
	bool is_routed; /* no bridge has the vifs */
	char awaited[IFNAMSIZ];
	bool is_up, is_gone;
};

/* Ends the program with the reason unless @rc is 0. */
void bench_must(int rc, const char *what);
/* The machine's network, and its /run that scripts write to, stay as they are. */
void bench_enter_namespaces(void);
/* vifrost-hvd, vifrost-netback, vifrostd in a run directory, stopped at the latest at exit. */
const char *bench_daemons_start(void);
void bench_daemons_stop(void);
pid_t bench_daemon(size_t i);
/* What all three have used of processors so far, in milliseconds: does not grow with what else runs. */
double bench_daemons_cpu_ms(void);
/* The result of a call of vifrostd's; exits on failure. */
json_t *bench_call(const char *method, json_t *params);
void bench_host_init(struct bench_host *h);
void bench_host_fini(struct bench_host *h);
/* The toolstack's transaction for vif @domid.0 of guest "bench<domid>"; returns after its end. Return: its end. */
uint64_t bench_vif_write(struct bench_host *h, unsigned int domid);
/* Milliseconds from the end of the toolstack's transaction until the link is up on the bridge. */
double bench_attach(struct bench_host *h, unsigned int domid);
/* Until the backend has closed, as frontends do that are closed already. */
double bench_detach(struct bench_host *h, unsigned int domid);

#endif
