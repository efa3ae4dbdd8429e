/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first half: vifrostd is asked. It is a program of its own, static and small, because a script's time
 * is what starting it takes; the second half is vifrost-hotplug-direct, beside it.
 */
#include "policy/hotplug.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/rpc.h"
#include "base/rundir.h"

#define RPC_TIMEOUT_MS 20000
#define WAIT_LIMIT_NS  (15 * 1000000000ull) /* libxl gives a script 40 s */
#define WAIT_STEP_NS   20000000
#define DIRECT	       "vifrost-hotplug-direct"

/* Return: 0 placed; 1: vifrostd leaves it to us, or is not there; -EAGAIN; -errno with @why. */
static int ask_once(const struct hotplug_call *call, const char *socket, char why[HOTPLUG_WHY_LEN])
{
	json_t *answer = NULL;
	const char *state, *text;
	int rc = rpc_call(socket, "vif.place",
			  json_pack("{si si sb ss*}", "domid", call->domid, "devid", call->devid,
				    "gone", !call->is_up, "link",
				    call->is_emulated ? call->device : NULL),
			  RPC_TIMEOUT_MS, &answer);

	if (rc == -ENOENT || rc == -ECONNREFUSED)
		return 1;
	if (rc && rc != -EREMOTEIO) {
		snprintf(why, HOTPLUG_WHY_LEN, "vifrostd: %s", strerror(-rc));
		return rc;
	}
	text = json_string_value(json_object_get(answer, rc ? "message" : "reason"));
	snprintf(why, HOTPLUG_WHY_LEN, "%s", text ? text : "vifrostd gives no reason");
	state = json_string_value(json_object_get(answer, "state"));
	if (!rc && state && !strcmp(state, "unmanaged"))
		rc = 1;
	else if (!rc && state && !strcmp(state, "waiting"))
		rc = -EAGAIN;
	else if (!rc && (!state || strcmp(state, "connected") != 0))
		rc = -EPERM;
	json_decref(answer);
	return rc;
}

/* Return: 0 placed; 1: not by vifrostd; -errno with @why. */
static int ask_daemon(const struct hotplug_call *call, const char *rundir,
		      char why[HOTPLUG_WHY_LEN])
{
	const struct timespec step = { .tv_nsec = WAIT_STEP_NS };
	uint64_t end = clock_ns() + WAIT_LIMIT_NS;
	char socket[PATH_MAX];
	int rc;

	rundir_file(socket, rundir, RUNDIR_VIFROSTD_SOCKET);
	while ((rc = ask_once(call, socket, why)) == -EAGAIN && clock_ns() < end)
		nanosleep(&step, NULL);
	return rc;
}

/* Go on as that program, with the same arguments. Returns only when that is not possible. */
static int go_on(char **argv)
{
	char path[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(DIRECT));

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	strcpy(slash ? slash + 1 : path, DIRECT);
	/* argv[0] stays the script's name. */
	execv(path, argv);
	log_err("%s: %s", path, strerror(errno));
	return 1;
}

int hotplug_ask(int argc, char **argv)
{
	char rundir[RUNDIR_MAX], why[HOTPLUG_WHY_LEN] = "";
	struct hotplug_call call;
	int rc = hotplug_call_read(argc, argv, &call, why);

	if (rc == -EALREADY)
		return 0;
	/* Errors as well: to say them in xenstore is its job. */
	if (rc || rundir_resolve(NULL, rundir))
		return go_on(argv);
	rc = ask_daemon(&call, rundir, why);
	if (rc > 0)
		return go_on(argv);
	if (rc) {
		log_err("%s: %s", call.device, why);
		setenv(HOTPLUG_WHY_VARIABLE, why, 1);
		return go_on(argv);
	}
	hotplug_hooks(&call);
	return 0;
}
