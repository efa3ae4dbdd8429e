/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/close_range.h>
#include <string.h>
#include <unistd.h>

#include "base/daemon.h"
#include "hv/hv.h"
#include "hv/hvd.h"

static const struct cli_option options[] = {
	{ 0, "run-dir", "DIR", "where sockets and state are kept" },
	{ 0 },
};

static const struct cli_program program = {
	.name = "vifrost-hvd",
	.help = "hypervisor core daemon: domains, their memory, event channels, xenstore and consoles. "
		"SIGTERM ends the host: all domains are destroyed. Killed otherwise, it takes up its running "
		"domains when it is started again.",
	.options = options,
};

int main(int argc, char **argv)
{
	struct cli_parsed parsed;
	char rundir[RUNDIR_MAX];
	int status = daemon_begin(&program, LOG_LEVEL_NOTICE, argc, argv, &parsed, rundir);

	if (status >= 0)
		return status;
	/* What our starter left open is no business of a guest's processes. */
	close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	/* There, Vifrost's other daemons serve the guests of Xen. */
	if (hv_xen_is_dom0() && !strcmp(rundir, RUNDIR_DEFAULT)) {
		log_err("this is a Xen's domain 0, whose guests are xl's; to make a host of its own within "
			"it, give it a folder of its own: --run-dir DIR");
		return CLI_UNAVAILABLE;
	}
	return hvd_run(rundir);
}
