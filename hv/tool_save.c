/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Suspend, save, resume: the guest is asked to suspend itself, its runner writes what it is, then it is
 * destroyed, or goes on. Until that is done, whatever fails has the guest go on where it was. Live, its runner
 * writes most of its memory before it is asked.
 */
#include "hv/tool_save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xen/sched.h>

#include "base/clock.h"
#include "hv/tool_saved.h"

enum save_after { AFTER_DESTROY, AFTER_RESUME, AFTER_PAUSE, AFTER_STAY };

struct tool_save {
	struct tool *tool; /* NULL: nobody waits any more */
	uint16_t domid;
	struct rpc_call *call;
	struct loop_timer timer;
	bool live, copying;    /* its memory is written while it runs; that is not over */
	bool suspending;       /* the guest has yet to suspend itself */
	uint64_t suspended_ms; /* when it has; 0: not yet */
	bool to_file;	       /* fd is @temporary, to become @path */
	bool has_fd;	       /* there is something to write */
	int fd;		       /* -1: none, or the runner's alone */
	enum save_after after;
	int rc; /* what it has failed of, while the guest is resumed */
	char why[TOOL_WHY];
	char path[PATH_MAX], temporary[PATH_MAX + 8];
};

static void close_file(struct tool_save *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* For who has asked for a stream: how it went. */
static json_t *result_of(const struct tool_save *s)
{
	struct engine_round rounds[ENGINE_MAX_ROUNDS];
	unsigned int nr = s->live ? tool_host_copied(&s->tool->host, s->domid, rounds) : 0;
	json_t *list = json_array();

	for (unsigned int i = 0; i < nr; i++)
		json_array_append_new(list,
				      json_pack("{s:I, s:I}", "pages", (json_int_t)rounds[i].pages,
						"ms", (json_int_t)rounds[i].ms));
	return json_pack("{s:o, s:I}", "rounds", list, "suspended-ms", (json_int_t)s->suspended_ms);
}

/* Its runner notes no more what is written to. */
static void stop_copy(struct tool_save *s)
{
	const struct engine_question q = { .what = ENGINE_COPY_END, .fd = -1 };

	tool_host_ask(&s->tool->host, s->domid, &q);
}

/* Frees @s. */
static void finish(struct tool_save *s, int rc, const char *why)
{
	struct tool_domain *d = tool_find(s->tool, s->domid);

	if (d && d->save == s)
		d->save = NULL;
	if (d && s->has_fd)
		tool_event(s->tool, rc ? LOG_LEVEL_ERR : LOG_LEVEL_NOTICE,
			   "domain %u (%s) is %s%s%s%s", s->domid, tool_name(d),
			   rc ? "not saved to " : "saved to ", s->path, rc ? ": " : "",
			   !rc		 ? ""
			   : why && *why ? why
					 : strerror(-rc));
	close_file(s);
	if (d && rc && s->live)
		stop_copy(s);
	if (s->to_file && rc)
		unlink(s->temporary);
	loop_timer_del(&s->timer);
	if (s->call && !rc && s->has_fd && !s->to_file && s->after == AFTER_STAY)
		rpc_reply(s->call, result_of(s));
	else if (s->call)
		tool_rpc_answer(s->call, rc, why);
	free(s);
}

/* After a save with -p. */
static void stands_still(void *arg, int rc)
{
	struct tool_save *s = arg;

	if (!s->tool)
		free(s);
	else
		finish(s, rc, rc == -EPIPE ? "the domain has gone meanwhile" : NULL);
}

static void resumed(void *arg, int rc)
{
	struct tool_save *s = arg;
	struct tool_domain *d = s->tool ? tool_find(s->tool, s->domid) : NULL;
	char why[TOOL_WHY];

	if (!d) {
		if (s->tool)
			finish(s, -EPIPE, "the domain has gone meanwhile");
		else
			free(s);
		return;
	}
	if (!rc) {
		d->state = TOOL_RUNNING;
		d->asked = d->acting = false;
		tool_record_save(d);
		tool_event(d->tool, LOG_LEVEL_INFO, "domain %u (%s) goes on", d->domid,
			   tool_name(d));
		if (!s->rc && s->after == AFTER_PAUSE)
			s->rc = tool_host_pause(&d->tool->host, d->domid, true, stands_still, s);
		if (s->rc > 0)
			return;
	} else if (!s->rc) {
		s->rc = rc;
		snprintf(s->why, sizeof(s->why), "it cannot go on: %s", strerror(-rc));
	} else {
		snprintf(why, sizeof(why), "%.160s; and it cannot go on: %s", s->why,
			 strerror(-rc));
		memcpy(s->why, why, sizeof(why));
	}
	finish(s, s->rc, s->why);
}

static void resume(struct tool_save *s)
{
	struct engine_question q = {
		.what = ENGINE_RESUME, .fd = -1, .done = resumed, .done_arg = s
	};
	int rc = tool_host_ask(&s->tool->host, s->domid, &q);

	if (rc)
		resumed(s, rc);
}

static void fail_written(struct tool_save *s, int rc, const char *why)
{
	s->rc = rc;
	snprintf(s->why, sizeof(s->why), "%s", why && *why ? why : strerror(-rc));
	resume(s);
}

static void written(void *arg, int rc)
{
	struct tool_save *s = arg;
	struct tool_domain *d = s->tool ? tool_find(s->tool, s->domid) : NULL;
	enum save_after after = s->after;
	struct rpc_call *call;

	if (!s->tool) {
		if (s->to_file)
			unlink(s->temporary);
		free(s);
		return;
	}
	if (!d || d->state != TOOL_SHUTDOWN) {
		finish(s, -EPIPE, "the domain has gone meanwhile");
		return;
	}
	if (!rc && s->to_file && rename(s->temporary, s->path))
		rc = -errno;
	if (rc) {
		fail_written(s, rc,
			     rc == -ENOSPC ? "the disk is full: make room, or use another folder"
					   : NULL);
		return;
	}
	s->to_file = false;
	if (after == AFTER_RESUME || after == AFTER_PAUSE) {
		resume(s);
		return;
	}
	if (after != AFTER_DESTROY) {
		finish(s, 0, NULL);
		return;
	}
	/* Who asked may restore it at once: its name is free when the answer comes. */
	call = s->call;
	s->call = NULL;
	finish(s, 0, NULL);
	if (call)
		tool_domain_wait(d, false, call);
	tool_domain_destroy(d, false);
}

/* It is suspended. */
static void write_out(struct tool_save *s)
{
	struct engine_question q = {
		.what = ENGINE_SAVE, .arg = s->live, .fd = s->fd, .done = written, .done_arg = s
	};
	int rc;

	s->suspending = false;
	if (!s->has_fd && s->after == AFTER_STAY) {
		finish(s, 0, NULL);
		return;
	}
	if (!s->has_fd) {
		resume(s);
		return;
	}
	/* From here on its runner waits for who reads. */
	rc = s->live && fcntl(s->fd, F_SETFL, 0) < 0 ? -errno : 0;
	if (!rc)
		rc = tool_host_ask(&s->tool->host, s->domid, &q);
	/* Who reads a FIFO sees its end when the runner is done. */
	close_file(s);
	if (rc)
		fail_written(s, rc, NULL);
}

/* It has been asked, and did nothing: should it ever, it goes on at once. */
static void not_suspended(void *arg)
{
	struct tool_save *s = arg;
	struct tool_domain *d = tool_find(s->tool, s->domid);
	char path[TOOL_PATH], *value = NULL;

	snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", s->domid);
	if (!hv_store_read(s->tool->store, 0, path, &value, NULL) && !strcmp(value, "suspend"))
		tool_store_control(s->tool, d, "shutdown", "");
	free(value);
	d->unsuspend = true;
	d->asked = false;
	finish(s, -ETIMEDOUT,
	       "the guest has not suspended itself in time, and runs on as it was: see its console");
}

struct loop_timer *tool_save_timer(struct tool_domain *d)
{
	return &d->save->timer;
}

/* The engine has its answer still to give. */
static void forget(struct tool_domain *d, int rc, const char *why)
{
	struct tool_save *s = d->save;
	struct rpc_call *call = s->call;

	d->save = NULL;
	s->call = NULL;
	s->tool = NULL;
	s->suspending = false;
	if (call)
		tool_rpc_answer(call, rc, why);
}

bool tool_save_ended(struct tool_domain *d)
{
	struct tool_save *s = d->save;

	if (!s && d->unsuspend && d->reason == SHUTDOWN_suspend) {
		d->unsuspend = false;
		s = calloc(1, sizeof(*s));
		if (!s)
			return false;
		*s = (struct tool_save){ .tool = d->tool, .domid = d->domid, .fd = -1 };
		d->save = s;
		resume(s);
		return true;
	}
	if (s && s->copying)
		forget(d, -ECANCELED, "the guest has shut down instead");
	if (!s || !s->suspending)
		return false;
	loop_timer_del(&s->timer);
	if (d->reason == SHUTDOWN_suspend) {
		s->suspended_ms = clock_ms();
		write_out(s);
		return true;
	}
	finish(s, -ECANCELED, "the guest has shut down instead");
	return false;
}

void tool_save_gone(struct tool_domain *d)
{
	const char *why = "the domain has gone meanwhile";

	if (d->save && d->save->suspending)
		finish(d->save, -EPIPE, why);
	else if (d->save)
		forget(d, -EPIPE, why);
}

/* Whether @d can be suspended, or is, as @s needs it. */
static int check(struct tool_domain *d, bool running, char why[TOOL_WHY])
{
	struct tool_host_info info;
	char base[TOOL_PATH];

	if (d->save) {
		snprintf(why, TOOL_WHY, "it is being saved, or suspended, already");
		return -EBUSY;
	}
	if (strcmp(tool_config_text(d->config, "type", ""), "pvh")) {
		snprintf(why, TOOL_WHY,
			 "a guest of type \"%s\" cannot be suspended: only \"pvh\" can",
			 tool_config_text(d->config, "type", ""));
		return -EOPNOTSUPP;
	}
	if (d->state == TOOL_SHUTDOWN && d->reason == SHUTDOWN_suspend)
		return 0;
	if (!running || d->state != TOOL_RUNNING ||
	    tool_host_info(&d->tool->host, d->domid, &info) || info.state != TOOL_HOST_RUNNING ||
	    info.starting) {
		snprintf(why, TOOL_WHY, running ? "it is not running" : "it is not suspended");
		return -EINVAL;
	}
	snprintf(base, sizeof(base), "/local/domain/%u/control", d->domid);
	if (tool_store_number(d->tool, base, tool_suspend.feature) == 1)
		return 0;
	snprintf(why, TOOL_WHY,
		 "the guest does not listen for \"suspend\": it is still booting, or has no Xen "
		 "drivers that could");
	return -EOPNOTSUPP;
}

static int open_file(struct tool_save *s, const json_t *config, char why[TOOL_WHY])
{
	int rc;

	snprintf(s->temporary, sizeof(s->temporary), "%s.XXXXXX", s->path);
	s->fd = mkostemp(s->temporary, O_CLOEXEC);
	if (s->fd < 0)
		return -errno;
	s->to_file = true;
	rc = saved_write(s->fd, config);
	if (rc == -ENOSPC)
		snprintf(why, TOOL_WHY, "the disk is full: make room, or use another folder");
	return rc;
}

/* Whoever reads has opened it. */
static int open_stream(struct tool_save *s, char why[TOOL_WHY])
{
	struct stat st;

	s->fd = open(s->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (s->fd < 0)
		return -errno;
	if (!fstat(s->fd, &st) && S_ISFIFO(st.st_mode))
		return !s->live && fcntl(s->fd, F_SETFL, 0) < 0 ? -errno : 0;
	snprintf(why, TOOL_WHY, "'stream' cannot be used, allowed: a FIFO");
	return -EINVAL;
}

static int suspend(struct tool_domain *d, struct tool_save *s, char why[TOOL_WHY])
{
	int rc;

	s->suspending = true;
	rc = loop_timer_add(d->tool->loop, &s->timer, not_suspended, s);
	if (!rc)
		rc = loop_timer_set(&s->timer, TOOL_SUSPEND_MS, 0);
	return rc ? rc : tool_domain_ask(d, &tool_suspend, false, why);
}

/* Most of its memory is written, or what is written is read by nobody any more. */
static void copied(void *arg, int rc)
{
	struct tool_save *s = arg;
	struct tool_domain *d = s->tool ? tool_find(s->tool, s->domid) : NULL;
	char why[TOOL_WHY] = "";

	s->copying = false;
	if (!s->tool) {
		close_file(s);
		free(s);
		return;
	}
	if (rc == -EPIPE)
		snprintf(why, sizeof(why), "nobody reads what is written of the running guest");
	if (!rc)
		rc = d ? suspend(d, s, why) : -EPIPE;
	if (rc)
		finish(s, rc, why);
}

static int copy(struct tool_domain *d, struct tool_save *s)
{
	const struct engine_question q = {
		.what = ENGINE_COPY, .fd = s->fd, .done = copied, .done_arg = s
	};
	int rc = tool_host_ask(&d->tool->host, d->domid, &q);

	s->copying = !rc;
	return rc;
}

static int start(struct tool_domain *d, struct tool_save *s, char why[TOOL_WHY])
{
	d->unsuspend = false;
	d->save = s;
	if (d->state != TOOL_SHUTDOWN)
		return s->live ? copy(d, s) : suspend(d, s, why);
	/* It stands still already. */
	s->live = false;
	s->suspended_ms = clock_ms();
	if (s->fd >= 0 && !s->to_file && fcntl(s->fd, F_SETFL, 0) < 0)
		return -errno;
	write_out(s);
	return 0;
}

static void begin(struct tool_domain *d, struct rpc_call *call, struct tool_save *s, int rc,
		  const char *reason)
{
	char why[TOOL_WHY];

	snprintf(why, sizeof(why), "%s", reason);
	s->call = call;
	if (!rc)
		rc = start(d, s, why);
	if (rc)
		finish(s, rc, why);
}

static struct tool_save *new_save(struct tool_domain *d, struct rpc_call *call,
				  enum save_after after)
{
	struct tool_save *s = calloc(1, sizeof(*s));

	if (!s) {
		tool_rpc_answer(call, -ENOMEM, NULL);
		return NULL;
	}
	s->tool = d->tool;
	s->domid = d->domid;
	s->fd = -1;
	s->after = after;
	return s;
}

void tool_save_suspend(void *arg, struct rpc_call *call)
{
	struct tool_domain *d = tool_rpc_live(arg, call);
	struct tool_save *s = d ? new_save(d, call, AFTER_STAY) : NULL;
	char why[TOOL_WHY] = "";
	int rc;

	if (!s)
		return;
	rc = check(d, true, why);
	begin(d, call, s, rc, why);
}

void tool_save_resume(void *arg, struct rpc_call *call)
{
	struct tool_domain *d = tool_rpc_live(arg, call);
	struct tool_save *s = d ? new_save(d, call, AFTER_RESUME) : NULL;
	char why[TOOL_WHY] = "";
	int rc;

	if (!s)
		return;
	rc = check(d, false, why);
	begin(d, call, s, rc, why);
}

static enum save_after after_of(const json_t *params, bool stream)
{
	if (stream)
		return AFTER_STAY;
	if (json_is_true(json_object_get(params, "paused")))
		return AFTER_PAUSE;
	return json_is_true(json_object_get(params, "checkpoint")) ? AFTER_RESUME : AFTER_DESTROY;
}

void tool_save_save(void *arg, struct rpc_call *call)
{
	struct tool_domain *d = tool_rpc_live(arg, call);
	const json_t *params = rpc_params(call), *config = json_object_get(params, "config");
	bool stream = json_is_true(json_object_get(params, "stream"));
	const char *path = tool_config_text(params, "path", "");
	struct tool_save *s;
	char why[TOOL_WHY] = "";
	int rc;

	if (!d)
		return;
	if (*path != '/' || strlen(path) >= PATH_MAX || (config && !json_is_object(config))) {
		rpc_fail(call, "invalid", "'path' cannot be used, allowed: an absolute path");
		return;
	}
	s = new_save(d, call, after_of(params, stream));
	if (!s)
		return;
	snprintf(s->path, sizeof(s->path), "%s", path);
	s->live = stream && json_is_true(json_object_get(params, "live"));
	rc = check(d, true, why);
	if (!rc) {
		s->has_fd = true;
		rc = stream ? open_stream(s, why) : open_file(s, config ? config : d->config, why);
	}
	begin(d, call, s, rc, why);
}
