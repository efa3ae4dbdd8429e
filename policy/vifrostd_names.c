/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names in address sets, kept resolved: each is asked for in a process of its own, so that neither a silent
 * server nor what an answer holds can do the daemon harm. New addresses go straight into the sets of the
 * tables in the kernel; rules, their counters, and what a plan says stay as they are.
 */
#include "policy/vifrostd_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "policy/journal.h"
#include "policy/names.h"

#define ASKS_MAX    8
#define ASK_LIFE_MS 30000
#define SAVE_MS	    10000
#define STATE_NAME  "names.json"

struct ask {
	struct names_watch *watch;
	struct name *name; /* NULL: free */
	pid_t pid;
	int fd;
	uint64_t until_ms;
	struct loop_fd watcher;
};

struct names_watch {
	struct vifrostd *d;
	struct names names;
	struct ask asks[ASKS_MAX];
	struct loop_timer timer, save_timer;
	bool is_dirty; /* not saved yet */
};

_Static_assert(sizeof(struct name_answers) <= NAMES_ANSWER_PIPE_MAX,
	       "an answer is one write to a pipe");

static void schedule(struct names_watch *w);

/* ---- Questions ---- */

static void end_ask(struct ask *a)
{
	if (!a->name)
		return;
	loop_fd_del(&a->watcher);
	close(a->fd);
	kill(a->pid, SIGKILL);
	waitpid(a->pid, NULL, 0);
	a->name->is_asked = false;
	a->name = NULL;
}

static void tell(const struct name *name, int old_rc)
{
	bool has_any = name->family[0].nr || name->family[1].nr;

	if (name->rc && name->rc != old_rc)
		log_warning(
			"name %s of an address set: %s; %s", name->text, name_error_text(name->rc),
			has_any ? "it keeps its addresses for a while" : "rules go on without it");
	else if (!name->rc && old_rc && old_rc != -EINPROGRESS)
		log_notice("name %s of an address set is answered again", name->text);
}

static void tell_refused(struct name *name, unsigned int old_refused)
{
	if (name->nr_refused && !old_refused)
		log_warning(
			"name %s of an address set: %u addresses are refused: no name may have them, or they are this host's",
			name->text, name->nr_refused);
	if (name->nr_over)
		log_info("name %s of an address set has more than %d addresses", name->text,
			 NAMES_ADDRS_MAX);
}

static void take(struct names_watch *w, struct name *name, const struct name_answers *answers)
{
	unsigned int old_refused = name->nr_refused;
	int old_rc = name->rc;

	if (name_take(name, answers, clock_ms())) {
		w->is_dirty = true;
		loop_timer_set(&w->save_timer, SAVE_MS, 0);
		names_sync(w->d);
	}
	tell(name, old_rc);
	tell_refused(name, old_refused);
}

static void on_answer(void *arg, uint32_t events)
{
	struct ask *a = arg;
	struct names_watch *w = a->watch;
	struct name *name = a->name;
	struct name_answers answers;
	ssize_t n = read(a->fd, &answers, sizeof(answers));

	(void)events;
	/* Ended without a word: killed, or out of memory. */
	if (n != sizeof(answers))
		for (int k = 0; k < NAMES_FAMILIES; k++)
			answers.family[k] = (struct name_answer){ .rc = -EAGAIN };
	for (int k = 0; k < NAMES_FAMILIES; k++)
		if (answers.family[k].nr > NAMES_ADDRS_MAX)
			answers.family[k].nr = NAMES_ADDRS_MAX;
	end_ask(a);
	take(w, name, &answers);
	schedule(w);
}

/* Of the policy's nameservers, where it names some. */
static void child(const char *text, const struct vs_resolver *r, int fd, pid_t parent)
{
	struct name_answers answers;
	sigset_t none;
	ssize_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	name_ask(text, r->servers, r->nr_servers, &answers);
	n = write(fd, &answers, sizeof(answers));
	_exit(n == sizeof(answers) ? 0 : 1);
}

static int start_ask(struct names_watch *w, struct ask *a, struct name *name)
{
	pid_t parent = getpid();
	int fds[2], rc;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	a->pid = fork();
	rc = a->pid < 0 ? -errno : 0;
	if (!a->pid)
		child(name->text, &w->d->networks.resolver, fds[1], parent);
	close(fds[1]);
	if (rc) {
		close(fds[0]);
		return rc;
	}
	a->watch = w;
	a->fd = fds[0];
	a->until_ms = clock_ms() + ASK_LIFE_MS;
	a->name = name;
	name->is_asked = true;
	rc = loop_fd_add(w->d->loop, &a->watcher, a->fd, EPOLLIN, on_answer, a);
	if (rc)
		end_ask(a);
	return rc;
}

/* Ask for what is due, as many at once as may be; then wake up for what is due next. */
static void schedule(struct names_watch *w)
{
	uint64_t now = clock_ms(), next = UINT64_MAX;
	struct name *name;

	for (int i = 0; i < ASKS_MAX; i++) {
		struct ask *a = &w->asks[i];

		if (a->name && a->until_ms <= now) {
			/* Its pipe's end is its answer. */
			kill(a->pid, SIGKILL);
			a->until_ms = UINT64_MAX;
		}
		name = a->name ? NULL : names_next(&w->names);
		if (name && name->next_ms <= now && start_ask(w, a, name))
			name->next_ms = now + SAVE_MS;
		if (a->name && a->until_ms < next)
			next = a->until_ms;
	}
	name = names_next(&w->names);
	/* With all of them busy, the first to end comes back here. */
	if (name && name->next_ms > now && name->next_ms < next)
		next = name->next_ms;
	loop_timer_set(&w->timer, next == UINT64_MAX ? 0 : next - now, 0);
}

static void on_timer(void *arg)
{
	schedule(arg);
}

/* ---- What is kept over restarts and boots ---- */

static void save(void *arg)
{
	struct names_watch *w = arg;
	json_t *json = w->is_dirty ? names_json(&w->names) : NULL;
	int rc = json ? file_replace(w->d->persistent_dir, STATE_NAME, json) : 0;

	if (rc)
		log_warning("%s/" STATE_NAME ": %s; names are asked for anew after a restart",
			    w->d->persistent_dir, strerror(-rc));
	w->is_dirty = false;
	json_decref(json);
}

static int load(struct names_watch *w)
{
	char path[PATH_MAX];
	json_error_t error;
	json_t *json;
	int rc;

	snprintf(path, sizeof(path), "%.4000s/" STATE_NAME, w->d->persistent_dir);
	json = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!json && json_error_code(&error) != json_error_cannot_open_file)
		log_warning("%s:%d: %s; names are asked for anew", path, error.line, error.text);
	rc = json ? names_load(&w->names, json) : 0;
	json_decref(json);
	return rc;
}

/* ---- In force ---- */

static void sync_table(struct vifrostd *d, const char *table)
{
	struct vs_op op = { .kind = VS_OP_DOC, .index = VS_DOC_NFT };
	char why[VS_TEXT_LEN] = "";
	json_t *doc = NULL;
	int rc = d->sys->ops->doc(d->sys, VS_DOC_NFT, table, &doc, why);

	if (!rc && doc)
		op.doc = vs_rules_renew(&d->networks, doc, &rc);
	snprintf(op.text, sizeof(op.text), "%s", table);
	if (!rc && op.doc)
		rc = d->sys->ops->apply(d->sys, &op, why);
	if (rc)
		log_err("names in address sets: table %s: %s", table, why[0] ? why : strerror(-rc));
	json_decref(op.doc);
	json_decref(doc);
}

void names_sync(struct vifrostd *d)
{
	if (!d->names || !d->names->names.nr)
		return;
	if (names_fill(&d->names->names, &d->networks))
		return;
	for (size_t i = 0; i < VS_RULES_TABLES && !d->apply.is_broken; i++)
		sync_table(d, vs_rules_tables[i]);
}

int names_wanted(const struct vifrostd *d, struct vs_wanted *wanted)
{
	return d->names ? names_fill(&d->names->names, wanted) : 0;
}

void names_changed(struct vifrostd *d)
{
	struct names_watch *w = d->names;

	if (!w)
		return;
	if (names_follow(&w->names, &d->networks, clock_ms()))
		log_err("out of memory: not all names of address sets are asked for");
	w->is_dirty |= w->names.nr != 0;
	loop_timer_set(&w->save_timer, w->is_dirty ? SAVE_MS : 0, 0);
	names_sync(d);
	schedule(w);
}

void names_settled(struct vifrostd *d)
{
	if (d->names)
		names_drop_unused(&d->names->names);
}

json_t *names_json_of(const struct vifrostd *d)
{
	return d->names ? names_status_json(&d->names->names, &d->networks) : NULL;
}

int names_start(struct vifrostd *d)
{
	struct names_watch *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return -ENOMEM;
	w->d = d;
	d->names = w;
	rc = loop_timer_add(d->loop, &w->timer, on_timer, w);
	if (!rc)
		rc = loop_timer_add(d->loop, &w->save_timer, save, w);
	return rc ? rc : load(w);
}

void names_stop(struct vifrostd *d)
{
	struct names_watch *w = d->names;

	if (!w)
		return;
	for (int i = 0; i < ASKS_MAX; i++)
		end_ask(&w->asks[i]);
	save(w);
	loop_timer_del(&w->timer);
	loop_timer_del(&w->save_timer);
	names_fini(&w->names);
	free(w);
	d->names = NULL;
}
