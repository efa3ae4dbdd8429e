/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What watches over a try: its lifeline, started again should it be killed, and a timer of our own. */
#include "policy/vifrostd_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "policy/lifeline.h"

/* The lifeline comes first, so that its way is the one that is gone. */
#define OWN_DELAY_MS  1000
#define LIFELINES_MAX 5

static int watch_lifeline(struct vifrostd *d);

static void forget_lifeline(struct tx *tx)
{
	loop_fd_del(&tx->lifeline);
	if (tx->lifeline_fd >= 0)
		close(tx->lifeline_fd);
	tx->lifeline_fd = -1;
}

static void on_lifeline_gone(void *arg, uint32_t events)
{
	struct vifrostd *d = arg;
	int rc = -EMFILE;

	(void)events;
	forget_lifeline(&d->tx);
	log_warning(LIFELINE_NAME " has ended before its time; starting another");
	if (d->tx.lifeline_starts < LIFELINES_MAX)
		rc = lifeline_start(d->rundir, d->tx.id, d->tx.until_ms, NULL);
	if (!rc)
		rc = watch_lifeline(d);
	if (rc)
		log_err("no " LIFELINE_NAME ": try %s is rolled back by vifrostd alone", d->tx.id);
}

static int watch_lifeline(struct vifrostd *d)
{
	struct tx *tx = &d->tx;
	pid_t pid;
	int rc;

	if (!lifeline_runs(d->rundir, &pid))
		return -ESRCH;
	tx->lifeline_starts++;
	tx->lifeline_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (tx->lifeline_fd < 0)
		return -errno;
	rc = loop_fd_add(d->loop, &tx->lifeline, tx->lifeline_fd, EPOLLIN, on_lifeline_gone, d);
	if (rc)
		forget_lifeline(tx);
	return rc;
}

static void on_timer(void *arg, uint32_t events)
{
	struct vifrostd *d = arg;
	uint64_t ticks;

	(void)events;
	if (read(d->tx.timer_fd, &ticks, sizeof(ticks)) == sizeof(ticks))
		tx_expire(d);
}

int tx_guard_set(struct vifrostd *d)
{
	uint64_t ms = d->tx.until_ms + OWN_DELAY_MS;
	struct itimerspec it = { .it_value = { .tv_sec = (time_t)(ms / 1000),
					       .tv_nsec = (long)(ms % 1000) * 1000000 } };

	return timerfd_settime(d->tx.timer_fd, TFD_TIMER_ABSTIME, &it, NULL) < 0 ? -errno : 0;
}

int tx_guard_start(struct vifrostd *d)
{
	struct tx *tx = &d->tx;
	int rc;

	if (tx->phase == TX_NONE) {
		rc = lifeline_start(d->rundir, tx->id, tx->until_ms, NULL);
		if (rc)
			return rc;
	}
	rc = watch_lifeline(d);
	if (rc)
		return rc;
	tx->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (tx->timer_fd < 0)
		return -errno;
	rc = tx_guard_set(d);
	return rc ? rc : loop_fd_add(d->loop, &tx->timer, tx->timer_fd, EPOLLIN, on_timer, d);
}

void tx_guard_leave(struct vifrostd *d)
{
	struct tx *tx = &d->tx;

	loop_fd_del(&tx->timer);
	if (tx->timer_fd >= 0)
		close(tx->timer_fd);
	tx->timer_fd = -1;
	forget_lifeline(tx);
}

void tx_guard_stop(struct vifrostd *d)
{
	bool has_lifeline = d->tx.lifeline_fd >= 0;

	tx_guard_leave(d);
	if (has_lifeline)
		lifeline_stop(d->rundir);
}
