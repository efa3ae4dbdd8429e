/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/tool_saved.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

int saved_write(int fd, const json_t *config)
{
	struct saved_head head = { .version = SAVED_VERSION };
	char *text = json_dumps(config, JSON_COMPACT);
	size_t size = text ? strlen(text) : 0;
	int rc = !text ? -ENOMEM : size > SAVED_CONFIG_MAX ? -E2BIG : 0;

	memcpy(head.magic, SAVED_MAGIC, sizeof(head.magic));
	head.config_size = (uint32_t)size;
	if (!rc)
		rc = file_write_all(fd, &head, sizeof(head));
	if (!rc)
		rc = file_write_all(fd, text, size);
	free(text);
	return rc;
}

static int read_all(int fd, void *data, size_t size)
{
	char *p = data;

	while (size) {
		ssize_t n = read(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

static int refuse(int rc, const char *why, const char **why_out)
{
	*why_out = rc == -ENODATA ? "it is cut off: it was not written to its end; save it again"
		   : why	  ? why
				  : strerror(-rc);
	return rc;
}

static int read_config(int fd, uint32_t size, json_t **config_out, const char **why_out)
{
	char *text = malloc(size);
	json_t *config = NULL;
	int rc = text ? read_all(fd, text, size) : -ENOMEM;

	if (rc)
		refuse(rc, NULL, why_out);
	else
		config = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	if (!rc && !json_is_object(config)) {
		json_decref(config);
		rc = refuse(-EINVAL, "it is damaged: its configuration is none", why_out);
	}
	if (!rc)
		*config_out = config;
	free(text);
	return rc;
}

int saved_read(int fd, json_t **config_out, const char **why_out)
{
	struct saved_head head;
	int rc = read_all(fd, &head, sizeof(head));

	*config_out = NULL;
	if (rc)
		return refuse(rc, NULL, why_out);
	if (memcmp(head.magic, SAVED_MAGIC, sizeof(head.magic)))
		return refuse(-EPROTO, "it is no saved domain", why_out);
	if (head.version != SAVED_VERSION)
		return refuse(-EPROTO, "another version of vifrost saved it: use that one",
			      why_out);
	if (!head.config_size || head.config_size > SAVED_CONFIG_MAX)
		return refuse(-EINVAL, "it is damaged: a configuration of absurd size", why_out);
	return read_config(fd, head.config_size, config_out, why_out);
}
