/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain from a file that one was saved to, or from another host's stream: made as any of its config,
 * which is checked as any is. Its state is for its runner to read; nothing of that is looked at here.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hv/tool_save.h"
#include "hv/tool_saved.h"

/* Return: a descriptor, where the state starts; -errno with @why. */
static int open_saved(const char *path, bool stream, json_t **config_out, char why[TOOL_WHY])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), rc = 0;
	const char *reason = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		rc = -errno;
	else if (stream ? !S_ISFIFO(st.st_mode) : !S_ISREG(st.st_mode))
		rc = -EINVAL;
	if (rc == -EINVAL)
		reason = stream ? "it is no FIFO" : "it is no file";
	if (!rc && stream)
		rc = fcntl(fd, F_SETFL, 0) < 0 ? -errno : 0;
	else if (!rc)
		rc = saved_read(fd, config_out, &reason);
	if (!rc)
		return fd;
	snprintf(why, TOOL_WHY, "%.160s: %s", path, reason ? reason : strerror(-rc));
	if (fd >= 0)
		close(fd);
	return rc;
}

void tool_restore_restore(void *arg, struct rpc_call *call)
{
	json_t *params = rpc_params(call), *given = json_object_get(params, "config"),
	       *config = NULL;
	const char *path = tool_config_text(params, "path", "");
	const char *name = tool_config_text(params, "name", NULL);
	bool stream = json_is_true(json_object_get(params, "stream"));
	char why[TOOL_WHY] = "";
	int fd;

	if (*path != '/' || strlen(path) >= PATH_MAX) {
		rpc_fail(call, "invalid", "'path' cannot be used, allowed: an absolute path");
		return;
	}
	if (given ? !json_is_object(given) : stream) {
		rpc_fail(call, "invalid", "'config' is missing, allowed: what an xl.cfg gives");
		return;
	}
	/* The only type that is restored. */
	if (tool_rpc_await(arg, "pvh", call, tool_restore_restore))
		return;
	fd = open_saved(path, stream, &config, why);
	if (fd < 0) {
		tool_rpc_answer(call, fd, why);
		return;
	}
	if (given) {
		json_decref(config);
		config = json_deep_copy(given);
	}
	if (name)
		json_object_set_new(config, "name", json_string(name));
	tool_creation_begin(arg, config, fd, call);
	close(fd);
	json_decref(config);
}
