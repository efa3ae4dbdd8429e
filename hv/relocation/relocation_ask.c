/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions to vifrost-hvd, from a thread of their own where the answer takes as long as a guest's state. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rpc.h"
#include "base/rundir.h"
#include "hv/relocation/relocation.h"

#define FIFO_SIZE (1 << 20)

struct relocation_ask {
	pthread_t thread;
	int pipe[2];
	char socket[PATH_MAX];
	const char *method;
	json_t *params, *result;
	int rc;
};

static void *run(void *arg)
{
	struct relocation_ask *ask = arg;

	ask->rc = rpc_call(ask->socket, ask->method, ask->params, -1, &ask->result);
	/* From here on the asker may free it. */
	close(ask->pipe[1]);
	return NULL;
}

int relocation_ask_start(const char *rundir, const char *method, json_t *params,
			 struct relocation_ask **ask_out)
{
	struct relocation_ask *ask = calloc(1, sizeof(*ask));
	int rc = ask && params ? 0 : -ENOMEM;

	if (!rc && pipe2(ask->pipe, O_CLOEXEC) < 0)
		rc = -errno;
	if (rc) {
		json_decref(params);
		free(ask);
		return rc;
	}
	rundir_file(ask->socket, rundir, RUNDIR_HVD_SOCKET);
	ask->method = method;
	ask->params = params;
	rc = -pthread_create(&ask->thread, NULL, run, ask);
	if (rc) {
		close(ask->pipe[0]);
		close(ask->pipe[1]);
		json_decref(params);
		free(ask);
		return rc;
	}
	*ask_out = ask;
	return 0;
}

int relocation_ask_fd(const struct relocation_ask *ask)
{
	return ask->pipe[0];
}

int relocation_ask_finish(struct relocation_ask *ask, int timeout_ms, json_t **result_out,
			  char why[RELOCATION_WHY])
{
	struct pollfd p = { .fd = ask->pipe[0], .events = POLLIN };
	const char *said;
	int rc;

	if (poll(&p, 1, timeout_ms) == 0) {
		/* It is the thread's until the process ends. */
		pthread_detach(ask->thread);
		snprintf(why, RELOCATION_WHY, "vifrost-hvd does not answer");
		return -ETIMEDOUT;
	}
	pthread_join(ask->thread, NULL);
	rc = ask->rc;
	said = json_string_value(json_object_get(ask->result, "message"));
	if (rc)
		snprintf(why, RELOCATION_WHY, "%s",
			 rc == -EREMOTEIO && said ? said : strerror(-rc));
	if (!rc && result_out)
		*result_out = ask->result;
	else
		json_decref(ask->result);
	close(ask->pipe[0]);
	free(ask);
	return rc;
}

int relocation_call(const char *rundir, const char *method, json_t *params, json_t **result_out,
		    char why[RELOCATION_WHY])
{
	struct relocation_ask *ask;
	int rc = relocation_ask_start(rundir, method, params, &ask);

	if (!rc)
		return relocation_ask_finish(ask, RELOCATION_QUIET_S * 1000, result_out, why);
	snprintf(why, RELOCATION_WHY, "%s", strerror(-rc));
	return rc;
}

int relocation_fifo(const char *rundir, bool writing, char path[PATH_MAX])
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "relocation.%d", (int)getpid());
	rundir_file(path, rundir, name);
	unlink(path);
	if (mkfifo(path, 0600))
		return -errno;
	fd = open(path, (writing ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		fd = -errno;
		unlink(path);
	} else {
		/* Fewer turns between three processes; less does too. */
		fcntl(fd, F_SETPIPE_SZ, FIFO_SIZE);
	}
	return fd;
}
