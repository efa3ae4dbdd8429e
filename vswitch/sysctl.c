/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SYSCTL_ROOT "/proc/sys/net/"

static const char *const names[VS_SYSCTL_NR] = {
	[VS_SYSCTL_BRIDGE_NF_IPTABLES] = "bridge/bridge-nf-call-iptables",
	[VS_SYSCTL_BRIDGE_NF_IP6TABLES] = "bridge/bridge-nf-call-ip6tables",
	[VS_SYSCTL_BRIDGE_NF_ARPTABLES] = "bridge/bridge-nf-call-arptables",
	[VS_SYSCTL_FORWARDING4] = "ipv4/ip_forward",
	[VS_SYSCTL_FORWARDING6] = "ipv6/conf/all/forwarding",
};

static const struct {
	const char *folder, *key;
} link_names[VS_LINK_SYSCTL_NR] = {
	[VS_LINK_PROXY_ARP] = { "ipv4/conf", "proxy_arp" },
	[VS_LINK_RP_FILTER] = { "ipv4/conf", "rp_filter" },
	[VS_LINK_SEND_REDIRECTS] = { "ipv4/conf", "send_redirects" },
	[VS_LINK_ACCEPT_RA] = { "ipv6/conf", "accept_ra" },
	[VS_LINK_PROXY_NDP] = { "ipv6/conf", "proxy_ndp" },
	[VS_LINK_PROXY_DELAY4] = { "ipv4/neigh", "proxy_delay" },
	[VS_LINK_PROXY_DELAY6] = { "ipv6/neigh", "proxy_delay" },
	[VS_LINK_PROXY_ARP_PVLAN] = { "ipv4/conf", "proxy_arp_pvlan" },
};

static int read_value(const char *path)
{
	char text[16] = "";
	ssize_t n;
	int value = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return n < 0 ? -errno : -EIO;
	for (char *p = text; *p >= '0' && *p <= '9' && value < 100000; p++)
		value = value * 10 + (*p - '0');
	return value;
}

static int write_value(const char *path, uint32_t value)
{
	char text[16];
	ssize_t n;
	int len = snprintf(text, sizeof(text), "%u\n", value);
	int rc = 0;
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	n = write(fd, text, (size_t)len);
	if (n != len)
		rc = n < 0 ? -errno : -EIO;
	close(fd);
	return rc;
}

/* A plan knows what is there: that it is asked for is a change, mostly, and reading it first costs as much. */
static int change_value(const char *path, uint32_t value)
{
	int rc = write_value(path, value);

	if (!rc)
		return 1;
	/* Where nothing may be written, what is so already is good. */
	return rc != -ENOENT && read_value(path) == (int)value ? 0 : rc;
}

const char *vs_sysctl_name(enum vs_sysctl which)
{
	return names[which];
}

int vs_sysctl_get(enum vs_sysctl which)
{
	char path[128];
	int value;

	snprintf(path, sizeof(path), SYSCTL_ROOT "%s", names[which]);
	value = read_value(path);
	return value < 0 ? -1 : value;
}

int vs_sysctl_set(enum vs_sysctl which, uint32_t value)
{
	char path[128];

	snprintf(path, sizeof(path), SYSCTL_ROOT "%s", names[which]);
	return change_value(path, value);
}

int vs_sysctl_set_ipv6(const char *link, const char *key, uint32_t value)
{
	char path[128];
	int rc;

	snprintf(path, sizeof(path), SYSCTL_ROOT "ipv6/conf/%s/%s", link, key);
	rc = change_value(path, value);
	if (rc == -ENOENT)
		return 0;
	return rc;
}

int vs_sysctl_set_ipv4(const char *link, const char *key, uint32_t value)
{
	char path[128];

	snprintf(path, sizeof(path), SYSCTL_ROOT "ipv4/conf/%s/%s", link, key);
	return change_value(path, value);
}

void vs_sysctl_link_name(const char *link, enum vs_link_sysctl which, char name[VS_TEXT_LEN])
{
	snprintf(name, VS_TEXT_LEN, "%s/%.15s/%s", link_names[which].folder, link,
		 link_names[which].key);
}

static void link_path(const char *link, enum vs_link_sysctl which, char path[2 * VS_TEXT_LEN])
{
	char name[VS_TEXT_LEN];

	vs_sysctl_link_name(link, which, name);
	snprintf(path, 2 * VS_TEXT_LEN, SYSCTL_ROOT "%s", name);
}

int vs_sysctl_get_link(const char *link, enum vs_link_sysctl which)
{
	char path[2 * VS_TEXT_LEN];
	int value;

	link_path(link, which, path);
	value = read_value(path);
	return value < 0 ? -1 : value;
}

int vs_sysctl_set_link(const char *link, enum vs_link_sysctl which, uint32_t value)
{
	char path[2 * VS_TEXT_LEN];
	int rc;

	link_path(link, which, path);
	rc = change_value(path, value);
	return rc == -ENOENT && !strncmp(link_names[which].folder, "ipv6", 4) ? 0 : rc;
}
