/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a link's driver does for the network stack, by ethtool's generic netlink. */
#ifndef VSWITCH_ETHTOOL_H
#define VSWITCH_ETHTOOL_H

#include <stdbool.h>

#include <jansson.h>

struct ethtool;

/* NULL in *out and -errno: this kernel has no such interface. */
int ethtool_open(struct ethtool **out);
/* NULL is allowed. */
void ethtool_close(struct ethtool *e);
/*
 * Names of features as sets, {name: true}: those that are on, and those that can be changed. The caller's.
 * Return: 0; -ENODEV: no such link; -EOPNOTSUPP; -errno.
 */
int ethtool_features(struct ethtool *e, const char *link, json_t **active, json_t **changeable);
/* @features: {name: on}. What the driver does not do all the same is no error. */
int ethtool_set_features(struct ethtool *e, const char *link, const json_t *features);

#endif
