/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dhcpcd has its files in fixed places, which the host's own dhcpcd may use, too: ours gets a view of the
 * file system with folders of its own there. It runs no script, so that nothing but addresses and routes of
 * its link changes, and leaves both as they are when it ends: they are moved together with the uplink, and
 * the next one goes on with the same lease, by the hardware address that the network's device shares with it.
 */
#include "vswitch/dhcpcd.h"

#include <errno.h>
#include <fcntl.h>
#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "vswitch/service.h"

#define CONF_FILE "dhcpcd.conf"
#define DB_DIR	  "db"
#define RUN_DIR	  "run"
#define ITS_DB	  "/var/lib/dhcpcd"
#define ITS_RUN	  "/run/dhcpcd"
#define DUID_FILE "duid"
#define STOP_MS	  3000

bool dhcpcd_is_needed(const struct vs_network *n)
{
	return n->host_dhcp4 || n->host_dhcp6 || n->host_ra;
}

/* The lease that the uplink had. */
static void find_lease(const struct vs_record_network *rn, char text[INET6_ADDRSTRLEN])
{
	text[0] = '\0';
	for (size_t i = 0; rn && !text[0] && i < rn->nr_moved_addrs; i++)
		if (rn->moved_addrs[i].family == AF_INET &&
		    rn->moved_addrs[i].valid_s != UINT32_MAX)
			inet_ntop(AF_INET, rn->moved_addrs[i].local, text, INET6_ADDRSTRLEN);
}

json_t *dhcpcd_doc(const struct vs_network *n, const struct vs_record_network *rn, bool has_ipv6)
{
	char request[INET6_ADDRSTRLEN] = "";
	bool dhcp6 = n->host_dhcp6 && has_ipv6, ra = n->host_ra && has_ipv6;
	const char *const lines[] = {
		"persistent",
		"noipv4ll",
		/* Asking who else has it would take seconds, of an address that is in use already. */
		"noarp",
		"require dhcp_server_identifier",
		"option classless_static_routes",
		n->host_dhcp4 ? "dhcp" : "nodhcp",
		!dhcp6 && !ra ? "noipv6" : "ipv6",
		ra ? "ipv6rs" : "noipv6rs",
		/* Asked for by itself, not only where a router says so. */
		dhcp6 ? "ia_na 1" : "nodhcp6",
	};
	json_t *list = json_array();

	if (n->host_dhcp4)
		find_lease(rn, request);
	for (size_t i = 0; list && i < sizeof(lines) / sizeof(lines[0]); i++)
		if (json_array_append_new(list, json_string(lines[i])) < 0) {
			json_decref(list);
			list = NULL;
		}
	return list ? json_pack("{soss}", "config", list, "request", request) : NULL;
}

static bool is_as_told(const struct service *s, const char *network, const json_t *doc)
{
	char *config = service_lines(json_object_get(doc, "config"));
	bool is = config && service_holds(s, CONF_FILE, config) &&
		  child_find(s->rundir, s->name, NULL) == 0;

	(void)network;
	free(config);
	return is;
}

/* The host is one client to the LAN's server, whoever asks: it keeps its DUID. */
static void take_duid(const struct service *s)
{
	char text[512] = "";
	int fd = open(ITS_DB "/" DUID_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (n > 0)
		service_write(s, DB_DIR "/" DUID_FILE, text);
}

static int bind_dir(const struct service *s, const char *dir, const char *over)
{
	char path[PATH_MAX];

	if (mkdir(over, 0755) < 0 && errno != EEXIST)
		return -errno;
	snprintf(path, sizeof(path), "%.3900s/%s", s->dir, dir);
	return mount(path, over, NULL, MS_BIND, NULL) < 0 ? -errno : 0;
}

static int start_inside(const struct service *s, const struct child_spec *spec)
{
	int rc = unshare(CLONE_NEWNS) < 0 ? -errno : 0;

	if (!rc && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		rc = -errno;
	if (!rc)
		rc = bind_dir(s, DB_DIR, ITS_DB);
	if (!rc)
		rc = bind_dir(s, RUN_DIR, ITS_RUN);
	return rc ? rc : child_start(spec, NULL);
}

/* From a process with a view of its own, which the daemon inherits. */
static int start_apart(const struct service *s, const struct child_spec *spec)
{
	int status, rc = 0;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(-start_inside(s, spec));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFEXITED(status))
		rc = -WEXITSTATUS(status);
	else
		rc = -EIO;
	return rc;
}

static int start(const struct service *s, const char *network, const char *config,
		 const char *lease, char *why)
{
	static const char *const dirs[] = { DB_DIR, RUN_DIR };
	char program[PATH_MAX], conf[PATH_MAX], request[64];
	const char *const argv[] = { program,	  "--nobackground", "--config", conf, "--script",
				     "/dev/null", request,	    network,	NULL };
	const struct child_spec spec = { .rundir = s->rundir, .name = s->name, .argv = argv };
	int rc;

	if (!service_find_program("dhcpcd", program)) {
		snprintf(why, VS_TEXT_LEN, "dhcpcd is not installed: apt install dhcpcd-base");
		return -ENOENT;
	}
	snprintf(conf, sizeof(conf), "%.3900s/" CONF_FILE, s->dir);
	snprintf(request, sizeof(request), "--request=%.46s",
		 lease && lease[0] ? lease : "0.0.0.0");
	rc = service_stop(s, "dhcpcd", STOP_MS);
	if (!rc)
		rc = service_make_dirs(s, dirs, 2);
	if (!rc)
		rc = service_write(s, CONF_FILE, config);
	if (!rc && !service_has(s, DB_DIR "/" DUID_FILE))
		take_duid(s);
	if (!rc)
		rc = start_apart(s, &spec);
	if (rc)
		snprintf(why, VS_TEXT_LEN, "cannot start dhcpcd: %s", strerror(-rc));
	return rc;
}

static int set(const struct service *s, const char *network, const json_t *doc, char *why)
{
	const char *lease = json_string_value(json_object_get(doc, "request"));
	char *config = service_lines(json_object_get(doc, "config"));
	int rc = config ? 0 : -ENOMEM;

	if (!rc && !is_as_told(s, network, doc))
		rc = start(s, network, config, lease, why);
	if (!rc)
		rc = service_write_doc(s, doc);
	free(config);
	return rc;
}

static const struct service_kind kind = {
	.name = "dhcpcd",
	.doc = VS_DOC_DHCP,
	.stop_ms = STOP_MS,
	.is_as_told = is_as_told,
	.set = set,
};

static int dhcpcd_get(void *ctx, const char *name, json_t **doc, char *why)
{
	(void)why;
	return service_get(&kind, ctx, name, doc);
}

static int dhcpcd_observe(void *ctx, struct vs_observed *o, char *why)
{
	(void)why;
	return service_observe(&kind, ctx, o);
}

static int dhcpcd_apply(void *ctx, const char *name, const json_t *doc, char *why)
{
	return service_apply(&kind, ctx, name, doc, why);
}

const struct vs_doc_ops dhcpcd_doc_ops = {
	.open = service_open,
	.observe = dhcpcd_observe,
	.get = dhcpcd_get,
	.apply = dhcpcd_apply,
	.close = service_close,
};
