/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files of the engine "hvm": its row, its start, what QEMU says, and what is plugged in. */
#ifndef HV_ENGINE_HVM_H
#define HV_ENGINE_HVM_H

#include "base/log.h"
#include "hv/engine_priv.h"
#include "hv/hvm/hvm_start.h"
#include "hv/hvm/qmp.h"

#define HVM_LAUNCH_MAGIC 0x314d5648u
#define HVM_CONFIG_MAX	 65536
#define HVM_LOG_LINE	 256
#define HVM_FDSET_FIRST	 1000 /* of media; those of the start have their descriptor's number */

/* Kept beside the record; QEMU does not have it. */
struct hvm_launch {
	uint32_t magic;
	uint32_t has_reason, reason; /* as QEMU said */
	uint32_t next_fdset;
	uint64_t kill_at_ms; /* CLOCK_MONOTONIC; 0: not asked to end */
	uint32_t vnc_port;   /* 0: none */
	char vnc_address[64];
	char tty[64];
	char config[HVM_CONFIG_MAX];
};

/* What is made by a few calls: told once, of the first that failed, when the last is answered. */
struct hvm_batch {
	struct hvm_domain *h;
	char id[32];		/* of the device */
	unsigned int nr_calls;	/* unanswered; it lives until there are none */
	bool over;		/* told, or never to be */
	char error[ENGINE_WHY]; /* the first */
	void (*done)(void *arg, const char *error);
	void *arg;
};

/* A device that is being taken out. */
struct hvm_unplug {
	struct hvm_domain *h;
	char id[32];
	void (*done)(void *arg, const char *error); /* NULL: free */
	void *arg;
};

struct hvm_domain {
	struct engine_domain *d;
	struct qmp *qmp;
	struct loop_fd log_watcher;
	struct loop_timer grace;
	char line[HVM_LOG_LINE];
	size_t nr_line;
	char first[HVM_LOG_LINE]; /* line that QEMU printed */
	struct log_limit limit;
	/* Until it is started. */
	struct loop_timer start_timer; /* its time is up; or, when settled, it is to be told */
	int report_fd;		       /* of hvm_start() */
	bool settled;		       /* its start's calls are answered */
	bool stands;		       /* until it is told "cont" */
	char refused[ENGINE_WHY];      /* why its start has failed */
	struct hvm_nic vhost[HVM_MAX_NICS];
	unsigned int nr_vhost;
	int end_fd; /* those of its disks were handed to QEMU below it, as the sets of their numbers */
	struct hvm_unplug unplugs[HVM_MAX_NICS + HVM_MAX_DISKS];
};

/* engine_hvm_start.c: QEMU's process, until what it is made of is there. */
bool hvm_has_kvm(struct engine *e);
int hvm_build_args(struct engine *e, const json_t *config, const char *tty, uint16_t domid,
		   bool paused, struct hvm_args *args, char why[ENGINE_WHY]);
/* As engine_ops has them. */
int hvm_engine_start(struct engine_domain *d, const struct engine_config *c,
		     const struct cgroup_join *join, bool paused, char why[ENGINE_WHY]);
void hvm_why_not(struct engine_domain *d, char why[ENGINE_WHY]);
/* Of @h->start_timer. */
void hvm_start_timer(void *arg);

/* engine_hvm_control.c: what QEMU says, by QMP and on its standard error. */
int hvm_listen(struct engine_domain *d, bool restored);
void hvm_forget(struct engine_domain *d);
/* Its power button's time, from d->launch. */
int hvm_set_grace(struct hvm_domain *h);
unsigned int hvm_end_reason(struct engine_domain *d);
/* Take in what it has said and nobody has heard yet. */
void hvm_hear_out(struct hvm_domain *h);
/* How its process ended, as the end of a sentence. */
void hvm_how_it_ended(const struct engine_domain *d, char text[ENGINE_WHY]);

/* engine_hvm_nic.c: cards that are plugged in, and taken out, by QMP. */
/*
 * One whose frames are vifrost-netback's. QEMU stands still until it has connected to that, which listens once
 * the policy has placed the vif. @reply: of the last call; NULL: nobody waits.
 */
int hvm_plug_vhost(struct hvm_domain *h, const struct hvm_nic *nic, qmp_reply_fn *reply, void *arg);
/* The host's end of the card with @id: "nic<devid>". */
void hvm_cut_nic(struct hvm_domain *h, const char *id);

/* engine_hvm_disk.c: disks that are. */
/* Close the image of the disk with @id, whose device is gone. */
void hvm_close_disk(struct hvm_domain *h, const char *id);

/* engine_hvm_plug.c: what cards and disks that come and go have in common. */
/* A running machine to plug something with @id into. Return: 0; -EINVAL with @why; -ENOMEM. */
int hvm_batch_new(struct engine *e, uint16_t domid, void (*done)(void *arg, const char *error),
		  void *arg, struct hvm_batch **b_out, char why[ENGINE_WHY]);
/* As qmp_call(). */
int hvm_batch_call(struct hvm_batch *b, const char *command, json_t *arguments, int fd);
/* The reply to the last call, which its caller makes with qmp_call() and hands the outcome of to hvm_batch_sent(). */
void hvm_batch_last(void *arg, const json_t *result, const char *error);
/* Return: @rc. Failed, it will not be told. */
int hvm_batch_sent(struct hvm_batch *b, int rc, char why[ENGINE_WHY]);
/* Have the guest let go of device @id. -EBUSY: it has been asked to. */
int hvm_unplug(struct hvm_domain *h, const char *id, void (*done)(void *arg, const char *error),
	       void *arg);
/* The guest has let go of the device with id @device. */
void hvm_unplugged(struct hvm_domain *h, const char *device);
/* The device, or what there is of it on the host, is taken away. */
void hvm_take_away(struct hvm_domain *h, const char *id, const char *error);
/* For what was perhaps not there, which is no matter. */
void hvm_ignore(void *arg, const json_t *result, const char *error);

/* engine_hvm_device.c */
/* NULL: it is none of type hvm, or does not run. */
struct engine_domain *hvm_find(struct engine *e, uint16_t domid);

#endif
