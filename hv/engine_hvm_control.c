/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What QEMU says, by QMP and on its standard error: the guest's saying, as far as we know. */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xen/sched.h>

#include "base/clock.h"
#include "base/log.h"
#include "hv/engine_hvm.h"

static void take_log_line(struct hvm_domain *h)
{
	struct engine_domain *d = h->d;
	const char *text = h->line, *colon;

	h->line[h->nr_line] = '\0';
	h->nr_line = 0;
	/* "qemu-system-x86_64: -drive x: why" */
	colon = strstr(text, ": ");
	if (colon && !strncmp(text, "qemu", 4))
		text = colon + 2;
	for (char *p = h->line; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	if (!*text)
		return;
	if (!h->first[0])
		snprintf(h->first, sizeof(h->first), "%s", text);
	log_limited(&h->limit, "domain %u (%s): QEMU: %s", d->domid, d->record->name, text);
}

static void log_ready(void *arg, uint32_t events)
{
	struct hvm_domain *h = arg;
	char buf[4096];
	ssize_t n = read(h->d->fds[PART_LOG], buf, sizeof(buf));

	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] != '\n' && h->nr_line < sizeof(h->line) - 1)
			h->line[h->nr_line++] = buf[i];
		if (buf[i] == '\n')
			take_log_line(h);
	}
	if (n == 0 || (n < 0 && (events & (EPOLLHUP | EPOLLERR))))
		loop_fd_del(&h->log_watcher);
}

static void take_shutdown(struct engine_domain *d, const json_t *data)
{
	static const struct {
		const char *name;
		unsigned int reason;
	} reasons[] = {
		{ "guest-shutdown", SHUTDOWN_poweroff }, { "guest-reset", SHUTDOWN_reboot },
		{ "host-ui", SHUTDOWN_poweroff },	 { "host-signal", SHUTDOWN_poweroff },
		{ "subsystem-reset", SHUTDOWN_reboot },	 { "guest-panic", SHUTDOWN_crash },
	};
	struct hvm_launch *l = d->launch;
	const char *name = json_string_value(json_object_get(data, "reason"));

	for (size_t i = 0; name && i < sizeof(reasons) / sizeof(*reasons); i++)
		if (!strcmp(reasons[i].name, name)) {
			l->reason = reasons[i].reason;
			l->has_reason = 1;
		}
}

static void qmp_event(void *arg, const char *name, const json_t *data)
{
	struct hvm_domain *h = arg;
	struct hvm_launch *l = h->d->launch;

	/* A panic's SHUTDOWN follows; nothing that comes after it makes it undone. */
	if (!strcmp(name, "GUEST_PANICKED")) {
		if (!l->has_reason || l->reason != SHUTDOWN_crash)
			log_notice("domain %u (%s): its kernel has panicked", h->d->domid,
				   h->d->record->name);
		l->reason = SHUTDOWN_crash;
		l->has_reason = 1;
	} else if (!strcmp(name, "SHUTDOWN") && !l->has_reason) {
		take_shutdown(h->d, data);
	} else if (!strcmp(name, "DEVICE_DELETED")) {
		const char *device = json_string_value(json_object_get(data, "device"));

		if (device)
			hvm_unplugged(h, device);
	}
}

static void qmp_closed(void *arg, const char *why)
{
	struct hvm_domain *h = arg;

	if (why)
		log_warning("domain %u (%s): %s: it is ended", h->d->domid, h->d->record->name,
			    why);
	if (why && !h->refused[0])
		snprintf(h->refused, sizeof(h->refused), "%s", why);
	/* Nobody could end it any more. Its death is then seen from the loop. */
	engine_signal(h->d, why ? SIGKILL : 0);
}

static void grace_over(void *arg)
{
	struct hvm_domain *h = arg;

	log_notice("domain %u (%s) has not shut down in time: it is ended", h->d->domid,
		   h->d->record->name);
	engine_signal(h->d, SIGKILL);
}

int hvm_set_grace(struct hvm_domain *h)
{
	const struct hvm_launch *l = h->d->launch;
	uint64_t now = clock_ms();

	return l->kill_at_ms
		       ? loop_timer_set(&h->grace, l->kill_at_ms > now ? l->kill_at_ms - now : 1, 0)
		       : 0;
}

/* How far our predecessor had come with it is not known. */
static void give_up_start(struct hvm_domain *h)
{
	snprintf(h->refused, sizeof(h->refused), "vifrost-hvd ended while it was starting");
	engine_signal(h->d, SIGKILL);
}

int hvm_listen(struct engine_domain *d, bool restored)
{
	struct loop *loop = d->engine->params.loop;
	struct hvm_domain *h = calloc(1, sizeof(*h));
	struct qmp_hooks hooks = { qmp_event, qmp_closed, h };
	int rc;

	if (!h)
		return -ENOMEM;
	h->d = d;
	h->report_fd = -1;
	d->own = h;
	rc = loop_timer_add(loop, &h->grace, grace_over, h);
	if (!rc)
		rc = loop_timer_add(loop, &h->start_timer, hvm_start_timer, h);
	if (!rc)
		rc = loop_fd_add(loop, &h->log_watcher, d->fds[PART_LOG], EPOLLIN, log_ready, h);
	if (!rc)
		rc = qmp_create(loop, d->fds[PART_CONTROL], restored, &hooks, &h->qmp);
	if (!rc && restored && d->record->starting)
		give_up_start(h);
	return rc ? rc : hvm_set_grace(h);
}

void hvm_forget(struct engine_domain *d)
{
	struct hvm_domain *h = d->own;

	if (!h)
		return;
	qmp_destroy(h->qmp);
	for (size_t i = 0; i < sizeof(h->unplugs) / sizeof(h->unplugs[0]); i++)
		if (h->unplugs[i].done)
			h->unplugs[i].done(h->unplugs[i].arg, "QEMU has ended");
	loop_fd_del(&h->log_watcher);
	loop_timer_del(&h->grace);
	loop_timer_del(&h->start_timer);
	if (h->report_fd >= 0)
		close(h->report_fd);
	free(h);
	d->own = NULL;
}

void hvm_hear_out(struct hvm_domain *h)
{
	qmp_drain(h->qmp);
	if (h->log_watcher.loop)
		log_ready(h, 0);
}

void hvm_how_it_ended(const struct engine_domain *d, char text[ENGINE_WHY])
{
	siginfo_t info = { 0 };

	snprintf(text, ENGINE_WHY, "QEMU died");
	/* Only if it is our child, not our predecessor's. */
	if (waitid(P_PIDFD, (id_t)d->fds[PART_FIRST], &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
	    !info.si_pid)
		return;
	if (info.si_code == CLD_EXITED)
		snprintf(text, ENGINE_WHY, "QEMU ended with status %d", info.si_status);
	else
		snprintf(text, ENGINE_WHY, "QEMU was killed by signal %d (%s)", info.si_status,
			 strsignal(info.si_status));
}

unsigned int hvm_end_reason(struct engine_domain *d)
{
	const struct hvm_launch *l = d->launch;
	char how[ENGINE_WHY];

	/* It may have said why, and we not have heard it yet. */
	if (d->own)
		hvm_hear_out(d->own);
	if (l->has_reason)
		return l->reason;
	hvm_how_it_ended(d, how);
	log_warning("domain %u (%s): %s", d->domid, d->record->name, how);
	return SHUTDOWN_crash;
}
