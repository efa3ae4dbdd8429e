/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/rpc.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/unixsock.h"

static int wait_readable(int fd, uint64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int r;

	do {
		uint64_t now = clock_ms();
		int left = deadline_ms == UINT64_MAX ? -1
			   : now < deadline_ms	     ? (int)(deadline_ms - now)
						     : 0;

		r = poll(&p, 1, left);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r ? 0 : -ETIMEDOUT;
}

static int send_line(int fd, char *line)
{
	size_t len = strlen(line), sent = 0;

	line[len++] = '\n';
	while (sent < len) {
		ssize_t n = send(fd, line + sent, len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			sent += (size_t)n;
	}
	return 0;
}

static int receive_line(int fd, uint64_t deadline_ms, char **line_out, size_t *len_out)
{
	char *line = NULL;
	size_t used = 0, size = 0;
	int rc;

	for (;;) {
		ssize_t n;

		if (used == size) {
			char *grown = size < RPC_MESSAGE_MAX ? realloc(line, size * 2 + 4096)
							     : NULL;

			if (!grown) {
				rc = -ENOMEM;
				break;
			}
			line = grown;
			size = size * 2 + 4096;
		}
		rc = wait_readable(fd, deadline_ms);
		if (rc < 0)
			break;
		n = recv(fd, line + used, size - used, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			rc = n ? -errno : -ECONNRESET;
			break;
		}
		used += (size_t)n;
		if (line[used - 1] == '\n') {
			*line_out = line;
			*len_out = used;
			return 0;
		}
	}
	free(line);
	return rc;
}

int rpc_call(const char *path, const char *method, json_t *params, int timeout_ms,
	     json_t **result_out)
{
	uint64_t deadline = timeout_ms < 0 ? UINT64_MAX : clock_ms() + (uint64_t)timeout_ms;
	json_t *request = json_pack("{s:s, s:o*}", "method", method, "params", params);
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL, *line = NULL;
	json_t *answer = NULL, *member;
	size_t len = 0;
	int fd = -1, rc = -ENOMEM;

	*result_out = NULL;
	if (!text)
		goto out;
	rc = fd = unixsock_connect(path, SOCK_STREAM);
	if (rc < 0)
		goto out;
	rc = send_line(fd, text);
	if (rc < 0)
		goto out;
	rc = receive_line(fd, deadline, &line, &len);
	if (rc < 0)
		goto out;
	answer = json_loadb(line, len, JSON_DECODE_ANY, NULL);
	rc = -EREMOTEIO;
	member = json_object_get(answer, "error");
	if (!member) {
		rc = 0;
		member = json_object_get(answer, "result");
	}
	if (!member)
		rc = -EPROTO;
	else
		*result_out = json_incref(member);
out:
	if (fd >= 0)
		close(fd);
	free(text);
	free(line);
	json_decref(request);
	json_decref(answer);
	return rc;
}
