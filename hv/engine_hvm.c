/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The row "hvm" of the engines' table: one QEMU process a domain, told what to do by QMP. It survives
 * vifrost-hvd: its sockets are the keeper's. What it says is the guest's saying: it can end or spoil
 * that domain and no other.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "hv/engine_hvm.h"

#define HVM_OVERHEAD_MIB 512 /* QEMU itself, its translations, the screen, a ramdisk's copy */
#define HVM_NR_PIDS	 256 /* threads: vCPUs and those of disks */

static int find_qemu(const char *program, char why[ENGINE_WHY])
{
	int rc = access(program, X_OK) < 0 ? -errno : 0;

	if (rc)
		snprintf(why, ENGINE_WHY, "%.120s: %s; install the package qemu-system-x86",
			 program, strerror(-rc));
	return rc;
}

static int usable(struct engine *e, char why[ENGINE_WHY])
{
	(void)e;
	return find_qemu(HVM_QEMU, why);
}

static int check(struct engine *e, const struct engine_config *c, char why[ENGINE_WHY])
{
	struct hvm_args args;
	int rc;

	/* The longest number, so that the names of the TAPs are checked for good. */
	rc = hvm_build_args(e, c->config, "/dev/pts/0", 0, false, &args, why);
	for (unsigned int i = 0; !rc && i < args.nr_files; i++) {
		int fd = hvm_open_file(args.files[i].path, args.files[i].writable, why);

		if (fd >= 0)
			close(fd);
		else
			rc = fd;
	}
	if (!rc)
		rc = find_qemu(args.program, why);
	hvm_args_fini(&args);
	/* Not one that would be taken for "there is no such engine". */
	return rc == -EOPNOTSUPP ? -EINVAL : rc;
}

static int prepare(struct engine_domain *d, const struct engine_config *c, const char *tty)
{
	struct hvm_launch *l = d->launch;
	char *text = json_dumps(c->config, JSON_COMPACT);
	int rc = 0;

	if (!text)
		return -ENOMEM;
	if (strlen(text) >= sizeof(l->config))
		rc = -E2BIG;
	l->magic = HVM_LAUNCH_MAGIC;
	l->next_fdset = HVM_FDSET_FIRST;
	snprintf(l->tty, sizeof(l->tty), "%.63s", tty);
	if (!rc)
		memcpy(l->config, text, strlen(text) + 1);
	free(text);
	return rc;
}

struct pausing {
	engine_done *done;
	void *arg;
};

static void pause_done(void *arg, const json_t *result, const char *error)
{
	struct pausing *p = arg;

	(void)result;
	if (p->done)
		p->done(p->arg, error ? -EIO : 0);
	free(p);
}

/* While it starts, nothing runs, and its record says how it is to go on then. */
static int set_paused(struct engine_domain *d, bool paused, engine_done *done, void *done_arg)
{
	struct hvm_domain *h = d->own;
	struct pausing *p;
	int rc;

	if (d->record->starting)
		return 0;
	p = h ? malloc(sizeof(*p)) : NULL;
	if (!p)
		return h ? -ENOMEM : -ESRCH;
	*p = (struct pausing){ done, done_arg };
	rc = qmp_call(h->qmp, paused ? "stop" : "cont", NULL, -1, pause_done, p);
	if (rc < 0)
		free(p);
	return rc < 0 ? rc : 1;
}

/* As the power button: what the guest makes of it is its own affair, for so long. */
static int shut_down(struct engine_domain *d, unsigned int grace_ms)
{
	struct hvm_launch *l = d->launch;
	struct hvm_domain *h = d->own;
	int rc = h ? qmp_call(h->qmp, "system_powerdown", NULL, -1, NULL, NULL) : -ESRCH;

	l->kill_at_ms = clock_ms() + (grace_ms ? grace_ms : 1);
	return rc ? rc : hvm_set_grace(h);
}

const struct engine_ops engine_hvm = {
	.type = "hvm",
	.launch_size = sizeof(struct hvm_launch),
	.needs = PART_BIT(PART_LAUNCH) | PART_BIT(PART_CONTROL) | PART_BIT(PART_LOG) |
		 PART_BIT(PART_FIRST),
	.nr_pids = HVM_NR_PIDS,
	.overhead_mib = HVM_OVERHEAD_MIB,
	.asks_kvm = true,
	.usable = usable,
	.check = check,
	.prepare = prepare,
	.start = hvm_engine_start,
	.pause = set_paused,
	.shutdown = shut_down,
	.why_not = hvm_why_not,
	.end_reason = hvm_end_reason,
	.listen = hvm_listen,
	.forget = hvm_forget,
};
