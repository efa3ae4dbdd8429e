/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's switches below /proc/sys/net, which are this network namespace's own. */
#ifndef VSWITCH_SYSCTL_H
#define VSWITCH_SYSCTL_H

#include "vswitch/vswitch.h"

/* Below /proc/sys/net. */
const char *vs_sysctl_name(enum vs_sysctl which);
/* -1: not there, such as bridge-nf-* without br_netfilter. */
int vs_sysctl_get(enum vs_sysctl which);
/* Write only what differs. Return: 1 written; 0 it was so already; -ENOENT: not there; -errno. */
int vs_sysctl_set(enum vs_sysctl which, uint32_t value);
/* @key: "disable_ipv6" or "accept_ra" of the link. As vs_sysctl_set(); 0 where there is no IPv6. */
int vs_sysctl_set_ipv6(const char *link, const char *key, uint32_t value);
/* @key: such as "proxy_arp" of the link. As vs_sysctl_set(). */
int vs_sysctl_set_ipv4(const char *link, const char *key, uint32_t value);

/* Of one link: "ipv4/conf/eth0/proxy_arp". */
void vs_sysctl_link_name(const char *link, enum vs_link_sysctl which, char name[VS_TEXT_LEN]);
/* -1: not there. */
int vs_sysctl_get_link(const char *link, enum vs_link_sysctl which);
/* As vs_sysctl_set(); 0 for a switch of IPv6 where there is none. */
int vs_sysctl_set_link(const char *link, enum vs_link_sysctl which, uint32_t value);

#endif
