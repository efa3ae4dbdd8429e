/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of the seam's fillings this host has. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/rundir.h"
#include "hv/hv.h"

/* The socket outlives a vifrost-hvd that was killed, so that nobody takes its host for a real Xen. */
static bool is_core(const char *rundir)
{
	char path[PATH_MAX];

	rundir_file(path, rundir, RUNDIR_HYPERCALL_SOCKET);
	return !access(path, F_OK);
}

static int explain_core(const char *rundir, int rc, char why[HV_WHY_MAX])
{
	if (rc < 0)
		snprintf(why, HV_WHY_MAX, "no vifrost-hvd answers in %s (%s): start it", rundir,
			 strerror(-rc));
	return rc;
}

/* Neither is there. */
static int explain_none(const char *rundir, int rc, char why[HV_WHY_MAX])
{
	if (rc == -ENODEV)
		snprintf(why, HV_WHY_MAX,
			 "no vifrost-hvd in %s, and this machine does not run on Xen: start "
			 "vifrost-hvd",
			 rundir);
	return rc;
}

int hv_connect(const char *rundir, struct hv **hv_out, char why[HV_WHY_MAX])
{
	if (is_core(rundir))
		return explain_core(rundir, hv_core_connect(rundir, hv_out), why);
	return explain_none(rundir, hv_xen_connect(hv_out, why), why);
}

bool hv_store_is_xen(const char *rundir)
{
	return !is_core(rundir) && hv_xen_is_here();
}

int hv_store_open(const char *rundir, struct hv_store **store_out, char why[HV_WHY_MAX])
{
	char path[PATH_MAX];

	rundir_file(path, rundir, RUNDIR_XENSTORED_SOCKET);
	if (is_core(rundir))
		return explain_core(rundir, hv_store_connect(path, store_out), why);
	return explain_none(rundir, hv_xen_store_open(store_out, why), why);
}
