/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/hvd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/daemon.h"
#include "base/rpc.h"
#include "hv/core.h"
#include "hv/engine_host.h"
#include "hv/hvd_hypercall.h"
#include "hv/keeper.h"
#include "hv/tool.h"
#include "hv/xenstore/xs_server.h"

struct hvd {
	struct loop *loop;
	struct keeper *keeper;
	struct core *core;
	struct xs_server *xenstore;
	struct hvd_hypercall *hypercalls;
	struct engine *engine;
	struct tool *tool;
	struct rpc_server *rpc;
};

static int store_fd(void *arg, const char *name, int fd)
{
	return keeper_store(arg, name, fd);
}

static void drop_fd(void *arg, const char *name)
{
	keeper_drop(arg, name);
}

static void guest_asked_shutdown(void *arg, uint16_t domid, unsigned int reason)
{
	struct hvd *hvd = arg;

	engine_guest_shutdown(hvd->engine, domid, reason);
}

static int open_store(void *arg, uint16_t domid, struct hv_store **store_out)
{
	struct hvd *hvd = arg;

	return domid ? -EPERM : xs_server_store(hvd->xenstore, store_out);
}

static void guest_socket(void *arg, uint16_t domid, int fd, int program_fd, bool there)
{
	struct hvd *hvd = arg;
	int rc;

	if (!there) {
		hvd_hypercall_remove(hvd->hypercalls, domid);
		return;
	}
	rc = hvd_hypercall_add(hvd->hypercalls, domid, fd, program_fd);
	if (rc < 0)
		log_err("domain %u: its hypercalls cannot be served: %s", domid, strerror(-rc));
}

static void guest_program(void *arg, uint16_t domid, int fd)
{
	struct hvd *hvd = arg;

	engine_program(hvd->engine, domid, fd);
	if (fd >= 0)
		return;
	xs_server_reset_ring(hvd->xenstore, domid);
	if (hvd->tool)
		tool_program_gone(hvd->tool, domid);
	core_domain_program_gone(hvd->core, domid);
}

static void restore_fd(void *arg, const char *name, int fd)
{
	struct hvd *hvd = arg;

	if (core_restore(hvd->core, name, fd) || engine_restore(hvd->engine, name, fd))
		return;
	log_warning("the keeper had \"%s\", which nobody knows", name);
	keeper_drop(hvd->keeper, name);
	close(fd);
}

static int create_parts(struct hvd *hvd, const char *rundir)
{
	struct core_hooks hooks = { guest_asked_shutdown, open_store, hvd };
	struct hvd_hypercall_hooks hypercall_hooks = { guest_program, hvd };
	struct core_keeper keeper;
	bool fresh;
	int rc;

	/* First, as it is forked from us. */
	rc = keeper_open(rundir, &hvd->keeper, &fresh);
	if (rc < 0)
		return rc;
	keeper = (struct core_keeper){ store_fd, drop_fd, hvd->keeper };
	rc = core_create(&keeper, &hvd->core);
	if (rc < 0)
		return rc;
	core_set_hooks(hvd->core, &hooks);
	rc = xs_server_create(hvd->loop, rundir, &hvd->xenstore);
	if (rc < 0)
		return rc;
	rc = hvd_hypercall_create(hvd->loop, hvd->core, rundir, &hvd->hypercalls);
	if (rc < 0)
		return rc;
	hvd_hypercall_set_hooks(hvd->hypercalls, &hypercall_hooks);
	return engine_create(&(struct engine_params){ .loop = hvd->loop,
						      .rundir = rundir,
						      .core = hvd->core,
						      .xenstore = hvd->xenstore,
						      .keeper = hvd->keeper,
						      .guest_socket = guest_socket,
						      .arg = hvd },
			     &hvd->engine);
}

static int take_up(struct hvd *hvd)
{
	int rc = keeper_list(hvd->keeper, restore_fd, hvd);

	if (rc < 0)
		return rc;
	core_restore_done(hvd->core);
	engine_restore_done(hvd->engine);
	return 0;
}

static void domain_stopped(void *arg, uint16_t domid, unsigned int reason)
{
	struct hvd *hvd = arg;

	/* As Xen does: its backends look whether it is theirs. */
	xs_server_domain_shutdown(hvd->xenstore, domid);
	tool_domain_ended(hvd->tool, domid, reason);
}

static void domain_started(void *arg, uint16_t domid, const char *why)
{
	struct hvd *hvd = arg;

	tool_domain_started(hvd->tool, domid, why);
}

static int create_tool(struct hvd *hvd, const char *rundir)
{
	struct engine_hooks hooks = { domain_stopped, domain_started, hvd };
	struct tool_params params = { hvd->loop,
				      rundir,
				      { hvd->core, hvd->xenstore, hvd->engine } };

	engine_set_hooks(hvd->engine, &hooks);
	return tool_create(&params, &hvd->tool);
}

int hvd_create(struct loop *loop, const char *rundir, struct hvd **hvd_out)
{
	struct hvd *hvd = calloc(1, sizeof(*hvd));
	char path[PATH_MAX];
	int rc;

	if (!hvd)
		return -ENOMEM;
	hvd->loop = loop;
	rc = create_parts(hvd, rundir);
	if (!rc)
		rc = take_up(hvd);
	if (!rc)
		rc = keeper_watch(hvd->keeper, loop);
	if (!rc)
		rc = create_tool(hvd, rundir);
	rundir_file(path, rundir, RUNDIR_HVD_SOCKET);
	if (!rc)
		rc = rpc_server_create(loop, path, tool_methods, hvd->tool, &hvd->rpc);
	if (rc < 0) {
		hvd_destroy(hvd);
		return rc;
	}
	*hvd_out = hvd;
	return 0;
}

void hvd_destroy(struct hvd *hvd)
{
	if (!hvd)
		return;
	rpc_server_destroy(hvd->rpc);
	tool_destroy(hvd->tool);
	engine_destroy(hvd->engine);
	hvd_hypercall_destroy(hvd->hypercalls);
	xs_server_destroy(hvd->xenstore);
	core_destroy(hvd->core);
	keeper_close(hvd->keeper);
	free(hvd);
}

void hvd_end_host(struct hvd *hvd)
{
	tool_end(hvd->tool);
	keeper_quit(hvd->keeper);
}

int hvd_run(const char *rundir)
{
	struct loop *loop = NULL;
	struct hvd *hvd = NULL;
	int rc, pidfd, status = daemon_folder(rundir, NULL);

	if (!status)
		status = daemon_lock(rundir, "vifrost-hvd", "", &pidfd);
	if (status)
		return status;
	rc = loop_create(&loop);
	if (!rc)
		rc = loop_stop_on_signals(loop);
	if (!rc)
		rc = hvd_create(loop, rundir, &hvd);
	if (!rc) {
		notify_ready();
		tool_autostart(hvd->tool, NULL);
		rc = loop_run(loop);
		hvd_end_host(hvd);
	}
	if (rc < 0)
		log_err("%s: %s", rundir, strerror(-rc));
	hvd_destroy(hvd);
	loop_destroy(loop);
	close(pidfd);
	return rc < 0 ? CLI_UNAVAILABLE : CLI_OK;
}
