/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The documents in the run directory. A crash leaves the old file or the new one. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "vswitch/fast/fast_priv.h"

int fast_keep(const char *path, json_t *networks, json_t *ports)
{
	json_t *state = json_pack("{s:O, s:O}", "networks", networks, "ports", ports);
	char *text = state ? json_dumps(state, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;
	char next[PATH_MAX];
	int fd = -1, rc = text ? 0 : -ENOMEM;

	if (!rc && snprintf(next, sizeof(next), "%s.next", path) >= (int)sizeof(next))
		rc = -ENAMETOOLONG;
	if (rc)
		goto out;
	fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	rc = fd < 0 ? -errno : file_write_all(fd, text, strlen(text));
	if (!rc && fsync(fd))
		rc = -errno;
	if (!rc && rename(next, path))
		rc = -errno;
	if (rc)
		unlink(next);
out:
	if (fd >= 0)
		close(fd);
	free(text);
	json_decref(state);
	return rc;
}

int fast_kept(const char *path, json_t **state_out, char *why)
{
	json_error_t error;
	json_t *state;

	if (access(path, F_OK)) {
		*state_out = json_pack("{s:{}, s:{}}", "networks", "ports");
		return *state_out ? 0 : -ENOMEM;
	}
	state = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	*state_out = state;
	if (state && json_is_object(json_object_get(state, "networks")) &&
	    json_is_object(json_object_get(state, "ports")))
		return 0;
	snprintf(why, FAST_TEXT_MAX,
		 "%.200s: not the switch's documents (%.100s): remove it, vifrostd tells them anew",
		 path, state ? "networks or ports is missing" : error.text);
	json_decref(state);
	*state_out = NULL;
	return -EINVAL;
}
