/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/daemon.h"
#include "base/rpc.h"
#include "hv/block/blkback.h"
#include "hv/block/ring.h"

#define KERNEL_DRIVER "/sys/bus/xen-backend/drivers/vbd"

static const struct cli_option options[] = {
	DAEMON_OPTION_RUN_DIR,
	{ 0, "engine", "NAME",
	  "how images are read and written: io_uring, thread (default: io_uring, where the kernel "
	  "has it)" },
	DAEMON_OPTION_VERBOSE,
	{ 0 },
};

static const struct cli_program program = {
	.name = "vifrost-blkback",
	.help = "block backend: serves guests' disks from files, block devices and QEMU's images.\n"
		"However it ends, disks stay as they are and the next vifrost-blkback takes them up.",
	.options = options,
};

struct service {
	struct loop *loop;
	struct blkback *bb;
};

static void rpc_status(void *arg, struct rpc_call *call)
{
	json_t *status = blkback_status(((struct service *)arg)->bb);

	if (status)
		rpc_reply(call, status);
	else
		rpc_fail(call, "no-memory", "out of memory");
}

static const struct rpc_method methods[] = {
	{ "status", rpc_status },
	{ NULL, NULL },
};

static int run(struct service *s, const struct blkback_config *config)
{
	struct rpc_server *server = NULL;
	char path[PATH_MAX];
	int rc;

	rundir_file(path, config->rundir, RUNDIR_BLKBACK_SOCKET);
	rc = loop_create(&s->loop);
	if (!rc)
		rc = loop_stop_on_signals(s->loop);
	if (!rc)
		rc = blkback_create(config, s->loop, &s->bb);
	if (rc) {
		log_err("cannot start: %s", strerror(-rc));
		goto out;
	}
	rc = rpc_server_create(s->loop, path, methods, s, &server);
	if (rc) {
		log_err("%s: %s", path, strerror(-rc));
		goto out;
	}
	notify_ready();
	rc = loop_run(s->loop);
out:
	rpc_server_destroy(server);
	blkback_destroy(s->bb);
	loop_destroy(s->loop);
	return rc;
}

static int start(const char *rundir, enum blk_io_engine engine)
{
	struct blkback_config config = { .rundir = rundir,
					 .engine = engine,
					 .max_ring_order = BLK_RING_ORDER_MAX };
	char why[HV_WHY_MAX];
	struct service s = { 0 };
	int status = daemon_folder(rundir, RUNDIR_BLKBACK), lock;

	/* Held until we end. */
	if (!status)
		status = daemon_lock(rundir, program.name, "", &lock);
	if (status)
		return status;
	if (hv_connect(rundir, &config.hv, why)) {
		log_err("%s", why);
		return CLI_UNAVAILABLE;
	}
	if (config.hv->is_xen && !access(KERNEL_DRIVER, F_OK)) {
		log_err("the kernel's xen-blkback serves disks here: rmmod xen-blkback, or leave "
			"them to it");
		status = CLI_BUSY;
	} else if (run(&s, &config)) {
		status = CLI_UNAVAILABLE;
	}
	config.hv->close(config.hv);
	return status;
}

/* False: not one. */
static bool read_engine(const char *text, enum blk_io_engine *engine)
{
	if (!text)
		*engine = BLK_IO_BEST;
	else if (!strcmp(text, "io_uring"))
		*engine = BLK_IO_URING;
	else if (!strcmp(text, "thread"))
		*engine = BLK_IO_THREAD;
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	enum blk_io_engine engine;
	struct cli_parsed parsed;
	char rundir[RUNDIR_MAX];
	int status = daemon_begin(&program, LOG_LEVEL_INFO, argc, argv, &parsed, rundir);

	if (status >= 0)
		return status;
	if (!read_engine(cli_value(&parsed, "engine"), &engine)) {
		fprintf(stderr, "%s: --engine: allowed: io_uring, thread\n", program.name);
		return CLI_USAGE;
	}
	/* A disk takes five. */
	daemon_raise_fd_limit();
	return start(rundir, engine);
}
