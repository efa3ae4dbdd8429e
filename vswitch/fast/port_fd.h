/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VSWITCH_FAST_PORT_FD_H
#define VSWITCH_FAST_PORT_FD_H

#include "vswitch/fast/port.h"

#define FAST_FD_BURST 32u /* frames read at a time */

/* Make @p a port of its p->fd, which stays its owner's. 0 or -ENOMEM. */
int fast_fd_init(struct fast_port *p);
/* Safe on one that is not. */
void fast_fd_fini(struct fast_port *p);

#endif
