/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy of FORWARD in iptables-legacy's own tables, which nftables does not show. */
#include "policy/doctor_priv.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
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

/* Both ask alike, of entries that are not. */
static const struct family {
	int family, level, get_info, get_entries;
	size_t entry_size, target_at;
} families[] = {
	{ AF_INET, IPPROTO_IP, IPT_SO_GET_INFO, IPT_SO_GET_ENTRIES, sizeof(struct ipt_entry),
	  offsetof(struct ipt_entry, target_offset) },
	{ AF_INET6, IPPROTO_IPV6, IP6T_SO_GET_INFO, IP6T_SO_GET_ENTRIES, sizeof(struct ip6t_entry),
	  offsetof(struct ip6t_entry, target_offset) },
};

_Static_assert(sizeof(struct ipt_getinfo) == sizeof(struct ip6t_getinfo) &&
		       offsetof(struct ipt_getinfo, underflow) ==
			       offsetof(struct ip6t_getinfo, underflow) &&
		       offsetof(struct ipt_getinfo, size) == offsetof(struct ip6t_getinfo, size) &&
		       offsetof(struct ipt_get_entries, entrytable) ==
			       offsetof(struct ip6t_get_entries, entrytable),
	       "one struct stands for both");

static int ask(int fd, const struct family *f)
{
	struct ipt_getinfo info = { .name = TABLE };
	struct ipt_get_entries *all;
	socklen_t len = sizeof(info);
	int answer = DOCTOR_POLICY_NONE;
	uint16_t target_offset;
	const char *entries;
	size_t offset;

	if (getsockopt(fd, f->level, f->get_info, &info, &len) || info.size > SIZE_MAX_ENTRIES)
		return answer;
	len = (socklen_t)(sizeof(*all) + info.size);
	all = calloc(1, len);
	if (!all)
		return answer;
	strcpy(all->name, TABLE);
	all->size = info.size;
	entries = (const char *)all->entrytable;
	offset = info.underflow[NF_INET_FORWARD];
	if (!getsockopt(fd, f->level, f->get_entries, all, &len) &&
	    offset + f->entry_size <= info.size) {
		memcpy(&target_offset, entries + offset + f->target_at, sizeof(target_offset));
		answer = verdict_of(entries, info.size, offset, f->entry_size, target_offset);
	}
	free(all);
	return answer;
}

int doctor_legacy_forward(bool is_ipv6)
{
	const struct family *f = &families[is_ipv6];
	int fd = socket(f->family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW), answer;

	if (fd < 0)
		return DOCTOR_POLICY_NONE;
	answer = ask(fd, f);
	close(fd);
	return answer;
}
