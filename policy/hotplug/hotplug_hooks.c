/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operator's own programs after each vif. Xen's scripts source theirs; here each is a process, which
 * finds the same variables in its environment and the event as JSON on its standard input.
 */
#include "policy/hotplug.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "base/file.h"
#include "base/log.h"

#define HOOKS_DIR     "/etc/xen/scripts/vif-post.d"
#define SUFFIX	      ".hook"
#define HOOK_LIMIT_MS 10000

static int is_hook(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > strlen(SUFFIX) && entry->d_name[0] != '.' &&
	       !strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX);
}

static const char *mode_name(enum hotplug_mode mode)
{
	static const char *const names[] = {
		[HOTPLUG_BRIDGE] = "bridge",
		[HOTPLUG_OVS] = "openvswitch",
		[HOTPLUG_NAT] = "nat",
		[HOTPLUG_ROUTE] = "route",
	};

	return names[mode];
}

static void set_variables(const struct hotplug_call *call)
{
	setenv("command", call->command, 1);
	setenv("type_if", call->is_emulated ? "tap" : "vif", 1);
	setenv("dev", call->device, 1);
	setenv("XENBUS_PATH", call->area, 1);
	if (call->bridge)
		setenv("bridge", call->bridge, 1);
	if (call->ip)
		setenv("ip", call->ip, 1);
}

/* Well below what a pipe holds, so that a hook need not read it. */
static int event_pipe(const struct hotplug_call *call)
{
	json_t *event = json_pack("{ss ss ss sb si si ss ss* ss*}", "command", call->command,
				  "mode", mode_name(call->mode), "device", call->device, "emulated",
				  call->is_emulated, "domid", call->domid, "devid", call->devid,
				  "xenbus-path", call->area, "bridge", call->bridge, "ip",
				  call->ip);
	char *text = event ? json_dumps(event, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	int fds[2] = { -1, -1 };

	json_decref(event);
	if (!text || strlen(text) > 4000 || pipe(fds) < 0) {
		free(text);
		return -1;
	}
	if (!file_write_all(fds[1], text, strlen(text)))
		file_write_all(fds[1], "\n", 1);
	close(fds[1]);
	free(text);
	return fds[0];
}

/* The vif waits for its hooks, but not for ever. */
static void wait_hook(pid_t pid, const char *path)
{
	int status = 0, fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (fd >= 0 && !poll(&p, 1, HOOK_LIMIT_MS)) {
		log_warning("%s: has not ended in %d s, killed", path, HOOK_LIMIT_MS / 1000);
		kill(pid, SIGKILL);
	}
	if (fd >= 0)
		close(fd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status))
		log_warning("%s: exit status %d", path, WEXITSTATUS(status));
}

static void run_hook(const struct hotplug_call *call, const char *path)
{
	char *argv[] = { (char *)(uintptr_t)path, NULL };
	int in;
	pid_t pid;

	if (access(path, X_OK))
		return;
	in = event_pipe(call);
	pid = fork();
	if (!pid) {
		if (in >= 0)
			dup2(in, STDIN_FILENO);
		/* With a path it searches nothing, and runs one without "#!" by sh. */
		execvp(path, argv);
		_exit(127);
	}
	if (in >= 0)
		close(in);
	if (pid > 0)
		wait_hook(pid, path);
	else
		log_warning("%s: %s", path, strerror(errno));
}

void hotplug_hooks(const struct hotplug_call *call)
{
	const char *dir = getenv("VIFROST_HOOKS_DIR");
	struct dirent **hooks;
	char path[PATH_MAX];
	int nr;

	dir = dir ? dir : HOOKS_DIR;
	nr = scandir(dir, &hooks, is_hook, alphasort);
	if (nr <= 0) {
		if (!nr)
			free(hooks);
		return;
	}
	set_variables(call);
	for (int i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), "%.3000s/%.255s", dir, hooks[i]->d_name);
		run_hook(call, path);
		free(hooks[i]);
	}
	free(hooks);
}
