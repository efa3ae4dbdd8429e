/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A netback in this process, with its store, one guest's vif 0 and a port that is no TAP. */
#ifndef TESTS_UTIL_NB_HOST_H
#define TESTS_UTIL_NB_HOST_H

#include <net/if.h>

#include "netback/vif.h"
#include "tests/util/nb_rig.h"

/* Ports without a kernel: the far end of a socket pair is the bridge. */
struct nb_ports {
	int nr_open, nr_released;
	int far;
	bool carrier, exists, taken;
	unsigned int mtu, offload;
	bool one_queue;	     /* as a TAP that is not multi-queue */
	char name[IFNAMSIZ]; /* opened last */
};

extern struct nb_ports host_ports;

struct host {
	struct rig r;
	struct netback *nb;
	const char *sysfs;			 /* of the next host_start() */
	unsigned int patience_ms;		 /* the same */
	struct nb_plane planes[NB_NR_DATAPATHS]; /* the same */
	const struct nb_only *only;		 /* the same */
};

struct hv_store *host_store(struct host *h);
void host_write_key(struct host *h, bool frontend, const char *key, const char *value);
void host_be(struct host *h, const char *key, const char *value);
void host_fe(struct host *h, const char *key, const char *value);
void host_fe_u32(struct host *h, const char *key, uint32_t value);
int host_be_state(struct host *h);
void host_expect_state(struct host *h, int state);
struct nb_vif *host_the_vif(struct host *h);
void host_start_with(struct host *h, unsigned int nr_workers);
void host_start(struct host *h);
int host_setup(void **state);
int host_teardown(void **state);
void host_add_device(struct host *h);
void host_publish(struct host *h);
void host_go_online(struct host *h);
void host_fresh_rings(struct host *h);
void host_assert_passes_frames(struct host *h);

#endif
