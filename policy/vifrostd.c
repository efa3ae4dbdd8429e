/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/vifrostd_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cli.h"
#include "policy/lifeline.h"
#include "policy/wanted.h"
#include "vswitch/ovs.h"

#define STATE_DIR	 "vifrostd"
#define PERSISTENT_DIR	 "/var/lib/vifrost"
#define LIFELINE_TRIES	 600
#define LIFELINE_WAIT_MS 100

/* Other on every host and in every run directory, the same after a restart. */
static void read_host_id(struct vifrostd *d)
{
	char id[40] = "";
	ssize_t n;
	int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		n = read(fd, id, sizeof(id) - 1);
		id[n > 0 ? n : 0] = '\0';
		close(fd);
	}
	id[strcspn(id, "\n")] = '\0';
	snprintf(d->host_id, sizeof(d->host_id), "%.32s%.30s", id,
		 strlen(d->rundir) > 30 ? d->rundir + strlen(d->rundir) - 30 : d->rundir);
}

int vifrostd_take_policy(struct vifrostd *d, struct policy *policy)
{
	struct vs_wanted networks;
	int rc;

	vs_wanted_init(&networks);
	rc = policy ? pol_wanted(policy, d->host_id, &networks) : 0;
	vs_fast_keep(&networks, &d->apply.state.record);
	vs_ovs_keep(&networks, &d->apply.state.record, d->rundir);
	if (rc) {
		vs_wanted_fini(&networks);
		return rc;
	}
	vs_wanted_fini(&d->networks);
	d->networks = networks;
	pol_free(d->policy);
	d->policy = policy;
	names_changed(d);
	routes_changed(d);
	leases_changed(d);
	offers_announce(d, false);
	drift_reset(d);
	return 0;
}

/* The policy that was applied when we last ran. Nothing is changed: what is there, is adopted. */
int vifrostd_reload_policy(struct vifrostd *d)
{
	const struct apply_state *s = &d->apply.state;
	struct policy *policy = NULL;
	struct diags ds = { 0 };
	int rc = 0;

	if (s->text)
		rc = pol_load_text(s->file, s->text, strlen(s->text), &ds, &policy);
	if (rc == -EINVAL) {
		log_err("the policy in force, %s, is not one for this version; apply a new one",
			s->file);
		diags_print(&ds, stderr);
		rc = 0;
	}
	diags_fini(&ds);
	if (!rc)
		rc = vifrostd_take_policy(d, policy);
	if (rc)
		pol_free(policy);
	return rc;
}

/* A lifeline that does our work while we are not there is soon done with it. */
static int take_pidfile(struct vifrostd *d, pid_t *holder)
{
	const struct timespec pause = { .tv_nsec = LIFELINE_WAIT_MS * 1000000L };
	pid_t lifeline;
	int fd = -EBUSY;

	for (int i = 0; i < LIFELINE_TRIES; i++) {
		fd = pidfile_take(d->rundir, "vifrostd", holder);
		if (fd != -EBUSY || !lifeline_runs(d->rundir, &lifeline) || lifeline != *holder)
			break;
		nanosleep(&pause, NULL);
	}
	return fd;
}

static int make_dir(const char *path)
{
	int rc = mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;

	if (rc)
		log_err("%s: %s", path, strerror(-rc));
	return rc;
}

/* Private hosts, of tests and demonstrations, keep all in their run directory. */
static int prepare_persistent(struct vifrostd *d, const char *option)
{
	int rc;

	d->persistent_dir = option				? option
			    : strcmp(d->rundir, RUNDIR_DEFAULT) ? d->state_dir
								: PERSISTENT_DIR;
	rc = make_dir(d->persistent_dir);
	if (rc)
		return rc;
	rc = history_open(&d->history, d->persistent_dir);
	if (rc)
		log_err("%s: %s", d->history.dir, strerror(-rc));
	return rc;
}

static int prepare_dirs(struct vifrostd *d, const char *persistent)
{
	pid_t holder = 0;
	int rc = rundir_create(d->rundir);

	if (rc) {
		log_err("%s: %s", d->rundir, strerror(-rc));
		return rc;
	}
	d->pidfile = take_pidfile(d, &holder);
	if (d->pidfile == -EBUSY)
		log_err("vifrostd runs already in %s, process %d", d->rundir, (int)holder);
	else if (d->pidfile < 0)
		log_err("%s: %s", d->rundir, strerror(-d->pidfile));
	if (d->pidfile < 0)
		return d->pidfile;
	rundir_file(d->state_dir, d->rundir, STATE_DIR);
	rc = make_dir(d->state_dir);
	return rc ? rc : prepare_persistent(d, persistent);
}

static int open_kernel(struct vifrostd *d)
{
	int rc = vs_rtnl_open(d->rundir, &d->sys);

	if (!rc)
		rc = vs_events_open(d->loop, vif_on_link, d, &d->events);
	if (rc)
		log_err("cannot talk to the kernel over rtnetlink: %s", strerror(-rc));
	return rc;
}

static int start(struct vifrostd *d, const struct vifrostd_options *options)
{
	char path[PATH_MAX];
	int rc = loop_create(&d->loop);

	if (!rc)
		rc = loop_stop_on_signals(d->loop);
	if (!rc)
		rc = open_kernel(d);
	if (rc)
		return rc;
	d->apply.sys = d->sys;
	d->apply.dir = d->state_dir;
	rc = apply_resume(&d->apply, tx_keep, d);
	if (rc) {
		/* Still of use: status tells of it, and guests' links are not touched. */
		log_err("an apply that was cut short could not be undone: %s", strerror(-rc));
		d->apply.is_broken = true;
	}
	d->apply.fault_at = options->fault_at;
	d->apply.fault_stops = options->fault_stops;
	history_settle(d);
	rc = names_start(d);
	if (!rc)
		rc = routes_start(d);
	if (!rc)
		rc = leases_start(d);
	if (!rc)
		rc = vifrostd_reload_policy(d);
	if (!rc)
		rc = tx_resume(d);
	if (rc)
		return rc;
	if (!d->apply.state.serial)
		history_boot(d);
	rc = drift_start(d);
	if (rc) {
		log_err("cannot hear of changes by others: %s", strerror(-rc));
		return rc;
	}
	vif_measure_start(d);
	store_start(d);
	rundir_file(path, d->rundir, RUNDIR_VIFROSTD_SOCKET);
	rc = rpc_server_create(d->loop, path, vifrostd_methods, d, &d->rpc);
	if (rc)
		log_err("%s: %s", path, strerror(-rc));
	return rc;
}

static void stop(struct vifrostd *d)
{
	tx_stop(d);
	names_stop(d);
	routes_stop(d);
	leases_stop(d);
	drift_stop(d);
	rpc_server_destroy(d->rpc);
	store_stop(d);
	vif_measure_stop(d);
	vif_forget_all(d);
	htab_fini(&d->vifs);
	htab_fini(&d->macs);
	vs_events_close(d->events);
	apply_fini(&d->apply);
	plan_forget_all(d);
	pol_free(d->policy);
	vs_wanted_fini(&d->networks);
	if (d->sys)
		d->sys->ops->close(d->sys);
	loop_destroy(d->loop);
	if (d->pidfile >= 0)
		close(d->pidfile);
}

int vifrostd_run(const struct vifrostd_options *options)
{
	struct vifrostd d = { .rundir = options->rundir,
			      .pidfile = -1,
			      .apply.open.journal.fd = -1,
			      .tx = { .timer_fd = -1, .lifeline_fd = -1 } };
	int rc;

	htab_init(&d.vifs);
	htab_init(&d.macs);
	vs_record_init(&d.apply.state.record);
	vs_wanted_init(&d.networks);
	read_host_id(&d);
	rc = prepare_dirs(&d, options->state_dir);
	if (!rc)
		rc = start(&d, options);
	if (!rc) {
		notify_ready();
		log_notice("serving in %s", d.rundir);
		rc = loop_run(d.loop);
	}
	stop(&d);
	if (rc == -EBUSY)
		return CLI_BUSY;
	return rc ? CLI_UNAVAILABLE : CLI_OK;
}
