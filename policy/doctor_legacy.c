/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy of FORWARD in iptables-legacy's own tables, which nftables does not show. */
#include "policy/doctor_priv.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#define TABLE		 "filter"
#define SIZE_MAX_ENTRIES (16u << 20)

/* @offset: of the entry whose target is the chain's policy. */
static int verdict_of(const char *entries, size_t size, size_t offset, size_t entry_size,
		      uint16_t target_offset)
{
	const struct xt_standard_target *target;

	if (target_offset < entry_size || offset + target_offset + sizeof(*target) > size)
		return DOCTOR_POLICY_NONE;
	target = (const void *)(entries + offset + target_offset);
	return target->verdict == -NF_DROP - 1 ? DOCTOR_POLICY_DROP : DOCTOR_POLICY_ACCEPT;
}

static int ask4(int fd)
{
	struct ipt_getinfo info = { .name = TABLE };
	struct ipt_get_entries *all;
	const struct ipt_entry *e;
	socklen_t len = sizeof(info);
	int answer = DOCTOR_POLICY_NONE;

	if (getsockopt(fd, IPPROTO_IP, IPT_SO_GET_INFO, &info, &len) ||
	    info.size > SIZE_MAX_ENTRIES)
		return answer;
	len = (socklen_t)(sizeof(*all) + info.size);
	all = calloc(1, len);
	if (!all)
		return answer;
	strcpy(all->name, TABLE);
	all->size = info.size;
	if (!getsockopt(fd, IPPROTO_IP, IPT_SO_GET_ENTRIES, all, &len) &&
	    info.underflow[NF_INET_FORWARD] + sizeof(*e) <= info.size) {
		e = (const void *)((const char *)all->entrytable + info.underflow[NF_INET_FORWARD]);
		answer = verdict_of((const char *)all->entrytable, info.size,
				    info.underflow[NF_INET_FORWARD], sizeof(*e), e->target_offset);
	}
	free(all);
	return answer;
}

static int ask6(int fd)
{
	struct ip6t_getinfo info = { .name = TABLE };
	struct ip6t_get_entries *all;
	const struct ip6t_entry *e;
	socklen_t len = sizeof(info);
	int answer = DOCTOR_POLICY_NONE;

	if (getsockopt(fd, IPPROTO_IPV6, IP6T_SO_GET_INFO, &info, &len) ||
	    info.size > SIZE_MAX_ENTRIES)
		return answer;
	len = (socklen_t)(sizeof(*all) + info.size);
	all = calloc(1, len);
	if (!all)
		return answer;
	strcpy(all->name, TABLE);
	all->size = info.size;
	if (!getsockopt(fd, IPPROTO_IPV6, IP6T_SO_GET_ENTRIES, all, &len) &&
	    info.underflow[NF_INET_FORWARD] + sizeof(*e) <= info.size) {
		e = (const void *)((const char *)all->entrytable + info.underflow[NF_INET_FORWARD]);
		answer = verdict_of((const char *)all->entrytable, info.size,
				    info.underflow[NF_INET_FORWARD], sizeof(*e), e->target_offset);
	}
	free(all);
	return answer;
}

int doctor_legacy_forward(bool is_ipv6)
{
	int fd = socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW), answer;

	if (fd < 0)
		return DOCTOR_POLICY_NONE;
	answer = is_ipv6 ? ask6(fd) : ask4(fd);
	close(fd);
	return answer;
}
