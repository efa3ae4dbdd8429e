/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/lifeline.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/log.h"
#include "base/rpc.h"
#include "base/rundir.h"
#include "policy/apply.h"
#include "policy/daemon_api.h"
#include "policy/journal.h"

/* vifrostd does one thing at a time, and the longest takes a few seconds. */
#define ASK_TIMEOUT_MS 15000
#define TAKE_TRIES     300
#define TAKE_PAUSE_MS  100

/* When the try ends as of now; 0: it has ended, one way or another. */
static uint64_t read_until(const char *dir, const char *id)
{
	json_t *entries, *notes, *meta;
	const char *theirs;
	uint64_t until = 0;
	bool torn;

	if (journal_read(dir, &entries, &torn))
		return 0;
	meta = json_object_get(json_array_get(entries, 0), "meta");
	theirs = json_string_value(json_object_get(meta, "id"));
	notes = json_array();
	for (size_t i = 1; notes && i < json_array_size(entries); i++)
		json_array_append(notes, json_object_get(json_array_get(entries, i), "note"));
	if (theirs && !strcmp(theirs, id))
		until = lifeline_until(meta, notes);
	json_decref(notes);
	json_decref(entries);
	return until;
}

/* Return: 0: vifrostd has done it, or it need not be done; -EREMOTEIO: it could not; else: no answer. */
static int ask_daemon(const char *rundir, const char *id)
{
	char path[PATH_MAX];
	json_t *result;
	int rc;

	rundir_file(path, rundir, RUNDIR_VIFROSTD_SOCKET);
	rc = rpc_call(path, "expire", json_pack("{ss}", "id", id), ASK_TIMEOUT_MS, &result);
	json_decref(result);
	return rc;
}

static int recover(const char *rundir, const char *dir, const char *id)
{
	struct apply a = { .dir = dir };
	int rc = vs_rtnl_open(rundir, &a.sys);

	if (rc) {
		log_err("cannot talk to the kernel: %s", strerror(-rc));
		return rc;
	}
	rc = apply_recover(&a);
	apply_fini(&a);
	a.sys->ops->close(a.sys);
	if (rc)
		log_err("cannot roll back: %s", strerror(-rc));
	else
		log_notice("try %s was not confirmed in time: rolled back", id);
	lifeline_tell(dir, id, rc ? DAEMON_ERROR_ROLLBACK_FAILED : DAEMON_ERROR_ROLLED_BACK,
		      "not confirmed in time; vifrostd did not answer");
	return rc;
}

/*
 * Be the one who may change networks, as vifrostd's pid file says. A vifrostd that lives but does not
 * answer is ended: nothing is lost with it, and who waits here may have lost the host.
 */
static int take_over(const char *rundir, const char *id)
{
	const struct timespec pause = { .tv_nsec = TAKE_PAUSE_MS * 1000000L };
	pid_t holder;
	int rc = -ETIMEDOUT, fd = -1;

	for (int i = 0; fd < 0 && i < TAKE_TRIES; i++) {
		rc = ask_daemon(rundir, id);
		if (!rc || rc == -EREMOTEIO)
			return rc;
		holder = 0;
		fd = pidfile_take(rundir, "vifrostd", &holder);
		if (fd == -EBUSY && rc == -ETIMEDOUT && holder > 1) {
			log_err("vifrostd, process %d, does not answer: ending it", (int)holder);
			kill(holder, SIGKILL);
		}
		if (fd < 0)
			nanosleep(&pause, NULL);
	}
	return fd < 0 ? rc : fd;
}

static int expire(const char *rundir, const char *dir, const char *id)
{
	int fd = take_over(rundir, id);
	int rc = fd;

	if (fd > 0) {
		/* Whoever was there before us may have dealt with it. */
		rc = read_until(dir, id) ? recover(rundir, dir, id) : 0;
		close(fd);
	}
	return rc ? CLI_ROLLBACK_FAILED : CLI_OK;
}

static int set_timer(int timer, uint64_t until_ms)
{
	struct itimerspec it = { .it_value = { .tv_sec = (time_t)(until_ms / 1000),
					       .tv_nsec = (long)(until_ms % 1000) * 1000000 } };

	return timerfd_settime(timer, TFD_TIMER_ABSTIME, &it, NULL) < 0 ? -errno : 0;
}

int lifeline_run(const char *rundir, const char *id, uint64_t until_ms, int fd)
{
	char dir[PATH_MAX];
	uint64_t ticks;
	int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
	int null;

	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	rundir_file(dir, rundir, "vifrostd");
	if (timer < 0 || set_timer(timer, until_ms) || write(fd, "1", 1) != 1) {
		log_err("cannot arm: %s", strerror(errno));
		return CLI_BUG;
	}
	/* Its number stays taken: it is one of the standard ones. */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, fd) < 0)
		return CLI_BUG;
	close(null);
	do {
		if (read(timer, &ticks, sizeof(ticks)) < 0 && errno != EINTR)
			return CLI_BUG;
		until_ms = read_until(dir, id);
		if (!until_ms)
			return CLI_OK;
		if (until_ms > boottime_ms() && set_timer(timer, until_ms))
			return CLI_BUG;
	} while (until_ms > boottime_ms());
	return expire(rundir, dir, id);
}
