/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel's command line out of a config's keys: those of xl, and those of xm that xl dropped and that
 * configs with a root by NFS still have.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hv/tool_priv.h"

struct line {
	char *text;
	size_t used;
};

static void add(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct line *l, const char *fmt, ...)
{
	size_t room = l->used < TOOL_CMDLINE ? TOOL_CMDLINE - l->used : 0;
	va_list ap;

	if (l->used && room) {
		l->text[l->used] = ' ';
		l->used++;
		room--;
	}
	va_start(ap, fmt);
	l->used += (size_t)vsnprintf(room ? l->text + l->used : NULL, room, fmt, ap);
	va_end(ap);
}

/* client:server:gateway:netmask:host name:device:how, as the kernel's nfsroot document has it. */
static void add_ip(struct line *l, const json_t *config)
{
	static const char *const keys[] = { "ip",	"netmask",    "gateway",
					    "hostname", "nfs_server", "dhcp" };
	const char *dhcp = tool_config_text(config, "dhcp", ""), *how = "off";
	const char *ip = tool_config_text(config, "ip", "");
	size_t given = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		given += *tool_config_text(config, keys[i], "") != '\0';
	if (!given)
		return;
	/* One who writes the whole of it means it. */
	if (strchr(ip, ':')) {
		add(l, "ip=%s", ip);
		return;
	}
	if (!*ip || (*dhcp && strcmp(dhcp, "off")))
		how = "dhcp";
	add(l, "ip=%s:%s:%s:%s:%s:eth0:%s", ip, tool_config_text(config, "nfs_server", ""),
	    tool_config_text(config, "gateway", ""), tool_config_text(config, "netmask", ""),
	    tool_config_text(config, "hostname", tool_config_text(config, "name", "")), how);
}

int tool_cmdline(const json_t *config, char cmdline[TOOL_CMDLINE], char why[TOOL_WHY])
{
	const char *whole = tool_config_text(config, "cmdline", NULL);
	const char *root = tool_config_text(config, "root", "");
	const char *extra = tool_config_text(config, "extra", "");
	const char *server = tool_config_text(config, "nfs_server", "");
	const char *nfs = tool_config_text(config, "nfs_root", "");
	struct line l = { cmdline, 0 };

	cmdline[0] = '\0';
	if (*nfs && !*server) {
		snprintf(why, TOOL_WHY, "'nfs_root' needs 'nfs_server', which is not there");
		return -EINVAL;
	}
	if (whole) {
		add(&l, "%s", whole);
	} else {
		if (*root)
			add(&l, "root=%s", root);
		else if (*nfs)
			add(&l, "root=/dev/nfs");
		if (*nfs)
			add(&l, "nfsroot=%s:%s", server, nfs);
		add_ip(&l, config);
		if (*extra)
			add(&l, "%s", extra);
	}
	if (l.used < TOOL_CMDLINE)
		return 0;
	snprintf(why, TOOL_WHY, "the kernel's command line has %zu bytes, allowed: %d", l.used,
		 TOOL_CMDLINE - 1);
	return -E2BIG;
}
