/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The start of a domain of type hvm. Nobody waits for QEMU: its process is made, what it is to be told
 * is sent, and when it has answered, or died, or its time is up, engine_domain_started() follows from
 * the loop.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "hv/engine_hvm.h"

#define HVM_START_MS 20000 /* a busy machine, and a ramdisk of a GiB */

/* KVM is taken where it is known to run any kernel; everything else QEMU's translator does anywhere. */
bool hvm_has_kvm(struct engine *e)
{
	char why[KVM_PROBE_WHY];

	return kvm_device_check(&e->kvm, why) == 0;
}

int hvm_build_args(struct engine *e, const json_t *config, const char *tty, uint16_t domid,
		   bool paused, struct hvm_args *args, char why[ENGINE_WHY])
{
	struct hvm_host host = { hvm_has_kvm(e), domid, tty, file_is_block_device };

	return hvm_args_build(config, &host, paused, args, why);
}

/* Of a call that must succeed for the domain to start. What fails since QEMU has died is not why. */
static void note_failure(void *arg, const json_t *result, const char *error)
{
	struct hvm_domain *h = arg;

	(void)result;
	if (error && qmp_is_open(h->qmp) && !h->refused[0])
		snprintf(h->refused, sizeof(h->refused), "QEMU: %.240s", error);
}

/* The password goes by QMP, so that no list of processes shows it. */
static int start_vnc(struct hvm_domain *h, const struct hvm_vnc *vnc, char why[ENGINE_WHY])
{
	struct hvm_launch *l = h->d->launch;
	unsigned int display;
	int fd, rc = 0;

	if (!vnc->on)
		return 0;
	fd = hvm_listen_vnc(vnc, &display, why);
	if (fd < 0)
		return fd;
	if (vnc->password)
		rc = qmp_call(h->qmp, "set_password",
			      json_pack("{s:s, s:s}", "protocol", "vnc", "password", vnc->password),
			      -1, note_failure, h);
	if (!rc)
		rc = qmp_call(h->qmp, "getfd", json_pack("{s:s}", "fdname", "vnc"), fd,
			      note_failure, h);
	if (!rc)
		rc = qmp_call(h->qmp, "display-update",
			      json_pack("{s:s, s:[{s:s, s:s}]}", "type", "vnc", "addresses", "type",
					"fd", "str", "vnc"),
			      -1, note_failure, h);
	close(fd);
	snprintf(l->vnc_address, sizeof(l->vnc_address), "%s", vnc->address);
	l->vnc_port = 5900 + display;
	return rc;
}

static int plug_all(struct hvm_domain *h)
{
	int rc = 0;

	/* Its disks' descriptors: what uses them has them, and a disk that is taken out is to be let go of. */
	for (int fd = HVM_FD_FIRST; fd < h->end_fd && !rc; fd++)
		rc = qmp_call(h->qmp, "remove-fd", json_pack("{s:i}", "fdset-id", fd), -1,
			      hvm_ignore, NULL);
	for (unsigned int i = 0; i < h->nr_vhost && !rc; i++)
		rc = hvm_plug_vhost(h, &h->vhost[i], NULL, NULL);
	return rc;
}

/* What it was told before is answered then. From within an answer nothing may end the connection. */
static void settled(void *arg, const json_t *result, const char *error)
{
	struct hvm_domain *h = arg;
	int rc;

	note_failure(arg, result, error);
	if (!qmp_is_open(h->qmp))
		return;
	rc = h->refused[0] ? 0 : plug_all(h);
	if (rc)
		snprintf(h->refused, sizeof(h->refused), "QEMU cannot be told: %s", strerror(-rc));
	h->settled = !h->refused[0];
	if (h->settled)
		loop_timer_set(&h->start_timer, 1, 0);
	else
		engine_signal(h->d, SIGKILL);
}

static void close_report(struct hvm_domain *h)
{
	if (h->report_fd >= 0)
		close(h->report_fd);
	h->report_fd = -1;
}

void hvm_start_timer(void *arg)
{
	struct hvm_domain *h = arg;
	bool paused = h->d->record->state == ENGINE_PAUSED;

	if (!h->settled) {
		snprintf(h->refused, sizeof(h->refused), "QEMU was not ready within %d s",
			 HVM_START_MS / 1000);
		/* Its death is then seen from the loop. */
		engine_signal(h->d, SIGKILL);
		return;
	}
	close_report(h);
	/* It may have been paused, or let go, since QEMU was started. */
	if (h->stands != paused)
		qmp_call(h->qmp, paused ? "stop" : "cont", NULL, -1, NULL, NULL);
	/* Last: whoever is told may destroy it. */
	engine_domain_started(h->d, NULL);
}

/* QEMU has it by descriptor: it cannot say which file that is. */
static void explain(const struct hvm_domain *h, char why[ENGINE_WHY])
{
	const struct hvm_launch *l = h->d->launch;
	json_t *config = strstr(h->first, "kernel") ? json_loads(l->config, 0, NULL) : NULL;
	const char *kernel = json_string_value(json_object_get(config, "kernel"));

	if (kernel)
		snprintf(
			why, ENGINE_WHY,
			"kernel: %.120s: QEMU: %.60s: give it a bzImage, or an ELF file with a PVH note",
			kernel, h->first);
	else
		snprintf(why, ENGINE_WHY, "QEMU: %.240s", h->first);
	json_decref(config);
}

void hvm_why_not(struct engine_domain *d, char why[ENGINE_WHY])
{
	struct hvm_domain *h = d->own;

	if (h)
		hvm_hear_out(h);
	if (h && h->report_fd >= 0 && hvm_start_report(h->report_fd, why) < 0)
		return;
	if (h && h->refused[0])
		snprintf(why, ENGINE_WHY, "%s", h->refused);
	else if (h && h->first[0])
		explain(h, why);
	else
		hvm_how_it_ended(d, why);
}

/* What is to be done with the process once it listens. */
static void note_args(struct hvm_domain *h, const struct hvm_args *args, bool paused)
{
	h->stands = paused || args->has_vhost;
	h->end_fd = args->next_fd;
	for (unsigned int i = 0; i < args->nr_nics; i++)
		if (args->nics[i].fd < 0)
			h->vhost[h->nr_vhost++] = args->nics[i];
}

static int run(struct engine_domain *d, const struct hvm_args *args, const struct cgroup_join *join,
	       bool paused, char why[ENGINE_WHY])
{
	struct hvm_start s = { .args = args,
			       .join = join,
			       .cpus = d->record->has_cpus ? &d->record->cpus : NULL,
			       .uid = NS_UID_BASE(d->domid) };
	int rc = hvm_start(&s, why);
	struct hvm_domain *h;

	if (rc < 0)
		return rc;
	d->fds[PART_CONTROL] = s.qmp_fd;
	d->fds[PART_LOG] = s.log_fd;
	d->fds[PART_FIRST] = s.pidfd;
	d->record->init_pid = s.pid;
	rc = hvm_listen(d, false);
	h = d->own;
	if (!h) {
		close(s.report_fd);
		return rc;
	}
	h->report_fd = s.report_fd;
	note_args(h, args, paused);
	if (!rc)
		rc = start_vnc(h, &args->vnc, why);
	if (!rc)
		rc = qmp_call(h->qmp, "query-status", NULL, -1, settled, h);
	return rc ? rc : loop_timer_set(&h->start_timer, HVM_START_MS, 0);
}

int hvm_engine_start(struct engine_domain *d, const struct engine_config *c,
		     const struct cgroup_join *join, bool paused, char why[ENGINE_WHY])
{
	struct hvm_launch *l = d->launch;
	json_t *config = json_loads(l->config, 0, NULL);
	struct hvm_args args;
	int rc;

	(void)c;
	if (!config)
		return -ENOMEM;
	rc = hvm_build_args(d->engine, config, l->tty, d->domid, paused, &args, why);
	if (!rc)
		rc = run(d, &args, join, paused, why);
	hvm_args_fini(&args);
	json_decref(config);
	return rc < 0 ? rc : 1;
}
