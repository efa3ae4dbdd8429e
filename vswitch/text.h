/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses and routes as ip(8) writes them. */
#ifndef VSWITCH_TEXT_H
#define VSWITCH_TEXT_H

#include "vswitch/vswitch.h"

#define VS_ADDR_TEXT_LEN  64
#define VS_ROUTE_TEXT_LEN 200

/* "192.0.2.10/24" */
void vs_addr_text(const struct vs_addr *a, char text[VS_ADDR_TEXT_LEN]);
/* "default via 192.0.2.1 metric 100" */
void vs_route_text(const struct vs_route *r, char text[VS_ROUTE_TEXT_LEN]);

#endif
